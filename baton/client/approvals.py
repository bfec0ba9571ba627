"""What clients do about steps that ask people: list what is asked, and say yes or no."""

from contextlib import AbstractAsyncContextManager, AbstractContextManager
from functools import partial
from typing import Any
from uuid import UUID

from baton.approvals import Answer, Approval, Decision
from baton.filters import search_of
from baton.search import ApprovalSearch
from baton.store import approvals as store
from baton.store import door
from baton.store.asking import answer, answer_sync
from baton.store.operations import carry_out, carry_out_sync
from baton.store.pools import Database, SyncDatabase


class Approving:
    """What `Client` can do about approvals.

    Where a workflow is named, the beginning of its id will do, of at least four characters; it is
    the workflow that the step is in, and not one around that.
    """

    _database: Database

    async def approvals(
        self,
        workflow_id: UUID | str | None = None,
        *,
        asks: str | None = None,
        where: str | ApprovalSearch = "",
        after: int | None = None,
        shown: bool = True,
        limit: int = 100,
    ) -> list[Approval]:
        """Return what people are asked now, what waits longest first.

        Args:
            workflow_id: by which workflow; by all of them without it.
            asks: only what is asked of them.
            where: a filter, such as ``asks:ada queue:mail until:1d``.
            after: the job of the last one of the page before.
            shown: whether to read what it is about, which may be large.
            limit: how many at most.

        Raises:
            NotFound: there is no such workflow, or no approval of that job.
            InvalidFilter: the filter or the limit can't be used.
            DatabaseError: the database refused or is away.
        """
        asking = store.open_approvals(
            workflow_id,
            asks=asks,
            search=search_of(ApprovalSearch, where),
            after=after,
            limit=limit,
            shown=shown,
        )
        return await answer(self._database, asking)

    async def get_approval(self, workflow_id: UUID | str, step: str) -> Approval:
        """Return what a step asks, and the answer if there is one.

        Raises:
            NotFound: there is no such workflow; `UnknownSteps`: it has no such step.
            NotAnApproval: the step asks nobody.
            DatabaseError: the database refused or is away.
        """
        return await answer(self._database, store.approval(workflow_id, step))

    async def approve(
        self,
        workflow_id: UUID | str,
        step: str,
        *,
        by: str,
        comment: str | None = None,
        conn: Any = None,
    ) -> Decision:
        """Say yes to a step that asks; it completes, and what depends on it goes on.

        An answer that comes before the step begins to wait is kept for then. There is one answer:
        of several who give one at the same time, the others get `AlreadyAnswered`.

        Args:
            workflow_id: which workflow.
            step: which step of it.
            by: who says it.
            comment: what else they say.
            conn: an open connection, as `Client.insert` takes it: it is said if its transaction
                commits, and until then nobody else can.

        Raises:
            NotFound: there is no such workflow; `UnknownSteps`: it has no such step.
            NotAnApproval: the step asks nobody.
            AlreadyAnswered: it was answered before.
            ApprovalEnded: it waits no more: its time was over, or it was cancelled or skipped.
            InvalidAnswer: it is not said who answers.
            DatabaseError: the database refused or is away.
        """
        return await self.answer_approval(
            workflow_id, step, Answer(approved=True, by=by, comment=comment), conn=conn
        )

    async def reject(
        self,
        workflow_id: UUID | str,
        step: str,
        *,
        by: str,
        comment: str | None = None,
        conn: Any = None,
    ) -> Decision:
        """Say no to a step that asks; it takes and raises what `approve` does.

        The step is cancelled, unless its ``on_rejected`` says something else.
        """
        return await self.answer_approval(
            workflow_id, step, Answer(approved=False, by=by, comment=comment), conn=conn
        )

    async def answer_approval(
        self, workflow_id: UUID | str, step: str, answer: Answer, *, conn: Any = None
    ) -> Decision:
        """Do what `approve` does, or what `reject` does."""
        planned = store.answer(workflow_id, step, answer)
        if conn is None:
            return await carry_out(self._database.run, planned)
        async with self._connection(conn) as connection:
            return await carry_out(partial(door.run, connection, self._database.schema), planned)

    def _connection(self, conn: Any) -> AbstractAsyncContextManager[Any]:
        raise NotImplementedError


class SyncApproving:
    """Does what `Approving` does, for programs without an event loop."""

    _database: SyncDatabase

    def approvals(
        self,
        workflow_id: UUID | str | None = None,
        *,
        asks: str | None = None,
        where: str | ApprovalSearch = "",
        after: int | None = None,
        shown: bool = True,
        limit: int = 100,
    ) -> list[Approval]:
        """Do what `Approving.approvals` does."""
        asking = store.open_approvals(
            workflow_id,
            asks=asks,
            search=search_of(ApprovalSearch, where),
            after=after,
            limit=limit,
            shown=shown,
        )
        return answer_sync(self._database, asking)

    def get_approval(self, workflow_id: UUID | str, step: str) -> Approval:
        """Do what `Approving.get_approval` does."""
        return answer_sync(self._database, store.approval(workflow_id, step))

    def approve(
        self,
        workflow_id: UUID | str,
        step: str,
        *,
        by: str,
        comment: str | None = None,
        conn: Any = None,
    ) -> Decision:
        """Do what `Approving.approve` does."""
        return self.answer_approval(
            workflow_id, step, Answer(approved=True, by=by, comment=comment), conn=conn
        )

    def reject(
        self,
        workflow_id: UUID | str,
        step: str,
        *,
        by: str,
        comment: str | None = None,
        conn: Any = None,
    ) -> Decision:
        """Do what `Approving.reject` does."""
        return self.answer_approval(
            workflow_id, step, Answer(approved=False, by=by, comment=comment), conn=conn
        )

    def answer_approval(
        self, workflow_id: UUID | str, step: str, answer: Answer, *, conn: Any = None
    ) -> Decision:
        """Do what `Approving.answer_approval` does."""
        planned = store.answer(workflow_id, step, answer)
        if conn is None:
            return carry_out_sync(self._database.run, planned)
        with self._connection(conn) as connection:
            return carry_out_sync(
                partial(door.run_sync, connection, self._database.schema), planned
            )

    def _connection(self, conn: Any) -> AbstractContextManager[Any]:
        raise NotImplementedError
