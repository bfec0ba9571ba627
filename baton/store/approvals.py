"""Steps that ask people: what is asked, and their answers; written once for both clients."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from baton import documents
from baton.approvals import Answer, Approval, Decision
from baton.errors import AlreadyAnswered, ApprovalEnded, InvalidAnswer, NotAnApproval, NotFound
from baton.filters import LARGEST_ID, check_limit
from baton.outcomes import MESSAGE_LIMIT
from baton.search import ApprovalSearch
from baton.store import looking, matching, steering
from baton.store.asking import Asking, Statement
from baton.store.door import Row
from baton.store.rows import document, documents_by_key

NAME_LIMIT = 200  # characters


def answer(given: UUID | str, step: str, said: Answer) -> Asking[Decision]:
    """Say yes or no to a step that asks.

    Args:
        given: which workflow.
        step: which step of it.
        said: yes or no, and by whom.

    Raises:
        NotFound, UnknownSteps: there is no such workflow, or no such step.
        InvalidAnswer: it is not said who answers.
        NotAnApproval: the step asks nobody.
        AlreadyAnswered: it was answered before.
        ApprovalEnded: it waits no more.
    """
    params = {
        "name": step,
        "approved": said.approved,
        "answered_by": _whose(said.by),
        "comment": (told := _told(said.comment)),
    }
    found = yield from looking.workflow_id(given)
    # an unknown step is told with those that it may be meant for
    yield from steering.check_names(found, given, [step])
    [row] = yield Statement("approval_answer", {"id": found, **params})
    verdict, told_by, told_at, earlier, stands = row
    match verdict:
        case "answered":
            return Decision(approved=said.approved, by=told_by, comment=told, at=told_at)
        case "again":
            first = _decision(earlier, told_by, told_at)
            raise AlreadyAnswered(step, approved=first.approved, by=told_by, at=told_at)
        case "ended":
            raise ApprovalEnded(step, stands)
        case _:
            raise NotAnApproval(step)


def open_approvals(
    workflow: UUID | str | None,
    *,
    asks: str | None,
    search: ApprovalSearch,
    after: int | None,
    limit: int,
    shown: bool = True,
) -> Asking[list[Approval]]:
    """Return what people are asked now, the oldest first.

    Args:
        workflow: of which workflow; of all by default.
        asks: only what is asked of them.
        search: what they must fit.
        after: the job of the last one of the page before.
        limit: how many at most.
        shown: whether to read what it is about, which may be large.

    Raises:
        NotFound: there is no such workflow, or no question of that job.
        InvalidFilter: the limit is none.
    """
    check_limit(limit)
    fits = matching.approvals(search.conditions)
    since, number = (None, None) if after is None else (yield from _place(after))
    params = {
        "workflow": None if workflow is None else (yield from looking.workflow_id(workflow)),
        "asks": asks,
        "after": since,
        "after_id": number,
        "limit": limit,
        "results": shown,
        **fits.params,
    }
    rows = yield Statement("approvals_open", params, fits.sql)
    return [_approval(row) for row in rows]


def _place(job_id: int) -> Asking[tuple[datetime, int]]:
    """Return where the page before ended."""
    rows: Sequence[Row] = ()
    if 0 < job_id <= LARGEST_ID:
        rows = yield Statement("approval_place", {"job_id": job_id})
    if not rows:
        raise NotFound("approval of job", job_id)
    return rows[0][0], rows[0][1]


def approval(given: UUID | str, step: str) -> Asking[Approval]:
    """Return what a step asks, and its answer if there is one.

    Raises:
        NotFound, UnknownSteps: there is no such workflow, or no such step.
        NotAnApproval: the step asks nobody.
    """
    found = yield from looking.workflow_id(given)
    yield from steering.check_names(found, given, [step])
    rows = yield Statement("approval_of", {"id": found, "name": step})
    if not rows:
        raise NotAnApproval(step)
    *facts, payload, sent_by, sent_at, state = rows[0]
    decision = None if payload is None else _decision(payload, sent_by, sent_at)
    return _approval(tuple(facts), state=state or "cancelled", decision=decision)


def _approval(row: Row, **further: Any) -> Approval:
    workflow_id, workflow_name, step_name, job_id, args, since, until, on_timeout, shown = row
    asked = documents_by_key(args)
    return Approval(
        workflow_id=workflow_id,
        workflow_name=workflow_name,
        step_name=step_name,
        job_id=job_id,
        question=_text(asked, "question") or step_name,
        asks=_text(asked, "asks"),
        shown=documents_by_key(shown),
        since=since,
        until=until,
        on_timeout=on_timeout,
        on_rejected=_text(asked, "on_rejected") or "cancelled",
        **further,
    )


def _decision(payload: str, by: str | None, at: datetime) -> Decision:
    """Read an answer; somebody may have written it in psql, and what says no yes is a no."""
    said = document(payload)
    members = said if isinstance(said, dict) else {}
    comment = members.get("comment")
    return Decision(
        approved=members.get("approved") is True,
        by=by,
        comment=comment if isinstance(comment, str) else None,
        at=at,
    )


def _text(asked: Mapping[str, Any], name: str) -> str | None:
    found = asked.get(name)
    return found if isinstance(found, str) else None


def _whose(by: str) -> str:
    try:
        return documents.storable(documents.check_text(by, "who answers"), NAME_LIMIT)
    except ValueError as error:
        raise InvalidAnswer(str(error)) from None


def _told(comment: str | None) -> str | None:
    if comment is None or not comment.strip():
        return None
    return documents.storable(re.sub(r"\s+$", "", comment), MESSAGE_LIMIT)
