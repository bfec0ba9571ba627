"""LISTEN: a connection that hears which queues have something to do, and what was changed."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from anyio import CancelScope
from psycopg import AsyncConnection
from psycopg.sql import SQL, Identifier

from baton.store import door, sql
from baton.store.translation import translated

JOBS = "jobs"  # payload: the name of a queue that has something to do
CONTROL = "control"  # payload: a word that says what was changed, and its particulars


def channels(schema: str) -> list[str]:
    """Return the names of the channels of a schema."""
    return [f"{sql.quoted(schema)}.{channel}" for channel in (JOBS, CONTROL)]


@asynccontextmanager
async def listening(dsn: str, schema: str, *, timeout: float) -> AsyncIterator["Listener"]:
    """Listen on the schema's channels until the block ends.

    Raises:
        DatabaseUnavailable: there is no server, or it refuses.
    """
    conn = await door.connect(dsn, schema, timeout=timeout, name="baton listen")
    try:
        with translated(schema):
            for channel in channels(schema):
                await conn.execute(SQL("listen {}").format(Identifier(channel)))
        yield Listener(conn, schema)
    finally:
        with CancelScope(shield=True):
            await conn.close()


class Listener:
    """What `listening` gives."""

    def __init__(self, conn: AsyncConnection[door.Row], schema: str) -> None:
        self._conn = conn
        self._schema = schema
        self._prefix = f"{sql.quoted(schema)}."

    async def pass_on(self, hear: Callable[[str, str], None]) -> None:
        """Call ``hear`` with the channel and the payload of each notification, until cancelled.

        It is called where the event loop finds that something arrived. psycopg's generator of
        notifications resumes a task first, and while it waits it looks ten times a second whether
        to go on.

        Raises:
            DatabaseUnavailable: the connection is lost.
        """
        loop = asyncio.get_running_loop()
        lost = loop.create_future()

        def read() -> None:
            try:
                self._read(hear)
            except Exception as error:
                loop.remove_reader(descriptor)
                if not lost.done():
                    lost.set_exception(error)

        with translated(self._schema):
            descriptor = self._conn.fileno()
            loop.add_reader(descriptor, read)
            try:
                await lost
            finally:
                loop.remove_reader(descriptor)

    def _read(self, hear: Callable[[str, str], None]) -> None:
        pgconn = self._conn.pgconn
        pgconn.consume_input()
        while (notify := pgconn.notifies()) is not None:
            channel = notify.relname.decode(errors="replace").removeprefix(self._prefix)
            hear(channel, notify.extra.decode(errors="replace"))
