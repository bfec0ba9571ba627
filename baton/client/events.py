"""The part of a client that tells what happens to workflows: ``client.events``."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from functools import partial
from random import uniform
from typing import TypeGuard, TypeVar
from uuid import UUID

import structlog
from anyio import sleep

from baton.client.hub import FIRST_DELAY, LONGEST_DELAY, Hub, Subscription
from baton.errors import ConfigurationError, DatabaseError, NotFound
from baton.events import BUFFER, Event, Resumed, StepUpdated, WorkflowFinished
from baton.store.events import channel_of, states
from baton.store.pools import Database

log = structlog.get_logger("baton.events")

Found = TypeVar("Found")
Seeds = Sequence[StepUpdated | WorkflowFinished]
LEAST_BUFFER = 2
FINAL = frozenset({"completed", "discarded", "cancelled"})


class EventSource:
    """Subscribes to events; all subscriptions of a client share one connection that listens.

    It is opened by the first of them and closed with the last. Each has a buffer of its own, so one
    that is slow holds up nobody.

    Args:
        database: where states are read.
        direct: the DSN past a pooler; ``None`` where nothing can listen.
        timeout: seconds that a statement may take.
    """

    def __init__(self, database: Database, direct: str | None, *, timeout: float) -> None:
        self._database = database
        self._hub = Hub(direct, database.schema, timeout=timeout)

    def subscribe_workflow(
        self,
        workflow_id: UUID | str,
        *,
        seed: bool = False,
        follow: bool = False,
        buffer: int = BUFFER,
    ) -> AsyncGenerator[Event, None]:
        """Yield what becomes of a workflow; `baton.Events.subscribe_workflow` says more."""
        return self._subscribe(workflow_id, seed=seed, follow=follow, buffer=buffer)

    def subscribe_all(
        self, *, seed: bool = False, buffer: int = BUFFER
    ) -> AsyncGenerator[Event, None]:
        """Yield what becomes of all workflows; `baton.Events.subscribe_all` says more."""
        return self._subscribe(None, seed=seed, follow=True, buffer=buffer)

    @property
    def channels(self) -> frozenset[str]:
        """What is listened to right now."""
        return self._hub.channels

    async def close(self) -> None:
        """End every subscription."""
        await self._hub.close()

    async def _subscribe(
        self, workflow_id: UUID | str | None, *, seed: bool, follow: bool, buffer: int
    ) -> AsyncGenerator[Event, None]:
        """Yield what becomes of a workflow, or of all."""
        if type(buffer) is not int or buffer < LEAST_BUFFER:
            raise ConfigurationError(
                f"buffer must be a number from {LEAST_BUFFER} on, not {buffer!r}"
            )
        flow = None if workflow_id is None else _id(workflow_id)
        subscription = Subscription(channel_of(flow), buffer)
        try:
            await self._hub.join(subscription)
            seeds = await self._look(subscription, flow) if seed else []
            while True:
                for each in seeds:
                    yield each
                    if isinstance(each, WorkflowFinished) and not follow:
                        return
                seeds = []
                event = await subscription.next()
                match event:
                    case None:
                        return
                    case Resumed():
                        yield event
                        if seed:
                            seeds = await _patiently(partial(self._look, subscription, flow))
                    case WorkflowFinished() if flow is not None:
                        seeds = [*await self._late(subscription, flow, event), event]
                    case _:
                        yield event
        finally:
            self._hub.leave(subscription)

    async def _look(self, subscription: Subscription, workflow_id: UUID | None) -> Seeds:
        """Return how things stand, and pass over events that are older than that.

        It listens already: what commits after the look is heard, and the transaction that an event
        names tells what committed before.
        """
        snapshot, seeds = await states(self._database, workflow_id)
        subscription.seeded(snapshot)
        for each in seeds:
            subscription.heard.is_news(each)
        return seeds

    async def _late(
        self, subscription: Subscription, workflow_id: UUID, finished: WorkflowFinished
    ) -> Seeds:
        """Return the ends of steps that were not heard of before that of their workflow.

        The process that acknowledged a step publishes its end a moment later, and another one may
        have finished the workflow by then. What happens in a rerun stays where it is.
        """
        known = subscription.heard.ended()
        _, found = await _patiently(lambda: states(self._database, workflow_id, heard=known))
        # A workflow has the time at which the transaction began that found it finished, and its
        # last step may have ended after that. So times decide only where it was retried since.
        stands = any(
            isinstance(each, WorkflowFinished) and each.timestamp == finished.timestamp
            for each in found
        )

        def is_late(event: Event | None) -> TypeGuard[StepUpdated]:
            return (
                isinstance(event, StepUpdated)
                and event.state in FINAL
                and (stands or event.timestamp <= finished.timestamp)
            )

        ended = [each for each in found if is_late(each) and subscription.heard.is_news(each)]
        while is_late(waiting := subscription.peek()):
            ended.append(waiting)
            subscription.take()
        return ended


async def _patiently(read: Callable[[], Awaitable[Found]]) -> Found:
    """Read until it succeeds: the database may be away for a while."""
    delay = FIRST_DELAY
    while True:
        try:
            return await read()
        except DatabaseError as error:
            log.debug("events.unavailable", reason=str(error))
        await sleep(uniform(delay / 2, delay))  # noqa: S311
        delay = min(delay * 2, LONGEST_DELAY)


def _id(given: UUID | str) -> UUID:
    if isinstance(given, UUID):
        return given
    try:
        return UUID(given)
    except ValueError:
        raise NotFound("workflow", given) from None
