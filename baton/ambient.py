"""The clients that ``baton.insert`` and ``.insert()`` use.

`baton` sets them when it is imported, and a worker process sets its own; this module exists so
that jobs and workflows, which know nothing of databases, can offer ``.insert()``.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:  # importing baton must cost next to nothing
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from baton.jobs import Job, NewJob
    from baton.states import State


class Inserter(Protocol):
    """What an asynchronous client can do for ``.insert()``, ``baton.cancel_job`` and `Query`."""

    async def insert(self, job: NewJob, *, conn: Any = None) -> Job: ...
    async def insert_all(self, jobs: Iterable[NewJob], *, conn: Any = None) -> Sequence[Job]: ...
    async def insert_many(self, jobs: Iterable[NewJob], *, conn: Any = None) -> int: ...
    async def insert_workflow(self, workflow: Any, *, conn: Any = None) -> Sequence[Job]: ...
    async def cancel_job(
        self, job_id: int, reason: str | None = None, *, conn: Any = None
    ) -> bool: ...
    async def retry_job(self, job_id: int, *, conn: Any = None) -> bool: ...
    async def delete_job(self, job_id: int, *, conn: Any = None) -> bool: ...
    async def update_job(self, job_id: int, change: Any, *, conn: Any = None) -> Job: ...
    async def cancel_workflow(
        self, workflow_id: Any, reason: str | None = None, *, conn: Any = None
    ) -> int: ...
    async def retry_workflow(
        self, workflow_id: Any, steps: Any = None, *, dry_run: bool = False, conn: Any = None
    ) -> Any: ...
    async def skip_step(
        self,
        workflow_id: Any,
        step: str,
        result: Any = None,
        *,
        reason: str | None = None,
        conn: Any = None,
    ) -> State: ...
    async def signal_workflow(
        self,
        workflow_id: Any,
        name: str,
        payload: Any = None,
        *,
        sent_by: str | None = None,
        conn: Any = None,
    ) -> bool: ...
    async def answer_approval(
        self, workflow_id: Any, step: str, answer: Any, *, conn: Any = None
    ) -> Any: ...
    async def graft(
        self, workflow_id: Any, graft: Any, *, before: Any = (), conn: Any = None
    ) -> Any: ...
    async def graft_job(self, job: Job, graft: Any) -> Any: ...
    async def looking(self) -> Any: ...


class SyncInserter(Protocol):
    """What a synchronous client can do for ``.insert_sync()``."""

    def insert(self, job: NewJob, *, conn: Any = None) -> Job: ...
    def insert_all(self, jobs: Iterable[NewJob], *, conn: Any = None) -> Sequence[Job]: ...
    def insert_many(self, jobs: Iterable[NewJob], *, conn: Any = None) -> int: ...
    def insert_workflow(self, workflow: Any, *, conn: Any = None) -> Sequence[Job]: ...
    def signal_workflow(
        self,
        workflow_id: Any,
        name: str,
        payload: Any = None,
        *,
        sent_by: str | None = None,
        conn: Any = None,
    ) -> bool: ...
    def answer_approval(
        self, workflow_id: Any, step: str, answer: Any, *, conn: Any = None
    ) -> Any: ...
    def graft(self, workflow_id: Any, graft: Any, *, before: Any = (), conn: Any = None) -> Any: ...
    def graft_job(self, job: Job, graft: Any) -> Any: ...


class Ambient:
    """Holds the default clients of this process."""

    def __init__(self) -> None:
        self._default: Clients | None = None
        self._make: Callable[[], tuple[Inserter, SyncInserter]] | None = None
        self._making = Lock()
        self._inner: list[Clients] = []

    def use(self, client: Inserter, sync_client: SyncInserter) -> None:
        """Make these the default clients."""
        self._default = Clients(client, sync_client)

    def use_made(self, make: Callable[[], tuple[Inserter, SyncInserter]]) -> None:
        """Make default clients with this once they are asked for and there are none."""
        self._make = make

    @contextmanager
    def using(self, client: Inserter, sync_client: SyncInserter) -> Iterator[None]:
        """Make these the default clients inside the block.

        Of several blocks the newest that has not ended counts: worker processes in one program may
        end in any order.
        """
        clients = Clients(client, sync_client)
        self._inner.append(clients)
        try:
            yield
        finally:
            self._inner.remove(clients)

    @property
    def client(self) -> Inserter:
        return self._present().client

    @property
    def sync_client(self) -> SyncInserter:
        return self._present().sync_client

    def _present(self) -> Clients:
        if self._inner:
            return self._inner[-1]
        return self._default or self._made()

    def _made(self) -> Clients:
        if self._make is None:
            raise RuntimeError("import baton first: it sets the default client")
        with self._making:  # of two threads that ask first, one makes them
            if self._default is None:
                self._default = Clients(*self._make())
        return self._default


@dataclass(frozen=True, slots=True, eq=False)
class Clients:
    """The clients of one program or worker process."""

    client: Inserter
    sync_client: SyncInserter


ambient = Ambient()
