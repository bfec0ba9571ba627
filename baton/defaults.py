"""The clients of ``baton.insert`` and ``.insert()``: made when first needed, from the settings.

A pool belongs to one event loop, so each loop gets a client of its own. It lives in an asynchronous
generator: ``asyncio.run`` closes those before it closes the loop, and with it the pool, so a script
that only calls ``await baton.insert(…)`` leaves nothing behind.
"""

import asyncio
import atexit
from collections.abc import AsyncGenerator, Iterable, Sequence
from typing import Any
from uuid import UUID
from weakref import WeakKeyDictionary

from baton.approvals import Answer, Decision
from baton.changes import Change
from baton.client import Client, SyncClient
from baton.jobs import Grafted, Job, NewJob
from baton.states import State
from baton.steering import Retry, Steps
from baton.workflows import Graft, Workflow


class DefaultClient:
    """A `Client` per event loop, made when it is first used."""

    def __init__(self) -> None:
        self._lives: WeakKeyDictionary[asyncio.AbstractEventLoop, _Life] = WeakKeyDictionary()

    async def insert(self, job: NewJob, *, conn: Any = None) -> Job:
        """Do what `Client.insert` does."""
        return await (await self._client()).insert(job, conn=conn)

    async def insert_all(self, jobs: Iterable[NewJob], *, conn: Any = None) -> Sequence[Job]:
        """Do what `Client.insert_all` does."""
        return await (await self._client()).insert_all(jobs, conn=conn)

    async def insert_many(self, jobs: Iterable[NewJob], *, conn: Any = None) -> int:
        """Do what `Client.insert_many` does."""
        return await (await self._client()).insert_many(jobs, conn=conn)

    async def insert_workflow(self, workflow: Workflow, *, conn: Any = None) -> Sequence[Job]:
        """Do what `Client.insert_workflow` does."""
        return await (await self._client()).insert_workflow(workflow, conn=conn)

    async def cancel_job(self, job_id: int, reason: str | None = None, *, conn: Any = None) -> bool:
        """Do what `Client.cancel_job` does."""
        return await (await self._client()).cancel_job(job_id, reason, conn=conn)

    async def retry_job(self, job_id: int, *, conn: Any = None) -> bool:
        """Do what `Client.retry_job` does."""
        return await (await self._client()).retry_job(job_id, conn=conn)

    async def delete_job(self, job_id: int, *, conn: Any = None) -> bool:
        """Do what `Client.delete_job` does."""
        return await (await self._client()).delete_job(job_id, conn=conn)

    async def update_job(self, job_id: int, change: Change, *, conn: Any = None) -> Job:
        """Do what `Client.update_job` does."""
        return await (await self._client()).update_job(job_id, change, conn=conn)

    async def cancel_workflow(
        self, workflow_id: UUID | str, reason: str | None = None, *, conn: Any = None
    ) -> int:
        """Do what `Client.cancel_workflow` does."""
        return await (await self._client()).cancel_workflow(workflow_id, reason, conn=conn)

    async def retry_workflow(
        self,
        workflow_id: UUID | str,
        steps: Steps = None,
        *,
        dry_run: bool = False,
        conn: Any = None,
    ) -> Retry:
        """Do what `Client.retry_workflow` does."""
        client = await self._client()
        return await client.retry_workflow(workflow_id, steps, dry_run=dry_run, conn=conn)

    async def skip_step(
        self,
        workflow_id: UUID | str,
        step: str,
        result: Any = None,
        *,
        reason: str | None = None,
        conn: Any = None,
    ) -> State:
        """Do what `Client.skip_step` does."""
        client = await self._client()
        return await client.skip_step(workflow_id, step, result, reason=reason, conn=conn)

    async def signal_workflow(
        self,
        workflow_id: UUID | str,
        name: str,
        payload: Any = None,
        *,
        sent_by: str | None = None,
        conn: Any = None,
    ) -> bool:
        """Do what `Client.signal_workflow` does."""
        client = await self._client()
        return await client.signal_workflow(workflow_id, name, payload, sent_by=sent_by, conn=conn)

    async def answer_approval(
        self, workflow_id: UUID | str, step: str, answer: Answer, *, conn: Any = None
    ) -> Decision:
        """Do what `Client.answer_approval` does."""
        client = await self._client()
        return await client.answer_approval(workflow_id, step, answer, conn=conn)

    async def graft(
        self,
        workflow_id: UUID | str,
        graft: Graft,
        *,
        before: Iterable[str] = (),
        conn: Any = None,
    ) -> Grafted:
        """Do what `Client.graft` does."""
        return await (await self._client()).graft(workflow_id, graft, before=before, conn=conn)

    async def graft_job(self, job: Job, graft: Graft) -> Grafted:
        """Do what `Client.graft_job` does."""
        return await (await self._client()).graft_job(job, graft)

    async def looking(self) -> Client:
        """Return the client of this event loop."""
        return await self._client()

    async def _client(self) -> Client:
        loop = asyncio.get_running_loop()
        life = self._lives.get(loop)
        if life is None:
            life = self._lives[loop] = _Life()
            await life.begin()
        return life.client


class _Life:
    def __init__(self) -> None:
        self.client = Client()
        self._generator = self._live()

    async def begin(self) -> None:
        await anext(self._generator)

    async def _live(self) -> AsyncGenerator[None, None]:
        try:
            yield
        finally:
            await self.client.close()


class DefaultSyncClient:
    """A `SyncClient` for the process, made when it is first used and closed at its end."""

    def __init__(self) -> None:
        self._made: SyncClient | None = None

    def insert(self, job: NewJob, *, conn: Any = None) -> Job:
        """Do what `SyncClient.insert` does."""
        return self._client().insert(job, conn=conn)

    def insert_all(self, jobs: Iterable[NewJob], *, conn: Any = None) -> Sequence[Job]:
        """Do what `SyncClient.insert_all` does."""
        return self._client().insert_all(jobs, conn=conn)

    def insert_many(self, jobs: Iterable[NewJob], *, conn: Any = None) -> int:
        """Do what `SyncClient.insert_many` does."""
        return self._client().insert_many(jobs, conn=conn)

    def graft(
        self,
        workflow_id: UUID | str,
        graft: Graft,
        *,
        before: Iterable[str] = (),
        conn: Any = None,
    ) -> Grafted:
        """Do what `SyncClient.graft` does."""
        return self._client().graft(workflow_id, graft, before=before, conn=conn)

    def graft_job(self, job: Job, graft: Graft) -> Grafted:
        """Do what `SyncClient.graft_job` does."""
        return self._client().graft_job(job, graft)

    def insert_workflow(self, workflow: Workflow, *, conn: Any = None) -> Sequence[Job]:
        """Do what `SyncClient.insert_workflow` does."""
        return self._client().insert_workflow(workflow, conn=conn)

    def signal_workflow(
        self,
        workflow_id: UUID | str,
        name: str,
        payload: Any = None,
        *,
        sent_by: str | None = None,
        conn: Any = None,
    ) -> bool:
        """Do what `SyncClient.signal_workflow` does."""
        return self._client().signal_workflow(
            workflow_id, name, payload, sent_by=sent_by, conn=conn
        )

    def answer_approval(
        self, workflow_id: UUID | str, step: str, answer: Answer, *, conn: Any = None
    ) -> Decision:
        """Do what `SyncClient.answer_approval` does."""
        return self._client().answer_approval(workflow_id, step, answer, conn=conn)

    def _client(self) -> SyncClient:
        if self._made is None:
            self._made = SyncClient()
            atexit.register(self._made.close)
        return self._made
