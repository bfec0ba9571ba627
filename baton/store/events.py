"""Events: how things stand when somebody begins to listen, and hearing what changes."""

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from uuid import UUID

from anyio import CancelScope, wait_readable
from psycopg import AsyncConnection
from psycopg.sql import SQL, Composed, Identifier

from baton.events import Snapshot, StepUpdated, WorkflowFinished, to_event
from baton.store import door
from baton.store.pools import Database
from baton.store.rows import document
from baton.store.translation import translated

ALL = "workflow:all"


def channel_of(workflow_id: UUID | None) -> str:
    """Return the channel of a workflow, or of all."""
    return ALL if workflow_id is None else f"workflow:{workflow_id}"


async def states(
    database: Database, workflow_id: UUID | None, *, heard: Collection[int] = ()
) -> tuple[Snapshot, list[StepUpdated | WorkflowFinished]]:
    """Return how steps stand, and after them whether their workflow is finished.

    Args:
        database: where.
        workflow_id: which workflow; ``None`` for all that execute.
        heard: jobs of steps that are not wanted.
    """
    params = {"id": workflow_id, "heard": list(heard)}
    (text, _), *rows = await database.run("events_seed", params)
    return Snapshot.of(text), [to_event(document(event), seeded=True) for _, event in rows]


@asynccontextmanager
async def hearing(dsn: str, schema: str, *, timeout: float) -> AsyncIterator["Hearing"]:
    """Open a connection that listens to channels which come and go.

    Raises:
        DatabaseUnavailable: there is no server, or it refuses.
    """
    conn = await door.connect(dsn, schema, timeout=timeout, name="baton events")
    try:
        yield Hearing(conn, schema)
    finally:
        with CancelScope(shield=True):
            await conn.close()


class Hearing:
    """What `hearing` gives. One task uses it at a time.

    It waits for the socket itself: psycopg's generator of notifications keeps the connection locked
    while it waits, and then no channel can be added.
    """

    def __init__(self, conn: AsyncConnection[door.Row], schema: str) -> None:
        self._conn = conn
        self._schema = schema
        self._received: list[tuple[str, str]] = []
        # called for what arrives while a statement runs
        conn.add_notify_handler(
            lambda notify: self._received.append((notify.channel, notify.payload))
        )

    async def listen(self, channel: str) -> None:
        """Hear a channel; when this has returned, everything is heard that commits from then on."""
        await self._say(SQL("listen {}").format(Identifier(channel)))

    async def unlisten(self, channel: str) -> None:
        """Hear a channel no more."""
        await self._say(SQL("unlisten {}").format(Identifier(channel)))

    async def wait(self) -> None:
        """Wait until something has arrived, or the connection is lost; may be cancelled."""
        if not self._received:
            with translated(self._schema):
                descriptor = self._conn.fileno()
            await wait_readable(descriptor)

    def take(self) -> list[tuple[str, str]]:
        """Return what has arrived, as pairs of a channel and a payload.

        Raises:
            DatabaseUnavailable: the connection is lost.
        """
        with translated(self._schema):
            pgconn = self._conn.pgconn
            pgconn.consume_input()
            while (notify := pgconn.notifies()) is not None:
                channel, payload = notify.relname, notify.extra
                self._received.append((channel.decode(), payload.decode("utf-8", "replace")))
        received, self._received = self._received, []
        return received

    async def _say(self, statement: Composed) -> None:
        with CancelScope(shield=True), translated(self._schema):
            await self._conn.execute(statement)
