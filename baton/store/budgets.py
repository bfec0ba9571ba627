"""Budgets: what is said about them, and how they stand; written once for both clients."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from baton.errors import InvalidBudget
from baton.llm.budgets import NO_LIMIT, BudgetStatus
from baton.queues import check_name
from baton.store import looking
from baton.store.asking import Asking, Statement

_NAMES = tuple(BudgetStatus.__dataclass_fields__)


def put(
    workflow: UUID | str | None, queue: str | None, changed: Mapping[str, Any]
) -> Asking[BudgetStatus]:
    """Set or change the budget of a workflow or a queue, and let run what it holds no more.

    Args:
        workflow, queue: whose it is.
        changed: ``cost``, ``tokens`` and ``on_exceeded``; what is left out stays as it is.

    Raises:
        InvalidBudget: not one of the two is named, or nothing would be limited.
        NotFound: there is no such workflow.
    """
    subject = yield from _subject(workflow, queue)
    limits = {name: changed.get(name) for name in ("cost", "tokens", "on_exceeded")}
    [(found,)] = yield Statement("budget_set", {**subject, **limits, "given": [*changed]})
    if found is None:
        raise InvalidBudget(NO_LIMIT)
    [status] = yield from _listed(subject, 1)
    return status


def remove(workflow: UUID | str | None, queue: str | None) -> Asking[bool]:
    """Remove the budget of a workflow or a queue, and let run what it holds.

    Raises:
        InvalidBudget: not one of the two is named.
        NotFound: there is no such workflow.
    """
    subject = yield from _subject(workflow, queue)
    [(removed,)] = yield Statement("budget_remove", subject)
    return bool(removed)


def every(workflow: UUID | str | None, queue: str | None, limit: int) -> Asking[list[BudgetStatus]]:
    """Return budgets as they stand: of queues and of workflows that execute, or of one thing.

    Raises:
        InvalidBudget: a workflow and a queue are named.
        NotFound: there is no such workflow.
    """
    subject: dict[str, Any] = {"workflow_id": None, "queue": None}
    if workflow is not None or queue is not None:
        subject = yield from _subject(workflow, queue)
    return (yield from _listed(subject, limit))


def _listed(subject: dict[str, Any], limit: int) -> Asking[list[BudgetStatus]]:
    rows = yield Statement("budget_list", {**subject, "limit": limit})
    return [_status(dict(zip(_NAMES, row, strict=True))) for row in rows]


def _status(facts: dict[str, Any]) -> BudgetStatus:
    # sums of integers are numeric on the server
    whole = {name: int(facts[name]) for name in ("spent_tokens", "reserved_tokens")}
    return BudgetStatus(**{**facts, **whole})


def _subject(workflow: UUID | str | None, queue: str | None) -> Asking[dict[str, Any]]:
    if (workflow is None) == (queue is None):
        raise InvalidBudget("a budget is that of a workflow or of a queue: name one of them")
    if queue is not None:
        return {"workflow_id": None, "queue": check_name(queue)}
    return {"workflow_id": (yield from looking.workflow_id(workflow or "")), "queue": None}
