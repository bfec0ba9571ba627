"""The slow sweep: what hands and crashes did to steps is found, and nothing else is harmed."""

from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest

from baton.client import Client
from baton.services.slow_sweeper import slow_sweeper
from baton.services.sweeper import sweeper
from baton.states import State
from baton.store.pools import Database
from baton.telemetry import Telemetry
from baton.workflows import Workflow
from tests.support import connection, done, ended, job, process, rows, states, value

pytestmark = pytest.mark.anyio

SLOW = "select findings, unfinished, examined from baton.sweep_slowly(0, 0, %s, %s)"
SWEEP = "select swept from baton.sweep_releases(0, 0, 100)"
FORGET = "delete from baton.workflow_releases returning id"
OUTCOMES = "select step_name, outcome::text, cause from baton.workflow_steps order by job_id"


async def insert(database: str, *workflows: Workflow) -> None:
    async with Client(database) as client:
        for workflow in workflows:
            await client.insert_workflow(workflow)


async def look(database: str, *, age: float = 0, most: int = 1_000) -> dict[str, int]:
    """Make one whole pass; return what was found."""
    found: dict[str, int] = {}
    unfinished = True
    while unfinished:
        [(findings, unfinished, _)] = await rows(database, SLOW, age, most)
        for name, count in findings.items():
            found[name] = found.get(name, 0) + count
    return found


async def sweep(database: str) -> None:
    while await value(database, SWEEP):
        pass


async def repair(database: str) -> dict[str, int]:
    found = await look(database)
    await sweep(database)
    assert await look(database) == {}
    return found


async def by_hand(database: str, statement: str, *params: Any) -> None:
    async with connection(database) as conn:
        await conn.execute(statement.encode(), params or None)


def chain(*, policy: str = "completed") -> Workflow:
    return (
        Workflow("chain")
        .add("a", job())
        .add("b", job(), deps=["a"], run_on=policy)
        .add("c", job(), deps=["b"])
    )


async def test_nothing_is_found_where_nothing_is_wrong(database: str) -> None:
    flow = (
        Workflow("healthy")
        .add("a", job())
        .add("b", job(), deps=["a"])
        .wait_for("approved", deps=["a"])
        .sleep("pause", 3_600, deps=["a"])
        .add("inner", Workflow("inner").add("x", job()).add("y", job(), deps=["x"]), deps=["a"])
    )
    await insert(database, flow, chain())
    async with process(database) as worker:
        [first, _] = await worker.fetch(2)
        await worker.complete(first)
        await sweep(database)
        assert await look(database) == {}
        assert await value(database, "select count(*) from baton.workflow_releases") == 0


async def test_a_ready_step_that_was_not_released_is_released(database: str) -> None:
    await insert(database, chain())
    async with process(database) as worker:
        [a] = await worker.fetch()
        await by_hand(
            database,
            """
            with gone as (
              update baton.jobs set state = 'completed', completed_at = now() where id = %s
            )
            update baton.workflow_steps set outcome = 'completed', finished_at = now()
            where job_id = %s
            """,
            a.id,
            a.id,
        )
        assert await repair(database) == {"ready": 1}
        assert await worker.run_all() == 2
    assert await value(database, "select state::text from baton.workflows") == "completed"


async def test_what_changed_a_moment_ago_is_left_to_those_who_are_at_it(database: str) -> None:
    await insert(database, chain())
    await by_hand(
        database,
        """
        update baton.workflow_steps set outcome = 'completed', finished_at = now()
        where step_name = 'a'
        """,
    )
    await by_hand(database, "update baton.workflows set inserted_at = now() - interval '1 day'")
    await by_hand(
        database, "update baton.workflow_steps set inserted_at = now() - interval '1 day'"
    )
    assert await look(database, age=60) == {}
    assert await look(database, age=0) == {"ready": 1}


async def test_a_step_whose_dependency_vanished_is_cancelled_with_its_closure(
    database: str,
) -> None:
    await insert(database, chain())
    await by_hand(database, "delete from baton.workflow_steps where step_name = 'a'")
    assert await repair(database) == {"hopeless": 1}
    steps = await states(database)
    assert steps == {"b": "cancelled", "c": "cancelled"}
    cause = await value(database, "select cause from baton.workflow_steps where step_name = 'b'")
    assert str(cause).endswith("is gone")
    assert await value(database, "select state::text from baton.workflows") == "failed"


async def test_a_step_that_runs_whatever_happened_runs_when_its_dependency_vanished(
    database: str,
) -> None:
    await insert(database, chain(policy="done"))
    await by_hand(database, "delete from baton.workflow_steps where step_name = 'a'")
    assert await repair(database) == {"ready": 1}
    assert (await states(database))["b"] == "available"


