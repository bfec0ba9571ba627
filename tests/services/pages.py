"""Pages that follow workflows, for the tests of events."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Any
from uuid import uuid4

import anyio
import pytest
from psycopg import AsyncConnection

from baton import (
    Cancel,
    Discard,
    Job,
    Registry,
    Snooze,
    StepUpdated,
    Workflow,
)
from baton.store import dsns
from tests.services.test_node import until
from tests.support import job, value

LISTENERS = """
  select count(*) from pg_stat_activity
  where datname = current_database() and application_name = 'baton events'
"""


LISTENING = """
  select count(*) from pg_stat_activity
  where datname = current_database() and application_name = 'baton events'
    and query like 'listen%%' and state = 'idle'
"""


CUT = """
  select pg_terminate_backend(pid) from pg_stat_activity
  where datname = current_database() and application_name = 'baton events'
"""


class Page:
    """Takes the events of a subscription, as a live page does."""

    def __init__(self) -> None:
        self.events: list[Any] = []
        self.begun = anyio.Event()
        self.ended = anyio.Event()

    @property
    def said(self) -> list[tuple[str, str]]:
        return [(e.step_name, e.state) for e in self.events if isinstance(e, StepUpdated)]

    @property
    def states(self) -> dict[str, str]:
        return dict(self.said)

    async def read(self, subscription: Any) -> None:
        async with aclosing(subscription) as events:
            async for event in events:
                self.events.append(event)
                self.begun.set()
        self.ended.set()

    def has(self, *said: tuple[str, str]) -> Callable[[], Any]:
        async def check() -> bool:
            return set(said) <= set(self.said)

        return check


async def listening(database: str) -> None:
    async def check() -> bool:
        return int(await value(database, LISTENING)) > 0

    await until(check)


@asynccontextmanager
async def bare_listener(database: str, channel: str) -> AsyncIterator[Callable[[], Any]]:
    """What another language does: LISTEN, and read JSON."""
    conn = await AsyncConnection.connect(dsns.conninfo(database), autocommit=True)
    try:
        end = uuid4().hex
        await conn.execute(f'listen "{channel}"; listen "{end}"'.encode())

        async def heard() -> list[Any]:
            # a commit is seen a moment before it is told, but all are told in their order
            await conn.execute(f'notify "{end}"'.encode())
            payloads = []
            async for note in conn.notifies(timeout=60):
                if note.channel == end:
                    break
                payloads.append(note.payload)
            assert all(len(payload.encode()) < 8_000 for payload in payloads)
            return [event for payload in payloads for event in json.loads(payload)]

        yield heard
    finally:
        await conn.close()


@pytest.fixture
def registry() -> Registry:
    registry = Registry()
    state = {"naps": 0}

    @registry.worker(name="works")
    async def works(_job: Job) -> dict[str, int]:
        return {"answer": 42}

    @registry.worker(name="naps")
    async def naps(_job: Job) -> Snooze | None:
        state["naps"] += 1
        return Snooze(0.01) if state["naps"] == 1 else None

    @registry.worker(name="fails", max_attempts=2, backoff=lambda _job, _error: 0.01)
    async def fails(_job: Job) -> None:
        raise ValueError("broken")

    @registry.worker(name="gives_up")
    async def gives_up(_job: Job) -> Discard:
        return Discard("no use")

    @registry.worker(name="leaves")
    async def leaves(_job: Job) -> Cancel:
        return Cancel("not wanted")

    return registry


def flow_of(**steps: tuple[str, list[str]]) -> Workflow:
    flow = Workflow("flow")
    for name, (worker, deps) in steps.items():
        flow.add(name, job(worker=worker, max_attempts=2), deps=deps)
    return flow
