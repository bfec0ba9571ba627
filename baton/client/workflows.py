"""What clients do to whole workflows: cancel, retry, skip a step, and signal."""

from collections.abc import Iterable
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from functools import partial
from typing import Any, TypeVar
from uuid import UUID

from baton.filters import search_of
from baton.outcomes import encode_result
from baton.search import WorkflowSearch
from baton.settings import Settings
from baton.states import State
from baton.steering import Retry, RetryChoice, Steered, Steps
from baton.store import door, signals
from baton.store import steering as store
from baton.store import steering_many as store_many
from baton.store.asking import Asking
from baton.store.operations import Tell, carry_out, carry_out_sync
from baton.store.pools import Database, SyncDatabase

T = TypeVar("T")


class Steering:
    """What `Client` can do to workflows that run or have ended.

    Where a workflow is named, the beginning of its id will do, of at least four characters. What is
    done is in the database when the method returns; what follows from it, a second later at most.
    """

    settings: Settings
    _database: Database

    async def cancel_workflow(
        self,
        workflow_id: UUID | str,
        reason: str | None = None,
        *,
        dry_run: bool = False,
        conn: Any = None,
    ) -> int:
        """Cancel every step of a workflow that has not ended; return how many.

        Steps that run are stopped, on whichever machine they are, as `Client.cancel_job` does.
        Steps of sub-workflows are cancelled too, and so are those that would clean up after a
        failure. The workflow then fails.

        Args:
            workflow_id: which workflow.
            reason: what the errors of its steps say.
            dry_run: only count them.
            conn: an open connection, as `Client.insert` takes it: it happens in its transaction.
                Without it, a workflow of many open steps is cancelled in portions.

        Raises:
            NotFound: there is no such workflow.
            DatabaseError: the database refused or is away.
        """
        planned = store.cancel(workflow_id, reason, dry_run=dry_run, portions=conn is None)
        return await self._steer(planned, conn)

    async def retry_workflow(
        self,
        workflow_id: UUID | str,
        steps: Steps = None,
        *,
        dry_run: bool = False,
        conn: Any = None,
    ) -> Retry:
        """Run steps of a workflow again, from their first attempt.

        The others keep their state and their results. A step that runs again forgets its own, and
        the signal that it heard; one that runs already is stopped; what one that completed grafted
        is taken out of the workflow, since it grafts anew. The workflow executes again,
        and so does the one that it is part of, if that has ended.

        Args:
            workflow_id: which workflow.
            steps: by default those that failed, and steps downstream of them that reacted to the
                failure; or names, of which each runs again with everything after it; or ``all``.
            dry_run: only say which.
            conn: an open connection, as `Client.insert` takes it: it happens in its transaction.

        Raises:
            NotFound: there is no such workflow.
            UnknownSteps: it has no steps of these names.
            NothingToRetry: no step would run again.
            DatabaseError: the database refused or is away.
        """
        planned = store.retry(workflow_id, RetryChoice.of(steps), dry_run=dry_run)
        return await self._steer(planned, conn)

    async def skip_step(
        self,
        workflow_id: UUID | str,
        step: str,
        result: Any = None,
        *,
        reason: str | None = None,
        dry_run: bool = False,
        conn: Any = None,
    ) -> State:
        """Let a step that has not completed count as completed, without running it.

        Its dependents go on with the result, also those that were cancelled because of it. If it
        runs it is stopped; the steps of a sub-workflow that it is are cancelled.

        Args:
            workflow_id: which workflow.
            step: which step of it.
            result: what it returned; ``None`` for nothing.
            reason: why, for people who wonder.
            dry_run: only say what state it is in.
            conn: an open connection, as `Client.insert` takes it: it happens in its transaction.

        Returns:
            The state that it was in.

        Raises:
            NotFound: there is no such workflow.
            UnknownSteps: it has no such step.
            StepCompleted: the step has completed.
            InvalidResult: the result can't be stored.
            DatabaseError: the database refused or is away.
        """
        document = _document(result, self.settings)
        planned = store.skip(workflow_id, step, document, reason, dry_run=dry_run)
        return await self._steer(planned, conn)

    async def signal_workflow(
        self,
        workflow_id: UUID | str,
        name: str,
        payload: Any = None,
        *,
        sent_by: str | None = None,
        conn: Any = None,
    ) -> bool:
        """Say something to a workflow: the steps that wait for this signal hear it, now or later.

        Sub-workflows don't hear it; they have ids of their own.

        Args:
            workflow_id: which workflow.
            name: the signal.
            payload: what comes with it, JSON values or a pydantic model; the result of steps that
                wait for it.
            sent_by: who says it, for people who wonder.
            conn: an open connection, as `Client.insert` takes it: it is said if its transaction
                commits.

        Returns:
            Whether it was said; a signal that was said before stays as it was.

        Raises:
            NotFound: there is no such workflow.
            WorkflowEnded: it has ended.
            InvalidSignal, TooLarge: the name or the payload can't be stored.
            DatabaseError: the database refused or is away.
        """
        limit = self.settings.max_args_bytes
        with signals.refusals(workflow_id):
            planned = signals.signal(workflow_id, name, payload, sent_by, limit=limit)
            return await self._steer(planned, conn)

    async def cancel_workflows(
        self,
        where: str | WorkflowSearch,
        reason: str | None = None,
        *,
        dry_run: bool = False,
        progress: Tell | None = None,
        among: Iterable[UUID | str] | None = None,
    ) -> Steered:
        """Do what `cancel_workflow` does to all workflows that fit, one after the other.

        Unless the filter says something of states, those that execute are meant.

        Args:
            where: a filter, such as ``name:research* since:1h``.
            reason: what the errors of their steps say.
            dry_run: only count the workflows.
            progress: is called with the part of them that is done, from 0 to 1, and with how many
                steps were cancelled.
            among: leave alone all but these, which a dry run has ``found``.

        Raises:
            InvalidFilter: the filter is empty, or a word of it can't be understood.
            DatabaseError: the database refused or is away.
        """
        search = search_of(WorkflowSearch, where)
        planned = store_many.cancel(search, reason, dry_run=dry_run, progress=progress, among=among)
        return await carry_out(self._database.run, planned)

    async def retry_workflows(
        self,
        where: str | WorkflowSearch,
        *,
        dry_run: bool = False,
        progress: Tell | None = None,
        among: Iterable[UUID | str] | None = None,
    ) -> Steered:
        """Do what `retry_workflow` does to the failed steps of all workflows that fit.

        Unless the filter says something of states, those that failed are meant. It takes and raises
        what `cancel_workflows` does.
        """
        search = search_of(WorkflowSearch, where)
        planned = store_many.retry(search, dry_run=dry_run, progress=progress, among=among)
        return await carry_out(self._database.run, planned)

    async def _steer(self, planned: Asking[T], conn: Any) -> T:
        if conn is None:
            return await carry_out(self._database.run, planned)
        async with self._connection(conn) as connection:
            return await carry_out(partial(door.run, connection, self._database.schema), planned)

    def _connection(self, conn: Any) -> AbstractAsyncContextManager[Any]:
        raise NotImplementedError


