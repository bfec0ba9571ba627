"""Workers hear once that a step of theirs was cancelled because of a dependency."""

import asyncio
import threading
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import anyio
import pytest
from structlog.testing import capture_logs

from baton import Cancel, Client, Discard, Job, NewJob, Registry, Worker, Workflow
from baton.errors import InvalidWorker
from baton.services.callbacks import Callbacks
from baton.services.lease_keeper import LeaseKeeper
from baton.store import callbacks as store
from baton.store.pools import Database
from tests.services.conftest import Limits
from tests.services.test_node import finished, running, until
from tests.support import connection, process, rows, value

pytestmark = pytest.mark.anyio


@pytest.fixture
def registry() -> Registry:
    return Registry()


def none_left(database: str) -> Callable[[], Awaitable[bool]]:
    async def check() -> bool:
        return not await value(database, "select count(*) from baton.workflow_callbacks")

    return check


async def run(database: str, registry: Registry, flow: Workflow) -> None:
    """Run a workflow to its end, and until everybody has heard."""
    async with running(database, registry) as (_, client):
        await client.insert_workflow(flow)
        await until(finished(database))
        await until(none_left(database))


def ends_badly(registry: Registry, how: Any) -> Any:
    @registry.worker(name="bad")
    async def bad(_job: Job) -> Any:
        return how

    return bad.new()


async def test_the_class_form_hears_of_both_kinds(database: str, registry: Registry) -> None:
    heard: list[tuple[str, ...]] = []
    threads = set()
    with registry.collecting():

        class Sync(Worker):
            def perform(self, job: Job) -> None: ...

            def on_dep_cancelled(self, reason: str, job: Job) -> None:
                threads.add(threading.get_ident())
                heard.append(("cancelled", str(job.step_name), reason, job.context["who"]))

        class Async(Worker):
            async def perform(self, job: Job) -> None: ...

            async def on_dep_discarded(self, reason: str, job: Job) -> None:
                heard.append(("discarded", str(job.step_name), reason, job.state))

        class Deaf(Worker):
            async def perform(self, job: Job) -> None: ...

    flow = (
        Workflow("w", context={"who": "ada"})
        .add("bad", ends_badly(registry, Discard("no")))
        .add("first", Async.new(), deps=["bad"])
        .add("second", Sync.new(), deps=["first"])
        .add("deaf", Deaf.new(), deps=["bad"])
        .add("other", Async.new(), deps=["second"])
    )
    await run(database, registry, flow)
    assert sorted(heard) == [
        ("cancelled", "second", "dependency first was cancelled", "ada"),
        ("discarded", "first", "dependency bad was discarded", "cancelled"),
    ]
    assert threading.get_ident() not in threads


async def test_functions_hear_through_the_arguments_of_the_decorator(
    database: str, registry: Registry
) -> None:
    heard: list[tuple[str, Any]] = []

    @registry.worker(on_dep_cancelled=lambda reason, job: heard.append((reason, job.results())))
    async def after(_job: Job) -> None: ...

    @registry.worker()
    async def good(_job: Job) -> int:
        return 5

    flow = (
        Workflow("w")
        .add("good", good.new())
        .add("bad", ends_badly(registry, Cancel("no")), deps=["good"])
        .add("after", after.with_options(priority=1).new(), deps=["bad", "good"])
    )
    await run(database, registry, flow)
    assert heard == [("dependency bad was cancelled", {"bad": None, "good": 5})]


async def test_a_cascade_of_a_thousand_calls_a_thousand_once_each_in_four_processes(
    database: str,
) -> None:
    heard: Counter[str | None] = Counter()
    async with AsyncExitStack() as stack:
        for _ in range(4):
            registry = Registry()

            async def hear(_reason: str, job: Job) -> None:
                await anyio.lowlevel.checkpoint()
                heard[job.step_name] += 1

            @registry.worker(name="after", on_dep_discarded=hear)
            async def after(_job: Job) -> None: ...

            job = ends_badly(registry, Discard("no"))
            _, client = await stack.enter_async_context(running(database, registry))
        flow = Workflow("w").add("bad", job)
        for number in range(1_000):
            flow.add(f"s{number}", after.new(), deps=["bad"])
        await client.insert_workflow(flow)
        await until(finished(database), 60)
        await until(none_left(database), 60)
    assert len(heard) == 1_000
    assert set(heard.values()) == {1}


async def _raises(_reason: str, _job: Job) -> None:
    raise ValueError("not listening")


