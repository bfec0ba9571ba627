"""Limits, partitions, ageing and pauses: decided in the fetch, from rows, one process at a time."""

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import Any

import anyio
import pytest

from baton import Client, Job, SyncClient, Workflow
from baton.jobs import NewJob
from tests.support import Process, connection, done, job, process, rows, value, waiters

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def processes(dsn: str, count: int) -> AsyncIterator[list[Process]]:
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(process(dsn)) for _ in range(count)]


def tenant(name: str, **options: Any) -> NewJob:
    return job(args={"tenant": name}, **options)


def tenants(jobs: Sequence[Job]) -> list[str]:
    return [str(each.args["tenant"]) for each in jobs]


async def busiest(dsn: str, seconds: float, by: str = "queue") -> int:
    """The most weight that started within any window of so many seconds."""
    query = f"""
      select max(total) from (
        select sum(weight) over (
          partition by {by} order by attempted_at
          range between make_interval(secs => %s) preceding and current row
        ) as total
        from baton.jobs where attempted_at is not null
      ) as windows
    """
    return int(await value(dsn, query, seconds - 0.000001))


async def test_24_a_global_limit_holds_whoever_fetches(database: str) -> None:
    async with Client(database) as client, process(database) as one, process(database) as two:
        await client.queues.limit("default", global_limit=3)
        await client.insert_all([job() for _ in range(10)])
        first = await one.fetch(2)
        second = await two.fetch(10)
        assert (len(first), len(second), len(await one.fetch(10))) == (2, 1, 0)
        assert len(await two.complete(*second, capacity=10)) == 1


async def test_24_many_processes_at_once_never_exceed_a_global_limit(database: str) -> None:
    total, limit = 300, 4
    running = most = ended = 0
    async with Client(database) as client, processes(database, 6) as workers:
        await client.queues.limit("default", global_limit=limit)
        await client.insert_all([job() for _ in range(total)])

        async def work(worker: Process) -> None:
            nonlocal running, most, ended
            while ended < total:
                jobs = await worker.fetch(3)
                running += len(jobs)
                most = max(most, running)
                await anyio.lowlevel.checkpoint()
                running -= len(jobs)
                accepted = await worker.acknowledge(*[done(each) for each in jobs])
                ended += len(accepted)

        async with anyio.create_task_group() as tasks:
            for worker in workers:
                tasks.start_soon(work, worker)
    assert 0 < most <= limit
    assert await value(database, "select count(*) from baton.jobs where attempt <> 1") == 0


async def test_a_global_limit_holds_for_each_partition(database: str) -> None:
    async with Client(database) as client, process(database) as worker:
        await client.queues.limit("default", global_limit=2, partition_by="args.tenant")
        await client.insert_all([tenant(name) for name in "aaaab"])
        fetched = await worker.fetch(10)
        assert tenants(fetched) == ["a", "b", "a"]
        assert tenants(await worker.complete(fetched[0], capacity=10)) == ["a"]


async def test_a_killed_process_frees_its_places(database: str) -> None:
    async with Client(database) as client, process(database) as other:
        await client.queues.limit("default", global_limit=2)
        await client.insert_all([job() for _ in range(4)])
        async with process(database) as dying:
            assert len(await dying.fetch(5)) == 2
            assert await other.fetch(5) == []
            query = "update baton.leases set expires_at = now() - interval '1 s' where id = %s"
            await rows(database, f"{query} returning id", dying.lease)
        await rows(database, "select * from baton.rescue_jobs(2, 0, 100)")
        assert len(await other.fetch(5)) == 2