class SyncSteering:
    """Does what `Steering` does, for programs without an event loop."""

    settings: Settings
    _database: SyncDatabase

    def cancel_workflow(
        self,
        workflow_id: UUID | str,
        reason: str | None = None,
        *,
        dry_run: bool = False,
        conn: Any = None,
    ) -> int:
        """Do what `Steering.cancel_workflow` does."""
        planned = store.cancel(workflow_id, reason, dry_run=dry_run, portions=conn is None)
        return self._steer(planned, conn)

    def retry_workflow(
        self,
        workflow_id: UUID | str,
        steps: Steps = None,
        *,
        dry_run: bool = False,
        conn: Any = None,
    ) -> Retry:
        """Do what `Steering.retry_workflow` does."""
        planned = store.retry(workflow_id, RetryChoice.of(steps), dry_run=dry_run)
        return self._steer(planned, conn)

    def skip_step(
        self,
        workflow_id: UUID | str,
        step: str,
        result: Any = None,
        *,
        reason: str | None = None,
        dry_run: bool = False,
        conn: Any = None,
    ) -> State:
        """Do what `Steering.skip_step` does."""
        document = _document(result, self.settings)
        planned = store.skip(workflow_id, step, document, reason, dry_run=dry_run)
        return self._steer(planned, conn)

    def signal_workflow(
        self,
        workflow_id: UUID | str,
        name: str,
        payload: Any = None,
        *,
        sent_by: str | None = None,
        conn: Any = None,
    ) -> bool:
        """Do what `Steering.signal_workflow` does."""
        limit = self.settings.max_args_bytes
        with signals.refusals(workflow_id):
            planned = signals.signal(workflow_id, name, payload, sent_by, limit=limit)
            return self._steer(planned, conn)

    def cancel_workflows(
        self,
        where: str | WorkflowSearch,
        reason: str | None = None,
        *,
        dry_run: bool = False,
        progress: Tell | None = None,
        among: Iterable[UUID | str] | None = None,
    ) -> Steered:
        """Do what `Steering.cancel_workflows` does."""
        search = search_of(WorkflowSearch, where)
        planned = store_many.cancel(search, reason, dry_run=dry_run, progress=progress, among=among)
        return carry_out_sync(self._database.run, planned)

    def retry_workflows(
        self,
        where: str | WorkflowSearch,
        *,
        dry_run: bool = False,
        progress: Tell | None = None,
        among: Iterable[UUID | str] | None = None,
    ) -> Steered:
        """Do what `Steering.retry_workflows` does."""
        search = search_of(WorkflowSearch, where)
        planned = store_many.retry(search, dry_run=dry_run, progress=progress, among=among)
        return carry_out_sync(self._database.run, planned)

    def _steer(self, planned: Asking[T], conn: Any) -> T:
        if conn is None:
            return carry_out_sync(self._database.run, planned)
        with self._connection(conn) as connection:
            return carry_out_sync(
                partial(door.run_sync, connection, self._database.schema), planned
            )

    def _connection(self, conn: Any) -> AbstractContextManager[Any]:
        raise NotImplementedError


def _document(result: Any, settings: Settings) -> str | None:
    return None if result is None else encode_result(result, settings.max_result_bytes)
