"""The part of a client that says what may be spent on language models."""

from typing import Any, TypeVar
from uuid import UUID

from baton.errors import InvalidBudget
from baton.filters import check_limit
from baton.llm.budgets import (
    NO_LIMIT,
    Amount,
    BudgetStatus,
    OnExceeded,
    checked_cost,
    checked_exceeded,
    checked_tokens,
)
from baton.queues import KEEP, Keep
from baton.store import budgets as store
from baton.store.asking import Asking

T = TypeVar("T")


def _changes(
    cost: Amount | Keep | None, tokens: int | Keep | None, on_exceeded: OnExceeded | Keep
) -> dict[str, Any]:
    """Return what is to be changed of a budget, by name; what is kept is left out.

    Raises:
        InvalidBudget: nothing is to be changed, or a limit can't be one.
    """
    changed: dict[str, Any] = {}
    if cost is not KEEP:
        changed["cost"] = checked_cost("cost", cost)
    if tokens is not KEEP:
        changed["tokens"] = checked_tokens("tokens", tokens)
    if on_exceeded is not KEEP:
        changed["on_exceeded"] = checked_exceeded(on_exceeded)
    if not changed:
        raise InvalidBudget(NO_LIMIT)
    return changed


class Budgets:
    """What `Client` does to budgets.

    A budget is that of a workflow, its sub-workflows included, or of a queue in a day of UTC. Every
    method raises `InvalidBudget` for something that can't be said, `NotFound` when there is no such
    workflow, and `DatabaseError` when the database refuses or is away. The beginning of the id of a
    workflow will do, of at least four characters.
    """

    async def set_budget(
        self,
        *,
        workflow: UUID | str | None = None,
        queue: str | None = None,
        cost: Amount | Keep | None = KEEP,
        tokens: int | Keep | None = KEEP,
        on_exceeded: OnExceeded | Keep = KEEP,
        conn: Any = None,
    ) -> BudgetStatus:
        """Set what a workflow, or a queue in a day, may spend; return how that stands.

        Of a budget that is there already what is not given stays as it is. What was spent before
        counts. What the budget held and holds no more runs at once.

        Args:
            workflow: the id of a workflow.
            queue: a queue, instead.
            cost: in US dollars: a `Decimal`, a text or a whole number; ``None`` does not limit it.
            tokens: input and output together; ``None`` does not limit them.
            on_exceeded: ``hold``, as new ones have it: an attempt that would start beyond it waits;
                ``cancel``: its workflow is cancelled, or the job when it is no step.
            conn: an open connection, as `Client.insert` takes it: it happens in its transaction,
                and attempts that ask for the budget wait for the end of that.
        """
        changed = _changes(cost, tokens, on_exceeded)
        return await self._steer(store.put(workflow, queue, changed), conn)

    async def remove_budget(
        self, *, workflow: UUID | str | None = None, queue: str | None = None, conn: Any = None
    ) -> bool:
        """Let a workflow or a queue spend what it will; what was held runs. False without one."""
        return await self._steer(store.remove(workflow, queue), conn)

    async def budgets(
        self,
        *,
        workflow: UUID | str | None = None,
        queue: str | None = None,
        limit: int = 50,
        conn: Any = None,
    ) -> list[BudgetStatus]:
        """Return how budgets stand: those of queues, then of workflows that execute.

        Args:
            workflow: only that of this workflow, whether it executes or not.
            queue: only that of this queue.
            limit: how many at most.
            conn: an open connection, as `Client.insert` takes it.

        Raises:
            InvalidFilter: the limit is no number above 0.
        """
        return await self._steer(store.every(workflow, queue, check_limit(limit)), conn)

    async def _steer(self, planned: Asking[T], conn: Any) -> T:
        raise NotImplementedError


class SyncBudgets:
    """What `SyncClient` does to budgets; `Budgets` says more."""

    def set_budget(
        self,
        *,
        workflow: UUID | str | None = None,
        queue: str | None = None,
        cost: Amount | Keep | None = KEEP,
        tokens: int | Keep | None = KEEP,
        on_exceeded: OnExceeded | Keep = KEEP,
        conn: Any = None,
    ) -> BudgetStatus:
        """Do what `Budgets.set_budget` does."""
        changed = _changes(cost, tokens, on_exceeded)
        return self._steer(store.put(workflow, queue, changed), conn)

    def remove_budget(
        self, *, workflow: UUID | str | None = None, queue: str | None = None, conn: Any = None
    ) -> bool:
        """Do what `Budgets.remove_budget` does."""
        return self._steer(store.remove(workflow, queue), conn)

    def budgets(
        self,
        *,
        workflow: UUID | str | None = None,
        queue: str | None = None,
        limit: int = 50,
        conn: Any = None,
    ) -> list[BudgetStatus]:
        """Do what `Budgets.budgets` does."""
        return self._steer(store.every(workflow, queue, check_limit(limit)), conn)

    def _steer(self, planned: Asking[T], conn: Any) -> T:
        raise NotImplementedError
