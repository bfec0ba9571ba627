"""Operations on workflows while others work on them, with a real wait for a lock."""

from contextlib import suppress
from typing import Any

import anyio
import pytest

from baton import Client, Workflow
from baton.errors import NothingToRetry, StepCompleted
from baton.states import State
from tests.support import (
    connection,
    done,
    ended,
    in_turn,
    job,
    process,
    rows,
    states,
    value,
)

pytestmark = pytest.mark.anyio

SWEEP = "select swept from baton.sweep_releases(0, 0, 100)"


async def sweep(database: str) -> None:
    """Sweep until nothing follows any more."""
    while await value(database, SWEEP):
        pass


def chain() -> Workflow:
    return Workflow("w").add("a", job()).add("b", job(), deps=["a"]).add("c", job(), deps=["b"])


async def of_flow(database: str) -> str:
    return str(await value(database, "select state::text from baton.workflows"))


async def add_step(conn: Any, flow: Workflow) -> None:
    """Add a step that waits for nothing, as a graft does."""
    await conn.execute(
        """
        with added as (select (baton.insert_job('tests.late', '{}')).id as id)
        insert into baton.workflow_steps (job_id, workflow_id, step_name, grafted_by)
        select added.id, %s, 'late', 0 from added
        """,
        [flow.workflow_id],
    )


async def test_what_a_running_step_adds_while_its_workflow_is_cancelled_is_cancelled(
    database: str,
) -> None:
    flow = chain()
    async with Client(database) as client, process(database) as worker:
        await client.insert_workflow(flow)
        [a] = await worker.fetch()

        async def graft(conn: Any) -> None:
            await conn.execute("select from baton.jobs where id = %s for no key update", [a.id])
            await add_step(conn, flow)

        async def cancel() -> None:
            assert await client.cancel_workflow(flow.workflow_id) == 4

        await in_turn(database, graft, cancel)
        assert set((await states(database)).values()) == {"cancelled"}
        await sweep(database)
        assert await of_flow(database) == "failed"


async def test_what_is_added_from_outside_while_a_workflow_is_cancelled_is_cancelled(
    database: str,
) -> None:
    flow = chain()
    async with Client(database) as client:
        await client.insert_workflow(flow)

        async def graft(conn: Any) -> None:
            await conn.execute("select from baton.workflows for no key update")
            await add_step(conn, flow)

        async def cancel() -> None:
            assert await client.cancel_workflow(flow.workflow_id) == 4

        await in_turn(database, graft, cancel)
        assert set((await states(database)).values()) == {"cancelled"}


async def test_an_acknowledgement_that_waited_for_a_cancelled_workflow_is_refused(
    database: str,
) -> None:
    flow = chain()
    async with Client(database) as client, process(database) as worker:
        await client.insert_workflow(flow)
        [a] = await worker.fetch()

        async def acknowledge() -> None:
            assert await worker.acknowledge(done(a)) == frozenset()

        async def cancel(conn: Any) -> None:
            await client.cancel_workflow(flow.workflow_id, conn=conn)

        await in_turn(database, cancel, acknowledge)
        assert set((await states(database)).values()) == {"cancelled"}


async def test_a_retry_that_waited_for_a_cancellation_runs_what_that_cancelled(
    database: str,
) -> None:
    flow = chain()
    async with Client(database) as client, process(database) as worker:
        await client.insert_workflow(flow)
        await rows(
            database, "select * from baton.cancel_jobs(array(select max(id) from baton.jobs))"
        )
        retried: list[list[str]] = []

        async def retry() -> None:
            retried.append((await client.retry_workflow(flow.workflow_id)).step_names)

        async def cancel(conn: Any) -> None:
            await client.cancel_workflow(flow.workflow_id, conn=conn)
            # what it waits for, before it has read anything that the other one changed
            await conn.execute("select from baton.jobs where state = 'cancelled' for update")

        await in_turn(database, cancel, retry)
        assert retried == [["a", "b", "c"]]
        await sweep(database)
        assert await worker.run_all() == 3
        assert await of_flow(database) == "completed"