async def test_priority_order_is_kept_under_a_limit_and_inside_a_partition(database: str) -> None:
    async with Client(database) as client, process(database) as worker:
        await client.queues.limit("default", global_limit=10)
        await client.insert_all([job(priority=p) for p in (5, 0, 9, 3)])
        assert [each.priority for each in await worker.fetch(10)] == [0, 3, 5, 9]
        await client.queues.limit("mail", partition_by="args.tenant")
        await client.insert_all(
            [tenant("a", priority=p, queue="mail") for p in (5, 0, 9)]
            + [tenant("b", priority=p, queue="mail") for p in (4, 1)],
        )
        fetched = await worker.fetch(10, "mail")
        assert [(each.args["tenant"], each.priority) for each in fetched] == [
            ("a", 0), ("b", 1), ("a", 5), ("b", 4), ("a", 9),
        ]  # fmt: skip


async def test_partitions_take_turns_from_one_fetch_to_the_next(database: str) -> None:
    async with Client(database) as client, process(database) as worker:
        await client.queues.limit("default", partition_by="args.tenant")
        await client.insert_all([tenant(name) for name in "aaabbbccc"])
        turns = [tenants(await worker.fetch(1))[0] for _ in range(4)]
        turns += tenants(await worker.fetch(2))
        turns += [tenants(await worker.fetch(1))[0] for _ in range(3)]
    assert "".join(turns) == "abcabcabc"


async def test_a_large_tenant_does_not_hold_up_small_ones(database: str) -> None:
    async with Client(database) as client, process(database) as worker:
        await client.queues.limit("default", partition_by="args.tenant")
        await client.insert_all([tenant("big") for _ in range(10_000)])
        await client.insert_all([tenant(name) for name in ("x", "y", "z") for _ in range(5)])
        seen: Counter[str] = Counter()
        for _ in range(20):
            seen.update(tenants(await worker.fetch(1)))
    assert seen == {"big": 5, "x": 5, "y": 5, "z": 5}


async def test_full_partitions_are_passed_over_without_starving_later_ones(database: str) -> None:
    """More full partitions than one walk looks at; the one with room comes last."""
    async with Client(database) as client, process(database) as worker:
        await client.queues.limit("default", global_limit=1, partition_by="args.tenant")
        names = [f"{number:05}" for number in range(1_300)]
        await client.insert_all([tenant(name) for name in names for _ in range(2)])
        started = 0
        while started < len(names):
            started += len(await worker.fetch(1_000))
        await client.insert_all([tenant("late")])
        cycle = await worker.cycles.cycle(worker.lease, [], {"default": 5})
        while not cycle.jobs:
            assert cycle.retry_in is not None
            cycle = await worker.cycles.cycle(worker.lease, [], {"default": 5})
        assert tenants(cycle.jobs) == ["late"]


async def test_a_rate_is_kept_in_every_window_and_the_fetch_says_when_more_may_start(
    database: str,
) -> None:
    period = 0.4
    async with Client(database) as client, processes(database, 3) as workers:
        await client.queues.limit("default", rate_limit=5, rate_period=period)
        await client.insert_all([job() for _ in range(20)])
        # at once, as many as the rate allows: one after another they might not fit into a window
        started = len(await workers[0].fetch(10))
        assert started == 5

        async def work(worker: Process) -> None:
            nonlocal started
            while started < 20:
                cycle = await worker.cycles.cycle(worker.lease, [], {"default": 2})
                started += len(cycle.jobs)
                if not cycle.jobs and cycle.retry_in is not None:
                    await anyio.sleep(cycle.retry_in)

        with anyio.fail_after(60):
            async with anyio.create_task_group() as tasks:
                for worker in workers:
                    tasks.start_soon(work, worker)
    assert await busiest(database, period) == 5
    span = "select extract(epoch from max(attempted_at) - min(attempted_at)) from baton.jobs"
    assert 3 * period <= float(await value(database, span))


