"""A worker process: which services it runs, in which order they start, and how it stops."""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from functools import partial
from typing import Any

import structlog
from anyio import TASK_STATUS_IGNORED, create_task_group
from anyio.abc import TaskStatus

from baton import child
from baton.ambient import ambient
from baton.client import Client, SyncClient
from baton.errors import DatabaseUnavailable
from baton.lifespans import opened
from baton.llm.making import meter_of
from baton.llm.tally import Ledger
from baton.observing import observed
from baton.services.admission import Admission, releaser
from baton.services.beginning import Beginning, StoppedEarly
from baton.services.callbacks import Callbacks
from baton.services.cron import cron
from baton.services.duty import Duty
from baton.services.ending import Ending, unless
from baton.services.executor import Executor
from baton.services.grafting import completer
from baton.services.health import Health
from baton.services.lease_keeper import LeaseKeeper, node_name
from baton.services.lookout import Lookout, Posts
from baton.services.notifier import Notifier
from baton.services.outage import Outage
from baton.services.patrol import Patrol
from baton.services.processes import Processes
from baton.services.producer import Producer
from baton.services.pruner import pruner, workflow_pruner
from baton.services.queue_control import QueueControl
from baton.services.rescuer import rescuer
from baton.services.scribe import Scribe
from baton.services.slow_sweeper import slow_sweeper
from baton.services.stager import Stager
from baton.services.stopping import Stop
from baton.services.sweeper import sweeper
from baton.services.timekeeper import Timekeeper
from baton.settings import Settings
from baton.store.cutoff import Cutoff
from baton.store.cycles import CycleConnection
from baton.store.pools import Database
from baton.workers import Registry

log = structlog.get_logger("baton.worker")

