"""Keeps this process's lease: renewed by a thread of its own, whatever the event loop is doing."""

import os
import socket
import threading
from collections.abc import Callable, Mapping
from math import inf
from time import monotonic

import structlog
from anyio import CancelScope, sleep, to_thread
from anyio.abc import TaskStatus

from baton.errors import DatabaseError, DatabaseUnavailable
from baton.services.neighbours import this_process
from baton.services.outage import Outage
from baton.store.leases import LeaseConnection
from baton.verbosity import report_error

log = structlog.get_logger("baton.lease")

LONGEST_PAUSE = 1.25  # seconds between renewals: others take 2 s of silence for death
SHORTEST_PAUSE = 0.05
AGAIN = 0.5  # seconds between two tries to come back
FAREWELL = 5.0  # seconds to give the lease back


def node_name() -> str:
    """Return what people call this process: host and process id."""
    return f"{socket.gethostname()}:{os.getpid()}"


class LeaseKeeper:
    """Takes a lease, renews it every ``ttl / 12`` seconds or 1.25, and gives it up when it can't.

    A process that lost touch with the database must have stopped its jobs before others start
    them: it stops fetching after two thirds of the ttl without a renewal (`held`), and abandons
    what it runs after five sixths. Time is counted from the moment at which a renewal was sent.
    A lease that was given up is never renewed again: nobody runs the jobs that it holds. It is
    replaced by a new one, and its row deleted, so that its jobs are rescued.

    The thread talks to the database and may hang in it; the event loop watches the clock. Between
    renewals the thread watches the connection: one that was cut has freed the lock that shows that
    this process lives, and is replaced at once.

    Args:
        dsn: where.
        schema: the schema.
        node: what people call this process.
        queues: what it serves, for people who read the table.
        ttl: seconds for which a renewal holds.
        timeout: seconds that a statement may take.
        on_lost: called on the event loop when the jobs in hand are not this process's any more.
        on_replaced: called on the event loop when a new lease has taken the place of a lost one.
        outage: hears when it can't be renewed.
        pooled: whether a pooler in transaction mode stands between.
        farewell: says how many seconds there are to give the lease back when the process ends.
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
        on_replaced: Callable[[], None] = lambda: None,
        outage: Outage | None = None,
        pooled: bool = False,
        farewell: Callable[[], float] = lambda: FAREWELL,
    ) -> None:
        self._dsn = dsn
        self._schema = schema
        self._node = node
        self._queues = queues
        self._ttl = ttl
        self._timeout = min(timeout, ttl / 3)
        self._on_lost = on_lost
        self._on_replaced = on_replaced
        self._outage = outage or Outage()
        self._pooled = pooled
        self._farewell = farewell
        self._stop = threading.Event()
        self._declared_dead = threading.Event()  # the thread found the row gone
        self._given_up = threading.Event()  # the event loop has abandoned the jobs
        self._replaced = threading.Event()  # the thread has a new lease
        self._renewed = 0.0
        self._back_at = -inf
        self._conn: LeaseConnection | None = None
        self.lease = 0

    @property
    def held(self) -> bool:
        """Whether jobs may be claimed under the lease."""
        return not self._given_up.is_set() and monotonic() < self._renewed + self._ttl * 2 / 3

    def may_begin(self) -> bool:
        """Whether what was claimed may begin: nobody else can have been given it yet.

        A process that was frozen finds its jobs where it left them, before anything has told it
        that its time is over.
        """
        return not self._given_up.is_set() and monotonic() < self._renewed + self._ttl * 5 / 6

    def is_current(self, lease: int) -> bool:
        """Whether a lease is the present one, and not given up."""
        return lease == self.lease and not self._given_up.is_set()

    def back_for(self) -> float:
        """Return the seconds since the process came back to the database; 0 while it is cut off."""
        return monotonic() - self._back_at if self._conn is not None else 0.0

    def serve(self, queues: Mapping[str, int]) -> None:
        """Write from the next renewal on that the process serves these queues."""
        self._queues = dict(queues)

    async def take(self) -> None:
        """Take the lease; `run` does it unless it was done before.

        Raises:
            DatabaseError: the database refuses, or does not answer.
        """
        await to_thread.run_sync(self._begin)

    async def run(self, *, task_status: TaskStatus[None]) -> None:
        """Take the lease, report it as started, and keep it until cancelled; then give it back."""
        if self.lease == 0:
            await self.take()
        bell, ear = socket.socketpair()  # rung to stop the thread
        thread = threading.Thread(target=self._keep, args=(ear,), name="baton lease", daemon=True)
        thread.start()
        try:
            task_status.started()
            while True:
                await sleep(self._ttl / 60)
                self._watch()
        finally:
            self._stop.set()
            bell.close()
            with CancelScope(shield=True):
                await to_thread.run_sync(thread.join, self._farewell())
            if thread.is_alive():  # it ends with the process, and the connection with it
                log.warning("lease.not_released", lease=self.lease, reason="no time is left")

    def _watch(self) -> None:
        if self._replaced.is_set():
            self._replaced.clear()
            self._on_replaced()
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

    def _keep(self, ear: socket.socket) -> None:
        pause = min(self._ttl / 12, LONGEST_PAUSE)
        with ear:
            while not self._rest(pause, ear):
                self._try()
        self._release()

    def _try(self) -> None:
        try:
            self._tend_again_if_cut()
        except DatabaseError as error:
            self._outage.failed("lease", error)
            self._disconnect()
        except Exception:  # without this thread the process would stand still and hold its lease
            report_error(log, "lease.failed", lease=self.lease)
            self._disconnect()
        else:
            self._outage.worked("lease")

    def _rest(self, pause: float, ear: socket.socket) -> bool:
        """Wait for the next renewal, or a cut of the connection; true when it is time to end."""
        if self._conn is None:
            return self._stop.wait(min(pause, AGAIN))
        self._conn.wait(pause, ear)
        # whatever the server says, this does not turn into a busy loop
        return self._stop.wait(SHORTEST_PAUSE)

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
        self._replaced.set()

    def _begin(self) -> None:
        try:
            self._acquire()
        except BaseException:
            self._disconnect()  # nobody else will: the process does not start
            raise

    def _acquire(self) -> None:
        sent = monotonic()
        self.lease = self._connected().acquire(self._node, self._queues, this_process())
        self._renewed = sent
        log.debug("lease.acquired", lease=self.lease)

    def _release(self) -> None:
        try:
            self._connected().release(self.lease)
        except DatabaseError as error:
            log.warning("lease.not_released", lease=self.lease, reason=str(error))
        finally:
            self._disconnect()

    def _connected(self) -> LeaseConnection:
        if self._conn is None:
            conn = LeaseConnection(
                self._dsn,
                self._schema,
                ttl=self._ttl,
                timeout=self._timeout,
                pooled=self._pooled,
            )
            if self.lease:
                self._back_at = monotonic()
            self._conn = conn
        return self._conn

    def _disconnect(self) -> None:
        conn, self._conn = self._conn, None
        if conn is not None:
            conn.close()
