"""The gate: what a step waits for, and what becomes of it when that has ended."""

from uuid import uuid4

import anyio
import pytest

from baton.client import Client
from baton.states import State
from baton.workflows import Workflow
from tests.support import connection, done, ended, job, process, rows, states, value, waiters

pytestmark = pytest.mark.anyio

SWEEP = "select swept from baton.sweep_releases(0, 0, 100)"


async def insert(database: str, *workflows: Workflow) -> None:
    async with Client(database) as client:
        for workflow in workflows:
            await client.insert_workflow(workflow)


async def sweep(database: str) -> None:
    """Sweep until nothing follows any more."""
    while await value(database, SWEEP):
        pass


async def test_a_step_that_runs_on_failure_runs_after_one(database: str) -> None:
    flow = (
        Workflow("careful")
        .add("a", job())
        .add("b", job())
        .add("notify", job(), deps=["a", "b"], run_on="failed")
    )
    await insert(database, flow)
    async with process(database) as worker:
        a, b = await worker.fetch(10)
        await worker.acknowledge(ended(a, State.DISCARDED))
        assert await worker.fetch(10) == []
        [notify] = await worker.complete(b, capacity=10)
    assert notify.step_name == "notify"


async def test_a_step_that_runs_on_failure_is_skipped_without_one(database: str) -> None:
    flow = (
        Workflow("careful")
        .add("a", job())
        .add("notify", job(), deps=["a"], run_on="failed")
        .add("after", job(), deps=["notify"])
        .add("always", job(), deps=["notify"], run_on="done")
        .add("anyway", job(), deps=["notify"], ignore_skipped=True)
    )
    await insert(database, flow)
    async with process(database) as worker:
        [a] = await worker.fetch(10)
        jobs = await worker.complete(a, capacity=10)
        assert [each.step_name for each in jobs] == ["always", "anyway"]
        await worker.complete(*jobs)
    skipped = "select step_name, cause from baton.workflow_steps where skipped order by 1"
    assert await rows(database, skipped) == [
        ("after", "dependency notify was skipped"),
        ("notify", "no dependency failed"),
    ]
    assert await value(database, "select state::text from baton.workflows") == "completed"
    assert await value(database, "select count(*) from baton.workflow_releases") == 0


async def test_a_step_that_runs_when_all_is_done_does_whatever_happened(database: str) -> None:
    flow = (
        Workflow("tidy")
        .add("a", job())
        .add("b", job())
        .add("tidy", job(), deps=["a", "b"], run_on="done")
    )
    await insert(database, flow)
    async with process(database) as worker:
        a, b = await worker.fetch(10)
        await worker.acknowledge(ended(a, State.DISCARDED), ended(b, State.CANCELLED))
        [tidy] = await worker.fetch(10)
        await worker.complete(tidy)
    assert await states(database) == {"a": "discarded", "b": "cancelled", "tidy": "completed"}
    assert await value(database, "select state::text from baton.workflows") == "failed"


async def test_a_cascade_that_meets_the_end_of_the_other_dependency_loses_no_wake_up(
    database: str,
) -> None:
    """Neither of two transactions sees what the other ends; the one that ends later looks again."""
    flow = (
        Workflow("meeting")
        .add("bad", job())
        .add("poisoned", job(), deps=["bad"])
        .add("other", job())
        .add("join", job(), deps=["poisoned", "other"], ignore_cancelled=True)
    )
    await insert(database, flow)
    async with process(database) as worker, connection(database) as holder:
        bad, other = await worker.fetch(10)
        await rows(
            database,
            """
            select baton.finish_jobs(
              %s, array[%s], array[%s], '{discarded}', '{0}', '{f}', '{null}', '{null}', '{t}'
            )
            """,
            worker.lease,
            bad.id,
            bad.epoch,
        )
        async with holder.transaction():
            await holder.execute("select baton.sweep_releases(0, 0, 100)")
            assert await worker.complete(other, capacity=10) == []
        await sweep(database)
        [join] = await worker.fetch(10)
    assert join.step_name == "join"


async def test_what_a_cascade_has_ended_is_committed_before_it_is_followed(database: str) -> None:
    """Or else neither this cycle nor that of the other dependency sees both ends."""
    flow = (
        Workflow("meeting")
        .add("bad", job())
        .add("poisoned", job(), deps=["bad"])
        .add("other", job())
        .add("join", job(), deps=["poisoned", "other"], ignore_cancelled=True)
    )
    await insert(database, flow)
    async with (
        process(database) as worker,
        process(database) as rival,
        connection(database) as holder,
        connection(database) as observer,
        anyio.create_task_group() as tasks,
    ):
        [bad] = await worker.fetch(1)
        [other] = await rival.fetch(1)
        failed = ended(bad, State.DISCARDED, error="{}")

        async def fail() -> None:
            await worker.cycles.cycle(worker.lease, [failed], {"default": 1})

        async with holder.transaction():
            # a fetch waits for it, behind all that follows from the end
            await holder.execute("select pg_advisory_xact_lock(hashtext('baton.queues'), 0)")
            tasks.start_soon(fail)
            with anyio.fail_after(60):
                while await waiters(observer) == 0:
                    await anyio.lowlevel.checkpoint()
            await rival.complete(other)
            assert (await states(database))["join"] == "available"


