"""Which database a test looks at: the one it names, or that of the innermost `manual`."""

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, TypedDict

from baton.ambient import ambient
from baton.approvals import Answer, Decision
from baton.client import Client, SyncClient
from baton.errors import ConfigurationError, InvalidConnection
from baton.jobs import Grafted, Job, NewJob
from baton.settings import Settings, load
from baton.states import State
from baton.store import door
from baton.store.borrowed import borrow, borrow_sync
from baton.store.pools import Database
from baton.workflows import Graft, Workflow

Rows = Sequence[door.Row]


class Reader(Protocol):
    """Runs a statement of ``sql/queries`` and returns its rows."""

    async def __call__(self, name: str, params: Mapping[str, Any], /) -> Rows: ...


class Where(TypedDict, total=False):
    """Which database to look at; by default that of `manual`, the fixture, or the settings.

    Attributes:
        dsn: its address.
        client: the database of this client.
        conn: an open connection, whose transaction sees what it has not committed.
    """

    dsn: str
    client: Client | SyncClient
    conn: Any


WHERE = Where.__annotations__.keys()


@dataclass(frozen=True, slots=True)
class Target:
    """A database, and perhaps a connection to it that is to be used."""

    settings: Settings
    conn: Any = None

    @classmethod
    def of(cls, where: Mapping[str, Any]) -> "Target":
        """Return what is meant.

        Raises:
            ConfigurationError: two databases are named, or none and the settings name none.
        """
        if len(where) > 1:
            raise ConfigurationError(f"{' and '.join(sorted(where))} are given; one is enough")
        present = _active[-1] if _active else None
        [(name, value)] = where.items() or [("", None)]
        match name, value:
            case "client", Client() | SyncClient():
                return cls(value.settings)
            case "dsn", str():
                return cls(load(dsn=value))
            case "conn", conn if conn is not None:
                return cls(present.settings if present else load(), conn)
            case "", _:
                return present or cls(load())
            case _:
                raise ConfigurationError(f"{name} can't be {value!r}")

    @asynccontextmanager
    async def reader(self) -> AsyncIterator[Reader]:
        """Lend what reads, over the connection or over one of its own."""
        schema = self.settings.db_schema
        if self.conn is not None:
            yield partial(door.run, await borrow(self.conn), schema)
        else:
            async with self.database() as database:
                yield database.run

    def sync_reader(self) -> Reader | None:
        """Return what reads over a synchronous connection, if one is to be used."""
        if self.conn is None:
            return None
        conn, schema = borrow_sync(self.conn), self.settings.db_schema

        async def read(name: str, params: Mapping[str, Any], /) -> Rows:
            return door.run_sync(conn, schema, name, params)

        return read

    def database(self) -> Database:
        """Return a pool for one."""
        settings = self.settings
        return Database(
            settings.conninfo, settings.db_schema, timeout=settings.statement_timeout, size=1
        )

    def committed(self, what: str) -> "Target":
        """Return itself, unless a connection is to be used: what is done needs its own.

        Raises:
            InvalidConnection: jobs that are not committed can't be seen by another connection.
        """
        if self.conn is not None:
            raise InvalidConnection(
                f"{what} works on committed jobs over connections of its own; name a dsn instead"
            )
        return self


_active: list[Target] = []


@contextmanager
def manual(
    dsn: str | None = None,
    *,
    schema: str | None = None,
    conn: Any = None,
    settings: Settings | None = None,
) -> Iterator[None]:
    """Insert into a database inside the block, where nothing runs what is inserted.

    It holds for ``.insert()``, ``baton.insert`` and everything else that uses the default client,
    and the functions of `baton.testing` look there.

    Args:
        dsn: the database; by default what the settings say.
        schema: the schema of Baton's tables.
        conn: an open connection: whatever is inserted without a connection becomes part of its
            transaction, which a test may roll back.
        settings: everything else; by default read from ``baton.toml`` and the environment.

    Raises:
        ConfigurationError: a setting can't be used.
    """
    settings = settings if settings is not None else load(dsn=dsn, schema=schema)
    client, sync_client = Client(settings=settings), SyncClient(settings=settings)
    target = Target(settings, conn)
    _active.append(target)
    try:
        if conn is None:
            with ambient.using(client, sync_client):
                yield
        else:
            with ambient.using(_Bound(client, conn), _SyncBound(sync_client, conn)):
                yield
    finally:
        # blocks of fixtures may end in another order than they began in
        _active.remove(target)
        client.close_nowait()
        sync_client.close()


