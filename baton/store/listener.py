"""LISTEN: a connection that waits for the names of queues that have something to do."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from anyio import CancelScope
from psycopg import AsyncConnection

from baton.store import door


@asynccontextmanager
async def listening(dsn: str, schema: str, *, timeout: float) -> AsyncIterator["Listener"]:
    """Listen on the schema's channel until the block ends.

    Raises:
        DatabaseUnavailable: there is no server, or it refuses.
    """
    conn = await door.connect(dsn, schema, timeout=timeout, name="baton listen")
    try:
        with door.translated(schema):
            await conn.execute(f"listen {channel(schema)}".encode())
        yield Listener(conn, schema)
    finally:
        with CancelScope(shield=True):
            await conn.close()


def channel(schema: str) -> str:
    """Return the channel on which queues are named, quoted: its name holds a dot."""
    return f'"{schema}.jobs"'


class Listener:
    """What `listening` gives: iterate over it for payloads, names of queues as a rule."""

    def __init__(self, conn: AsyncConnection[door.Row], schema: str) -> None:
        self._conn = conn
        self._schema = schema

    async def __aiter__(self) -> AsyncIterator[str]:
        with door.translated(self._schema):
            async for notification in self._conn.notifies():
                yield notification.payload
