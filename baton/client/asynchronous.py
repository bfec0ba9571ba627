"""The client for programs with an event loop."""

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Self

from baton.client.approvals import Approving
from baton.client.audit import AuditLog
from baton.client.budgets import Budgets
from baton.client.checks import checked, checked_job, checked_workflows, each_checked
from baton.client.coalescing import Coalescer
from baton.client.crons import Crons
from baton.client.debug import DebugLogs
from baton.client.events import EventSource
from baton.client.grafts import Grafting
from baton.client.looking import Looking
from baton.client.operations import Operations
from baton.client.queues import Queues
from baton.client.stats import LLMStats
from baton.client.templates import Templates
from baton.client.workflows import Steering
from baton.jobs import Job, NewJob
from baton.settings import Settings, load
from baton.store import bulk
from baton.store import jobs as job_store
from baton.store import workflows as workflow_store
from baton.store.borrowed import borrow
from baton.store.pools import Database
from baton.store.shapes import ready
from baton.telemetry import Telemetry
from baton.workers import Registry, current_registry
from baton.workflows import Workflow


class Client(Operations, Steering, Approving, Budgets, Grafting, Looking):
    """Inserts, looks and changes, asynchronously, over a pool of connections or over yours.

    Use it as ``async with Client(dsn) as client``. It opens its pool when it is first needed.

    Attributes:
        settings: what it was made from.
        queues: pauses, scales and limits queues; see `Queues`.
        templates: stores workflows as data; see `Templates`.
        debug: reads what was captured of steps; see `DebugLogs`.
        stats: adds up what language models were used for; see `LLMStats`.
        events: tells what becomes of workflows; see `EventSource`.
        audit: writes down what people do, and tells it; see `AuditLog`.

    Args:
        dsn: a PostgreSQL URL or connection string; by default what the settings say.
        schema: the schema of Baton's tables.
        settings: everything else; by default read from ``baton.toml`` and the environment.
        registry: whose hooks apply to inserts; by default those of the default registry.

    Raises:
        ConfigurationError: a setting can't be used.
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
        self._database = Database(
            settings.conninfo,
            settings.db_schema,
            timeout=settings.statement_timeout,
            size=settings.pool_size,
            pooled=settings.behind_pooler,
        )
        self._single = Coalescer(partial(job_store.insert_ready, self._database))
        self.crons = Crons(self._database, registry, limit=self._limit)
        self.queues = Queues(self._database)
        self.debug = DebugLogs(self._database)
        self.stats = LLMStats(self._database)
        self.templates = Templates(self._database, registry)
        self.audit = AuditLog(self._database, age=settings.audit_max_age)
        self.events = EventSource(
            self._database, settings.direct_conninfo, timeout=settings.statement_timeout
        )

    async def __aenter__(self) -> Self:
        await self._database.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close every connection; the client opens new ones when it is used again."""
        await self.events.close()
        await self._database.close()

    def close_nowait(self) -> None:
        """Do what `close` does, where there is no event loop any more."""
        self._database.close_nowait()

    async def insert(self, job: NewJob, *, conn: Any = None) -> Job:
        """Insert a job and tell its queue; those that come while others are inserted go together.

        Args:
            job: from ``.new()`` of a worker.
            conn: an open psycopg ``AsyncConnection``, or an ``AsyncSession`` or
                ``AsyncConnection`` of SQLAlchemy: the job becomes part of its transaction.

        Raises:
            InvalidJob: it can't be stored.
            InvalidConnection: ``conn`` is closed, or of the wrong kind.
            DatabaseError: the database refused or is away.
        """
        valid = checked_job(self._registry or current_registry(), job)
        if conn is not None or valid.unique is not None:
            [inserted] = await self._insert_valid([valid], conn)
            return inserted
        with Telemetry.span("baton.insert", {"jobs": [valid]}) as measurements:
            inserted = await self._single.insert(ready(valid, self._limit))
            measurements["count"] = 1
        return inserted

    async def insert_all(self, jobs: Iterable[NewJob], *, conn: Any = None) -> Sequence[Job]:
        """Insert jobs, all or none; return them in the same order, ids ascending.

        Raises:
            InvalidJob: one can't be stored.
            DatabaseError: the database refused or is away.
        """
        return await self._insert_valid(checked(self._registry or current_registry(), jobs), conn)

    async def insert_many(self, jobs: Iterable[NewJob], *, conn: Any = None) -> int:
        """Insert jobs, all or none, and return only how many are new; the fastest way for many.

        They are read piece by piece while others are being inserted, so there may be any number.
        Unique jobs that are there already are not counted.

        Args:
            jobs: also from a generator. The event loop and the transaction wait while it makes one.
            conn: as `insert` takes it.

        Raises:
            InvalidJob: one can't be stored.
            InvalidConnection: ``conn`` is closed, or of the wrong kind.
            DatabaseError: the database refused or is away, or the generator paused for longer
                than a statement may take.
        """
        valid = each_checked(self._registry or current_registry(), jobs)
        async with self._connection(conn) as connection:
            schema, limit = self._database.schema, self._limit
            with Telemetry.span("baton.insert", {"jobs": ()}) as measurements:
                count = await bulk.insert_many(connection, schema, valid, limit=limit)
                measurements["count"] = count
            return count

    async def _insert_valid(self, valid: Sequence[NewJob], conn: Any) -> Sequence[Job]:
        async with self._connection(conn) as connection:
            schema, limit = self._database.schema, self._limit
            if not valid:
                return []
            with Telemetry.span("baton.insert", {"jobs": valid}) as measurements:
                inserted = await bulk.insert(connection, schema, valid, limit=limit)
                measurements["count"] = len(inserted)
            return inserted

    async def insert_workflow(self, workflow: Workflow, *, conn: Any = None) -> Sequence[Job]:
        """Insert a workflow, all of it or nothing; `Workflow.insert` says more."""
        [jobs] = await self.insert_workflows([workflow], conn=conn)
        return jobs

    async def insert_workflows(
        self, workflows: Iterable[Workflow], *, conn: Any = None
    ) -> list[Sequence[Job]]:
        """Insert workflows in one statement, all of them or nothing; return the jobs of each.

        Many small workflows take a small part of the time that they take one by one.

        Args:
            workflows: each as `insert_workflow` takes it.
            conn: an open connection, as `insert` takes it: they become part of its transaction.

        Raises:
            InvalidWorkflow: one is not valid.
            DuplicateWorkflow: an id is taken, or given twice.
            DatabaseError: the database refused or is away.
        """
        valid = checked_workflows(self._registry or current_registry(), workflows)
        async with self._connection(conn) as connection:
            schema, limit = self._database.schema, self._limit
            if not valid:
                return []
            jobs = [job for workflow in valid for job in workflow.jobs()]
            with Telemetry.span("baton.insert", {"jobs": jobs}) as measurements:
                inserted = await workflow_store.insert(connection, schema, valid, limit=limit)
                measurements["count"] = sum(map(len, inserted))
            return [*inserted]

    @asynccontextmanager
    async def _connection(self, conn: Any) -> AsyncIterator[Any]:
        if conn is None:
            async with self._database.connection() as own:
                yield own
        else:
            borrowed = await borrow(conn)
            await self._database.check(borrowed)
            yield borrowed
