"""Keeps this process's lease: renewed by a thread of its own, whatever the event loop is doing."""

import os
import socket
import threading
from collections.abc import Callable, Mapping
from time import monotonic

import structlog
from anyio import CancelScope, sleep, to_thread
from anyio.abc import TaskStatus

from baton.errors import DatabaseError, DatabaseUnavailable
from baton.store.leases import LeaseConnection

log = structlog.get_logger("baton.lease")

LONGEST_PAUSE = 1.0  # seconds between renewals: others take 2 s of silence for death


def node_name() -> str:
    """Return what people call this process: host and process id."""
    return f"{socket.gethostname()}:{os.getpid()}"


class LeaseKeeper:
    """Takes a lease, renews it every ``ttl / 15`` seconds or 1, and gives it up when it can't.

    A process that lost touch with the database must have stopped its jobs before others start
    them: it stops fetching after two thirds of the ttl without a renewal (`held`), and abandons
    what it runs after five sixths. Time is counted from the moment at which a renewal was sent.
    A lease that was given up is never renewed again: nobody runs the jobs that it holds. It is
    replaced by a new one, and its row deleted, so that its jobs are rescued.

    The thread talks to the database and may hang in it; the event loop watches the clock.

    Args:
        dsn: where.
        schema: the schema.
        node: what people call this process.
        queues: what it serves, for people who read the table.
        ttl: seconds for which a renewal holds.
        timeout: seconds that a statement may take.
        on_lost: called on the event loop when the jobs in hand are not this process's any more.
        pooled: whether a pooler in transaction mode stands between.
    """

    def __init__(
        self,
        dsn: str,
        schema: str,
        node: str,
        queues: Mapping[str, int],
        *,
        ttl: float,
        timeout: float,
        on_lost: Callable[[], None],
        pooled: bool = False,
    ) -> None:
        self._dsn = dsn
        self._schema = schema
        self._node = node
        self._queues = queues
        self._ttl = ttl
        self._timeout = min(timeout, ttl / 3)
        self._on_lost = on_lost
        self._pooled = pooled
        self._stop = threading.Event()
        self._declared_dead = threading.Event()  # the thread found the row gone
        self._given_up = threading.Event()  # the event loop has abandoned the jobs
        self._renewed = 0.0
        self._silent = False
        self._conn: LeaseConnection | None = None
        self.lease = 0

    @property
    def held(self) -> bool:
        """Whether jobs may be claimed under the lease."""
        return not self._given_up.is_set() and monotonic() < self._renewed + self._ttl * 2 / 3

    def is_current(self, lease: int) -> bool:
        """Whether a lease is the present one, and not given up."""
        return lease == self.lease and not self._given_up.is_set()

    def serve(self, queues: Mapping[str, int]) -> None:
        """Write from the next renewal on that the process serves these queues."""
        self._queues = dict(queues)

    async def run(self, *, task_status: TaskStatus[None]) -> None:
        """Take the lease, report it as started, and keep it until cancelled; then give it back."""
        await to_thread.run_sync(self._acquire)
        thread = threading.Thread(target=self._keep, name="baton lease", daemon=True)
        thread.start()
        try:
            task_status.started()
            while True:
                await sleep(self._ttl / 60)
                self._watch()
        finally:
            self._stop.set()
            with CancelScope(shield=True):
                await to_thread.run_sync(self._release, thread)

    def _watch(self) -> None:
        if self._given_up.is_set():
            return
        if self._declared_dead.is_set():
            log.error("lease.lost", lease=self.lease)
        elif monotonic() > self._renewed + self._ttl * 5 / 6:
            log.error("lease.given_up", lease=self.lease, silent_s=round(self._ttl * 5 / 6, 1))
        else:
            return
        self._on_lost()
        self._given_up.set()

    def _keep(self) -> None:
        while not self._stop.wait(min(self._ttl / 15, LONGEST_PAUSE)):
            try:
                self._tend_again_if_cut()
                self._silent = False
            except DatabaseError as error:
                if not self._silent:
                    log.warning("lease.not_renewed", lease=self.lease, reason=str(error))
                self._silent = True
                self._disconnect()

    def _tend_again_if_cut(self) -> None:
        """Renew, over a new connection if the old one was cut: one pause more may be too silent."""
        try:
            self._tend()
        except DatabaseUnavailable:
            self._disconnect()
            self._tend()

    def _tend(self) -> None:
        if self._given_up.is_set():
            self._replace()
        elif not self._declared_dead.is_set():
            self._renew()

    def _renew(self) -> None:
        sent = monotonic()
        if self._connected().renew(self.lease, self._queues):
            self._renewed = sent
        else:
            self._declared_dead.set()

    def _replace(self) -> None:
        self._connected().release(self.lease)
        self._acquire()
        self._declared_dead.clear()
        self._given_up.clear()

    def _acquire(self) -> None:
        sent = monotonic()
        self.lease = self._connected().acquire(self._node, self._queues)
        self._renewed = sent
        log.debug("lease.acquired", lease=self.lease)

    def _release(self, thread: threading.Thread) -> None:
        thread.join(self._timeout)
        try:
            self._connected().release(self.lease)
        except DatabaseError as error:
            log.warning("lease.not_released", lease=self.lease, reason=str(error))
        finally:
            self._disconnect()

    def _connected(self) -> LeaseConnection:
        if self._conn is None:
            self._conn = LeaseConnection(
                self._dsn,
                self._schema,
                ttl=self._ttl,
                timeout=self._timeout,
                pooled=self._pooled,
            )
        return self._conn

    def _disconnect(self) -> None:
        conn, self._conn = self._conn, None
        if conn is not None:
            conn.close()
