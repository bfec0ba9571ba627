"""A server's front door that counts the statements which pass through it, and may be shut."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from psycopg.conninfo import conninfo_to_dict, make_conninfo

STATEMENTS = frozenset(b"QE")  # Query of the simple protocol, Execute of the extended one


class Wire:
    """Counts; ``dsn`` leads to the server through it."""

    def __init__(self, dsn: str) -> None:
        self._passing = asyncio.Event()
        self._passing.set()
        self._refusing = False
        self._writers: list[asyncio.StreamWriter] = []
        self._server = conninfo_to_dict(dsn)
        # asyncio does not: one whose client has left could be collected while it waits
        self._serving: list[asyncio.Task[Any]] = []
        self.dsn = dsn
        self.statements = 0

    def listens_at(self, port: int) -> None:
        own = {"host": "127.0.0.1", "hostaddr": None, "port": port}
        plain = {"sslmode": "disable", "gssencmode": "disable"}
        self.dsn = make_conninfo(**{**self._server, **own, **plain})

    def hold(self) -> None:
        """Pass nothing on any more, and tell nobody: a cable was pulled, or the server frozen."""
        self._passing.clear()

    @property
    def is_held(self) -> bool:
        """Whether nothing is passed on."""
        return not self._passing.is_set()

    def refuse(self) -> None:
        """Cut every connection, and take no new one: the server is gone."""
        self._refusing = True
        for writer in self._writers:
            writer.transport.abort()

    def pass_on(self) -> None:
        """Be a door again."""
        self._refusing = False
        self._passing.set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._refusing:
            writer.transport.abort()
            return
        self._writers.append(writer)
        task = asyncio.current_task()
        assert task is not None
        self._serving.append(task)
        try:
            there, back = await self._connect()
            answers = asyncio.create_task(self._answer(there, writer))
            await self._pass_on(reader, back)
            await answers
            await closed(back)
        finally:
            writer.transport.abort()

    async def ended(self) -> None:
        """Cut who left and waits for the garbage collector, and wait until nobody is served."""
        for writer in self._writers:
            writer.transport.abort()
        await asyncio.gather(*self._serving, return_exceptions=True)

    async def _pass_on(self, reader: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            length = await reader.readexactly(4)  # the first message has no type
            back.write(length + await reader.readexactly(int.from_bytes(length) - 4))
            while True:
                head = await reader.readexactly(5)
                await self._passing.wait()
                self.statements += head[0] in STATEMENTS
                back.write(head + await reader.readexactly(int.from_bytes(head[1:]) - 4))
        with suppress(OSError):
            back.write_eof()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while some := await reader.read(65_536):
                await self._passing.wait()
                writer.write(some)
        await closed(writer)

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        host, port = str(self._server["host"]), self._server.get("port") or 5432
        if host.startswith("/"):
            return await asyncio.open_unix_connection(f"{host}/.s.PGSQL.{port}")
        return await asyncio.open_connection(host, int(port))


@asynccontextmanager
async def counting(dsn: str) -> AsyncIterator[Wire]:
    wire = Wire(dsn)
    server = await asyncio.start_server(wire.serve, "127.0.0.1", 0)
    async with server:
        wire.listens_at(server.sockets[0].getsockname()[1])
        try:
            yield wire
        finally:
            wire.pass_on()
        server.close()
        await wire.ended()


async def closed(writer: asyncio.StreamWriter) -> None:
    """Close a stream and wait until it is, whether its other end is there or not."""
    with suppress(OSError):
        writer.close()
        await writer.wait_closed()