async def test_an_open_step_whose_job_is_gone_is_cancelled(database: str) -> None:
    await insert(database, chain())
    await by_hand(database, "delete from baton.jobs where meta ->> 'workflow_name' = 'b'")
    assert await repair(database) == {"job_gone": 1}
    async with process(database) as worker:
        assert await worker.run_all() == 1
    assert await rows(database, OUTCOMES) == [
        ("a", "completed", None),
        ("b", "cancelled", "its job is gone"),
        ("c", "cancelled", "dependency b was cancelled"),
    ]
    assert await value(database, "select state::text from baton.workflows") == "failed"


@pytest.mark.parametrize(
    ("state", "cause"),
    [("completed", None), ("discarded", "its job was discarded"), ("cancelled", "too late")],
)
async def test_the_end_of_a_job_that_was_edited_by_hand_is_taken_over(
    database: str, state: str, cause: str | None
) -> None:
    await insert(database, chain())
    errors = '[{"message": "too late"}]' if cause == "too late" else "[]"
    await by_hand(
        database,
        f"""
        update baton.jobs
        set state = '{state}', {state}_at = '2020-01-02 03:04:05+00', errors = '{errors}'
        where meta ->> 'workflow_name' = 'a'
        """,
    )
    assert await repair(database) == {"job_ended": 1}
    [(_, outcome, said), (_, after, _), _] = await rows(database, OUTCOMES)
    assert (outcome, said) == (state, cause)
    assert after == (None if state == "completed" else "cancelled")
    finished = "select finished_at::date::text from baton.workflow_steps where step_name = 'a'"
    assert await value(database, finished) == "2020-01-02"


async def test_a_finished_workflow_that_was_not_marked_is_finished(database: str) -> None:
    await insert(database, chain())
    async with process(database) as worker:
        await worker.run_all()
    await by_hand(database, "update baton.workflows set state = 'executing', finished_at = null")
    await by_hand(database, "delete from baton.workflow_completions")
    assert await look(database, age=3_600) == {}
    for most in (1, 3, 100):
        assert await look(database, most=most) == {"unfinished_workflow": 1}
    await sweep(database)
    assert await value(database, "select state::text from baton.workflows") == "completed"
    assert await value(database, "select count(*) from baton.workflow_completions") == 1


async def test_parked_steps_that_wait_for_nothing_any_more_are_settled(database: str) -> None:
    flow = (
        Workflow("waits")
        .wait_for("approved")
        .sleep("nap", 3_600)
        .add("inner", Workflow("inner").add("x", job()))
    )
    await insert(database, flow)
    await sweep(database)
    await by_hand(database, "update baton.workflow_waits set until = now() where signal is null")
    await by_hand(
        database,
        """
        insert into baton.workflow_signals (workflow_id, name)
        select workflow_id, 'approved' from baton.workflow_steps where step_name = 'approved'
        """,
    )
    async with process(database) as worker:
        await worker.run_all()
    await by_hand(database, FORGET.removesuffix(" returning id"))
    found = await repair(database)
    assert set(found) <= {"wait_over"}
    assert set((await states(database)).values()) == {"completed"}
    assert set(await rows(database, "select state::text from baton.workflows")) == {("completed",)}


async def test_a_parked_step_without_a_wait_begins_it_anew(database: str) -> None:
    await insert(database, Workflow("waits").sleep("nap", 3_600))
    await sweep(database)
    await by_hand(database, "delete from baton.workflow_waits")
    assert await repair(database) == {"wait_gone": 1}
    assert await value(database, "select count(*) from baton.workflow_waits") == 1


async def test_rows_of_progress_are_put_together(database: str) -> None:
    await insert(database, chain())
    await by_hand(
        database,
        """
        insert into baton.workflow_progress (workflow_id, completed)
        select id, 1 from baton.workflows cross join generate_series(1, 5)
        """,
    )
    await look(database)
    assert await rows(database, "select completed from baton.workflow_progress") == [(5,)]


@pytest.mark.parametrize("most", [1, 2, 3, 7, 50])
async def test_a_pass_in_portions_finds_what_one_at_once_finds(database: str, most: int) -> None:
    wide = Workflow("wide")
    for index in range(20):
        wide.add(f"leaf{index}", job())
    wide.add("join", job(), deps=[f"leaf{index}" for index in range(20)])
    await insert(database, *[chain() for _ in range(5)], wide)
    await by_hand(
        database, "delete from baton.jobs where meta ->> 'workflow_name' in ('c', 'join', 'leaf7')"
    )
    assert await look(database, most=most) == {"job_gone": 7}
    await sweep(database)
    # with the end of a portion at each of its steps, no workflow is taken for finished
    assert await look(database, most=most) == {}


async def test_a_portion_of_thousands_is_owed_in_rows_that_a_sweep_can_take(
    database: str,
) -> None:
    flow = Workflow("wide").add("root", job())
    for index in range(2_500):
        flow.add(f"leaf{index}", job(), deps=["root"])
    await insert(database, flow)
    await by_hand(
        database,
        """
        update baton.workflow_steps set outcome = 'completed', finished_at = now()
        where step_name = 'root'
        """,
    )
    assert await look(database, most=100_000) == {"ready": 2_500}
    sizes = "select cardinality(job_ids) from baton.workflow_releases order by id"
    assert sorted(await rows(database, sizes)) == [(500,), (1_000,), (1_000,)]


