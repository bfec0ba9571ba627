"""One connection that listens for all subscriptions of a client, and shares out what it hears."""

import asyncio
from random import uniform

import structlog
from anyio import CancelScope, Event, sleep

from baton.errors import BatonError, CannotListen
from baton.events import Buffer, Heard, Resumed, Snapshot, StepUpdated, WorkflowFinished, read
from baton.events import Event as AnyEvent
from baton.store.events import Hearing, hearing
from baton.verbosity import report_error

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
        self.error: Exception | None = None
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

    def refuse(self, error: Exception) -> None:
        """Tell why nothing can be heard."""
        self.error = error
        self.listening.set()

    def close(self) -> None:
        """Let nobody wait for an event any more."""
        self._closed = True
        self.listening.set()
        self._changed.set()

    def peek(self) -> AnyEvent | None:
        """Return the oldest event that is there, and leave it there."""
        return self._buffer.peek()

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

    Subscriptions come and go without a lock, and leaving awaits nothing: Python may end a generator
    that was left in the middle of an await, and whatever that held would never be free again.

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
        self._task: asyncio.Task[None] | None = None  # the one that takes subscriptions
        self._tasks: set[asyncio.Task[None]] = set()  # and those that are still closing
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
        self._subscriptions.add(subscription)
        if self._task is None:
            self._task = asyncio.create_task(self._run(self._dsn), name="baton events")
            self._tasks.add(self._task)
            self._task.add_done_callback(self._tasks.discard)
        self._look_again()
        await subscription.listening.wait()
        if subscription.error is not None:
            raise subscription.error

    def leave(self, subscription: Subscription) -> None:
        """Forget a subscription; with the last one the connection is closed."""
        self._subscriptions.discard(subscription)
        self._look_again()

    async def close(self) -> None:
        """End all subscriptions."""
        for each in self._subscriptions:
            each.close()
        self._subscriptions.clear()
        self._task = None
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            with CancelScope(shield=True):
                await asyncio.wait(tasks)

    async def _run(self, dsn: str) -> None:
        again = False
        delay = FIRST_DELAY
        while self._subscriptions:
            try:
                async with hearing(dsn, self._schema, timeout=self._timeout) as connection:
                    delay = FIRST_DELAY
                    await self._serve(connection, again=again)
                    return
            except BatonError as error:
                log.debug("events.lost", reason=str(error))
                self._refuse(error)
            except Exception as error:  # who subscribes waits for this task
                report_error(log, "events.failed")
                self._refuse(error)
            again = True
            await sleep(uniform(delay / 2, delay))  # noqa: S311
            delay = min(delay * 2, LONGEST_DELAY)
        self._task = None

    def _refuse(self, error: Exception) -> None:
        """Tell those who have heard nothing yet; the others wait for the database."""
        for each in list(self._subscriptions):
            if not each.listening.is_set():
                self._subscriptions.discard(each)
                each.refuse(error)

    async def _serve(self, connection: Hearing, *, again: bool) -> None:
        """Share out what is heard until nobody is left."""
        self.channels = frozenset()
        while True:
            while (wanted := self._wanted()) != self.channels:
                for channel in wanted - self.channels:
                    await connection.listen(channel)
                for channel in self.channels - wanted:
                    await connection.unlisten(channel)
                self.channels = wanted
            if not wanted:
                self._task = None  # at once: who comes now needs another connection
                return
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