NET = 600.0  # seconds between two runs of a duty that the lookout does not call


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
        self._cutoff = Cutoff()
        self._ending = Ending(settings.grace, self._cutoff.cut)
        outage = Outage()
        self._beginning = Beginning(settings.database_wait, self._ending, self._cutoff.cut, outage)
        self._lease = LeaseKeeper(
            settings.direct_conninfo or settings.conninfo,
            settings.db_schema,
            self._name,
            settings.queues,
            ttl=settings.lease_ttl,
            timeout=settings.statement_timeout,
            on_lost=self._lose_lease,
            on_replaced=lambda: self._producer.wake(None),
            outage=outage,
            pooled=settings.direct_conninfo is None,
            farewell=self._ending.farewell,
        )
        self._ledger = Ledger()
        self._producer = Producer(
            self._connection,
            self._lease,
            settings.queues,
            poll_interval=NET,  # the lookout tells of jobs that nobody was told of
            suspicion=settings.statement_timeout + settings.lease_ttl,
            ledger=self._ledger,
            outage=outage,
        )
        self._database = Database(
            settings.conninfo,
            settings.db_schema,
            timeout=settings.statement_timeout,
            size=3,
            pooled=settings.behind_pooler,
        )
        self._scribe = Scribe(self._database, interval=NET)
        self._processes = Processes(settings.child_processes, partial(child.perform, settings))
        self._resources: dict[str, Any] = {}
        self._executor = Executor(
            registry,
            queues=settings.queues,
            max_result_bytes=settings.max_result_bytes,
            on_done=self._producer.acknowledge,
            on_stuck=self._producer.hold_slot,
            on_free=self._producer.free_slot,
            processes=self._processes,
            resources=self._resources,
            max_args_bytes=settings.max_args_bytes,
            complete=completer(self._database),
            meter=meter_of(settings, registry, self._ledger.note, self._scribe.note),
            admit=Admission(self._database, announce=settings.events).ask,
            may_begin=self._lease.may_begin,
        )
        self._producer.supply(self._executor)
        self._callbacks: Callbacks | None = None
        self._serving = False

    def health(self) -> Health:
        """Say whether jobs can be performed, and if not why; from any thread."""
        reason = None
        if self._ending.asked:
            reason = "it is stopping"
        elif not self._serving:
            reason = self._beginning.reason
        elif not self._lease.held:
            reason = "it has lost touch with the database"
        facts = {
            "node": self._name,
            "lease": self._lease.lease,
            "queues": sorted(self._producer.served),
            "in_hand": self._executor.count,
        }
        return Health(reason is None, facts if reason is None else {"reason": reason, **facts})

    def stop(self) -> None:
        """Finish what is in hand within the grace and end; called again, end without the grace.

        To be called on the event loop. When the database does not answer, what it has not been told
        half a second after the grace is left to the processes that rescue this one's jobs.
        """
        self._ending.ask()
        self._beginning.end()
        self._producer.drain()  # here, so that not even a fetch that ends in this moment starts one

    async def run(self, *, task_status: TaskStatus[None] = TASK_STATUS_IGNORED) -> bool:
        """Work until `stop` is called.

        Returns:
            Whether every job that had been started also ended; otherwise some were given back.

        Raises:
            DatabaseError: there is no usable database at the start, nor in the seconds of the
                setting ``database_wait`` if it is away; later it is waited for.
            CannotServe: the address of the setting ``http`` can't be used.
        """
        settings = self._settings
        with (
            closing(SyncClient(settings=settings, registry=self._registry)) as sync_client,
            observed(settings.http, self.health, sync_client.queues.list),
            closing(self._ending),
            self._cutoff.applied(),
        ):
            try:
                return await self._work(sync_client, task_status)
            except (StoppedEarly, DatabaseUnavailable) as error:
                if isinstance(error, DatabaseUnavailable) and not self._beginning.given_up:
                    raise
                log.info("worker.stopped", clean=True)
                task_status.started()  # or whoever waits for it would take its end for a failure
                return True

    async def _work(self, sync_client: SyncClient, task_status: TaskStatus[None]) -> bool:
        client = Client(settings=self._settings, registry=self._registry)
        try:
            await self._beginning.reach(self._database.open)
            await self._beginning.reach(self._connection.connect)
            await self._beginning.reach(self._warn_of_pooler)
            with ambient.using(client, sync_client):
                async with opened(self._registry.lifespans) as resources:
                    self._resources.update(resources)
                    return await self._serve(self._database, task_status)
        finally:
            await self._processes.close()
            await self._connection.close()
            await client.close()
            await self._database.close()

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
        settings = self._settings
        announce = settings.events
        stager = Stager(
            database,
            served=lambda: self._producer.served,
            wake=self._producer.wake,
            interval=NET,
        )
        self._producer.tell_delays(stager.duty.wake_in)
        self._ledger.tell(_waker(self._producer.wake))
        self._scribe.tell(_waker(self._scribe.duty.wake))
        scheduling = cron(
            database,
            self._registry,
            limit=settings.max_args_bytes,
            stopping=lambda: self._ending.asked,
        )
        patrol = self._patrol(database)
        control = QueueControl(
            database,
            node=self._name,
            own=settings.queues,
            serve=self._serve_queues,
            limit=self._producer.limit,
            return_waiting=self._executor.return_waiting_of,
            interval=NET,
        )
        callbacks = self._callbacks = Callbacks(database, self._registry, self._lease, interval=NET)
        sweeping = sweeper(database, announce=announce, interval=NET)
        rescuing = rescuer(database, self._lease, announce=announce, interval=NET)
        releasing = releaser(database, interval=NET)
        timekeeper = Timekeeper(
            database,
            wake=self._producer.wake,
            sweep=sweeping.wake,
            announce=announce,
            interval=NET,
        )
        lookout = Lookout(
            database,
            self._lease,
            Posts(
                staging=stager,
                timekeeping=timekeeper.duty,
                rescuing=rescuing,
                sweeping=sweeping,
                queues=control.duty,
                crons=scheduling,
                callbacks=callbacks.duty,
                budgets=releasing,
            ),
            served=lambda: self._producer.served,
            hungry=self._producer.hungry,
            listeners=callbacks.listeners,
            wake=self._producer.wake,
            poll_interval=settings.poll_interval,
        )
        duties: Sequence[Duty] = (
            stager.duty,
            timekeeper.duty,
            timekeeper.cancelling,
            scheduling,
            rescuing,
            sweeping,
            slow_sweeper(database, interval=settings.sweep_interval),
            control.duty,
            lookout.duty,
            self._scribe.duty,
            releasing,
            *self._optional_duties(database),
        )

        def hear_due(_: str) -> None:
            stager.duty.wake()
            timekeeper.duty.wake()

        controls: Mapping[str, Callable[[str], None]] = {
            "due": hear_due,
            "queues": lambda _: control.duty.wake(),
            "crons": lambda _: scheduling.wake(),
            "cancel": patrol.hear,
            "sweep": lambda _: sweeping.wake(),
            "callbacks": lambda _: callbacks.duty.wake(),
            "budgets": lambda _: releasing.wake(),
        }
        notifier = self._notifier(controls)
        await self._beginning.reach(control.look)
        await self._beginning.reach(self._lease.take, last=True)
        async with create_task_group() as holding:
            await holding.start(self._lease.run)
            async with create_task_group() as serving:
                await serving.start(self._executor.run)
                for duty in duties:
                    await serving.start(duty.run)
                await serving.start(callbacks.run)
                await serving.start(patrol.run)
                if notifier is not None:
                    await serving.start(notifier.run)
                await serving.start(self._producer.run)
                log.info("worker.started", lease=self._lease.lease, queues=self._settings.queues)
                self._serving = True
                task_status.started()
                await self._ending.wait_asked()
                clean = await self._finish()
                serving.cancel_scope.cancel()
            holding.cancel_scope.cancel()
        log.info("worker.stopped", clean=clean)
        return clean

    def _notifier(self, controls: Mapping[str, Callable[[str], None]]) -> Notifier | None:
        settings = self._settings
        if settings.direct_conninfo is None:
            log.info("listener.off", poll_interval=settings.poll_interval)
            return None
        return Notifier(
            settings.direct_conninfo,
            settings.db_schema,
            timeout=settings.statement_timeout,
            wake=self._producer.wake,
            controls=controls,
        )

    def _patrol(self, database: Database) -> Patrol:
        if self._settings.direct_conninfo is not None:
            return Patrol(database, self._executor, self._lease)
        # nobody tells it of cancellations
        interval = self._settings.poll_interval
        return Patrol(database, self._executor, self._lease, interval=interval)

    def _optional_duties(self, database: Database) -> Iterator[Duty]:
        settings = self._settings
        if settings.prune:
            yield pruner(database, settings.prune, limit=settings.prune_limit)
        ages = (settings.prune_workflows, settings.debug_log_max_age, settings.llm_stats_max_age)
        if any(age is not None for age in ages):
            yield workflow_pruner(
                database,
                age=settings.prune_workflows,
                log_age=settings.debug_log_max_age,
                stat_age=settings.llm_stats_max_age,
                limit=settings.prune_limit,
                interval=settings.sweep_interval,
            )

    async def _finish(self) -> bool:
        """Bring home what is in hand; whether all of it ended and the database knows."""
        executor, ending = self._executor, self._ending
        log.info("worker.stopping", running=len(executor.in_hand), grace=ending.grace)
        await unless(executor.wait_idle, ending.grace_over)
        unfinished = executor.in_hand
        if unfinished:
            log.warning("jobs.given_back", jobs=unfinished)
            executor.stop(Stop.GIVE_BACK)
        await unless(self._flush, ending.time_over)
        unknown = [*executor.in_hand, *self._producer.unacknowledged]
        if unknown:  # as after a crash: others find them, and run them again
            log.warning("jobs.left_behind", jobs=unknown)
        return not unfinished and not unknown

    async def _flush(self) -> None:
        await self._executor.wait_idle()
        await self._producer.drained()
        if self._callbacks is not None:
            await self._callbacks.drain()
        await self._scribe.drain()

    def _serve_queues(self, queues: Mapping[str, int]) -> None:
        self._lease.serve(queues)
        self._producer.serve(queues)

    def _lose_lease(self) -> None:
        self._executor.stop(Stop.ABANDON)
        self._producer.abandon()
        if self._callbacks is not None:
            self._callbacks.abandon()


def _waker(wake: Callable[[], None]) -> Callable[[], None]:
    """Return what calls this on the event loop, from whichever thread."""
    loop = asyncio.get_running_loop()

    def call() -> None:
        with suppress(RuntimeError):  # the loop is closed: the process has ended
            loop.call_soon_threadsafe(wake)

    return call
