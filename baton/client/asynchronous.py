"""The client for programs with an event loop."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Self
from uuid import UUID

from baton.client.checks import checked, checked_workflow
from baton.client.crons import Crons
from baton.client.events import EventSource
from baton.client.grafts import Grafting
from baton.client.looking import Looking
from baton.client.operations import Operations
from baton.client.queues import Queues
from baton.client.templates import Templates
from baton.client.workflows import Steering
from baton.errors import NotFound
from baton.jobs import Job, NewJob
from baton.settings import Settings, load
from baton.states import State
from baton.store import jobs as job_store
from baton.store import reading
from baton.store import workflows as workflow_store
from baton.store.borrowed import borrow
from baton.store.pools import Database
from baton.telemetry import Telemetry
from baton.workers import Registry, current_registry
from baton.workflows import Workflow


class Client(Operations, Steering, Grafting, Looking):
    """Inserts, looks and changes, asynchronously, over a pool of connections or over yours.

    Use it as ``async with Client(dsn) as client``. It opens its pool when it is first needed.

    Attributes:
        settings: what it was made from.
        queues: pauses, scales and limits queues; see `Queues`.
        templates: stores workflows as data; see `Templates`.
        events: tells what becomes of workflows; see `EventSource`.

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
        self.crons = Crons(self._database, registry, limit=self._limit)
        self.queues = Queues(self._database)
        self.templates = Templates(self._database, registry)
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
        """Insert a job and tell its queue.

        Args:
            job: from ``.new()`` of a worker.
            conn: an open psycopg ``AsyncConnection``, or an ``AsyncSession`` or
                ``AsyncConnection`` of SQLAlchemy: the job becomes part of its transaction.

        Raises:
            InvalidJob: it can't be stored.
            InvalidConnection: ``conn`` is closed, or of the wrong kind.
            DatabaseError: the database refused or is away.
        """
        [inserted] = await self.insert_all([job], conn=conn)
        return inserted

    async def insert_all(self, jobs: Sequence[NewJob], *, conn: Any = None) -> list[Job]:
        """Insert jobs in one statement, all or none; return them in the same order, ids ascending.

        Raises:
            InvalidJob: one can't be stored.
            DatabaseError: the database refused or is away.
        """
        valid = checked(self._registry or current_registry(), jobs)
        async with self._connection(conn) as connection:
            schema, limit = self._database.schema, self._limit
            if not valid:
                return []
            with Telemetry.span("baton.insert", {"jobs": valid}) as measurements:
                inserted = await job_store.insert(connection, schema, valid, limit=limit)
                measurements["count"] = len(inserted)
            return inserted

    async def insert_workflow(self, workflow: Workflow, *, conn: Any = None) -> Sequence[Job]:
        """Insert a workflow, all of it or nothing; `Workflow.insert` says more."""
        workflow = checked_workflow(self._registry or current_registry(), workflow)
        async with self._connection(conn) as connection:
            schema, limit = self._database.schema, self._limit
            with Telemetry.span("baton.insert", {"jobs": workflow.jobs()}) as measurements:
                inserted = await workflow_store.insert(connection, schema, workflow, limit=limit)
                measurements["count"] = len(inserted)
            return inserted

    async def get_job(self, job_id: int) -> Job:
        """Return a job as it stands.

        Raises:
            NotFound: there is none of that id.
        """
        job = await reading.get_job(self._database, job_id)
        if job is None:
            raise NotFound("job", job_id)
        return job

    async def list_jobs(
        self,
        *,
        state: State | str | None = None,
        queue: str | None = None,
        worker: str | None = None,
        before: int | None = None,
        limit: int = 50,
    ) -> list[Job]:
        """Return the newest jobs that fit; ``before`` is the last id of the page before."""
        return await reading.list_jobs(
            self._database,
            state=None if state is None else State(state).value,
            queue=queue,
            worker=worker,
            before=before,
            limit=limit,
        )

    async def running_steps(self, workflow_id: UUID) -> dict[str, str]:
        """Return the names of the steps that run right now, each with its process: host and pid."""
        return await reading.running_steps(self._database, workflow_id)

    @asynccontextmanager
    async def _connection(self, conn: Any) -> AsyncIterator[Any]:
        if conn is None:
            async with self._database.connection() as own:
                yield own
        else:
            borrowed = await borrow(conn)
            await self._database.check(borrowed)
            yield borrowed
