"""Unique jobs: one of a kind, whoever inserts and however many at once."""

import asyncio
import multiprocessing
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from psycopg import IsolationLevel

from baton import Client, SyncClient, Unique, Workflow
from baton.errors import InvalidJob, InvalidWorkflow, StatementConflict
from baton.jobs import Job, NewJob
from baton.states import State
from baton.unique import REPLACEABLE
from tests.support import connection, ended, heard, job, process, rows, value, waiters

pytestmark = pytest.mark.anyio


def one(unique: Unique | None = None, **options: Any) -> NewJob:
    return job(unique=unique or Unique(), **options)


async def count(database: str) -> int:
    return int(await value(database, "select count(*) from baton.jobs"))


async def test_a_second_one_is_given_the_job_that_is_there(database: str) -> None:
    async with Client(database) as client:
        first = await client.insert(one(args={"to": "ann"}))
        second = await client.insert(one(args={"to": "ann"}, priority=5))
        other = await client.insert(one(args={"to": "bob"}))
        plain = await client.insert(job(args={"to": "ann"}))
    assert (first.conflict, second.conflict, other.conflict, plain.conflict) == (
        False,
        True,
        False,
        False,
    )
    assert (second.id, second.priority) == (first.id, 0)
    assert await count(database) == 3


@pytest.mark.parametrize(
    ("unique", "first", "second", "same"),
    [
        (Unique(), {"queue": "a"}, {"queue": "b"}, False),
        (Unique(), {"worker": "a"}, {"worker": "b"}, False),
        (Unique(), {"meta": {"a": 1}}, {"meta": {"a": 2}}, True),
        (Unique(), {"args": {"a": 1, "b": [{}]}}, {"args": {"b": [{}], "a": 1}}, True),
        (Unique(), {"args": {"a": None}}, {}, False),
        (Unique(fields=["worker"]), {"args": {"a": 1}}, {"args": {"a": 2}}, True),
        (Unique(fields=["worker"]), {"queue": "a"}, {"queue": "b"}, True),
        (Unique(fields=["meta"]), {"worker": "a"}, {"worker": "b"}, True),
        (Unique(fields=["meta"]), {"meta": {"a": 1}}, {"meta": {"a": 2}}, False),
        (Unique(keys=["a"]), {"args": {"a": 1, "b": 1}}, {"args": {"a": 1, "b": 2}}, True),
        (Unique(keys=["a"]), {"args": {"a": 1}}, {"args": {"a": 2}}, False),
        (Unique(keys=["b", "a"]), {"args": {"a": 1}}, {"args": {"b": 1}}, False),
    ],
)
async def test_the_chosen_fields_and_keys_decide_what_is_the_same(
    database: str, unique: Unique, first: dict[str, Any], second: dict[str, Any], same: bool
) -> None:
    async with Client(database) as client:
        await client.insert(one(unique, **{"worker": "tests.worker", **first}))
        again = await client.insert(one(unique, **{"worker": "tests.worker", **second}))
    assert again.conflict is same


async def test_the_order_of_fields_and_keys_and_a_carried_context_do_not_matter(
    database: str,
) -> None:
    async with Client(database) as client, connection(database) as conn:
        await client.insert(one(Unique(fields=["args", "meta"], keys=["a", "b"])))
        await conn.execute("""update baton.jobs set meta = '{"context": {"trace": 1}}'""")
        again = await client.insert(one(Unique(fields=["meta", "args"], keys=["b", "a", "b"])))
    assert again.conflict


async def test_bulk_insert_gives_the_second_of_two_equal_jobs_the_first(database: str) -> None:
    batch = [one(args={"n": n % 100}) if n % 2 else job(args={"n": n}) for n in range(1_000)]
    async with Client(database) as client:
        inserted = await client.insert_all(batch)
    assert [each.args["n"] for each in inserted] == [new.args["n"] for new in batch]
    assert [each.conflict for each in inserted] == [n > 100 and n % 2 == 1 for n in range(1_000)]
    fresh = [each.id for each in inserted if not each.conflict]
    assert fresh == sorted(fresh)
    assert await count(database) == 550


async def test_each_queue_is_told_once_and_not_for_a_conflict(database: str) -> None:
    async with connection(database) as listener, Client(database) as client:
        await client.insert(one(queue="a"))
        await listener.execute('listen "baton.jobs"')
        await client.insert_all([one(queue="a"), one(queue="b"), one(queue="b"), job(queue="c")])
        told = await heard(listener)
    assert sorted(told) == ["b", "c"]


def insert_elsewhere(database: str, numbers: list[int]) -> list[tuple[int, bool]]:
    with SyncClient(database) as client:
        inserted = client.insert_all([one(args={"n": number}) for number in numbers])
    return [(each.id, each.conflict) for each in inserted]


