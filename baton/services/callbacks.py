"""Tells workers that steps of theirs were cancelled because a dependency ended badly.

Whoever cancels such a step leaves a row of ``workflow_callbacks``. Each process claims those of the
workers that it has registered, under its lease, calls ``on_dep_cancelled`` or ``on_dep_discarded``,
and deletes the row with its next look. What a dead process had claimed is called again.
"""

import inspect
from collections.abc import Hashable
from contextlib import suppress
from time import monotonic
from typing import Literal, Protocol

import structlog
from anyio import (
    CancelScope,
    Event,
    Lock,
    create_task_group,
    get_cancelled_exc_class,
    move_on_after,
)
from anyio.abc import TaskGroup, TaskStatus

from baton.errors import DatabaseError
from baton.jobs import Job
from baton.redacting import described
from baton.services.asking import Caller
from baton.services.cancelling import ends, forget_cancellation
from baton.services.duty import Duty
from baton.services.threads import Threads
from baton.store import callbacks as store
from baton.store.callbacks import Callback
from baton.store.pools import Database
from baton.workers import Registry

log = structlog.get_logger("baton.callbacks")

INTERVAL = 3.0  # seconds between two looks when nobody has said anything
SLOTS = 10  # callbacks that run at once
TIMEOUT = 60.0  # seconds that one may take
DROP_INTERVAL = 3_600.0  # seconds
DROP_AGE = 86_400.0  # seconds after which callbacks of workers that nobody registers are dropped
DROP_BATCH = 10_000


class Lease(Protocol):
    """The lease of the process; `LeaseKeeper` keeps one."""

    @property
    def lease(self) -> int: ...
    @property
    def held(self) -> bool: ...
    def is_current(self, lease: int) -> bool: ...


