"""What clients add to workflows that run."""

from collections.abc import Iterable
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import Any
from uuid import UUID

from baton.errors import InvalidWorkflow, NotFound, NotPerformed
from baton.jobs import Grafted, Job
from baton.store import door, grafts
from baton.store.claims import Claim
from baton.store.pools import Database, SyncDatabase
from baton.telemetry import Telemetry
from baton.workers import Registry, current_registry
from baton.workflows import Graft


class Grafting:
    """What `Client` adds to workflows."""

    _database: Database
    _registry: Registry | None
    _limit: int

    async def graft(
        self,
        workflow_id: UUID | str,
        graft: Graft,
        *,
        before: Iterable[str] = (),
        conn: Any = None,
    ) -> Grafted:
        """Add steps to a workflow that has not ended, all or none.

        Those without dependencies start at once.

        Args:
            workflow_id: the whole id.
            graft: the steps.
            before: names of steps that have not begun and are to wait for all of the new ones too.
            conn: an open connection, as `Client.insert` takes it: it happens in its transaction.

        Raises:
            NotFound: there is no such workflow, or no such step.
            WorkflowEnded: it has ended.
            StepTaken: another step has the name of one of them.
            StepBegun: a step of ``before`` does not wait any more.
            UnknownDependency, CyclicWorkflow, InvalidWorkflow: they don't fit the workflow.
            DatabaseError: the database refused or is away.
        """
        params = _outside(self._registry, workflow_id, graft, before, self._limit)
        with _span(graft) as measurements, grafts.refusals():
            async with self._connection(conn) as connection:
                schema = self._database.schema
                [row] = await door.run(connection, schema, "workflow_graft", params)
            measurements["count"] = len(row[0] or ())
        return grafts.grafted(row)

    async def graft_job(self, job: Job, graft: Graft) -> Grafted:
        """Add steps on behalf of a step that runs; ``job.graft`` says more."""
        claim = _claim(job)
        params = {**claim.fence(job), "plan": _plan(self._registry, graft, self._limit)}
        with _span(graft) as measurements, grafts.refusals(), claim.fenced(job):
            [row] = await self._database.run("job_graft", params)
            measurements["count"] = len(row[0] or ())
        return grafts.grafted(row)

    def _connection(self, conn: Any) -> AbstractAsyncContextManager[Any]:
        raise NotImplementedError


class SyncGrafting:
    """What `SyncClient` adds to workflows."""

    _database: SyncDatabase
    _registry: Registry | None
    _limit: int

    def graft(
        self,
        workflow_id: UUID | str,
        graft: Graft,
        *,
        before: Iterable[str] = (),
        conn: Any = None,
    ) -> Grafted:
        """Do what `Client.graft` does."""
        params = _outside(self._registry, workflow_id, graft, before, self._limit)
        with _span(graft) as measurements, grafts.refusals(), self._connection(conn) as connection:
            [row] = door.run_sync(connection, self._database.schema, "workflow_graft", params)
            measurements["count"] = len(row[0] or ())
        return grafts.grafted(row)

    def graft_job(self, job: Job, graft: Graft) -> Grafted:
        """Add steps on behalf of a step that runs; ``job.graft_sync`` says more."""
        claim = _claim(job)
        params = {**claim.fence(job), "plan": _plan(self._registry, graft, self._limit)}
        with _span(graft) as measurements, grafts.refusals(), claim.fenced(job):
            [row] = self._database.run("job_graft", params)
            measurements["count"] = len(row[0] or ())
        return grafts.grafted(row)

    def _connection(self, conn: Any) -> AbstractContextManager[Any]:
        raise NotImplementedError


def _span(graft: Graft) -> AbstractContextManager[dict[str, Any]]:
    return Telemetry.span("baton.insert", {"jobs": graft.jobs()})


def _plan(registry: Registry | None, graft: Graft, limit: int) -> str:
    if not isinstance(graft, Graft):
        raise InvalidWorkflow(f"{graft!r} is not a Graft")
    return grafts.written(
        graft.without_result().checked(registry or current_registry()), limit=limit
    )


def _outside(
    registry: Registry | None,
    workflow_id: UUID | str,
    graft: Graft,
    before: Iterable[str],
    limit: int,
) -> dict[str, Any]:
    if isinstance(before, str):
        raise InvalidWorkflow(f"before must be a list of names: [{before!r}]")
    try:
        found = workflow_id if isinstance(workflow_id, UUID) else UUID(workflow_id)
    except (ValueError, AttributeError, TypeError):
        raise NotFound("workflow", workflow_id) from None
    return {
        "workflow_id": found,
        "plan": _plan(registry, graft, limit),
        "before": list(before),
    }


def _claim(job: Job) -> Claim:
    if not isinstance(job.claim, Claim):
        raise NotPerformed(job.id)
    return job.claim
