"""A TCP proxy between one worker process and the servers: links that can be cut, held and slowed.

It reads as much of PostgreSQL's protocol as it takes to know when a statement commits, so that the
reply of a commit can be lost.
"""

import asyncio
import re
import struct
from collections.abc import Sequence
from contextlib import suppress

CHUNK = 65_536
STARTUP_REQUESTS = (80877103, 80877104)  # SSL and GSS, which are answered with one byte
# what commits by itself, or commits what came before
COMMITS = (
    b"COMMIT",
    b"call baton.cycle(",
    b"baton.fetch_jobs(",
    b"job_complete",
    b"insert into",
    b"update baton.",
)


class Messages:
    """Takes what a client sends apart into messages, and says whether one of them commits."""

    def __init__(self) -> None:
        self._buffer = b""
        self._started = False
        self._statements: dict[bytes, bool] = {}

    def commits(self, data: bytes) -> bool:
        """Whether a message that ends in these data makes the server commit."""
        self._buffer += data
        found = False
        while (message := self._next()) is not None:
            kind, body = message
            if kind == b"Q":
                found = found or _commits(body)
            elif kind == b"P":
                name, _, query = body.partition(b"\0")
                self._statements[name] = _commits(query)
            elif kind == b"B":
                name = body.split(b"\0", 2)[1]
                found = found or self._statements.get(name, False)
        return found

    def _next(self) -> tuple[bytes, bytes] | None:
        head = 1 if self._started else 0
        if len(self._buffer) < head + 4:
            return None
        [length] = struct.unpack_from("!i", self._buffer, head)
        if len(self._buffer) < head + length:
            return None
        message = self._buffer[: head + length]
        self._buffer = self._buffer[head + length :]
        if self._started:
            return message[:1], message[5:]
        [code] = struct.unpack_from("!i", message, 4)
        self._started = code not in STARTUP_REQUESTS
        return b"", b""


def _commits(query: bytes) -> bool:
    return any(word in query for word in COMMITS)


class Connection:
    """One client's connection and its twin to the server."""

    def __init__(self, link: "Link", target: int) -> None:
        self._link = link
        self._target = target
        self._messages = Messages()
        self._writers: list[asyncio.StreamWriter] = []
        self._losing = False

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        try:
            away, there = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            self.abort()
            return
        self._writers.append(there)
        pumps = [
            asyncio.create_task(self._forth(reader, there)),
            asyncio.create_task(self._back(away, writer)),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.abort()
            for pump in pumps:
                pump.cancel()
            with suppress(Exception):
                await asyncio.gather(*pumps, return_exceptions=True)

    async def _forth(self, reader: asyncio.StreamReader, there: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(CHUNK):
                self._link.see(data)
                await self._link.passing()
                if self._messages.commits(data) and self._link.take_armed():
                    self._losing = True
                there.write(data)
                await there.drain()
            await self._link.passing()
            there.write_eof()  # what was sent before arrives, whoever is still there to hear of it
            await asyncio.Event().wait()  # until the server hangs up

    async def _back(self, away: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await away.read(CHUNK):
                await self._link.passing()
                if self._losing:  # it has committed; the client will never know
                    self._link.lost += 1
                    return
                writer.write(data)
                await writer.drain()

    def abort(self) -> None:
        """Cut both ends, with a reset, as a machine that forgot the connection does."""
        for writer in self._writers:
            with suppress(Exception):
                writer.transport.abort()


class Link:
    """The way from one process to the servers: a port for each of them.

    Attributes:
        ports: where its process connects to.
        lost: how many replies of commits were lost.
    """

    def __init__(self, targets: Sequence[int]) -> None:
        self._targets = targets
        self._connections: set[Connection] = set()
        self._open = asyncio.Event()
        self._open.set()
        self._held_at: re.Pattern[bytes] | None = None
        self._reached = asyncio.Event()
        self._refusing = False
        self._delay = 0.0
        self._armed = 0
        self._listeners: list[asyncio.Server] = []
        self.ports: list[int] = []
        self.lost = 0

    async def start(self) -> None:
        for target in self._targets:

            async def accept(
                reader: asyncio.StreamReader, writer: asyncio.StreamWriter, target: int = target
            ) -> None:
                await self._accept(reader, writer, target)

            listener = await asyncio.start_server(accept, "127.0.0.1", 0)
            self._listeners.append(listener)
            self.ports.append(listener.sockets[0].getsockname()[1])

    async def _accept(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, target: int
    ) -> None:
        if self._refusing:
            writer.transport.abort()
            return
        connection = Connection(self, target)
        self._connections.add(connection)
        try:
            await connection.serve(reader, writer)
        finally:
            self._connections.discard(connection)

    def cut(self) -> int:
        """Cut what is connected; return how many connections that were."""
        cut = list(self._connections)
        for connection in cut:
            connection.abort()
        return len(cut)

    def refuse(self, on: bool) -> None:
        self._refusing = on

    def hold(self, on: bool) -> None:
        """Forward nothing any more, and keep everything connected: a half-open link."""
        if on:
            self._open.clear()
        else:
            self._held_at = None
            self._open.set()

    def hold_at(self, number: int) -> asyncio.Event:
        """Hold from the moment on in which the process sends this number; the event tells of it."""
        self._held_at = re.compile(rb"(?<!\d)%d(?!\d)" % number)
        self._reached = asyncio.Event()
        return self._reached

    def see(self, data: bytes) -> None:
        """Look at what the process sends."""
        if self._held_at is not None and self._held_at.search(data):
            self._held_at = None
            self._reached.set()
            self.hold(on=True)

    def slow(self, delay: float) -> None:
        self._delay = delay

    def lose_replies(self, count: int) -> None:
        """Lose the replies of the next commits."""
        self._armed = count

    def take_armed(self) -> bool:
        self._armed -= 1
        return self._armed >= 0

    async def passing(self) -> None:
        if self._delay:
            await asyncio.sleep(self._delay)
        await self._open.wait()

    async def close(self) -> None:
        self.hold(on=False)
        for listener in self._listeners:
            listener.close()
        self.cut()
        while self._connections:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.01)  # for the loop to let go of their sockets