class Callbacks:
    """Claims callbacks and calls them, a few at once.

    Args:
        database: where.
        registry: the workers.
        lease: under which callbacks are claimed.
        slots: how many run at once.
        timeout: seconds that one may take.
        interval: seconds between two looks when nobody calls.
    """

    def __init__(
        self,
        database: Database,
        registry: Registry,
        lease: Lease,
        *,
        slots: int = SLOTS,
        timeout: float = TIMEOUT,
        interval: float = INTERVAL,
    ) -> None:
        self._database = database
        self._registry = registry
        self._lease = lease
        self._slots = slots
        self._timeout = timeout
        self._threads = Threads(slots, on_ended=self._free)
        self._running: dict[int, CancelScope] = {}
        self._stuck: set[Hashable] = set()
        self._called: list[int] = []
        self._under = 0  # the lease under which the running and the called ones were claimed
        self._draining = False
        self._looking = Lock()
        self._idle = Event()
        self._tasks: TaskGroup | None = None
        self._dropped_at = monotonic()
        self.duty = Duty("callbacks", interval=interval, perform=self.look)

    async def run(self, *, task_status: TaskStatus[None]) -> None:
        """Call callbacks until cancelled."""
        async with create_task_group() as self._tasks:
            await self._tasks.start(self.duty.run)
            task_status.started()

    def abandon(self) -> None:
        """Stop what runs and forget it: the lease is gone, and others call it."""
        for scope in self._running.values():
            scope.cancel()
        self._running.clear()
        self._called.clear()

    async def drain(self) -> None:
        """Claim no more, wait for what runs, and delete what was called."""
        self._draining = True
        while self._running:
            self._idle = Event()
            await self._idle.wait()
        with suppress(DatabaseError):
            await self.look()

    async def settle(self) -> None:
        """Call what is owed, until nothing is left that these workers want to hear.

        Raises:
            DatabaseError: the database refused or is away.
        """
        await self.look()
        while self._running or self._called:
            if self._running:
                self._idle = Event()
                await self._idle.wait()
            await self.look()

    async def look(self) -> float | None:
        """Look once for what is to be called.

        Raises:
            DatabaseError: the database refused or is away.
        """
        # one at a time: what one has claimed and does not hold yet would look lost to another
        async with self._looking:
            await self._look()
        return None

    def listeners(self) -> list[str]:
        """Return the workers that want to hear of dependencies."""
        return [each.name for each in self._registry.definitions() if each.has_callbacks]

    async def _look(self) -> None:
        workers = self.listeners()
        await self._drop()
        most = self._free_slots() if workers and self._lease.held else 0
        if most <= 0 and not self._called:
            return
        lease = self._lease.lease
        called, self._called = self._called, []
        if lease != self._under:
            called, self._under = [], lease
        try:
            claimed = await store.claim(
                self._database,
                lease=lease,
                workers=workers,
                most=most,
                called=called,
                in_hand=list(self._running),
            )
        except DatabaseError:
            if self._lease.is_current(lease):
                self._called = [*called, *self._called]
            raise
        # what is not started now is free for others as soon as the lease is gone
        if self._lease.is_current(lease) and not self._draining:
            for each in claimed:
                self._start(each)

    def _free_slots(self) -> int:
        return 0 if self._draining else self._slots - len(self._running) - len(self._stuck)

    def _start(self, callback: Callback) -> None:
        if self._tasks is None:
            raise RuntimeError("the callbacks are not running")
        scope = self._running[callback.id] = CancelScope()
        self._tasks.start_soon(self._serve, callback, scope)

    async def _serve(self, callback: Callback, scope: CancelScope) -> None:
        with scope:
            await self._call(callback)
        if self._running.get(callback.id) is not scope:
            return  # abandoned
        del self._running[callback.id]
        self._called.append(callback.id)
        self._idle.set()
        self.duty.wake()

    async def _call(self, callback: Callback) -> None:
        job = callback.job
        if job is None:
            log.info("callback.dropped", reason="its job was deleted")
            return
        facts = {"job": job.id, "worker": job.worker, "step": job.step_name}
        with structlog.contextvars.bound_contextvars(**facts):
            try:
                with move_on_after(self._timeout) as limit:
                    await self._hear(callback)
                if limit.cancelled_caught:
                    log.error("callback.failed", error=f"it took longer than {self._timeout:g} s")
            except BaseException as error:
                # a cancellation from outside must go on; one that user code raised is its failure
                if ends() and isinstance(error, get_cancelled_exc_class()):
                    raise
                forget_cancellation()
                self._report(job, error)
            finally:
                if self._threads.is_abandoned((job.id, self._key(callback))):
                    self._stuck.add((job.id, self._key(callback)))

    def _report(self, job: Job, error: BaseException) -> None:
        told = described(job, error, self._registry.error_redactor)
        facts = {"kind": told.kind, "error": told.message[:500], "traceback": told.traceback}
        log.error("callback.failed", **facts)

    async def _hear(self, callback: Callback) -> None:
        job = callback.job
        if job is None:
            return
        # the context is this task's own
        self._registry.restore(job.meta.get("context"))
        key = self._key(callback)
        await call(self._registry, self._threads, callback.kind, callback.reason, job, key=key)

    def _key(self, callback: Callback) -> Hashable:
        return callback.id, self._under

    def _free(self, key: Hashable) -> None:
        self._stuck.discard(key)
        self.duty.wake()

    async def _drop(self) -> None:
        if monotonic() < self._dropped_at + DROP_INTERVAL:
            return
        self._dropped_at = monotonic()
        workers = self._registry.names()
        dropped = await store.drop(self._database, workers=workers, age=DROP_AGE, most=DROP_BATCH)
        if dropped:
            log.warning("callbacks.dropped", count=len(dropped), workers=sorted(set(dropped)))


async def call(
    registry: Registry,
    threads: Caller,
    kind: Literal["cancelled", "discarded"],
    reason: str,
    job: Job,
    *,
    key: Hashable = None,
) -> None:
    """Tell the worker of a job how a dependency ended, if it wants to hear of that.

    Args:
        registry: where the worker is found.
        threads: where plain functions run.
        kind: how the dependency ended.
        reason: which one it was.
        job: the job of the step that was cancelled.
        key: names the call among those of ``threads``.
    """
    definition = registry.known(job.worker)
    hear = None if definition is None else definition.callback(kind)
    if hear is None:
        return
    if inspect.iscoroutinefunction(hear):
        await hear(reason, job)
    else:
        await threads.run((job.id, key), lambda: hear(reason, job))