async def test_a_signal_wakes_the_step_that_waits_for_it(database: str) -> None:
    flow = (
        Workflow("approval")
        .add("draft", job())
        .wait_for("approved", deps=["draft"])
        .add("send", job(), deps=["approved"])
    )
    await insert(database, flow)
    async with process(database) as worker:
        [draft] = await worker.fetch(10)
        assert await worker.complete(draft, capacity=10) == []
        insert_signal = """
          insert into baton.workflow_signals (workflow_id, name, payload)
          values (%s, 'approved', '{"by": "ann"}') returning 1
        """
        await rows(database, insert_signal, flow.workflow_id)
        owe = """
          insert into baton.workflow_releases (job_ids, inserted_at)
          select array_agg(job_id), '-infinity' from baton.workflow_waits returning 1
        """
        await rows(database, owe)
        await sweep(database)
        [send] = await worker.fetch(10)
    assert send.result("approved") == {"by": "ann"}


async def test_a_sleep_without_dependencies_begins_at_once_and_ends(database: str) -> None:
    flow = Workflow("nap").sleep("nap", 0).add("up", job(), deps=["nap"])
    await insert(database, flow)
    await sweep(database)
    async with process(database) as worker:
        [up] = await worker.fetch(10)
        await worker.complete(up)
    assert await states(database) == {"nap": "completed", "up": "completed"}


async def test_a_workflow_can_be_a_step_of_another(database: str) -> None:
    inner = Workflow("inner").add("one", job()).add("two", job(), deps=["one"])
    flow = (
        Workflow("outer")
        .add("first", job())
        .add("inner", inner, deps=["first"])
        .add("last", job(), deps=["inner"])
    )
    await insert(database, flow)
    async with process(database) as worker:
        [first] = await worker.fetch(10)
        await worker.acknowledge(done(first, '"begin"'))
        [one] = await worker.fetch(10)
        assert one.step is not None
        assert one.step.results == {"first": "begin"}
        [two] = await worker.complete(one, capacity=10)
        await worker.acknowledge(done(two, '"end"'))
        [last] = await worker.fetch(10)
        assert last.result("inner") == {"two": "end"}
        await worker.complete(last)
    query = "select name, state::text from baton.workflows order by name"
    assert await rows(database, query) == [("inner", "completed"), ("outer", "completed")]
    assert await value(database, "select count(*) from baton.workflow_releases") == 0


async def test_a_failure_inside_a_sub_workflow_travels_out(database: str) -> None:
    flow = (
        Workflow("outer")
        .add("inner", Workflow("inner").add("one", job()))
        .add("last", job(), deps=["inner"])
    )
    await insert(database, flow)
    await sweep(database)
    async with process(database) as worker:
        [one] = await worker.fetch(10)
        await worker.acknowledge(ended(one, State.DISCARDED))
    assert await states(database) == {
        "inner": "discarded",
        "one": "discarded",
        "last": "cancelled",
    }
    cause = "select cause from baton.workflow_steps where step_name = 'inner'"
    assert await value(database, cause) == "its workflow failed: one"


async def test_a_cancelled_dependency_cancels_the_whole_sub_workflow(database: str) -> None:
    inner = Workflow("inner").add("one", job()).add("two", job(), deps=["one"])
    flow = Workflow("outer").add("first", job()).add("inner", inner, deps=["first"])
    await insert(database, flow)
    async with process(database) as worker:
        [first] = await worker.fetch(10)
        await worker.acknowledge(ended(first, State.CANCELLED))
    assert set((await states(database)).values()) == {"cancelled"}
    assert await value(database, "select count(*) from baton.workflow_completions") == 2
    assert await value(database, "select count(*) from baton.workflow_releases") == 0


async def test_of_workflows_with_the_same_key_one_executes(database: str) -> None:
    async with Client(database) as client:
        [first] = await client.insert_workflow(Workflow(unique="k").add("a", job()))
        again = Workflow(unique="k", workflow_id=uuid4()).add("a", job())
        [same] = await client.insert_workflow(again)
    assert (same.id, same.conflict) == (first.id, True)


async def test_the_job_for_the_end_of_a_workflow_comes_with_it(database: str) -> None:
    flow = Workflow("w", on_finished=job("tests.finished", tags=["x"])).add("a", job())
    await insert(database, flow)
    async with process(database) as worker:
        [a] = await worker.fetch(10)
        [finished] = await worker.complete(a, capacity=10)
    assert finished.worker == "tests.finished"
    assert finished.meta["finished_workflow"] == {
        "workflow_id": str(flow.workflow_id),
        "workflow_label": "w",
        "outcome": "completed",
        "failed_steps": [],
    }


async def test_a_workflow_that_begins_by_waiting_calls_for_a_sweep(database: str) -> None:
    async with connection(database) as listening:
        await listening.execute('listen "baton.control"')
        await insert(database, Workflow("w").sleep("nap", 0.3))
        async for told in listening.notifies(timeout=60, stop_after=1):
            assert told.payload == "sweep"
            return
    raise AssertionError("nobody was told")