async def test_a_cancellation_that_waited_for_a_retry_cancels_what_runs_again(
    database: str,
) -> None:
    flow = chain()
    async with Client(database) as client:
        await client.insert_workflow(flow)
        last = await value(database, "select max(id) from baton.jobs")
        await client.cancel_job(last)

        async def cancel() -> None:
            assert await client.cancel_workflow(flow.workflow_id) == 3

        async def retry(conn: Any) -> None:
            await client.retry_workflow(flow.workflow_id, "a", conn=conn)

        await in_turn(database, retry, cancel)
        await sweep(database)
        assert set((await states(database)).values()) == {"cancelled"}
        assert await of_flow(database) == "failed"


async def test_a_retry_that_waited_for_the_end_of_a_workflow_runs_it_again(database: str) -> None:
    flow = Workflow("w").add("a", job()).add("b", job())
    async with Client(database) as client, process(database) as worker:
        a, b = await client.insert_workflow(flow)
        await client.cancel_job(a.id)
        await client.cancel_job(b.id)

        async def retry() -> None:
            assert (await client.retry_workflow(flow.workflow_id, "a")).step_names == ["a"]

        async def finish(conn: Any) -> None:
            await conn.execute("select baton.finish_workflows(%s)", [[flow.workflow_id]])

        await in_turn(database, finish, retry)
        assert await of_flow(database) == "executing"
        await worker.run_all()
        await sweep(database)
        assert await of_flow(database) == "failed"
        assert await value(database, "select count(*) from baton.workflow_completions") == 1


async def test_a_workflow_does_not_finish_while_a_step_of_it_is_retried(database: str) -> None:
    flow = Workflow("w").add("a", job()).add("b", job(queue="other"))
    async with Client(database) as client, process(database) as worker:
        await client.insert_workflow(flow)
        [a] = await worker.fetch()
        await worker.acknowledge(ended(a, State.DISCARDED))
        [b] = await worker.fetch(queue="other")
        async with connection(database) as conn, conn.transaction():
            await client.retry_workflow(flow.workflow_id, conn=conn)
            await worker.acknowledge(done(b))
        await sweep(database)
        assert await of_flow(database) == "executing"
        await worker.run_all()
        assert await of_flow(database) == "completed"


@pytest.mark.parametrize("plain", [True, False])
async def test_a_retry_that_waited_for_a_cascade_wakes_what_that_cancelled(
    database: str, plain: bool
) -> None:
    flow = chain()
    async with Client(database) as client, process(database) as worker:
        a, *_ = await client.insert_workflow(flow)
        await client.cancel_job(a.id)

        async def retry() -> None:
            if plain:
                assert await client.retry_job(a.id)
            else:
                retried = await client.retry_workflow(flow.workflow_id)
                assert retried.step_names == ["a", "b", "c"]

        await in_turn(database, lambda conn: conn.execute(SWEEP), retry)
        assert await states(database) == {"a": "available", "b": "suspended", "c": "suspended"}
        await sweep(database)
        assert await worker.run_all() == 3
        assert await of_flow(database) == "completed"


async def test_a_cascade_looks_again_once_it_has_its_locks(database: str) -> None:
    """The end that it saw was taken back while it waited: nothing of it is cancelled."""
    flow = chain()
    async with Client(database) as client, process(database) as worker:
        a, *_ = await client.insert_workflow(flow)
        await client.cancel_job(a.id)

        async def retry(conn: Any) -> None:
            # lets those through who only read: the cascade sees the end, and waits with its locks
            await conn.execute("lock table baton.jobs in exclusive mode")
            await client.retry_job(a.id, conn=conn)

        await in_turn(database, retry, lambda: value(database, SWEEP))
        await sweep(database)
        assert await states(database) == {"a": "available", "b": "suspended", "c": "suspended"}
        assert await worker.run_all() == 3


@pytest.mark.parametrize("plain", [True, False])
async def test_a_cascade_that_meets_a_retry_cancels_nothing(database: str, plain: bool) -> None:
    flow = chain()
    async with Client(database) as client, process(database) as worker:
        a, *_ = await client.insert_workflow(flow)
        await client.cancel_job(a.id)
        async with connection(database) as conn, conn.transaction():
            if plain:
                await client.retry_job(a.id, conn=conn)
            else:
                await client.retry_workflow(flow.workflow_id, conn=conn)
            await value(database, SWEEP)  # it still sees the end that is taken back
        await sweep(database)
        assert await states(database) == {"a": "available", "b": "suspended", "c": "suspended"}
        assert await worker.run_all() == 3


