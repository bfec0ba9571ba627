"""Pruning: only old finished jobs, in portions, and what depended on them still runs."""

import json
from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest

from baton.client import Client
from baton.jobs import NewJob
from baton.pruning import PruneRule, read_rules
from baton.services.pruner import encode, pruner
from baton.store.pools import Database
from baton.telemetry import Telemetry
from baton.workflows import Workflow
from tests.support import connection, done, job, process, rows, states, value

pytestmark = pytest.mark.anyio

PRUNE = "select examined, pruned, unfinished from baton.prune_jobs(%s::jsonb, 0, 0, %s)"
IDS = "select array_agg(id order by id) from baton.jobs"


async def fill(database: str, count: int, **options: Any) -> list[int]:
    async with Client(database) as client:
        return [each.id for each in await client.insert_all([job(**options)] * count)]


async def end(database: str, state: str, *ids: int, days: float = 0) -> None:
    """End jobs as if they had been inserted and had ended days ago."""
    await rows(
        database,
        f"""
        update baton.jobs set state = '{state}', {state}_at = now() - %s * interval '1 day',
          inserted_at = now() - %s * interval '1 day'
        where id = any (%s) returning id
        """,
        days,
        days,
        list(ids),
    )


async def prune(database: str, rules: Any, most: int = 1_000) -> tuple[int, dict[str, int], bool]:
    [row] = await rows(database, PRUNE, encode(read_rules(rules)), most)
    return row


async def whole_pass(database: str, rules: Any, most: int) -> int:
    """Prune until a pass is over; return how many portions it had."""
    portions = 1
    while (await prune(database, rules, most))[2]:
        portions += 1
    return portions


async def left(database: str) -> list[int]:
    return await value(database, IDS) or []


@pytest.mark.parametrize("state", ["completed", "discarded", "cancelled"])
async def test_behaviour_40_only_old_finished_jobs_are_pruned(database: str, state: str) -> None:
    old, young, *others = await fill(database, 7)
    await end(database, state, old, days=8)
    await end(database, state, young, days=6)
    unfinished = ["available", "scheduled", "suspended", "executing", "retryable"]
    for each, its_state in zip(others, unfinished, strict=True):
        await rows(
            database,
            """
            update baton.jobs set state = %s::baton.job_state, inserted_at = '2000-01-01',
              scheduled_at = '2000-01-01', attempted_at = '2000-01-01', completed_at = '2000-01-01'
            where id = %s returning id
            """,
            its_state,
            each,
        )
    assert await prune(database, "all=7d") == (7, {state: 1}, False)
    assert await left(database) == [young, *others]


async def test_the_first_rule_that_matches_a_job_decides(database: str) -> None:
    kept, mail, other, failed = await fill(database, 4)
    await rows(database, "update baton.jobs set queue = 'mail' where id = %s returning 1", mail)
    await rows(database, "update baton.jobs set worker = 'audit' where id = %s returning 1", kept)
    await end(database, "completed", kept, mail, other, days=2)
    await end(database, "discarded", failed, days=2)
    rules = [
        {"worker": "audit", "keep": "all"},
        {"queue": "mail", "states": ["completed"], "older_than": "1d"},
        {"states": ["completed"], "older_than": "3d"},
        {"older_than": "3h"},
    ]
    assert (await prune(database, rules))[1] == {"completed": 1, "discarded": 1}
    assert await left(database) == [kept, other]


async def test_the_newest_are_kept_of_what_each_rule_decides_about(database: str) -> None:
    ids = await fill(database, 20)
    await end(database, "completed", *ids[::2], days=1)
    await end(database, "discarded", *ids[1::2], days=1)
    rules = [{"states": ["completed"], "keep": 3}, {"keep": 2}]
    await prune(database, rules)
    assert await left(database) == sorted([*ids[::2][-3:], *ids[1::2][-2:]])


