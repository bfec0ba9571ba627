"""Staging: what is due becomes available, and what is not served is in nobody's way."""

import pytest

from tests.support import connection, rows, value

pytestmark = pytest.mark.anyio

INSERT = """
  insert into baton.jobs (worker, queue, state, scheduled_at)
  select 'w', %s, %s::baton.job_state, now() + make_interval(secs => %s)
  from generate_series(1, %s)
  returning 1
"""
STAGE = "select staged, next_in, ready from baton.stage_jobs(%s, %s, %s)"
COUNTS = "select queue, count(*) from baton.jobs where state = %s::baton.job_state group by queue"
READ = """
  select idx_tup_read from pg_stat_user_indexes where indexrelname = 'jobs_due'
"""


async def insert(dsn: str, queue: str, due_in: float, count: int = 1, state: str = "scheduled"):
    await rows(dsn, INSERT, queue, state, due_in, count)


async def entries_read(dsn: str, most: int, queues: list[str]) -> int:
    """How many entries of the stager's index one look reads."""
    async with connection(dsn) as conn:
        await conn.execute("select pg_stat_force_next_flush()")
        before = await value(dsn, READ)
        await conn.execute(STAGE.encode(), (most, queues, 0))
        await conn.execute("select pg_stat_force_next_flush()")
        await conn.execute("select 1")
        return int(await value(dsn, READ)) - int(before)


async def test_a_backlog_of_200_000_due_jobs_that_nobody_serves_delays_no_served_one(
    database: str,
) -> None:
    await insert(database, "nobodys", -3_600, 200_000)
    await insert(database, "default", -1)
    async with connection(database) as conn:
        # nothing but the served one is touched, and nothing else is looked at
        assert await entries_read(database, 5_000, ["default"]) <= 10
        assert dict(await rows(database, COUNTS, "available")) == {"default": 1}
        # and with the spare portion it comes in the same, first round
        await insert(database, "default", -1)
        found = await (await conn.execute(STAGE.encode(), (5_000, ["default"], 500))).fetchone()
    assert found is not None
    assert (found[0], sorted(found[2])) == (501, ["default", "nobodys"])
    assert dict(await rows(database, COUNTS, "available")) == {"default": 2, "nobodys": 500}


async def test_jobs_of_next_week_cost_a_look_nothing(database: str) -> None:
    await insert(database, "default", 604_800, 50_000)
    await insert(database, "default", -1)
    assert await entries_read(database, 5_000, ["default"]) <= 10
    assert dict(await rows(database, COUNTS, "available")) == {"default": 1}


async def test_a_backlog_of_one_served_queue_leaves_the_other_its_portion(database: str) -> None:
    await insert(database, "crowded", -3_600, 100)
    await insert(database, "quiet", -1)
    [(staged, next_in, ready)] = await rows(database, STAGE, 20, ["crowded", "quiet"], 0)
    assert (staged, next_in, sorted(ready)) == (11, 0, ["crowded", "quiet"])


async def test_the_next_time_is_that_of_the_queues_that_are_served(database: str) -> None:
    await insert(database, "nobodys", 10)
    await insert(database, "default", 60, state="retryable")
    await insert(database, "mail", 90)
    [(staged, next_in, ready)] = await rows(database, STAGE, 10, ["default", "mail"], 5)
    assert (staged, ready) == (0, [])
    assert 50 < next_in <= 60
    assert await rows(database, STAGE, 10, ["none"], 5) == [(0, None, [])]


async def test_every_queue_is_staged_when_none_is_named(database: str) -> None:
    for queue in ("a", "b", "c"):
        await insert(database, queue, -1, 2)
    await insert(database, "d", 60)
    [(staged, ready)] = await rows(database, "select staged, ready from baton.stage_jobs(100)")
    assert (staged, sorted(ready)) == (6, ["a", "b", "c"])


async def test_a_due_job_that_somebody_holds_is_not_waited_for_nor_asked_for_again_at_once(
    database: str,
) -> None:
    await insert(database, "default", -1)
    async with connection(database) as holder, holder.transaction():
        await holder.execute("select from baton.jobs for update")
        assert await rows(database, STAGE, 10, ["default"], 0) == [(0, None, [])]
    assert await rows(database, STAGE, 10, ["default"], 0) == [(1, None, ["default"])]


async def test_two_stagers_at_once_share_what_is_due(database: str) -> None:
    await insert(database, "default", -1, 100)
    async with connection(database) as one, connection(database) as other:
        async with one.transaction():
            first = await (await one.execute(STAGE.encode(), (60, ["default"], 0))).fetchone()
            second = await (await other.execute(STAGE.encode(), (60, ["default"], 0))).fetchone()
    assert first is not None
    assert second is not None
    assert (first[0], second[0]) == (60, 40)
    assert dict(await rows(database, COUNTS, "available")) == {"default": 100}
