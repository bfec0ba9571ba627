"""Signals: what is said to workflows from outside."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import psycopg

from baton import documents
from baton.approvals import ANSWERS
from baton.errors import (
    AnswersApproval,
    DatabaseError,
    InvalidSignal,
    NotFound,
    TooLarge,
    WorkflowEnded,
)
from baton.store import looking
from baton.store.asking import Asking, Statement


def signal(
    given: UUID | str, name: str, payload: Any, sent_by: str | None, *, limit: int
) -> Asking[bool]:
    """Say something to a workflow; return whether it had not been said before.

    Args:
        given: which workflow.
        name: the signal.
        payload: what comes with it, JSON or a pydantic model.
        sent_by: who says it.
        limit: bytes that the payload may take as JSON.

    Raises:
        NotFound: there is no such workflow.
        InvalidSignal: the name or the payload can't be stored.
        AnswersApproval: only the answer to an approval has such a name.
        TooLarge: the payload is too large.
    """
    params = {
        "name": _checked(name),
        "payload": _encoded(payload, limit),
        "sent_by": None if sent_by is None else documents.storable(sent_by, 1_000),
    }
    found = yield from looking.workflow_id(given)
    [(said,)] = yield Statement("workflow_signal", {"id": found, **params})
    return bool(said)


@contextmanager
def refusals(given: UUID | str) -> Iterator[None]:
    """Turn what the routine raises into `NotFound` and `WorkflowEnded`."""
    try:
        yield
    except DatabaseError as error:
        if isinstance(error.__cause__, psycopg.Error):
            match error.__cause__.sqlstate:
                case "BT002":
                    raise NotFound("workflow", given) from error
                case "BT003":
                    raise WorkflowEnded(given) from error
        raise


def _checked(name: str) -> str:
    try:
        documents.check_text(name, "the name of a signal", most=documents.NAME_BYTES)
    except ValueError as error:
        raise InvalidSignal(str(error)) from None
    if name.startswith(ANSWERS):
        raise AnswersApproval(name)
    return name


def _encoded(payload: Any, limit: int) -> str:
    try:
        text = documents.encode(payload, default=documents.dump_model)
    except ValueError as error:
        raise InvalidSignal(f"what comes with the signal can't be stored: {error}") from None
    if (size := len(text.encode())) > limit:
        raise TooLarge("the payload of a signal", size, limit, "max_args_bytes")
    return text
