"""Keeps open pages up to date: one connection that listens, one look for all browsers.

A notification marks the pages that it concerns; 250 ms later, so that a burst is one look, each of
them is read once and handed to everybody who has it open. Every 5 s it is read in any case. Whoever
reads slowly gets the newest snapshot when they are ready for it, and holds up nobody.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Hashable, Mapping
from random import uniform

import structlog

from baton.errors import BatonError, DatabaseError, StatementTimeout
from baton.events import read
from baton.store.events import ALL, hearing
from baton.store.listener import channels
from baton.web.desk import Desk
from baton.web.view import Asked, Gone

log = structlog.get_logger("baton.web")

DEBOUNCE = 0.25  # seconds from a notification to a look
POLL = 5.0  # seconds between looks that nothing has asked for
SHARE = 4  # a look that takes long is repeated after so many times as long, at the earliest
FIRST_DELAY = 0.1
LONGEST_DELAY = 5.0
CHANNELS = 500  # pages with different addresses that are open at once
BROWSERS = 2_000
ENDED = frozenset({"gone", "closed"})

Message = dict[str, str]


class Crowded(BatonError):
    """More pages are open than are kept up to date."""

    def __init__(self) -> None:
        super().__init__("too many live pages are open; this one is up to date when it is reloaded")


class Channel:
    """A page that somebody has open: its newest snapshot, and who waits for the next.

    Attributes:
        asked: the page.
        parts: its fragments, each with the number of the look that changed it last.
        looks: how many looks there were.
        state: ``live``, ``away`` while the database is, ``gone`` with what it shows, or ``closed``.
    """

    def __init__(self, asked: Asked) -> None:
        self.asked = asked
        self.parts: dict[str, tuple[int, str]] = {}
        self.looks = 0
        self.state = "live"
        self.browsers = 0
        self.task: asyncio.Task[None] | None = None
        self._dirty = asyncio.Event()
        self._next = asyncio.Event()

    def mark(self) -> None:
        """Say that what it shows may have changed."""
        self._dirty.set()

    def publish(self, state: str, parts: Mapping[str, str] | None = None) -> None:
        """Hand a snapshot to everybody."""
        self.looks += 1
        self.state = state
        for name, text in (parts or {}).items():
            if self.parts.get(name, (0, None))[1] != text:
                self.parts[name] = (self.looks, text)
        self._next.set()
        self._next = asyncio.Event()

    async def changed(self, seen: int) -> None:
        """Wait for a look after that one."""
        while self.looks <= seen:
            await self._next.wait()

    async def keep(self, desk: Desk) -> None:
        """Look again and again."""
        while self.state not in ENDED:
            self._dirty.clear()
            began = time.monotonic()
            try:
                self.publish("live", await self.asked.parts(desk))
            except Gone:
                self.publish("gone")
            except StatementTimeout as error:
                log.debug("page.slow", reason=str(error))
                self.publish("slow")
            except DatabaseError as error:
                log.debug("page.away", reason=str(error))
                self.publish("away")
            except Exception:
                log.exception("page.failed", page=self.asked.view.name)
                self.publish("away")
            took = time.monotonic() - began
            await asyncio.sleep(max(DEBOUNCE, took * SHARE))
            try:
                async with asyncio.timeout(POLL):
                    await self._dirty.wait()
            except TimeoutError:
                continue
            await asyncio.sleep(DEBOUNCE)


class Live:
    """Listens while a page is open.

    Args:
        desk: what pages are read with.
        dsn: past a pooler; ``None`` where nothing can listen, and pages are only polled.
        schema: the schema whose changes are wanted.
        timeout: seconds that a statement may take.
    """

    def __init__(self, desk: Desk, dsn: str | None, schema: str, *, timeout: float) -> None:
        self._desk = desk
        self._dsn = dsn
        self._schema = schema
        self._timeout = timeout
        self._channels: dict[Hashable, Channel] = {}
        self._listener: asyncio.Task[None] | None = None
        self.browsers = 0

    @property
    def pages(self) -> int:
        """How many different pages are open."""
        return len(self._channels)

    async def follow(self, asked: Asked) -> AsyncGenerator[Message, None]:
        """Yield what changes on a page: everything at first, then the fragments that differ."""
        channel = self._join(asked)
        sent: dict[str, int] = {}
        seen = 0
        try:
            while channel.state not in ENDED:
                await channel.changed(seen)
                seen = channel.looks
                if channel.state == "closed":
                    return
                for name, (look, text) in list(channel.parts.items()):
                    if sent.get(name, 0) < look:
                        sent[name] = look
                        yield {"event": name, "data": text}
                yield {"event": "pulse", "data": channel.state}
        finally:
            self._leave(channel)

    async def close(self) -> None:
        """End everything; who follows a page is told by the end of it."""
        tasks = [channel.task for channel in self._channels.values()]
        tasks.append(self._listener)
        self._listener = None
        running = [task for task in tasks if task is not None]
        for task in running:
            task.cancel()
        if running:
            await asyncio.wait(running)
        for channel in self._channels.values():
            channel.publish("closed")
        self._channels.clear()

    def check(self) -> None:
        """Check that one more page can be kept up to date.

        Raises:
            Crowded: too many are open.
        """
        if self.browsers >= BROWSERS or len(self._channels) >= CHANNELS:
            raise Crowded

    def _join(self, asked: Asked) -> Channel:
        channel = self._channels.get(asked.key)
        if channel is None:
            channel = self._channels[asked.key] = Channel(asked)
            channel.task = asyncio.create_task(channel.keep(self._desk), name="baton page")
        channel.browsers += 1
        self.browsers += 1
        if self._listener is None and self._dsn is not None:
            self._listener = asyncio.create_task(self._listen(self._dsn), name="baton page listens")
        return channel

    def _leave(self, channel: Channel) -> None:
        self.browsers -= 1
        channel.browsers -= 1
        if channel.browsers == 0 and self._channels.get(channel.asked.key) is channel:
            del self._channels[channel.asked.key]
            if channel.task is not None:
                channel.task.cancel()
        if not self._channels and self._listener is not None:
            self._listener.cancel()
            self._listener = None

    async def _listen(self, dsn: str) -> None:
        delay = FIRST_DELAY
        while True:
            try:
                async with hearing(dsn, self._schema, timeout=self._timeout) as connection:
                    delay = FIRST_DELAY
                    for channel in (ALL, *channels(self._schema)):
                        await connection.listen(channel)
                    self._mark(None)  # what was said meanwhile is lost
                    while True:
                        await connection.wait()
                        self._heard(connection.take())
            except BatonError as error:
                log.debug("page.deaf", reason=str(error))
            except Exception:
                log.exception("page.deaf")
            self._mark(None)
            await asyncio.sleep(uniform(delay / 2, delay))  # noqa: S311
            delay = min(delay * 2, LONGEST_DELAY)

    def _heard(self, received: list[tuple[str, str]]) -> None:
        topics: set[str] = set()
        for channel, payload in received:
            if channel == ALL:
                topics.update(str(event.workflow_id) for event in read(payload, self._schema))
            else:
                topics.add("queues")
        if topics:
            self._mark(topics)

    def _mark(self, topics: set[str] | None) -> None:
        for channel in self._channels.values():
            wanted = channel.asked.topic
            if topics is None or wanted is None or wanted in topics:
                channel.mark()