def test_of_many_processes_each_job_is_inserted_by_one(database: str) -> None:
    numbers = list(range(200))
    with ProcessPoolExecutor(4, multiprocessing.get_context("spawn")) as processes:
        orders = [numbers, numbers[::-1], numbers[100:] + numbers[:100], numbers]
        futures = [processes.submit(insert_elsewhere, database, order) for order in orders]
        got = [pair for future in futures for pair in future.result(240)]
    assert len({job_id for job_id, _ in got}) == 200
    assert Counter(conflict for _, conflict in got) == {False: 200, True: 600}


@pytest.mark.parametrize("inserts", [10, 50])
async def test_of_many_clients_at_once_one_inserts(database: str, inserts: int) -> None:
    clients = [Client(database) for _ in range(5)]
    try:
        got = await asyncio.gather(
            *(clients[n % 5].insert(one(args={"a": 1})) for n in range(inserts))
        )
    finally:
        await asyncio.gather(*(client.close() for client in clients))
    assert Counter(each.conflict for each in got) == {False: 1, True: inserts - 1}
    assert len({each.id for each in got}) == 1
    assert await count(database) == 1


async def test_bulk_inserts_of_the_same_jobs_in_other_orders_never_meet_in_a_deadlock(
    database: str,
) -> None:
    keep = Unique(on_conflict="replace", replace=["priority"])
    brief = Unique(period=1e-6)
    kinds = [Unique(), keep, brief]
    orders = [
        range(60),
        range(59, -1, -1),
        [*range(30, 60), *range(30)],
        range(60),
        range(59, -1, -1),
    ]

    async def insert(client: Client, order: Any, unique: Unique) -> list[Job]:
        return await client.insert_all([one(unique, args={"n": n}) for n in order])

    async def run(stop: asyncio.Event) -> None:
        async with process(database) as worker:
            while not stop.is_set():
                await worker.complete(*await worker.fetch(capacity=20))

    clients = [Client(database) for _ in orders]
    stop = asyncio.Event()
    running = asyncio.create_task(run(stop))
    try:
        for kind in [*kinds, *kinds]:
            for got in await asyncio.gather(
                *(
                    insert(client, order, kind)
                    for client, order in zip(clients, orders, strict=True)
                )
            ):
                assert len(got) == 60
    finally:
        stop.set()
        await running
        await asyncio.gather(*(client.close() for client in clients))
    held = "select unique_key from baton.jobs where unique_key is not null"
    keys = [key for (key,) in await rows(database, held)]
    assert len(keys) == len(set(keys))


@pytest.mark.parametrize("commits", [True, False])
async def test_an_uncommitted_insert_of_the_same_job_is_waited_for(
    database: str, commits: bool
) -> None:
    async with (
        Client(database) as client,
        connection(database) as conn,
        connection(database) as eye,
    ):
        async with conn.transaction(force_rollback=not commits):
            first = await client.insert(one(), conn=conn)
            second = asyncio.create_task(client.insert(one()))
            while not await waiters(eye):
                assert not second.done()
        got = await second
    assert got.conflict is commits
    assert (got.id == first.id) is commits
    assert await count(database) == 1


@pytest.mark.parametrize("commits", [True, False])
async def test_an_uncommitted_end_of_the_same_job_is_waited_for(
    database: str, commits: bool
) -> None:
    async with (
        Client(database) as client,
        connection(database) as conn,
        connection(database) as eye,
    ):
        first = await client.insert(one())
        async with conn.transaction(force_rollback=not commits):
            await conn.execute("select * from baton.cancel_jobs(array[%s::bigint])", [first.id])
            second = asyncio.create_task(client.insert(one()))
            while not await waiters(eye):
                assert not second.done()
        got = await second
    assert got.conflict is not commits


async def test_a_row_that_somebody_locks_is_no_obstacle_unless_it_is_to_change(
    database: str,
) -> None:
    async with (
        Client(database) as client,
        connection(database) as conn,
        connection(database) as eye,
    ):
        first = await client.insert(one())
        async with conn.transaction():
            await conn.execute("select from baton.jobs for no key update")
            assert (await client.insert(one())).id == first.id
            change = Unique(on_conflict="replace", replace=["priority"])
            changing = asyncio.create_task(client.insert(one(change, priority=7)))
            while not await waiters(eye):
                assert not changing.done()
        changed = await changing
    assert (changed.id, changed.priority, changed.conflict) == (first.id, 7, True)


