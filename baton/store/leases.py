"""Leases: how a process says that it is alive, over a connection of its own.

Synchronous, because a thread of its own renews the lease: user code that blocks the event loop must
not make its process look dead. The same connection holds the advisory lock that tells a crash.
"""

import select
import socket
from collections.abc import Mapping

from baton import documents
from baton.store import door, sql


class LeaseConnection:
    """One connection that holds a lease.

    Args:
        dsn: where.
        schema: the schema.
        ttl: seconds for which a renewal holds.
        timeout: seconds that a statement may take.
        pooled: whether a pooler in transaction mode stands between. No session then is this
            process's alone, so none can hold the advisory lock, and only the end of the lease
            tells that the process died.

    Raises:
        DatabaseUnavailable: there is no server, or it refuses.
    """

    def __init__(
        self, dsn: str, schema: str, *, ttl: float, timeout: float, pooled: bool = False
    ) -> None:
        self._schema = sql.check_schema(schema)
        self._ttl = ttl
        self._guards = not pooled
        self._guarded = False
        self._conn = door.connect_sync(
            dsn,
            schema,
            timeout=timeout,
            name="baton lease",
            pooled=pooled,
            connect_timeout=max(2, int(timeout)),
        )

    def acquire(self, node: str, queues: Mapping[str, int], process: str | None = None) -> int:
        """Take a new lease, guarded by an advisory lock if it can be; return its id.

        Args:
            node: what people call the process.
            queues: what it serves, and how many jobs of each at once.
            process: what others of the same machine know it by.
        """
        params = {
            "node": node,
            "queues": documents.encode(dict(queues)),
            "guarded": self._guards,
            "process": process,
            "ttl": self._ttl,
        }
        [(lease,)] = door.run_sync(self._conn, self._schema, "lease_acquire", params)
        self._guard(lease)
        return int(lease)

    def _guard(self, lease: int) -> None:
        if not self._guards:
            return
        [(self._guarded,)] = door.run_sync(
            self._conn, self._schema, "lease_guard", {"lease": lease}
        )

    def renew(self, lease: int, queues: Mapping[str, int] | None = None) -> bool:
        """Renew a lease, and say what is served; false means that it was declared dead."""
        if not self._guarded:
            self._guard(lease)
        served = None if queues is None else documents.encode(dict(queues))
        params = {"lease": lease, "ttl": self._ttl, "queues": served}
        return bool(door.run_sync(self._conn, self._schema, "lease_renew", params))

    def wait(self, seconds: float, bell: socket.socket) -> None:
        """Wait, but no longer than until the server speaks up, or somebody rings the bell.

        A server says nothing unasked, except that it ends the connection.
        """
        poll = select.poll()
        for each in (self._conn.fileno(), bell.fileno()):
            poll.register(each, select.POLLIN)
        poll.poll(seconds * 1000)

    def release(self, lease: int) -> None:
        """Give a lease back."""
        door.run_sync(self._conn, self._schema, "lease_release", {"lease": lease})

    def close(self) -> None:
        """Close the connection, and with it free the advisory lock."""
        self._conn.close()
