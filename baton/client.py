"""The client: how programs insert jobs and workflows and look at them.

`Client` is for programs with an event loop, `SyncClient` for the others. Programs that need only one
use the functions of the package, ``baton.insert`` and so on, which share a default client made from
the environment.
"""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Self
from uuid import UUID

from baton.errors import InvalidJob, NotFound
from baton.jobs import Job, NewJob
from baton.settings import Settings, load
from baton.status import WorkflowStatus
from baton.store import jobs as job_store
from baton.store import migrations, reading
from baton.store import workflows as workflow_store
from baton.store.door import Database, SyncDatabase, run, run_sync
from baton.workflows import Workflow


class Client:
    """Inserts and looks, asynchronously, over a pool of connections or over yours.

    Use it as ``async with Client(dsn) as client``. It opens its pool when it is first needed.

    Args:
        dsn: a PostgreSQL URL or connection string; by default what the settings say.
        schema: the schema of Baton's tables.
        settings: everything else; by default read from ``baton.toml`` and the environment.

    Raises:
        ConfigurationError: a setting can't be used.
    """

    def __init__(
        self,
        dsn: str | None = None,
        *,
        schema: str | None = None,
        settings: Settings | None = None,
    ) -> None:
        self._settings = settings if settings is not None else load(dsn=dsn, schema=schema)
        self._database: Database | None = None
        self._checked = False

    async def __aenter__(self) -> Self:
        await self._opened()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the pool; the client opens it again when it is used again."""
        database, self._database = self._database, None
        if database is not None:
            await database.close()

    async def insert(self, job: NewJob, *, conn: Any = None) -> Job:
        """Insert a job and tell its queue.

        Args:
            job: from ``.new()`` of a worker.
            conn: an open psycopg ``AsyncConnection``: the job becomes part of its transaction.

        Raises:
            InvalidJob: it can't be stored.
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
        checked = _checked(jobs)
        async with self._connection(conn) as connection:
            schema, limit = self._settings.db_schema, self._settings.max_args_bytes
            return await job_store.insert(connection, schema, checked, limit=limit) if checked else []

    async def insert_workflow(self, workflow: Workflow, *, conn: Any = None) -> Sequence[Job]:
        """Insert a workflow, all of it or nothing; `Workflow.insert` says more."""
        workflow.validate()
        async with self._connection(conn) as connection:
            schema, limit = self._settings.db_schema, self._settings.max_args_bytes
            return await workflow_store.insert(connection, schema, workflow, limit=limit)

    async def get_job(self, job_id: int) -> Job:
        """Return a job as it stands.

        Raises:
            NotFound: there is none of that id.
        """
        job = await reading.get_job(await self._opened(), job_id)
        if job is None:
            raise NotFound("job", job_id)
        return job

    async def get_workflow(self, workflow_id: UUID) -> WorkflowStatus:
        """Return how a workflow and its steps stand.

        Raises:
            NotFound: there is none of that id.
        """
        status = await reading.workflow_status(await self._opened(), workflow_id)
        if status is None:
            raise NotFound("workflow", workflow_id)
        return status

    @asynccontextmanager
    async def _connection(self, conn: Any) -> AsyncIterator[Any]:
        if conn is None:
            async with (await self._opened()).connection() as own:
                yield own
            return
        if not self._checked:
            version = await run(conn, self._settings.db_schema, "schema_version")
            migrations.require_current(self._settings.db_schema, version[0][0])
            self._checked = True
        yield conn

    async def _opened(self) -> Database:
        if self._database is None:
            settings = self._settings
            database = await Database(
                settings.conninfo,
                settings.db_schema,
                timeout=settings.statement_timeout,
                size=settings.pool_size,
            ).open()
            try:
                version = await database.run("schema_version")
                migrations.require_current(settings.db_schema, version[0][0])
            except BaseException:
                await database.close()
                raise
            self._database = database
        return self._database


class SyncClient:
    """Does what `Client` does, for programs without an event loop; safe to share between threads.

    Use it as ``with SyncClient(dsn) as client``. It takes the arguments of `Client`.
    """

    def __init__(
        self,
        dsn: str | None = None,
        *,
        schema: str | None = None,
        settings: Settings | None = None,
    ) -> None:
        self._settings = settings if settings is not None else load(dsn=dsn, schema=schema)
        self._database: SyncDatabase | None = None
        self._checked = False

    def __enter__(self) -> Self:
        self._opened()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the pool; the client opens it again when it is used again."""
        database, self._database = self._database, None
        if database is not None:
            database.close()

    def insert(self, job: NewJob, *, conn: Any = None) -> Job:
        """Insert a job and tell its queue; ``conn`` is an open psycopg ``Connection``."""
        [inserted] = self.insert_all([job], conn=conn)
        return inserted

    def insert_all(self, jobs: Sequence[NewJob], *, conn: Any = None) -> list[Job]:
        """Insert jobs in one statement, all or none; return them in the same order, ids ascending."""
        checked = _checked(jobs)
        with self._connection(conn) as connection:
            schema, limit = self._settings.db_schema, self._settings.max_args_bytes
            return job_store.insert_sync(connection, schema, checked, limit=limit) if checked else []

    def insert_workflow(self, workflow: Workflow, *, conn: Any = None) -> Sequence[Job]:
        """Insert a workflow, all of it or nothing; `Workflow.insert` says more."""
        workflow.validate()
        with self._connection(conn) as connection:
            schema, limit = self._settings.db_schema, self._settings.max_args_bytes
            return workflow_store.insert_sync(connection, schema, workflow, limit=limit)

    @contextmanager
    def _connection(self, conn: Any) -> Iterator[Any]:
        if conn is None:
            with self._opened().connection() as own:
                yield own
            return
        if not self._checked:
            version = run_sync(conn, self._settings.db_schema, "schema_version")
            migrations.require_current(self._settings.db_schema, version[0][0])
            self._checked = True
        yield conn

    def _opened(self) -> SyncDatabase:
        if self._database is None:
            settings = self._settings
            database = SyncDatabase(
                settings.conninfo,
                settings.db_schema,
                timeout=settings.statement_timeout,
                size=settings.pool_size,
            ).open()
            try:
                version = database.run("schema_version")
                migrations.require_current(settings.db_schema, version[0][0])
            except BaseException:
                database.close()
                raise
            self._database = database
        return self._database


def _checked(jobs: Sequence[NewJob]) -> Sequence[NewJob]:
    for job in jobs:
        if not isinstance(job, NewJob):
            raise InvalidJob(f"{job!r} is not a job; .new() of a worker makes one")
    return jobs
