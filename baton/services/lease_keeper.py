"""Keeps this process's lease: renewed by a thread of its own, whatever the event loop is doing."""

import os
import socket
import threading
from collections.abc import Callable, Mapping
from time import monotonic

import structlog
from anyio import CancelScope, sleep_forever, to_thread
from anyio.abc import TaskStatus
from anyio.from_thread import BlockingPortal

from baton.errors import DatabaseError
from baton.store.leases import LeaseConnection

log = structlog.get_logger("baton.lease")


def node_name() -> str:
    """Return what people call this process: host and process id."""
    return f"{socket.gethostname()}:{os.getpid()}"


class LeaseKeeper:
    """Takes a lease, renews it every ``ttl / 15`` seconds, and says when it can't be counted on.

    A process that lost touch with the database must have stopped its jobs before others start them:
    it stops fetching after two thirds of the ttl without a renewal (`held`), and gives up what it
    runs after five sixths. Time is counted from the moment at which a renewal was sent.

    Args:
        dsn: where.
        schema: the schema.
        queues: what this process serves, for people who read the table.
        ttl: seconds for which a renewal holds.
        timeout: seconds that a statement may take.
        on_lost: called on the event loop when the lease was, or is about to be, given to others.
    """

    def __init__(
        self,
        dsn: str,
        schema: str,
        queues: Mapping[str, int],
        *,
        ttl: float,
        timeout: float,
        on_lost: Callable[[], None],
    ) -> None:
        self._dsn = dsn
        self._schema = schema
        self._queues = queues
        self._ttl = ttl
        self._timeout = min(timeout, ttl / 3)
        self._on_lost = on_lost
        self._stop = threading.Event()
        self._renewed = 0.0
        self._conn: LeaseConnection | None = None
        self._given_up = False
        self.lease = 0

    @property
    def held(self) -> bool:
        """Whether jobs may be claimed under the lease."""
        return monotonic() < self._renewed + self._ttl * 2 / 3

    async def run(self, *, task_status: TaskStatus[None]) -> None:
        """Take the lease, report it as started, and renew it until cancelled; then give it back."""
        await to_thread.run_sync(self._acquire)
        async with BlockingPortal() as portal:
            thread = threading.Thread(
                target=self._renew_until_stopped, args=(portal,), name="baton lease", daemon=True
            )
            thread.start()
            try:
                task_status.started()
                await sleep_forever()
            finally:
                self._stop.set()
                with CancelScope(shield=True):
                    await to_thread.run_sync(self._release, thread)

    def _release(self, thread: threading.Thread) -> None:
        thread.join(self._timeout)
        try:
            if self._conn is not None:
                self._conn.release(self.lease)
        except DatabaseError as error:
            log.warning("lease.not_released", lease=self.lease, reason=str(error))
        finally:
            self._disconnect()

    def _acquire(self) -> None:
        sent = monotonic()
        self._conn = self._connect()
        self.lease = self._conn.acquire(node_name(), self._queues)
        self._renewed = sent
        log.debug("lease.acquired", lease=self.lease)

    def _connect(self) -> LeaseConnection:
        return LeaseConnection(self._dsn, self._schema, ttl=self._ttl, timeout=self._timeout)

    def _renew_until_stopped(self, portal: BlockingPortal) -> None:
        while not self._stop.wait(self._ttl / 15):
            try:
                self._renew(portal)
            except DatabaseError as error:
                log.warning("lease.not_renewed", lease=self.lease, reason=str(error))
                self._disconnect()
            if not self._given_up and monotonic() > self._renewed + self._ttl * 5 / 6:
                self._given_up = True
                log.error("lease.running_out", lease=self.lease)
                portal.start_task_soon(self._on_lost)

    def _renew(self, portal: BlockingPortal) -> None:
        sent = monotonic()
        if self._conn is None:
            self._conn = self._connect()
        if self._conn.renew(self.lease):
            self._renewed = sent
            self._given_up = False
            return
        log.error("lease.lost", lease=self.lease)
        portal.start_task_soon(self._on_lost)
        self._disconnect()
        self._acquire()
        self._given_up = False

    def _disconnect(self) -> None:
        conn, self._conn = self._conn, None
        if conn is not None:
            conn.close()