async def test_a_rate_counts_weights_and_a_job_heavier_than_it_runs_alone(database: str) -> None:
    async with Client(database) as client, process(database) as worker:
        await client.queues.limit("default", rate_limit=10, rate_period=timedelta(hours=1))
        await client.insert_all([job(weight=w) for w in (4, 4, 50, 1)])
        cycle = await worker.cycles.cycle(worker.lease, [], {"default": 10})
        assert [each.weight for each in cycle.jobs] == [4, 4]
        cycle = await worker.cycles.cycle(worker.lease, [], {"default": 10})
        assert cycle.jobs == []  # the light one does not overtake the heavy one for ever
        assert cycle.retry_in is not None
        assert 3_500 < cycle.retry_in <= 3_600
        await _let_pass(database, "1 hour")
        assert [each.weight for each in await worker.fetch(10)] == [50]
        assert await worker.fetch(10) == []
        await _let_pass(database, "1 hour")
        assert [each.weight for each in await worker.fetch(10)] == [1]


async def _let_pass(dsn: str, time: str) -> None:
    query = f"update baton.queue_starts set started_at = started_at - interval '{time}'"
    await rows(dsn, f"{query} returning 1")


async def test_a_rate_holds_for_each_partition_and_old_starts_are_forgotten(database: str) -> None:
    async with Client(database) as client, process(database) as worker:
        await client.queues.limit(
            "default", rate_limit=1, rate_period=60, partition_by="args.tenant"
        )
        await client.insert_all([tenant(name) for name in "aab"])
        assert tenants(await worker.fetch(10)) == ["a", "b"]
        assert await worker.fetch(10) == []
        await _let_pass(database, "61 s")
        assert tenants(await worker.fetch(10)) == ["a"]
        await worker.fetch(1)
        assert await value(database, "select count(*) from baton.queue_starts") == 1
        await client.queues.limit("default", rate_limit=None)
        assert await value(database, "select count(*) from baton.queue_starts") == 0


async def test_a_start_that_was_undone_is_not_counted(database: str) -> None:
    async with Client(database) as client, process(database) as worker:
        await client.queues.limit("default", rate_limit=1, rate_period=60)
        await client.insert(job())
        async with connection(database) as conn:
            await conn.execute("begin")
            await conn.execute(
                "select * from baton.fetch_jobs(%s, '{default}', '{5}')", (worker.lease,)
            )
            await conn.execute("rollback")
        assert len(await worker.fetch(5)) == 1


async def test_ageing_keeps_low_priority_from_starving(database: str) -> None:
    async with Client(database) as client, process(database) as worker:
        await client.queues.limit("default", ageing=1_000)
        old = await client.insert(job(priority=9))
        await client.insert_all([job(priority=p) for p in (0, 4, 6)])
        query = "update baton.jobs set scheduled_at = now() - interval '4500 s' where id = %s"
        await rows(database, f"{query} returning id", old.id)
        # 9 - floor(4500 / 1000) = 5
        assert [each.priority for each in await worker.fetch(10)] == [0, 4, 9, 6]


async def test_ageing_never_goes_below_the_first_priority(database: str) -> None:
    async with Client(database) as client, process(database) as worker:
        await client.queues.limit("default", ageing=1)
        inserted = await client.insert_all([job(priority=p) for p in (9, 0)])
        query = "update baton.jobs set scheduled_at = now() - %s * interval '1 day' returning id"
        await rows(database, query, 1)
        assert [each.id for each in await worker.fetch(1)] == [inserted[0].id]


async def test_a_job_that_somebody_holds_is_passed_over_in_a_limited_queue(database: str) -> None:
    async with Client(database) as client, process(database) as worker:
        await client.queues.limit("default", global_limit=5, ageing=60)
        held, *free = await client.insert_all([job() for _ in range(3)])
        async with connection(database) as holder, holder.transaction():
            await holder.execute("select from baton.jobs where id = %s for update", (held.id,))
            with anyio.fail_after(60):
                assert [each.id for each in await worker.fetch(2)] == [each.id for each in free]


