"""What a worker process is made of, reduced to one queue and one attempt at a time, for tests."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any
from uuid import uuid4

from anyio import create_task_group

from baton.ambient import ambient
from baton.client import Client, SyncClient
from baton.errors import InvalidData
from baton.jobs import Job
from baton.llm.making import meter_of
from baton.llm.tally import Tally
from baton.outcomes import Ack, failure, settle
from baton.services.admission import Admission
from baton.services.callbacks import Callbacks
from baton.services.executor import Executor
from baton.services.grafting import completer
from baton.services.lease_keeper import node_name
from baton.services.scribe import Scribe
from baton.services.transitions import tell_cycle
from baton.settings import Settings
from baton.states import State
from baton.store.cycles import CycleConnection
from baton.store.leases import LeaseConnection
from baton.store.pools import Database
from baton.telemetry import Telemetry
from baton.workers import Registry

TTL = 3_600.0  # seconds for which a lease holds; nobody renews it


class Claims:
    """The jobs of one queue, claimed and acknowledged under a lease as worker processes do it."""

    def __init__(self, connection: CycleConnection, lease: int, queue: str) -> None:
        self._connection = connection
        self.lease = lease
        self._queue = queue

    @classmethod
    @asynccontextmanager
    async def of(cls, settings: Settings, queue: str) -> AsyncIterator["Claims"]:
        """Hold a lease; whatever is not acknowledged in the end is given back."""
        where = (settings.conninfo, settings.db_schema)
        holder = LeaseConnection(*where, ttl=TTL, timeout=settings.statement_timeout)
        connection = CycleConnection(*where, timeout=settings.statement_timeout)
        try:
            await connection.connect()
            lease = holder.acquire(f"{node_name()} (test)", {queue: 1})
            try:
                yield cls(connection, lease, queue)
            finally:
                await connection.return_lost(lease, [])
                holder.release(lease)
        finally:
            await connection.close()
            holder.close()

    async def fetch(self, most: int) -> Sequence[Job]:
        """Claim jobs."""
        return (await self._connection.cycle(self.lease, [], {self._queue: most})).jobs

    async def acknowledge(self, job: Job, ack: Ack, most: int) -> tuple[Ack | None, Sequence[Job]]:
        """Acknowledge an attempt and claim others; without an ack it was not this one's any more.

        An attempt whose words the database refuses has failed.
        """
        capacities = {self._queue: most} if most else {}
        used = _ended(job, ack)
        try:
            cycle = await self._connection.cycle(self.lease, [ack], capacities, used=used)
        except InvalidData as error:
            ack = settle(job, failure(error))
            used = _ended(job, ack)
            cycle = await self._connection.cycle(self.lease, [ack], capacities, used=used)
        tell_cycle([(job, ack)], cycle)
        if ack.completed and not cycle.accepted:
            ack = replace(ack, state=State.COMPLETED)  # in a transaction of its own
        return (ack if cycle.accepted or ack.completed else None), cycle.jobs


def _ended(job: Job, ack: Ack) -> list[Tally]:
    """Return what an attempt that ended has used of language models."""
    if job.claim is None or job.claim.tally is None:
        return []
    job.claim.tally.end(ack.state.value, ack.duration)
    return [job.claim.tally]


class Runner:
    """The executor, and what it said of the last job."""

    def __init__(
        self,
        settings: Settings,
        registry: Registry,
        resources: Mapping[str, Any],
        database: Database,
    ) -> None:
        self._acks: list[Ack | None] = []
        self._performing: Job | None = None
        self.errors: list[BaseException] = []
        self._scribe = Scribe(database, interval=TTL)
        self._executor = Executor(
            registry,
            queues={"default": 1},
            max_result_bytes=settings.max_result_bytes,
            on_done=lambda _, ack: self._acks.append(ack),
            resources=resources,
            max_args_bytes=settings.max_args_bytes,
            complete=completer(database),
            meter=meter_of(settings, registry, on_capture=self._scribe.note),
            admit=Admission(database, announce=settings.events).ask,
        )

    @classmethod
    @asynccontextmanager
    async def of(
        cls,
        settings: Settings,
        registry: Registry,
        resources: Mapping[str, Any],
        database: Database,
    ) -> AsyncIterator["Runner"]:
        """Keep the executor running inside the block."""
        runner = cls(settings, registry, resources, database)
        listener = f"baton.testing {uuid4()}"
        Telemetry.attach(listener, "baton.job.exception", runner._hear)
        raised: Exception | None = None
        try:
            async with create_task_group() as tasks:
                await tasks.start(runner._executor.run)
                try:
                    yield runner
                except Exception as error:  # a task group would wrap it
                    raised = error
                tasks.cancel_scope.cancel()
        finally:
            Telemetry.detach(listener)
        if raised is not None:
            raise raised

    async def perform(self, job: Job) -> Ack | None:
        """Perform a job; what it raised is the last of `errors`."""
        self.errors.clear()
        self._acks.clear()
        self._performing = job
        self._executor.submit(job)
        await self._executor.wait_idle()
        await self._scribe.drain()
        [ack] = self._acks
        return ack

    def _hear(self, _event: str, _facts: Mapping[str, Any], metadata: Mapping[str, Any]) -> None:
        # others may perform jobs in this process too
        if metadata["job"] is self._performing and metadata["error"] is not None:
            self.errors.append(metadata["error"])


class _Lease:
    """A lease that nobody has to renew."""

    held = True

    def __init__(self, lease: int) -> None:
        self.lease = lease

    def is_current(self, lease: int) -> bool:
        return lease == self.lease


async def call_callbacks(database: Database, registry: Registry, lease: int) -> None:
    """Call the callbacks that the workers of a registry are owed now, and wait for them."""
    if not any(each.has_callbacks for each in registry.definitions()):
        return
    callbacks = Callbacks(database, registry, _Lease(lease))
    async with create_task_group() as tasks:
        await tasks.start(callbacks.run)
        await callbacks.settle()
        tasks.cancel_scope.cancel()


@asynccontextmanager
async def clients(settings: Settings, registry: Registry) -> AsyncIterator[None]:
    """Let jobs insert jobs into the same database."""
    sync_client = SyncClient(settings=settings, registry=registry)
    try:
        async with Client(settings=settings, registry=registry) as client:
            with ambient.using(client, sync_client):
                yield
    finally:
        sync_client.close()
