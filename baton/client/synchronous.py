"""The client for programs without an event loop."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Self

from baton.client.checks import checked, checked_workflow
from baton.client.crons import SyncCrons
from baton.client.grafts import SyncGrafting
from baton.client.looking import SyncLooking
from baton.client.operations import SyncOperations
from baton.client.queues import SyncQueues
from baton.client.workflows import SyncSteering
from baton.jobs import Job, NewJob
from baton.settings import Settings, load
from baton.store import jobs as job_store
from baton.store import workflows as workflow_store
from baton.store.borrowed import borrow_sync
from baton.store.pools import SyncDatabase
from baton.telemetry import Telemetry
from baton.workers import Registry, current_registry
from baton.workflows import Workflow


class SyncClient(SyncOperations, SyncGrafting, SyncSteering, SyncLooking):
    """Does what `Client` does, for programs without an event loop; safe to share between threads.

    Use it as ``with SyncClient(dsn) as client``. It takes the arguments of `Client`.
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
        self.crons = SyncCrons(self._database, registry, limit=self._limit)
        self.queues = SyncQueues(self._database)

    def __enter__(self) -> Self:
        self._database.open()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close every connection; the client opens new ones when it is used again."""
        self._database.close()

    def insert(self, job: NewJob, *, conn: Any = None) -> Job:
        """Insert a job and tell its queue.

        Args:
            job: from ``.new()`` of a worker.
            conn: an open psycopg ``Connection``, a ``Session`` or ``Connection`` of SQLAlchemy, or
                Django's connection: the job becomes part of its transaction.

        Raises:
            InvalidJob: it can't be stored.
            InvalidConnection: ``conn`` is closed, or of the wrong kind.
            DatabaseError: the database refused or is away.
        """
        [inserted] = self.insert_all([job], conn=conn)
        return inserted

    def insert_all(self, jobs: Sequence[NewJob], *, conn: Any = None) -> list[Job]:
        """Insert jobs in one statement, all or none; return them in the same order."""
        valid = checked(self._registry or current_registry(), jobs)
        with self._connection(conn) as connection:
            schema, limit = self._database.schema, self._limit
            if not valid:
                return []
            with Telemetry.span("baton.insert", {"jobs": valid}) as measurements:
                inserted = job_store.insert_sync(connection, schema, valid, limit=limit)
                measurements["count"] = len(inserted)
            return inserted

    def insert_workflow(self, workflow: Workflow, *, conn: Any = None) -> Sequence[Job]:
        """Insert a workflow, all of it or nothing; `Workflow.insert` says more."""
        workflow = checked_workflow(self._registry or current_registry(), workflow)
        with self._connection(conn) as connection:
            schema, limit = self._database.schema, self._limit
            with Telemetry.span("baton.insert", {"jobs": workflow.jobs()}) as measurements:
                inserted = workflow_store.insert_sync(connection, schema, workflow, limit=limit)
                measurements["count"] = len(inserted)
            return inserted

    @contextmanager
    def _connection(self, conn: Any) -> Iterator[Any]:
        if conn is None:
            with self._database.connection() as own:
                yield own
        else:
            borrowed = borrow_sync(conn)
            self._database.check(borrowed)
            yield borrowed