async def test_a_job_that_gives_up_its_key_while_it_is_waited_for_is_inserted_anew(
    database: str,
) -> None:
    change = Unique(on_conflict="reschedule")
    async with (
        Client(database) as client,
        connection(database) as conn,
        connection(database) as eye,
    ):
        first = await client.insert(one(change))
        async with conn.transaction():
            await conn.execute("select from baton.jobs for no key update")
            moving = asyncio.create_task(client.insert_all([one(change), one(args={"a": 1})]))
            while not await waiters(eye):
                assert not moving.done()
            await conn.execute("update baton.jobs set state = 'executing', unique_key = null")
        got, other = await moving
    assert (got.conflict, other.conflict) == (False, False)
    assert first.id < got.id < other.id
    assert await count(database) == 3


async def test_a_job_excludes_others_for_its_period_only(database: str) -> None:
    hour = Unique(period=timedelta(hours=1))
    async with Client(database) as client, connection(database) as conn:
        first = await client.insert(one(hour))
        assert (await client.insert(one(hour))).conflict
        await conn.execute("update baton.jobs set inserted_at = inserted_at - interval '1 hour'")
        assert (await client.insert(one(Unique(period=7200)))).id == first.id
        assert (await client.insert(one())).id == first.id
        second, third = await client.insert_all([one(hour), one(hour)])
    assert (second.conflict, third.conflict) == (False, True)
    assert first.id != second.id == third.id
    assert await rows(database, "select id from baton.jobs where unique_key is not null") == [
        (second.id,)
    ]


@pytest.mark.parametrize(
    ("unique", "state", "excludes"),
    [
        (Unique(), State.EXECUTING, True),
        (Unique(), State.RETRYABLE, True),
        (Unique(), State.COMPLETED, False),
        (Unique(), State.CANCELLED, False),
        (Unique(states=list(State)), State.COMPLETED, True),
        (Unique(states=list(State)), State.DISCARDED, True),
        (Unique(states=["available", "scheduled"]), State.EXECUTING, False),
        (Unique(on_conflict="reschedule"), State.EXECUTING, False),
    ],
)
async def test_a_job_excludes_others_while_in_its_states(
    database: str, unique: Unique, state: State, excludes: bool
) -> None:
    async with Client(database) as client, process(database) as worker:
        await client.insert(one(unique))
        [claimed] = await worker.fetch()
        if state is not State.EXECUTING:
            await worker.acknowledge(ended(claimed, state, delay=60.0))
        assert (await client.insert(one(unique))).conflict is excludes


async def test_a_retried_job_no_longer_excludes_others_and_meets_no_conflict(
    database: str,
) -> None:
    async with Client(database) as client, process(database) as worker:
        first = await client.insert(one())
        await worker.complete(*await worker.fetch())
        second = await client.insert(one())
        await client.retry_job(first.id)
        third = await client.insert(one())
        assert len(await worker.fetch(capacity=5)) == 2
    assert (second.conflict, third.id) == (False, second.id)


async def test_replace_gives_a_waiting_job_the_named_fields_and_no_others(database: str) -> None:
    later = datetime.now(UTC) + timedelta(hours=1)
    news: dict[str, Any] = {
        "args": {"n": 2},
        "meta": {"m": 2},
        "tags": ("b",),
        "priority": 2,
        "max_attempts": 2,
        "scheduled_at": later,
        "timeout": 2.0,
        "deadline": later,
    }
    assert news.keys() == REPLACEABLE
    olds = {"args": {"n": 1}, "meta": {"m": 1}, "tags": ("a",), "priority": 1, "timeout": 1.0}
    async with Client(database) as client:
        for position, field in enumerate(news):
            worker = f"tests.{position}"
            first = await client.insert(one(Unique(fields=["worker"]), worker=worker, **olds))
            unique = Unique(fields=["worker"], on_conflict="replace", replace=[field])
            got = await client.insert(one(unique, worker=worker, **news))
            assert (got.id, got.conflict) == (first.id, True)
            for other, new in news.items():
                expected = new if other == field else getattr(first, other)
                assert getattr(got, other) == expected, (field, other)
            assert got.state == ("scheduled" if field == "scheduled_at" else "available")


async def test_what_has_started_is_not_replaced(database: str) -> None:
    change = Unique(on_conflict="replace", replace=["priority", "scheduled_at"])
    async with Client(database) as client, process(database) as worker:
        await client.insert(one())
        [claimed] = await worker.fetch()
        got = await client.insert(one(change, priority=7, schedule_in=60.0))
    assert (got.id, got.conflict, got.priority, got.state) == (claimed.id, True, 0, "executing")


async def test_the_last_of_a_batch_replaces_and_each_its_own_fields(database: str) -> None:
    def change(*fields: str, **options: Any) -> NewJob:
        return one(Unique(on_conflict="replace", replace=fields), **options)

    async with Client(database) as client:
        got = await client.insert_all(
            [
                change("priority", priority=1),
                change("priority", priority=2, tags=["x"]),
                change("tags", "priority", priority=3, tags=["y"]),
                change("timeout", priority=4, timeout=5.0),
            ]
        )
    assert [each.conflict for each in got] == [False, True, True, True]
    assert {(each.id, each.priority, each.tags, each.timeout) for each in got} == {
        (got[0].id, 3, ("y",), 5.0)
    }


