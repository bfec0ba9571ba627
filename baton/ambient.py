"""The clients that ``baton.insert`` and ``.insert()`` use.

`baton` sets them when it is imported, and a worker process sets its own; this module exists so
that jobs and workflows, which know nothing of databases, can offer ``.insert()``.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from baton.jobs import Job, NewJob


class Inserter(Protocol):
    """What an asynchronous client can do for ``.insert()`` and ``baton.cancel_job``."""

    async def insert(self, job: NewJob, *, conn: Any = None) -> Job: ...
    async def insert_all(self, jobs: Sequence[NewJob], *, conn: Any = None) -> list[Job]: ...
    async def insert_workflow(self, workflow: Any, *, conn: Any = None) -> Sequence[Job]: ...
    async def cancel_job(
        self, job_id: int, reason: str | None = None, *, conn: Any = None
    ) -> bool: ...
    async def retry_job(self, job_id: int, *, conn: Any = None) -> bool: ...
    async def delete_job(self, job_id: int, *, conn: Any = None) -> bool: ...
    async def update_job(self, job_id: int, change: Any, *, conn: Any = None) -> Job: ...


class SyncInserter(Protocol):
    """What a synchronous client can do for ``.insert_sync()``."""

    def insert(self, job: NewJob, *, conn: Any = None) -> Job: ...
    def insert_all(self, jobs: Sequence[NewJob], *, conn: Any = None) -> list[Job]: ...
    def insert_workflow(self, workflow: Any, *, conn: Any = None) -> Sequence[Job]: ...


class Ambient:
    """Holds the default clients of this process."""

    def __init__(self) -> None:
        self._client: Inserter | None = None
        self._sync_client: SyncInserter | None = None

    def use(self, client: Inserter, sync_client: SyncInserter) -> None:
        """Make these the default clients."""
        self._client = client
        self._sync_client = sync_client

    @contextmanager
    def using(self, client: Inserter, sync_client: SyncInserter) -> Iterator[None]:
        """Make these the default clients inside the block."""
        before = self._client, self._sync_client
        self.use(client, sync_client)
        try:
            yield
        finally:
            self._client, self._sync_client = before

    @property
    def client(self) -> Inserter:
        if self._client is None:
            raise RuntimeError("import baton first: it sets the default client")
        return self._client

    @property
    def sync_client(self) -> SyncInserter:
        if self._sync_client is None:
            raise RuntimeError("import baton first: it sets the default client")
        return self._sync_client


ambient = Ambient()