class _Bound:
    """A client that uses one connection for whatever names none."""

    def __init__(self, client: Client, conn: Any) -> None:
        self._client = client
        self._conn = conn

    async def insert(self, job: NewJob, *, conn: Any = None) -> Job:
        return await self._client.insert(job, conn=self._or(conn))

    async def insert_all(self, jobs: Iterable[NewJob], *, conn: Any = None) -> Sequence[Job]:
        return await self._client.insert_all(jobs, conn=self._or(conn))

    async def insert_many(self, jobs: Iterable[NewJob], *, conn: Any = None) -> int:
        return await self._client.insert_many(jobs, conn=self._or(conn))

    async def insert_workflow(self, workflow: Workflow, *, conn: Any = None) -> Sequence[Job]:
        return await self._client.insert_workflow(workflow, conn=self._or(conn))

    async def cancel_job(self, job_id: int, reason: str | None = None, *, conn: Any = None) -> bool:
        return await self._client.cancel_job(job_id, reason, conn=self._or(conn))

    async def retry_job(self, job_id: int, *, conn: Any = None) -> bool:
        return await self._client.retry_job(job_id, conn=self._or(conn))

    async def delete_job(self, job_id: int, *, conn: Any = None) -> bool:
        return await self._client.delete_job(job_id, conn=self._or(conn))

    async def update_job(self, job_id: int, change: Any, *, conn: Any = None) -> Job:
        return await self._client.update_job(job_id, change, conn=self._or(conn))

    async def cancel_workflow(
        self, workflow_id: Any, reason: str | None = None, *, conn: Any = None
    ) -> int:
        return await self._client.cancel_workflow(workflow_id, reason, conn=self._or(conn))

    async def retry_workflow(
        self, workflow_id: Any, steps: Any = None, *, dry_run: bool = False, conn: Any = None
    ) -> Any:
        conn = self._or(conn)
        return await self._client.retry_workflow(workflow_id, steps, dry_run=dry_run, conn=conn)

    async def skip_step(
        self,
        workflow_id: Any,
        step: str,
        result: Any = None,
        *,
        reason: str | None = None,
        conn: Any = None,
    ) -> State:
        conn = self._or(conn)
        return await self._client.skip_step(workflow_id, step, result, reason=reason, conn=conn)

    async def signal_workflow(
        self,
        workflow_id: Any,
        name: str,
        payload: Any = None,
        *,
        sent_by: str | None = None,
        conn: Any = None,
    ) -> bool:
        conn = self._or(conn)
        return await self._client.signal_workflow(
            workflow_id, name, payload, sent_by=sent_by, conn=conn
        )

    async def answer_approval(
        self, workflow_id: Any, step: str, answer: Answer, *, conn: Any = None
    ) -> Decision:
        return await self._client.answer_approval(workflow_id, step, answer, conn=self._or(conn))

    async def graft(
        self, workflow_id: Any, graft: Graft, *, before: Iterable[str] = (), conn: Any = None
    ) -> Grafted:
        conn = self._or(conn)
        return await self._client.graft(workflow_id, graft, before=before, conn=conn)

    async def graft_job(self, job: Job, graft: Graft) -> Grafted:
        return await self._client.graft_job(job, graft)

    async def looking(self) -> Client:
        raise InvalidConnection(
            "Query looks over connections of its own, which don't see what this one has not "
            "committed; use manual without conn"
        )

    def _or(self, conn: Any) -> Any:
        return self._conn if conn is None else conn


class _SyncBound:
    def __init__(self, client: SyncClient, conn: Any) -> None:
        self._client = client
        self._conn = conn

    def insert(self, job: NewJob, *, conn: Any = None) -> Job:
        return self._client.insert(job, conn=self._or(conn))

    def insert_all(self, jobs: Iterable[NewJob], *, conn: Any = None) -> Sequence[Job]:
        return self._client.insert_all(jobs, conn=self._or(conn))

    def insert_many(self, jobs: Iterable[NewJob], *, conn: Any = None) -> int:
        return self._client.insert_many(jobs, conn=self._or(conn))

    def insert_workflow(self, workflow: Workflow, *, conn: Any = None) -> Sequence[Job]:
        return self._client.insert_workflow(workflow, conn=self._or(conn))

    def signal_workflow(
        self,
        workflow_id: Any,
        name: str,
        payload: Any = None,
        *,
        sent_by: str | None = None,
        conn: Any = None,
    ) -> bool:
        conn = self._or(conn)
        return self._client.signal_workflow(workflow_id, name, payload, sent_by=sent_by, conn=conn)

    def answer_approval(
        self, workflow_id: Any, step: str, answer: Answer, *, conn: Any = None
    ) -> Decision:
        return self._client.answer_approval(workflow_id, step, answer, conn=self._or(conn))

    def graft(
        self, workflow_id: Any, graft: Graft, *, before: Iterable[str] = (), conn: Any = None
    ) -> Grafted:
        return self._client.graft(workflow_id, graft, before=before, conn=self._or(conn))

    def graft_job(self, job: Job, graft: Graft) -> Grafted:
        return self._client.graft_job(job, graft)

    def _or(self, conn: Any) -> Any:
        return self._conn if conn is None else conn