async def test_a_cascade_stops_before_a_step_that_is_held(database: str) -> None:
    """What stands behind it is not cancelled without a cause, and nobody looks again at once."""
    flow = chain()
    async with Client(database) as client, process(database) as worker:
        a, b, _ = await client.insert_workflow(flow)
        await client.cancel_job(a.id)
        async with connection(database) as conn, conn.transaction():
            await conn.execute("select from baton.jobs where id = %s for update", [b.id])
            once = "select unfinished from baton.sweep_releases(0, 0, 100)"
            assert await value(database, once) is False
            outcome = "select outcome::text from baton.workflow_steps where step_name = 'c'"
            assert await value(database, outcome) is None
        assert await client.retry_job(a.id)
        await sweep(database)
        assert await states(database) == {"a": "available", "b": "suspended", "c": "suspended"}
        assert await worker.run_all() == 3


async def test_of_two_retries_of_a_workflow_at_once_one_retries(database: str) -> None:
    flow = chain()
    async with Client(database) as client, process(database) as worker:
        await client.insert_workflow(flow)
        [a] = await worker.fetch()
        await worker.acknowledge(ended(a, State.DISCARDED))

        async def retry() -> None:
            with pytest.raises(NothingToRetry):
                await client.retry_workflow(flow.workflow_id)

        async def first(conn: Any) -> None:
            await client.retry_workflow(flow.workflow_id, conn=conn)

        await in_turn(database, first, retry)
        [again] = await worker.fetch()
        assert (again.step_name, again.attempt) == ("a", 1)
        await worker.complete(again)
        assert await worker.run_all() == 2


async def test_an_acknowledgement_that_waited_for_a_skip_is_refused(database: str) -> None:
    flow = chain()
    async with Client(database) as client, process(database) as worker:
        await client.insert_workflow(flow)
        [a] = await worker.fetch()

        async def acknowledge() -> None:
            assert await worker.acknowledge(done(a, '"mine"')) == frozenset()

        async def skip(conn: Any) -> None:
            await client.skip_step(flow.workflow_id, "a", "given", conn=conn)

        await in_turn(database, skip, acknowledge)
        await sweep(database)
        [b] = await worker.fetch()
        assert b.result("a") == "given"


async def test_a_skip_that_waited_for_a_cascade_wakes_what_that_cancelled(database: str) -> None:
    flow = chain()
    async with Client(database) as client, process(database) as worker:
        a, *_ = await client.insert_workflow(flow)
        await client.cancel_job(a.id)

        async def skip() -> None:
            assert await client.skip_step(flow.workflow_id, "a") == "cancelled"

        await in_turn(database, lambda conn: conn.execute(SWEEP), skip)
        await sweep(database)
        assert await worker.run_all() == 2
        assert await of_flow(database) == "completed"


async def test_retries_skips_and_cancellations_of_one_workflow_do_not_deadlock(
    database: str,
) -> None:
    flow = Workflow("w").add("inner", Workflow("inner").add("x", job()).add("y", job()))
    for n in range(30):
        flow.add(f"s{n}", job(), deps=[f"s{n - 1}"] if n % 3 else [])
    async with Client(database) as client, process(database) as worker:
        await client.insert_workflow(flow)

        async def steer() -> None:
            for _ in range(8):
                await client.retry_workflow(flow.workflow_id, "all")
                with suppress(StepCompleted):
                    await client.skip_step(flow.workflow_id, "inner")
                await client.cancel_workflow(flow.workflow_id)

        async def follow() -> None:
            for _ in range(30):
                await value(database, SWEEP)

        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(steer)
            tasks.start_soon(follow)
        assert len((await client.retry_workflow(flow.workflow_id, "all")).steps) >= 30
        await sweep(database)
        while await worker.run_all():
            await sweep(database)
    assert set((await states(database)).values()) == {"completed"}
    assert await value(database, "select count(*) from baton.workflow_completions") == 2