async def test_a_rule_with_age_and_count_prunes_what_is_old_and_beyond_the_count(
    database: str,
) -> None:
    ids = await fill(database, 6)
    await end(database, "completed", *ids[:4], days=9)
    await end(database, "completed", *ids[4:], days=1)
    await prune(database, [{"older_than": "7d", "keep": 3}])
    assert await left(database) == ids[3:]
    await prune(database, [{"older_than": "7d", "keep": 1}])
    assert await left(database) == ids[4:]


@pytest.mark.parametrize("most", [1, 3, 7, 10, 100])
async def test_a_pass_in_portions_ends_as_one_at_once(database: str, most: int) -> None:
    ids = await fill(database, 10)
    await end(database, "completed", *ids[:9], days=1)
    portions = await whole_pass(database, [{"keep": 4}], most)
    assert portions == 10 // most + 1
    assert await left(database) == ids[5:]
    await rows(database, "delete from baton.jobs returning id")
    assert await prune(database, [{"keep": 4}]) == (0, {}, False)


async def test_a_portion_looks_at_no_more_jobs_than_it_may(database: str) -> None:
    ids = await fill(database, 10)
    await end(database, "completed", *ids, days=1)
    assert await prune(database, "all=1h", 4) == (4, {"completed": 4}, True)
    assert await left(database) == ids[:6]


async def test_what_finishes_during_a_pass_is_kept_in_addition(database: str) -> None:
    ids = await fill(database, 8)
    await end(database, "completed", *ids, days=1)
    await prune(database, [{"keep": 3}], 4)
    more = await fill(database, 2)
    await end(database, "completed", *more)
    await whole_pass(database, [{"keep": 3}], 4)
    assert await left(database) == ids[5:] + more
    await whole_pass(database, [{"keep": 3}], 4)
    assert await left(database) == [ids[7], *more]


async def test_other_rules_begin_a_pass_of_their_own(database: str) -> None:
    ids = await fill(database, 6)
    await end(database, "completed", *ids, days=1)
    assert (await prune(database, [{"keep": 5}], 2))[2]
    assert await whole_pass(database, [{"keep": 2}], 2) == 4
    assert await left(database) == ids[4:]


async def test_processes_with_other_rules_do_not_cut_a_pass_short(database: str) -> None:
    ids = await fill(database, 6)
    await end(database, "completed", *ids, days=1)
    await prune(database, "all=12h", 2)
    waits = "select examined from baton.prune_jobs(%s::jsonb, 0, 60, 2)"
    assert await value(database, waits, encode(read_rules("all=2h"))) == 0
    assert await value(database, waits, encode(read_rules("all=12h"))) == 2


async def test_in_a_large_table_a_pass_begins_where_jobs_are_old_enough(database: str) -> None:
    await rows(
        database,
        """
        insert into baton.jobs (worker, state, inserted_at, completed_at)
        select 'w', 'completed', now() - (3000 - n) * interval '1 minute',
          now() - (3000 - n) * interval '1 minute'
        from generate_series(1, 3000) as n returning 1
        """,
    )
    await rows(database, "delete from baton.jobs where id between 500 and 900 returning 1")
    examined, pruned, _ = await prune(database, "all=1500m", 100)
    assert examined == 100
    assert pruned["completed"] >= 45
    await whole_pass(database, "all=1500m", 100)
    oldest = "select extract(epoch from now() - min(completed_at)) / 60 from baton.jobs"
    assert 1_490 < await value(database, oldest) < 1_510


async def test_a_job_that_somebody_holds_is_passed_over_and_not_waited_for(database: str) -> None:
    held, free = await fill(database, 2)
    await end(database, "completed", held, free, days=1)
    async with connection(database) as holder, holder.transaction():
        await holder.execute("select from baton.jobs where id = %s for no key update", (held,))
        with anyio.fail_after(60):
            assert (await prune(database, "all=1h"))[1] == {"completed": 1}
    assert await left(database) == [held]