async def test_27_a_paused_queue_starts_nothing_but_acknowledges(database: str) -> None:
    async with Client(database) as client, process(database) as worker:
        await client.insert_all([job(), job(), job(queue="mail")])
        [first] = await worker.fetch(1)
        await client.queues.pause("default", by="me")
        cycle = await worker.cycles.cycle(worker.lease, [done(first)], {"default": 5, "mail": 5})
        assert cycle.accepted == {first.id}
        assert [each.queue for each in cycle.jobs] == ["mail"]
        await client.queues.resume("default")
        assert len(await worker.fetch(5)) == 1


async def test_29_a_pause_holds_for_the_named_process_alone(database: str) -> None:
    async with Client(database) as client, process(database) as worker:
        await client.insert_all([job(), job()])
        await client.queues.pause("default", node="elsewhere")
        assert len(await worker.fetch(1)) == 1
        await client.queues.pause("default", node="tests")
        assert await worker.fetch(1) == []
        await client.queues.resume("default", node="tests")
        assert len(await worker.fetch(1)) == 1


async def test_a_pause_waits_for_fetches_under_way_and_nothing_starts_after_it(
    database: str,
) -> None:
    async with Client(database) as client, process(database) as worker:
        await client.insert_all([job(), job()])
        async with connection(database) as fetching, connection(database) as watching:
            await fetching.execute("begin")
            query = "select ids from baton.fetch_jobs(%s, '{default}', '{1}')"
            await fetching.execute(query, (worker.lease,))
            returned = anyio.Event()

            async def pause() -> None:
                await client.queues.pause("default")
                returned.set()

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(pause)
                with anyio.fail_after(60):
                    while await waiters(watching) == 0:
                        await anyio.lowlevel.checkpoint()
                assert not returned.is_set()
                await fetching.execute("commit")
            assert await worker.fetch(5) == []


async def test_a_stopped_queue_starts_nothing_at_once(database: str) -> None:
    async with Client(database) as client, process(database) as worker:
        await client.insert(job())
        await client.queues.stop("default")
        assert await worker.fetch(1) == []
        await client.queues.start("default")
        assert len(await worker.fetch(1)) == 1


async def test_jobs_that_waited_before_their_queue_was_divided_take_turns_as_well(
    database: str,
) -> None:
    async with Client(database) as client, process(database) as worker:
        await client.insert_all([tenant(name) for name in "aab"])
        await client.queues.limit("default", partition_by="args.tenant")
        assert tenants(await worker.fetch(2)) == ["a", "b"]
        await client.queues.limit("default", partition_by=None)
        assert await value(database, "select count(partition_key) from baton.jobs") == 0
        assert tenants(await worker.fetch(2)) == ["a"]


async def test_a_job_that_was_inserted_past_a_change_of_partitions_is_found(database: str) -> None:
    """As by a transaction that began before the change."""
    async with Client(database) as client, process(database) as worker:
        await client.queues.limit("default", partition_by="args.tenant")
        await client.insert(tenant("a"))
        await rows(database, "update baton.jobs set partition_key = null returning id")
        assert await worker.fetch(1) == []
        assert await value(database, "select baton.repair_partitions('{default}', 10)") == 1
        [fetched] = await worker.fetch(1)
        assert fetched.args == {"tenant": "a"}
        await client.insert(tenant("a", queue="mail"))
        await rows(
            database,
            "update baton.jobs set partition_key = 'x' where queue = 'mail' returning id",
        )
        assert await worker.fetch(1, "mail") == []
        assert await value(database, "select baton.repair_partitions('{mail}', 10)") == 1
        assert len(await worker.fetch(1, "mail")) == 1


@pytest.mark.parametrize(
    ("by", "key"),
    [("worker", "tests.worker"), ("args.tenant", "a"), ("args.none", ""), ("meta.region", "eu"),
     (None, None)],
)  # fmt: skip
async def test_a_partition_is_named_by_the_worker_an_argument_or_meta(
    database: str, by: str | None, key: str | None
) -> None:
    query = """
      select baton.partition_key(%s::text, 'tests.worker', '{"tenant": "a"}', '{"region": "eu"}')
    """
    assert await value(database, query, by) == key


