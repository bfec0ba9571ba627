"""The client for programs without an event loop."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, Self

from baton.client.approvals import SyncApproving
from baton.client.audit import SyncAuditLog
from baton.client.budgets import SyncBudgets
from baton.client.checks import checked, checked_job, checked_workflows, each_checked
from baton.client.coalescing import SyncCoalescer
from baton.client.crons import SyncCrons
from baton.client.debug import SyncDebugLogs
from baton.client.grafts import SyncGrafting
from baton.client.looking import SyncLooking
from baton.client.operations import SyncOperations
from baton.client.queues import SyncQueues
from baton.client.stats import SyncLLMStats
from baton.client.templates import SyncTemplates
from baton.client.workflows import SyncSteering
from baton.jobs import Job, NewJob
from baton.settings import Settings, load
from baton.store import bulk
from baton.store import jobs as job_store
from baton.store import workflows as workflow_store
from baton.store.borrowed import borrow_sync
from baton.store.pools import SyncDatabase
from baton.store.shapes import ready
from baton.telemetry import Telemetry
from baton.workers import Registry, current_registry
from baton.workflows import Workflow


class SyncClient(
    SyncOperations, SyncGrafting, SyncSteering, SyncApproving, SyncBudgets, SyncLooking
):
    """Does what `Client` does, for programs without an event loop; safe to share between threads.

    Use it as ``with SyncClient(dsn) as client``. It takes the arguments of `Client`, and has its
    methods and parts but ``events``, which only an event loop can follow.
    """

    def __init__(
        self,
        dsn: str | None = None,
        *,
        schema: str | None = None,
        settings: Settings | None = None,
        registry: Registry | None = None,
    ) -> None:
        self._registry = registry
        settings = settings if settings is not None else load(dsn=dsn, schema=schema)
        self.settings = settings
        self._limit = settings.max_args_bytes
        self._database = SyncDatabase(
            settings.conninfo,
            settings.db_schema,
            timeout=settings.statement_timeout,
            size=settings.pool_size,
            pooled=settings.behind_pooler,
        )
        self._single = SyncCoalescer(partial(job_store.insert_ready_sync, self._database))
        self.crons = SyncCrons(self._database, registry, limit=self._limit)
        self.queues = SyncQueues(self._database)
        self.debug = SyncDebugLogs(self._database)
        self.stats = SyncLLMStats(self._database)
        self.templates = SyncTemplates(self._database, registry)
        self.audit = SyncAuditLog(self._database, age=settings.audit_max_age)

    def __enter__(self) -> Self:
        self._database.open()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close every connection; the client opens new ones when it is used again."""
        self._database.close()

    def insert(self, job: NewJob, *, conn: Any = None) -> Job:
        """Insert a job and tell its queue; those of other threads that meet it go together.

        Args:
            job: from ``.new()`` of a worker.
            conn: an open psycopg ``Connection``, a ``Session`` or ``Connection`` of SQLAlchemy, or
                Django's connection: the job becomes part of its transaction.

        Raises:
            InvalidJob: it can't be stored.
            InvalidConnection: ``conn`` is closed, or of the wrong kind.
            DatabaseError: the database refused or is away.
        """
        valid = checked_job(self._registry or current_registry(), job)
        if conn is not None or valid.unique is not None:
            [inserted] = self._insert_valid([valid], conn)
            return inserted
        with Telemetry.span("baton.insert", {"jobs": [valid]}) as measurements:
            inserted = self._single.insert(ready(valid, self._limit))
            measurements["count"] = 1
        return inserted

    def insert_all(self, jobs: Iterable[NewJob], *, conn: Any = None) -> Sequence[Job]:
        """Insert jobs, all or none; return them in the same order, ids ascending."""
        return self._insert_valid(checked(self._registry or current_registry(), jobs), conn)

    def _insert_valid(self, valid: Sequence[NewJob], conn: Any) -> Sequence[Job]:
        with self._connection(conn) as connection:
            schema, limit = self._database.schema, self._limit
            if not valid:
                return []
            with Telemetry.span("baton.insert", {"jobs": valid}) as measurements:
                inserted = bulk.insert_sync(connection, schema, valid, limit=limit)
                measurements["count"] = len(inserted)
            return inserted

    def insert_many(self, jobs: Iterable[NewJob], *, conn: Any = None) -> int:
        """Insert jobs, all or none, and return only how many are new, as `Client.insert_many`."""
        valid = each_checked(self._registry or current_registry(), jobs)
        with self._connection(conn) as connection:
            schema, limit = self._database.schema, self._limit
            with Telemetry.span("baton.insert", {"jobs": ()}) as measurements:
                count = bulk.insert_many_sync(connection, schema, valid, limit=limit)
                measurements["count"] = count
            return count

    def insert_workflow(self, workflow: Workflow, *, conn: Any = None) -> Sequence[Job]:
        """Insert a workflow, all of it or nothing; `Workflow.insert` says more."""
        [jobs] = self.insert_workflows([workflow], conn=conn)
        return jobs

    def insert_workflows(
        self, workflows: Iterable[Workflow], *, conn: Any = None
    ) -> list[Sequence[Job]]:
        """Insert workflows in one statement, as `Client.insert_workflows` does."""
        valid = checked_workflows(self._registry or current_registry(), workflows)
        with self._connection(conn) as connection:
            schema, limit = self._database.schema, self._limit
            if not valid:
                return []
            jobs = [job for workflow in valid for job in workflow.jobs()]
            with Telemetry.span("baton.insert", {"jobs": jobs}) as measurements:
                inserted = workflow_store.insert_sync(connection, schema, valid, limit=limit)
                measurements["count"] = sum(map(len, inserted))
            return [*inserted]

    @contextmanager
    def _connection(self, conn: Any) -> Iterator[Any]:
        if conn is None:
            with self._database.connection() as own:
                yield own
        else:
            borrowed = borrow_sync(conn)
            self._database.check(borrowed)
            yield borrowed
