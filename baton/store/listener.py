"""LISTEN: a connection that hears which queues have something to do, and what was changed."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from anyio import CancelScope
from psycopg import AsyncConnection

from baton.store import door

JOBS = "jobs"  # payload: the name of a queue that has something to do
CONTROL = "control"  # payload: a word that says what was changed, and its particulars


@asynccontextmanager
async def listening(dsn: str, schema: str, *, timeout: float) -> AsyncIterator["Listener"]:
    """Listen on the schema's channels until the block ends.

    Raises:
        DatabaseUnavailable: there is no server, or it refuses.
    """
    conn = await door.connect(dsn, schema, timeout=timeout, name="baton listen")
    try:
        with door.translated(schema):
            for channel in (JOBS, CONTROL):
                # quoted: the names hold a dot
                await conn.execute(f'listen "{schema}.{channel}"'.encode())
        yield Listener(conn, schema)
    finally:
        with CancelScope(shield=True):
            await conn.close()


class Listener:
    """What `listening` gives: iterate over it for pairs of a channel and a payload."""

    def __init__(self, conn: AsyncConnection[door.Row], schema: str) -> None:
        self._conn = conn
        self._schema = schema

    async def __aiter__(self) -> AsyncIterator[tuple[str, str]]:
        with door.translated(self._schema):
            async for notification in self._conn.notifies():
                yield notification.channel.removeprefix(f"{self._schema}."), notification.payload