async def test_steps_that_end_normally_are_not_counted_twice(database: str) -> None:
    await insert(database, chain())
    await by_hand(database, "update baton.workflows set counted = true")
    async with process(database) as worker:
        [a] = await worker.fetch()
        await look(database)
        await worker.complete(a)
        await worker.run_all()
    await by_hand(database, "delete from baton.jobs")
    await look(database)
    await sweep(database)
    counted = "select sum(completed), sum(cancelled) from baton.workflow_progress"
    assert await rows(database, counted) == [(3, 0)]


async def test_a_job_that_somebody_holds_is_passed_over_and_found_again(database: str) -> None:
    await insert(database, chain())
    await by_hand(
        database,
        "update baton.jobs set state = 'completed' where meta ->> 'workflow_name' = 'a'",
    )
    lock = "select from baton.jobs where meta ->> 'workflow_name' = 'a' for no key update"
    async with connection(database) as holder:
        async with holder.transaction():
            await holder.execute(lock.encode())
            with anyio.fail_after(60):
                assert await look(database) == {"job_ended": 1}
        assert await repair(database) == {"job_ended": 1}


async def test_one_process_at_a_time_looks(database: str) -> None:
    await insert(database, chain())
    async with connection(database) as one, one.transaction():
        await one.execute(SLOW.encode(), (0, 10))
        assert await rows(database, SLOW, 0, 10) == [({}, False, 0)]


async def test_beside_eight_busy_processes_nothing_is_harmed(database: str) -> None:
    """Some steps fail, and all of it ends as it would without a sweep in a loop."""
    flows = []
    for number in range(60):
        flow = Workflow(f"flow{number}").add("root", job())
        for index in range(8):
            flow.add(f"left{index}", job(), deps=["root"])
            flow.add(f"right{index}", job(), deps=[f"left{index}"], run_on="done")
        flow.add("join", job(), deps=[f"right{index}" for index in range(8)])
        flows.append(flow)
    await insert(database, *flows)
    ran: list[int] = []

    async def work() -> None:
        async with process(database) as worker:
            finished = "select count(*) from baton.workflow_completions"
            while await value(database, finished) < len(flows):
                jobs = await worker.fetch(7)
                ran.extend(each.id for each in jobs)
                await worker.acknowledge(
                    *(
                        ended(each, State.DISCARDED) if each.step_name == "left3" else done(each)
                        for each in jobs
                    )
                )

    async with anyio.create_task_group() as tasks:
        async with anyio.create_task_group() as workers:
            for _ in range(8):
                workers.start_soon(work)
            tasks.start_soon(keep_looking, database)
        tasks.cancel_scope.cancel()
    await sweep(database)
    assert len(ran) == len(set(ran)) == 60 * 18
    outcomes = "select outcome::text, count(*) from baton.workflow_steps group by 1 order by 1"
    assert await rows(database, outcomes) == [("completed", 60 * 17), ("discarded", 60)]
    assert await value(database, "select count(*) from baton.workflow_completions") == 60
    assert await look(database) == {}


async def keep_looking(database: str) -> None:
    async with connection(database) as conn:
        while True:
            found = await (await conn.execute(SLOW.encode(), (0, 100))).fetchone()
            assert found is not None
            assert not {"job_gone", "job_ended", "wait_gone"} & set(found[0])
            await conn.execute(SWEEP.encode())


@pytest.fixture
async def open_database(database: str) -> AsyncIterator[Database]:
    async with Database(database, "baton", size=2) as opened:
        yield opened


async def test_the_duties_tell_what_they_found_and_did(
    database: str, open_database: Database
) -> None:
    await insert(database, chain())
    await by_hand(database, "update baton.workflows set inserted_at = now() - interval '1 day'")
    await by_hand(database, "delete from baton.jobs where meta ->> 'workflow_name' = 'a'")
    told: list[tuple[dict[str, Any], dict[str, Any]]] = []
    heard = {"slow sweep": anyio.Event(), "sweep": anyio.Event()}

    def hear(_event: str, measurements: Any, metadata: Any) -> None:
        told.append((dict(measurements), dict(metadata)))
        heard[metadata["plugin"]].set()

    Telemetry.attach("test", "baton.plugin.sweep", hear)
    try:
        with anyio.fail_after(60):
            async with anyio.create_task_group() as tasks:
                await tasks.start(slow_sweeper(open_database).run)
                await heard["slow sweep"].wait()
                await tasks.start(sweeper(open_database).run)
                await heard["sweep"].wait()
                tasks.cancel_scope.cancel()
    finally:
        Telemetry.detach("test")
    assert told[0] == (
        {"swept": 0, "released": 0, "found": 1},
        {"plugin": "slow sweep", "job_gone": 1},
    )
    assert told[1] == ({"swept": 1, "released": 0, "found": 0}, {"plugin": "sweep"})