async def test_reschedule_moves_a_waiting_job_there_and_back(database: str) -> None:
    debounce = Unique(on_conflict="reschedule")
    async with Client(database) as client, connection(database) as listener:
        first = await client.insert(one(debounce, schedule_in=60.0))
        later = await client.insert(one(debounce, schedule_in=120.0))
        assert (later.id, later.state, later.conflict) == (first.id, "scheduled", True)
        assert timedelta(seconds=50) < later.scheduled_at - first.scheduled_at
        await listener.execute('listen "baton.jobs"; listen "baton.control"')
        now = await client.insert(one(debounce))
        soon = await client.insert(one(debounce, schedule_in=1.0))
        told = await heard(listener)
    assert (now.id, now.state) == (first.id, "available")
    assert (soon.id, soon.state) == (first.id, "scheduled")
    assert told == ["default", "due"]


async def test_replaced_arguments_give_a_job_its_new_partition(database: str) -> None:
    unique = Unique(fields=["worker"], on_conflict="replace", replace=["args"])
    async with Client(database) as client, connection(database) as conn:
        await conn.execute(
            "insert into baton.queues (name, partition_by) values ('default', 'args.tenant')"
        )
        await client.insert(one(unique, args={"tenant": "a"}))
        await client.insert(one(unique, args={"tenant": "b"}))
    assert await value(database, "select partition_key from baton.jobs") == "b"


@pytest.mark.parametrize("inside", [True, False])
async def test_unique_jobs_live_and_die_with_the_callers_transaction(
    database: str, inside: bool
) -> None:
    async with Client(database) as client, connection(database) as conn:
        if not inside:
            await client.insert(one())
        async with conn.transaction(force_rollback=True):
            first = await client.insert(one(), conn=conn)
            second = await client.insert(one(), conn=conn)
            assert (first.conflict, second.conflict) == (not inside, True)
            assert first.id == second.id
    assert await count(database) == int(not inside)


async def test_a_repeatable_read_that_cannot_see_the_other_job_is_told_to_try_again(
    database: str,
) -> None:
    async with Client(database) as client, connection(database) as conn:
        await conn.set_isolation_level(IsolationLevel.REPEATABLE_READ)
        async with conn.transaction(force_rollback=True):
            await conn.execute("select count(*) from baton.jobs")
            await client.insert(one())
            with pytest.raises(StatementConflict, match="could not serialize access"):
                await client.insert(one(), conn=conn)
        async with conn.transaction():
            assert (await client.insert(one(), conn=conn)).conflict
    assert await count(database) == 1


async def test_a_unique_job_cannot_be_a_step(database: str) -> None:
    with pytest.raises(InvalidWorkflow, match="step 'a' is unique"):
        Workflow().add("a", one())
    flow = Workflow().add("a", job())
    with pytest.raises(InvalidWorkflow, match="step 'a' is unique"):
        flow.with_jobs(lambda _: one())


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"fields": []}, "at least one"),
        ({"fields": ["tags"]}, "must be of args, meta, queue, worker"),
        ({"fields": "args"}, "list of names, not 'args'"),
        ({"fields": [["args"]]}, "list of names"),
        ({"keys": "ab"}, "list of names"),
        ({"keys": ["a\x00"]}, "NUL"),
        ({"keys": ["a"], "fields": ["worker"]}, "fields names neither"),
        ({"period": 0}, "above 0"),
        ({"period": float("nan")}, "above 0"),
        ({"period": "soon"}, "above 0 and at most 100 years, not 'soon'"),
        ({"period": 1e12}, "at most 100 years"),
        ({"states": ["done"]}, "states must be of available"),
        ({"on_conflict": "ignore"}, "skip, replace or reschedule"),
        ({"replace": ["args"]}, "go together"),
        ({"on_conflict": "replace"}, "go together"),
        ({"on_conflict": "replace", "replace": ["queue"]}, "replace must be of"),
    ],
)
def test_options_without_a_meaning_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidJob, match=words):
        Unique(**options)
    with pytest.raises(InvalidJob, match="unique must be a Unique"):
        job(unique=options)


@pytest.mark.parametrize("kind", ["plain", "unique"])
async def test_seconds_may_be_whole_or_not_in_one_batch(database: str, kind: str) -> None:
    unique = Unique() if kind == "unique" else None
    async with Client(database) as client:
        got = await client.insert_all(
            [
                job(schedule_in=delay, timeout=delay, args={"delay": delay}, unique=unique)
                for delay in (5, 5.5)
            ]
        )
    assert [each.timeout for each in got] == [5.0, 5.5]