async def test_26_a_place_that_this_process_has_no_use_for_is_announced(database: str) -> None:
    async with Client(database) as client, process(database) as worker:
        await client.queues.limit("default", global_limit=1)
        await client.insert_all([job(), job()])
        [first] = await worker.fetch(1)
        async with connection(database) as listener:
            await listener.execute('listen "baton.jobs"')
            await worker.acknowledge(done(first))
            heard = [each.payload async for each in listener.notifies(timeout=60, stop_after=1)]
        assert heard == ["default"]


async def test_limited_queues_are_locked_in_the_order_of_their_names(database: str) -> None:
    """Processes that ask for the same queues in another order don't deadlock."""
    names = ["a", "b", "c"]
    async with Client(database) as client, processes(database, 4) as workers:
        for name in names:
            await client.queues.limit(name, global_limit=50)
        await client.insert_all([job(queue=name) for name in names for _ in range(100)])
        left = 300

        async def work(worker: Process, order: list[str]) -> None:
            nonlocal left
            acks: list[Any] = []
            while left > 0:
                cycle = await worker.cycles.cycle(worker.lease, acks, dict.fromkeys(order, 2))
                left -= len(cycle.accepted)
                acks = [done(each) for each in cycle.jobs]

        with anyio.fail_after(60):
            async with anyio.create_task_group() as tasks:
                for number, worker in enumerate(workers):
                    tasks.start_soon(work, worker, names[:: 1 if number % 2 else -1])
    assert await value(database, "select count(*) from baton.jobs where state = 'completed'") == 300


async def test_steps_of_a_workflow_have_partitions_as_well(database: str) -> None:
    flow = Workflow("w").add("one", tenant("a")).add("two", tenant("b"), deps=["one"])
    async with Client(database) as client, process(database) as worker:
        await client.queues.limit("default", partition_by="args.tenant")
        await client.insert_workflow(flow)
        assert await worker.run_all() == 2


async def test_dividing_a_queue_anew_tells_how_far_it_is(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("baton.store.queues.PORTION", 2)
    told: list[tuple[float, int]] = []

    def tell(part: float, jobs: int) -> None:
        told.append((part, jobs))

    async with Client(database) as client:
        await client.insert_all([job(args={"tenant": number}) for number in range(5)])
        await client.queues.limit("default", global_limit=3, progress=tell)
        assert told == []  # nothing is divided
        await client.queues.limit("default", partition_by="args.tenant", progress=tell)
    assert [jobs for _, jobs in told] == [2, 4, 5, 5]
    assert [part for part, _ in told] == sorted(part for part, _ in told)
    assert told[-1][0] == 1.0
    told.clear()
    with SyncClient(database) as sync_client:
        sync_client.queues.limit("default", partition_by=None, progress=tell)
    assert told[-1] == (1.0, 5)


async def test_a_partition_with_a_long_value_is_one_like_any_other(database: str) -> None:
    """It has no place in an index, so its hash stands there."""
    long = "".join(map(str, range(3_000)))
    async with Client(database) as client, process(database) as worker:
        await client.insert(tenant(long))
        await client.queues.limit("default", global_limit=1, partition_by="args.tenant")
        await client.insert_all([tenant(long), tenant(f"{long}!"), tenant("small")])
        fetched = tenants(await worker.fetch(10))
    assert sorted(fetched, key=len) == ["small", long, f"{long}!"]


async def test_starts_that_are_far_in_the_future_are_none(database: str) -> None:
    """The clock was set back, or somebody wrote them."""
    future = """
      insert into baton.queue_starts (queue, started_at, weight)
      values ('default', now() + interval '1 day', 5) returning 1
    """
    async with Client(database) as client, process(database) as worker:
        await client.queues.limit("default", rate_limit=5, rate_period=60)
        await rows(database, future)
        await client.insert_all([job() for _ in range(9)])
        assert len(await worker.fetch(10)) == 5
        assert not await worker.fetch(10)