def _exits(_reason: str, _job: Job) -> None:
    raise SystemExit(3)


async def _cancels_itself(_reason: str, _job: Job) -> None:
    current = asyncio.current_task()
    assert current is not None
    current.cancel()
    await anyio.lowlevel.checkpoint()


@pytest.mark.parametrize("callback", [_raises, _exits, _cancels_itself])
async def test_a_callback_that_raises_harms_nothing_and_is_not_called_again(
    database: str, registry: Registry, callback: Any
) -> None:
    heard = []
    registry.worker(name="noisy", on_dep_discarded=callback)(_nothing)
    listener = registry.worker(
        name="listener", on_dep_discarded=lambda reason, _job: heard.append(reason)
    )(_nothing)
    flow = (
        Workflow("w")
        .add("bad", ends_badly(registry, Discard("no")))
        .add("noisy", registry.find("noisy").new({}, (), {}), deps=["bad"])
        .add("after", listener.new(), deps=["bad"])
    )
    with capture_logs() as logs:
        await run(database, registry, flow)
    assert heard == ["dependency bad was discarded"]
    failed = [log for log in logs if log["event"] == "callback.failed"]
    assert len(failed) == 1


async def _nothing(_job: Job) -> None: ...


async def test_a_step_that_is_started_by_hand_before_its_gate_is_cancelled_by_the_engine(
    database: str, registry: Registry
) -> None:
    heard = []

    @registry.worker(on_dep_discarded=lambda reason, _job: heard.append(reason))
    async def after(_job: Job) -> None:
        raise AssertionError("called")

    flow = (
        Workflow("w").add("bad", ends_badly(registry, None)).add("after", after.new(), deps=["bad"])
    )
    async with Client(database) as client:
        await client.insert_workflow(flow)
    await rows(
        database,
        """
        with ended as (
          update baton.workflow_steps set outcome = 'discarded', finished_at = now()
          where step_name = 'bad' returning job_id
        )
        update baton.jobs as job set
          state = case when job.id in (select job_id from ended)
            then 'discarded'::baton.job_state else 'available'::baton.job_state end
        returning id
        """,
    )
    async with running(database, registry):
        await until(finished(database))
        await until(none_left(database))
    query = "select outcome::text, cause from baton.workflow_steps where step_name = 'after'"
    [ended] = await rows(database, query)
    assert ended == ("cancelled", "dependency bad was discarded")
    assert heard == ["dependency bad was discarded"]


# The service by itself


@asynccontextmanager
async def serving(database: str, registry: Registry, **options: Any) -> AsyncIterator[Callbacks]:
    """The service under a lease of its own."""

    def lose() -> None:
        service.abandon()

    lease = LeaseKeeper(database, "baton", "tests", {}, ttl=60, timeout=30, on_lost=lose)
    async with Database(database, "baton", timeout=30, size=2) as pool:
        service = Callbacks(pool, registry, lease, **options)
        async with anyio.create_task_group() as holding:
            await holding.start(lease.run)
            async with anyio.create_task_group() as tasks:
                await tasks.start(service.run)
                yield service
                tasks.cancel_scope.cancel()
            holding.cancel_scope.cancel()


async def owe(database: str, worker: str = "listener", count: int = 1, **columns: Any) -> None:
    """Callbacks that were left by somebody."""
    async with Client(database) as client:
        for _ in range(count):
            job = await client.insert(NewJob(worker=worker))
            await rows(
                database,
                """
                insert into baton.workflow_callbacks (job_id, worker, kind, reason, claimed_by)
                values (%s, %s, 'discarded', 'dependency a was discarded', %s) returning id
                """,
                job.id,
                worker,
                columns.get("claimed_by"),
            )


async def test_callbacks_that_a_dead_process_claimed_are_called_again(
    database: str, registry: Registry
) -> None:
    heard = []
    registry.worker(name="listener", on_dep_discarded=lambda r, _: heard.append(r))(_nothing)
    await owe(database, claimed_by=12_345)
    async with process(database) as other:
        await owe(database, claimed_by=other.lease)
        async with serving(database, registry):
            left = "select count(*) from baton.workflow_callbacks"
            await until(lambda: _is(database, left, 1))
        assert len(heard) == 1


async def _is(database: str, query: str, wanted: Any) -> bool:
    return bool(await value(database, query) == wanted)


