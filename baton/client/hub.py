"""One connection that listens for all subscriptions of a client, and shares out what it hears."""

import asyncio
from contextlib import AsyncExitStack
from random import uniform

import structlog
from anyio import CancelScope, Event, Lock, sleep

from baton.errors import CannotListen, DatabaseError
from baton.events import Buffer, Heard, Resumed, Snapshot, StepUpdated, WorkflowFinished, read
from baton.events import Event as AnyEvent
from baton.store.events import Hearing, hearing

log = structlog.get_logger("baton.events")

FIRST_DELAY = 0.1  # seconds before a reconnection, doubled each time
LONGEST_DELAY = 5.0


class Subscription:
    """What one subscriber has not taken yet.

    Args:
        channel: what it listens to.
        buffer: how many events wait before those of the same step are put together.
    """

    def __init__(self, channel: str, buffer: int) -> None:
        self.channel = channel
        self.heard = Heard()
        self.listening = Event()
        self._closed = False
        self._buffer = Buffer(buffer)
        self._snapshot: Snapshot | None = None
        self._changed = Event()

    def hear(self, event: StepUpdated | WorkflowFinished) -> None:
        """Take an event, unless it tells what is known already."""
        seen = self._snapshot is not None and self._snapshot.has(event)
        if not seen and self.heard.is_news(event):
            self._buffer.add(event)
            self._changed.set()

    def resume(self) -> None:
        """Take the word that events were missed."""
        self._buffer.add(Resumed(reason="reconnected"))
        self._changed.set()

    def seeded(self, snapshot: Snapshot) -> None:
        """Pass over what a look at the database has seen."""
        self._snapshot = snapshot
        self._buffer.forget(snapshot)

    def close(self) -> None:
        """Let nobody wait for an event any more."""
        self._closed = True
        self.listening.set()
        self._changed.set()

    def take(self) -> AnyEvent | None:
        """Return the oldest event that is there."""
        return self._buffer.take()

    async def next(self) -> AnyEvent | None:
        """Wait for an event; ``None`` when the client was closed."""
        while not self._closed:
            if (event := self._buffer.take()) is not None:
                return event
            self._changed = Event()
            await self._changed.wait()
        return None


class Hub:
    """Listens while there is a subscription, on one connection, and again after it was lost.

    Args:
        dsn: past a pooler; ``None`` where nothing can listen.
        schema: the schema whose events are wanted.
        timeout: seconds that a statement may take.
    """

    def __init__(self, dsn: str | None, schema: str, *, timeout: float) -> None:
        self._dsn = dsn
        self._schema = schema
        self._timeout = timeout
        self._subscriptions: set[Subscription] = set()
        self._changing = Lock()
        self._task: asyncio.Task[None] | None = None
        self._waiting: CancelScope | None = None
        self.channels: frozenset[str] = frozenset()

    async def join(self, subscription: Subscription) -> None:
        """Hear what a subscription wants, from when this has returned.

        Raises:
            CannotListen: there is no connection that can.
            DatabaseUnavailable: there is no server, or it refuses.
        """
        if self._dsn is None:
            raise CannotListen
        async with self._changing:
            self._subscriptions.add(subscription)
            try:
                if self._task is None:
                    await self._start(self._dsn)
            except BaseException:
                self._subscriptions.discard(subscription)
                raise
        self._look_again()
        await subscription.listening.wait()

    async def leave(self, subscription: Subscription) -> None:
        """Forget a subscription; the last one closes the connection."""
        self._subscriptions.discard(subscription)
        self._look_again()
        async with self._changing:
            if not self._subscriptions:
                await self._stop()

    async def close(self) -> None:
        """End all subscriptions."""
        for each in self._subscriptions:
            each.close()
        async with self._changing:
            await self._stop()

    async def _start(self, dsn: str) -> None:
        """Connect here, so that who asks first is told what is wrong."""
        stack = AsyncExitStack()
        connection = await stack.enter_async_context(
            hearing(dsn, self._schema, timeout=self._timeout)
        )
        self._task = asyncio.create_task(self._run(dsn, stack, connection), name="baton events")

    async def _stop(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with CancelScope(shield=True):
                await asyncio.wait([task])

    async def _run(self, dsn: str, stack: AsyncExitStack, connection: Hearing) -> None:
        again = False
        try:
            while True:
                try:
                    await self._serve(connection, again=again)
                except DatabaseError as error:
                    log.debug("events.lost", reason=str(error))
                await stack.aclose()
                connection = await self._reconnect(dsn, stack)
                again = True
        finally:
            with CancelScope(shield=True):
                await stack.aclose()

    async def _reconnect(self, dsn: str, stack: AsyncExitStack) -> Hearing:
        delay = FIRST_DELAY
        while True:
            await sleep(uniform(delay / 2, delay))  # noqa: S311
            delay = min(delay * 2, LONGEST_DELAY)
            try:
                return await stack.enter_async_context(
                    hearing(dsn, self._schema, timeout=self._timeout)
                )
            except DatabaseError as error:
                log.debug("events.unavailable", reason=str(error))

    async def _serve(self, connection: Hearing, *, again: bool) -> None:
        self.channels = frozenset()
        while True:
            while (wanted := self._wanted()) != self.channels:
                for channel in wanted - self.channels:
                    await connection.listen(channel)
                for channel in self.channels - wanted:
                    await connection.unlisten(channel)
                self.channels = wanted
            for each in self._subscriptions:
                if each.listening.is_set() and again:
                    each.resume()
                each.listening.set()
            again = False
            # nothing is awaited between the look at the subscriptions and this
            with CancelScope() as self._waiting:
                await connection.wait()
            self._waiting = None
            self._share_out(connection.take())

    def _wanted(self) -> frozenset[str]:
        return frozenset(each.channel for each in self._subscriptions)

    def _share_out(self, received: list[tuple[str, str]]) -> None:
        for channel, payload in received:
            hearers = [each for each in self._subscriptions if each.channel == channel]
            if hearers:
                for event in read(payload, self._schema):
                    for each in hearers:
                        each.hear(event)

    def _look_again(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
