"""Rows of the database as the values that programs see.

A person may have edited a row in psql. What is not the document that was expected is shown for what
it is, inside one, and never keeps a row from being read.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from pydantic_core import from_json

from baton.documents import DEEPEST
from baton.errors import UnreadableDocument
from baton.jobs import Job
from baton.states import State
from baton.status import Node, Progress, WorkflowStatus

Row = Sequence[Any]
_TOKENS = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]:,]')
DIGITS = 4_300  # of a number, what pydantic's parser can take
_EARLIEST = datetime(1, 1, 1, tzinfo=UTC)
_LATEST = datetime(9999, 12, 31, tzinfo=UTC)
_NODE_COLUMNS = (
    "step_name",
    "state",
    "deps",
    "result",
    "error",
    "duration",
    "worker",
    "queue",
    "attempt",
    "started_at",
    "finished_at",
    "inserted_at",
    "job_id",
    "kind",
    "skipped",
    "run_on",
    "condition",
    "signal",
    "parked_at",
    "until",
    "grafted_by",
    "subworkflow_id",
    "question",
    "asks",
)


def to_job(row: Row, *, conflict: bool = False) -> Job:
    """Return the job of a row with the 21 columns that ``job_insert.sql`` ends with."""
    (
        job_id,
        state,
        queue,
        worker,
        args,
        meta,
        tags,
        priority,
        attempt,
        max_attempts,
        errors,
        epoch,
        inserted_at,
        scheduled_at,
        attempted_at,
        completed_at,
        discarded_at,
        cancelled_at,
        timeout,
        deadline,
        weight,
    ) = row
    return Job(
        id=job_id,
        state=State(state),
        queue=queue,
        worker=worker,
        args=_mapping(document(args), "value"),
        meta=_mapping(document(meta), "value"),
        tags=texts(document(tags)),
        priority=priority,
        attempt=attempt,
        max_attempts=max_attempts,
        errors=failures(errors),
        epoch=epoch,
        inserted_at=inserted_at,
        scheduled_at=scheduled_at,
        attempted_at=attempted_at,
        completed_at=completed_at,
        discarded_at=discarded_at,
        cancelled_at=cancelled_at,
        timeout=timeout,
        deadline=deadline,
        weight=weight,
        conflict=conflict,
    )


def to_node(row: Row) -> Node:
    """Return the node of a row of ``workflow_nodes.sql`` without its first column."""
    facts = dict(zip(_NODE_COLUMNS, row, strict=True))
    facts["state"] = State(facts["state"])
    facts["deps"] = texts(document(facts["deps"]))
    facts["result"] = document(facts["result"])
    return Node(**facts)


def to_workflow(row: Row, counts: Counter[State], nodes: Sequence[Node] = ()) -> WorkflowStatus:
    """Return the workflow of a row of ``workflow_get.sql``."""
    workflow_id, name, state, inserted_at, finished_at = row
    return WorkflowStatus(
        id=workflow_id,
        name=name,
        state=state,
        inserted_at=inserted_at,
        finished_at=finished_at,
        counts=counts,
        nodes=nodes,
        progress=Progress.of(nodes),
    )


def document(text: str | None) -> Any:
    """Return the value of a JSON text; the text itself when Python can't hold the value."""
    if text is None:
        return None
    try:
        return from_json(text)
    except ValueError:  # deeper than `documents.encode` lets anything be
        return text


def held(text: str, what: str) -> Any:
    """Return the value of a JSON text that a program is to work with.

    Args:
        text: which PostgreSQL accepts, whatever is in it.
        what: it is, for the error.

    Raises:
        UnreadableDocument: it is nested too deeply, or a number in it has too many digits.
    """
    try:
        return from_json(text)
    except ValueError as error:
        place = str(error)
        if place.startswith("recursion limit"):
            place = f"it is nested more than {DEEPEST} deep"
        elif place.startswith("number out of range"):
            place = f"it holds a number of more than {DIGITS:,} digits"
        raise UnreadableDocument(what, len(text), place) from None


def failures(text: str | None) -> list[Mapping[str, Any]]:
    """Return the errors of a job; what Python can't hold, or is no error, as a message."""
    return [_mapping(error, "message") for error in _list(document(text))]


def documents_by_key(text: str | None) -> Mapping[str, Any]:
    """Return the values of a JSON object; those that Python can't hold as texts."""
    if text is None:
        return {}
    try:
        found = from_json(text)
    except ValueError:
        return {key: document(part) for key, part in _members(text)}
    return found if isinstance(found, dict) else {}


def _members(text: str) -> Iterator[tuple[str, str]]:
    """Yield the keys of a JSON object, and how their values are written."""
    depth, begin, key = 0, 0, None
    for token in _TOKENS.finditer(text):
        sign = token.group()
        if sign == ":" and depth == 1 and key is None:
            key, begin = str(from_json(text[begin : token.start()])), token.end()
        elif sign in ",}" and depth == 1 and key is not None:
            yield key, text[begin : token.start()]
            key, begin = None, token.end()
        if sign in "{[":
            depth += 1
            begin = token.end() if depth == 1 else begin
        elif sign in "}]":
            depth -= 1


def moment(seconds: float) -> datetime:
    """Return the time of seconds since 1970, exact to the microsecond until the year 2242.

    What Python can't hold is as far as it goes.
    """
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError):
        return _LATEST if seconds > 0 else _EARLIEST


def texts(values: Any) -> tuple[str, ...]:
    """Return the texts of an array, of whatever dimensions; nulls are left out."""
    return tuple(_texts(values)) if values != [] else ()


def _texts(values: Any) -> Iterator[str]:
    for value in _list(values):
        if isinstance(value, list):
            yield from _texts(value)
        elif value is not None:
            yield str(value)


def _mapping(value: Any, key: str) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {key: value}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