async def test_a_row_that_others_hold_is_passed_over(database: str, registry: Registry) -> None:
    await owe(database, count=2)
    async with process(database) as first, Database(database, "baton", size=1) as pool:
        async with connection(database) as holder, holder.transaction():
            await holder.execute(
                "select from baton.workflow_callbacks where id = 1 for no key update"
            )
            facts: Any = {"workers": ["listener"], "most": 10, "called": [], "in_hand": []}
            [claimed] = await store.claim(pool, lease=first.lease, **facts)
        assert claimed.id == 2
        # what this process does not know that it has is claimed again, what it knows is not
        again = await store.claim(pool, lease=first.lease, **{**facts, "in_hand": [2]})
        assert [each.id for each in again] == [1]
        again = await store.claim(pool, lease=first.lease, **facts)
        assert [each.id for each in again] == [1, 2]
        async with process(database) as second:
            assert await store.claim(pool, lease=second.lease, **facts) == []
        assert await store.claim(pool, lease=99, **facts) == []


async def test_callbacks_that_block_are_given_up_and_keep_their_slots(
    database: str, registry: Registry, limits: Limits
) -> None:
    may_end = threading.Event()
    began: list[int] = []

    def blocks(_reason: str, job: Job) -> None:
        began.append(job.id)
        may_end.wait(120)

    async def both_began() -> bool:
        return len(began) == 2

    registry.worker(name="listener", on_dep_discarded=blocks)(_nothing)
    await owe(database, count=3)
    left = "select count(*) from baton.workflow_callbacks"
    async with serving(database, registry, slots=2) as service:
        await until(both_began)
        limits.are_over()
        await until(lambda: _is(database, left, 1))
        await service.look()
        assert len(began) == 2
        may_end.set()
        await until(lambda: _is(database, left, 0))
    assert len(began) == 3


async def test_a_service_that_ends_waits_for_what_runs_and_leaves_the_rest(
    database: str, registry: Registry
) -> None:
    began, may_end = anyio.Event(), anyio.Event()

    async def hear(_reason: str, _job: Job) -> None:
        began.set()
        await may_end.wait()

    registry.worker(name="listener", on_dep_discarded=hear)(_nothing)
    await owe(database, count=2)
    async with serving(database, registry, slots=1) as service, anyio.create_task_group() as tasks:
        await began.wait()
        tasks.start_soon(service.drain)
        await anyio.lowlevel.checkpoint()
        may_end.set()
    assert await value(database, "select array_agg(id) from baton.workflow_callbacks") == [2]


async def test_callbacks_of_a_lost_lease_are_forgotten(database: str, registry: Registry) -> None:
    began: list[int] = []
    ended: list[int] = []

    async def hear(_reason: str, job: Job) -> None:
        began.append(job.id)
        if len(began) == 1:
            await anyio.sleep_forever()
        ended.append(job.id)

    registry.worker(name="listener", on_dep_discarded=hear)(_nothing)
    await owe(database)
    async with serving(database, registry):

        async def has_begun() -> bool:
            return bool(began)

        await until(has_begun)
        await rows(database, "delete from baton.leases returning id")
        await until(none_left(database))
    assert (len(began), len(ended)) == (2, 1)


async def test_callbacks_of_workers_that_nobody_registers_are_dropped_after_a_day(
    database: str, registry: Registry
) -> None:
    await owe(database, "gone", 2)
    await owe(database, "listener", 1)
    await rows(
        database,
        """
        update baton.workflow_callbacks set inserted_at = now() - interval '25 h'
        where id <> 1 returning id
        """,
    )
    async with Database(database, "baton", size=1) as pool:
        dropped = await store.drop(pool, workers=["listener"], age=86_400, most=10)
    assert dropped == ["gone"]
    assert await value(database, "select array_agg(id) from baton.workflow_callbacks") == [1, 3]


async def test_a_deleted_job_has_nothing_to_hear(database: str, registry: Registry) -> None:
    heard = []
    registry.worker(name="listener", on_dep_discarded=lambda r, _: heard.append(r))(_nothing)
    await owe(database)
    await rows(database, "delete from baton.jobs returning id")
    async with serving(database, registry):
        await until(none_left(database))
    assert heard == []


def test_what_can_not_be_a_callback_is_refused(registry: Registry) -> None:
    wrong: Any = lambda: None  # noqa: E731
    with pytest.raises(InvalidWorker, match="functions of the reason and the job"):
        registry.worker(name="x", on_dep_cancelled=wrong)(_nothing)
