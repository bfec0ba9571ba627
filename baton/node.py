"""A worker process: which services it runs, in which order they start, and how it stops."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import structlog
from anyio import TASK_STATUS_IGNORED, CancelScope, Event, create_task_group, move_on_after
from anyio.abc import TaskStatus

from baton import child
from baton.ambient import ambient
from baton.client import Client, SyncClient
from baton.lifespans import opened
from baton.services.callbacks import Callbacks
from baton.services.cron import cron
from baton.services.duty import Duty
from baton.services.executor import Executor, Stop
from baton.services.grafting import completer
from baton.services.lease_keeper import LeaseKeeper, node_name
from baton.services.notifier import Notifier
from baton.services.patrol import Patrol
from baton.services.processes import Processes
from baton.services.producer import Producer
from baton.services.pruner import pruner, workflow_pruner
from baton.services.queue_control import QueueControl
from baton.services.rescuer import rescuer
from baton.services.slow_sweeper import slow_sweeper
from baton.services.stager import Stager
from baton.services.sweeper import sweeper
from baton.services.timekeeper import Timekeeper
from baton.settings import Settings
from baton.store.cycles import CycleConnection
from baton.store.pools import Database
from baton.workers import Registry

log = structlog.get_logger("baton.worker")

FLUSH_TIME = 5.0  # seconds for stopped jobs to end, and for the last acknowledgements


class Node:
    """Runs the workers of a registry on the queues of the settings.

    Args:
        settings: everything that can be set.
        registry: the workers.
    """

    def __init__(self, settings: Settings, registry: Registry) -> None:
        self._settings = settings
        self._registry = registry
        self._name = settings.node or node_name()
        self._connection = CycleConnection(
            settings.conninfo,
            settings.db_schema,
            timeout=settings.statement_timeout,
            max_result_bytes=settings.max_result_bytes,
            announce=settings.events,
            pooled=settings.behind_pooler,
        )
        self._lease = LeaseKeeper(
            settings.direct_conninfo or settings.conninfo,
            settings.db_schema,
            self._name,
            settings.queues,
            ttl=settings.lease_ttl,
            timeout=settings.statement_timeout,
            on_lost=self._lose_lease,
            pooled=settings.direct_conninfo is None,
        )
        self._producer = Producer(
            self._connection,
            self._lease,
            settings.queues,
            poll_interval=settings.poll_interval,
            suspicion=settings.statement_timeout + settings.lease_ttl,
        )
        self._database = Database(
            settings.conninfo,
            settings.db_schema,
            timeout=settings.statement_timeout,
            size=3,
            pooled=settings.behind_pooler,
        )
        self._processes = Processes(settings.child_processes, partial(child.perform, settings))
        self._resources: dict[str, Any] = {}
        self._executor = Executor(
            registry,
            slots=sum(settings.queues.values()),
            max_result_bytes=settings.max_result_bytes,
            on_done=self._producer.acknowledge,
            on_stuck=self._producer.hold_slot,
            on_free=self._producer.free_slot,
            processes=self._processes,
            resources=self._resources,
            max_args_bytes=settings.max_args_bytes,
            complete=completer(self._database),
        )
        self._producer.supply(self._executor)
        self._callbacks: Callbacks | None = None
        self._stopping = Event()
        self._forced = Event()

    def stop(self) -> None:
        """Finish what is in hand within the grace and end; called again, end without the grace."""
        if self._stopping.is_set():
            self._forced.set()
        self._stopping.set()
        self._producer.drain()  # here, so that not even a fetch that ends in this moment starts one

    async def run(self, *, task_status: TaskStatus[None] = TASK_STATUS_IGNORED) -> bool:
        """Work until `stop` is called.

        Returns:
            Whether every job that had been started also ended; otherwise some were given back.

        Raises:
            DatabaseError: there is no usable database at the start; later it is waited for.
        """
        settings = self._settings
        database = self._database
        sync_client = SyncClient(settings=settings, registry=self._registry)
        async with database, Client(settings=settings, registry=self._registry) as client:
            try:
                await self._connection.connect()
                await self._warn_of_pooler()
                with ambient.using(client, sync_client):
                    async with opened(self._registry.lifespans) as resources:
                        self._resources.update(resources)
                        return await self._serve(database, task_status)
            finally:
                await self._processes.close()
                await self._connection.close()
                sync_client.close()

    async def _warn_of_pooler(self) -> None:
        settings = self._settings
        if settings.pooled is not None or settings.behind_pooler:
            return
        if await self._connection.leads_to_pooler():
            log.warning(
                "pooler.found",
                advice="set listen_dsn or no_listen, or, if it is in session mode, pooled = false",
            )

    async def _serve(self, database: Database, task_status: TaskStatus[None]) -> bool:
        staging = Stager(
            database, served=lambda: self._producer.served, wake=self._producer.wake
        ).duty
        self._producer.tell_delays(staging.wake_in)
        scheduling = cron(database, self._registry, limit=self._settings.max_args_bytes)
        patrol = Patrol(database, self._executor, self._lease)
        control = QueueControl(
            database, node=self._name, own=self._settings.queues, serve=self._serve_queues
        )
        callbacks = self._callbacks = Callbacks(database, self._registry, self._lease)
        sweeping = sweeper(database, announce=self._settings.events)
        timekeeper = Timekeeper(
            database,
            wake=self._producer.wake,
            sweep=sweeping.wake,
            announce=self._settings.events,
        )
        duties: Sequence[Duty] = (
            staging,
            timekeeper.duty,
            timekeeper.cancelling,
            scheduling,
            rescuer(database, announce=self._settings.events),
            sweeping,
            slow_sweeper(database, interval=self._settings.sweep_interval),
            control.duty,
            *self._optional_duties(database),
        )

        def hear_due(_: str) -> None:
            staging.wake()
            timekeeper.duty.wake()

        controls: Mapping[str, Callable[[str], None]] = {
            "due": hear_due,
            "queues": lambda _: control.duty.wake(),
            "crons": lambda _: scheduling.wake(),
            "cancel": patrol.hear,
            "sweep": lambda _: sweeping.wake(),
            "callbacks": lambda _: callbacks.duty.wake(),
        }
        notifier = Notifier(
            self._settings.direct_conninfo,
            self._settings.db_schema,
            timeout=self._settings.statement_timeout,
            poll_interval=self._settings.poll_interval,
            wake=self._producer.wake,
            controls=controls,
        )
        await control.look()
        async with create_task_group() as holding:
            await holding.start(self._lease.run)
            async with create_task_group() as serving:
                await serving.start(self._executor.run)
                for duty in duties:
                    await serving.start(duty.run)
                await serving.start(callbacks.run)
                await serving.start(patrol.run)
                await serving.start(notifier.run)
                await serving.start(self._producer.run)
                log.info("worker.started", lease=self._lease.lease, queues=self._settings.queues)
                task_status.started()
                await self._stopping.wait()
                clean = await self._finish()
                serving.cancel_scope.cancel()
            holding.cancel_scope.cancel()
        log.info("worker.stopped", clean=clean)
        return clean

    def _optional_duties(self, database: Database) -> Iterator[Duty]:
        settings = self._settings
        if settings.prune:
            yield pruner(database, settings.prune, limit=settings.prune_limit)
        if settings.prune_workflows is not None or settings.debug_log_max_age is not None:
            yield workflow_pruner(
                database,
                age=settings.prune_workflows,
                log_age=settings.debug_log_max_age,
                limit=settings.prune_limit,
                interval=settings.sweep_interval,
            )

    async def _finish(self) -> bool:
        grace = 0.0 if self._forced.is_set() else self._settings.grace
        log.info("worker.stopping", running=len(self._executor.in_hand), grace=grace)
        with move_on_after(grace) as scope:
            async with create_task_group() as waiting:
                waiting.start_soon(self._cut_short, scope)
                await self._executor.wait_idle()
                waiting.cancel_scope.cancel()
        unfinished = self._executor.in_hand
        if unfinished:
            log.warning("jobs.given_back", jobs=unfinished)
            self._executor.stop(Stop.GIVE_BACK)
        with move_on_after(FLUSH_TIME):
            await self._executor.wait_idle()
            await self._producer.drained()
            if self._callbacks is not None:
                await self._callbacks.drain()
        return not unfinished

    async def _cut_short(self, grace: CancelScope) -> None:
        await self._forced.wait()
        grace.cancel()

    def _serve_queues(self, queues: Mapping[str, int]) -> None:
        self._lease.serve(queues)
        self._producer.serve(queues)

    def _lose_lease(self) -> None:
        self._executor.stop(Stop.ABANDON)
        self._producer.abandon()
        if self._callbacks is not None:
            self._callbacks.abandon()
