"""Jobs start when they are due, also those that were sent to wait a moment ago.

Nobody looks around here, so what nobody was told of would be minutes late.
"""

import pytest

from baton import Error, Job, Registry, Snooze, Workflow
from baton.services import lookout
from tests.services.test_node import all_final, running, until
from tests.support import rows, value

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("unwatched")]

LATE = 30.0  # seconds; idle machines take some 10 ms
NEVER = 3_600.0  # seconds
LATEST = """
  select
    max(extract(epoch from attempted_at - scheduled_at)),
    min(extract(epoch from attempted_at - scheduled_at)) >= 0
  from baton.jobs
"""


@pytest.fixture
def unwatched(monkeypatch: pytest.MonkeyPatch) -> None:
    """The look around, once a second, is the net under what is tested, and would hide its lack."""
    monkeypatch.setattr(lookout, "INTERVAL", NEVER)


async def latest(dsn: str) -> float:
    [(seconds, none_early)] = await rows(dsn, LATEST)
    assert none_early
    return float(seconds)


async def test_a_job_that_is_scheduled_300_ms_ahead_starts_on_time(database: str) -> None:
    registry = Registry()

    @registry.worker()
    async def nothing(_job: Job) -> None: ...

    async with running(database, registry, poll_interval=NEVER) as (_, client):
        for _ in range(5):
            await client.insert(nothing.with_options(schedule_in=0.3).new())
            await until(all_final(database))
    assert await latest(database) < LATE


async def test_snoozes_and_retries_with_short_delays_come_back_on_time(database: str) -> None:
    """Nobody tells of them: the process that acknowledges them wakes its own stager."""
    registry = Registry()

    @registry.worker(max_attempts=10, backoff=lambda _job, _error: 0.05)
    async def restless(job: Job) -> Snooze | Error | None:
        if job.meta.get("snoozed", 0) < 10:
            return Snooze(0.02 * job.meta.get("snoozed", 0))
        return Error("again") if job.attempt < 10 else None

    async with running(database, registry, poll_interval=NEVER) as (_, client):
        await client.insert(restless.new())
        await until(all_final(database))
    assert await latest(database) < LATE


async def test_a_step_that_is_released_just_before_its_time_starts_on_time(database: str) -> None:
    registry = Registry()

    @registry.worker()
    async def waits(_job: Job) -> None:
        await value(database, "select pg_sleep(0.5)")

    @registry.worker()
    async def follows(_job: Job) -> None: ...

    flow = (
        Workflow()
        .add("a", waits.new())
        .add("b", follows.with_options(schedule_in=0.8).new(), deps=["a"])
    )
    async with running(database, registry, poll_interval=NEVER) as (_, client):
        await client.insert_workflow(flow)
        await until(all_final(database))
    assert await latest(database) < LATE