async def test_one_process_at_a_time_prunes(database: str) -> None:
    ids = await fill(database, 2)
    await end(database, "completed", *ids, days=1)
    async with connection(database) as one:
        async with one.transaction():
            await one.execute(PRUNE, (encode(read_rules("all=1h")), 1))
            assert await prune(database, "all=1h") == (0, {}, False)
        assert await prune(database, "all=1h", 1) == (1, {"completed": 1}, True)


async def test_a_job_that_is_retried_meanwhile_is_either_pruned_or_retried(database: str) -> None:
    ids = await fill(database, 300)
    await end(database, "completed", *ids, days=1)
    retried: set[int] = set()
    async with connection(database) as conn, anyio.create_task_group() as tasks:

        async def prune_all() -> None:
            for _ in range(20):
                await prune(database, "all=1h", 40)

        tasks.start_soon(prune_all)
        tasks.start_soon(prune_all)
        for each in ids[::3]:
            found = await conn.execute("select from baton.retry_jobs(%s) where done", ([each],))
            if found.rowcount:
                retried.add(each)
    await whole_pass(database, "all=1h", 1_000)
    assert set(await left(database)) == retried


async def test_a_pruned_completed_parent_still_counts_as_completed(database: str) -> None:
    flow = (
        Workflow("w")
        .add("first", job())
        .add("second", NewJob(worker="w", queue="later"), deps=["first"])
        .add("last", job(), deps=["first", "second"])
    )
    async with Client(database) as client, process(database) as worker:
        await client.insert_workflow(flow)
        [first] = await worker.fetch()
        await worker.complete(first)
        await end(database, "completed", first.id, days=9)
        assert (await prune(database, "all=7d"))[1] == {"completed": 1}
        [second] = await worker.fetch(queue="later")
        await worker.complete(second)
        [last] = await worker.fetch()
        await worker.complete(last)
    assert set((await states(database)).values()) == {"completed"}
    assert await value(database, "select state::text from baton.workflows") == "completed"


async def test_the_result_of_a_pruned_step_is_read_by_its_dependents(database: str) -> None:
    flow = Workflow("w").add("first", job()).add("second", job(), deps=["first"])
    async with Client(database) as client, process(database) as worker:
        await client.insert_workflow(flow)
        [first] = await worker.fetch()
        await worker.acknowledge(done(first, json.dumps({"n": 7})))
        await end(database, "completed", first.id, days=9)
        await prune(database, "all=7d")
        [second] = await worker.fetch()
        assert second.result("first") == {"n": 7}


@pytest.fixture
async def open_database(database: str) -> AsyncIterator[Database]:
    async with Database(database, "baton", size=1) as opened:
        yield opened


async def test_the_duty_goes_on_until_the_pass_is_over_and_tells(
    database: str, open_database: Database
) -> None:
    ids = await fill(database, 25)
    await end(database, "completed", *ids, days=1)
    told: list[Any] = []
    over = anyio.Event()

    def hear(_event: str, measurements: Any, metadata: Any) -> None:
        told.append((measurements["count"], dict(metadata)))
        if sum(count for count, _ in told) == 25:
            over.set()

    Telemetry.attach("test", "baton.plugin.pruned", hear)
    try:
        duty = pruner(open_database, [PruneRule(older_than=60)], limit=10)
        with anyio.fail_after(60):
            async with anyio.create_task_group() as tasks:
                await tasks.start(duty.run)
                await over.wait()
                tasks.cancel_scope.cancel()
    finally:
        Telemetry.detach("test")
    assert [count for count, _ in told] == [10, 10, 5]
    assert told[0][1] == {"plugin": "prune", "completed": 10}
    assert await left(database) == []


async def test_the_young_are_counted_by_a_rule_that_keeps_some_in_a_large_table_too(
    database: str,
) -> None:
    old, young = (ids := await fill(database, 40))[:5], ids[5:]
    await end(database, "completed", *old, days=9)
    await end(database, "completed", *young, days=1)
    await whole_pass(database, [{"older_than": "7d", "keep": 3}], 3)
    assert await left(database) == young
