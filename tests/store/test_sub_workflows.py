"""A workflow as a step of another: what goes in, what comes out, and how they end together."""

from typing import Any

import anyio
import pytest

from baton import Client, Workflow
from baton.jobs import Job
from baton.states import State
from tests.store.test_gates import insert, sweep
from tests.support import (
    Process,
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


async def step(worker: Process, name: str, result: str | None = None) -> Job:
    """Run the one step that is available, which must be this one."""
    [found] = await worker.fetch(10)
    assert found.step_name == name
    await worker.acknowledge(done(found, result))
    return found


async def causes(database: str) -> dict[str, str]:
    query = "select step_name, cause from baton.workflow_steps where cause is not null"
    return dict(await rows(database, query))


async def test_first_steps_know_what_the_sub_workflow_depends_on_however_deep_they_are(
    database: str,
) -> None:
    deepest = Workflow("3").add("c", job()).add("d", job(), deps=["c"])
    inner = Workflow("1").add("b", Workflow("2").add("three", deepest))
    outer = (
        Workflow("0")
        .add("a", job())
        .add("silent", job())
        .add("one", inner, deps=["a", "silent"])
        .add("last", job(), deps=["one"])
    )
    await insert(database, outer)
    async with process(database) as worker:
        a, silent = await worker.fetch(10)
        await worker.acknowledge(done(a, "1"), done(silent))
        c = await step(worker, "c", "2")
        assert c.results() == {"a": 1, "silent": None}
        d = await step(worker, "d", "3")
        assert d.results() == {"c": 2}
        last = await step(worker, "last")
        assert last.result("one") == {"b": {"three": {"d": 3}}}
    query = "select name, state::text from baton.workflows order by name"
    assert await rows(database, query) == [(each, "completed") for each in "0123"]
    assert await value(database, "select count(*) from baton.workflow_releases") == 0


async def test_the_output_of_a_sub_workflow_is_its_result(database: str) -> None:
    inner = Workflow("inner", output="one").add("one", job()).add("two", job(), deps=["one"])
    outer = Workflow("outer").add("inner", inner).add("last", job(), deps=["inner"])
    await insert(database, outer)
    await sweep(database)
    async with process(database) as worker:
        await step(worker, "one", '"mine"')
        await step(worker, "two", '"not mine"')
        assert (await step(worker, "last")).result("inner") == "mine"


async def test_a_sub_workflow_whose_result_is_too_large_fails_for_good(database: str) -> None:
    inner = Workflow("inner").fan_out("part", [job() for _ in range(69)])
    outer = Workflow("outer").add("inner", inner)
    outer.add("tidy", job(), deps=["inner"], run_on="failed")
    await insert(database, outer)
    await sweep(database)
    async with process(database) as worker:
        last, *parts = await worker.fetch(100)
        await worker.complete(*parts)
        # each is small on the disk
        large = "update baton.workflow_steps set result = to_jsonb(repeat('x', 4000000)) where "
        await rows(database, large + "outcome = 'completed' returning 1")
        await worker.complete(last)
        await step(worker, "tidy")
    cause = (await causes(database))["inner"]
    assert cause.startswith("what its steps returned is too much for one result, give it an output")
    assert (await states(database))["inner"] == "discarded"
    assert await value(database, "select count(*) from baton.workflow_releases") == 0


async def test_a_sub_workflow_has_what_it_lacks_from_the_one_around_it(database: str) -> None:
    inner = (
        Workflow("inner", context={"b": 3}, tags=["inner"])
        .add("one", job(priority=2))
        .add("deep", Workflow("deep", priority=7).add("two", job()))
    )
    outer = Workflow("outer", context={"a": 1, "b": 2}, tags=["outer"], priority=5, debug=True)
    outer.add("inner", inner)
    await insert(database, outer)
    await sweep(database)
    async with process(database) as worker:
        one, two = await worker.fetch(10)
    assert (one.priority, one.tags, dict(one.context)) == (5, ("inner", "outer"), {"a": 1, "b": 3})
    assert (two.priority, two.tags, dict(two.context)) == (7, ("inner", "outer"), {"a": 1, "b": 3})
    assert one.meta["workflow_debug"] is two.meta["workflow_debug"] is True


async def test_a_step_that_is_a_workflow_executes_while_that_does(database: str) -> None:
    outer = Workflow("outer").add("inner", Workflow("inner").wait_for("go"))
    await insert(database, outer)
    assert (await states(database))["inner"] == "suspended"
    await sweep(database)
    assert await states(database) == {"inner": "executing", "go": "suspended"}


async def test_the_flags_and_policies_of_steps_hold_for_sub_workflows(database: str) -> None:
    outer = (
        Workflow("outer")
        .add("bad", Workflow().add("b", job()))
        .add("anyway", Workflow().add("c", job()), deps=["bad"], ignore_discarded=True)
        .add("clean", Workflow().add("d", job()), deps=["bad"], run_on="failed")
        .add("never", Workflow().add("e", job()).add("f", job(), deps=["e"]), deps=["bad"])
    )
    await insert(database, outer)
    await sweep(database)
    async with process(database) as worker:
        [b] = await worker.fetch(10)
        await worker.acknowledge(ended(b, State.DISCARDED))
        jobs = await worker.fetch(10)
        assert sorted(str(each.step_name) for each in jobs) == ["c", "d"]
        await worker.complete(*jobs)
    await sweep(database)
    found = await states(database)
    assert {name for name, state in found.items() if state == "cancelled"} == {"never", "e", "f"}
    assert found["anyway"] == found["clean"] == "completed"
    assert await value(database, "select count(*) from baton.workflow_completions") == 5


async def test_the_steps_of_a_skipped_sub_workflow_are_skipped_and_none_cleans_up(
    database: str,
) -> None:
    inner = (
        Workflow("inner")
        .add("one", job())
        .add("tidy", job(), deps=["one"], run_on="done")
        .add("deep", Workflow("deep").add("two", job()), deps=["one"], ignore_skipped=True)
        .wait_for("three")
    )
    outer = (
        Workflow("outer")
        .add("first", job())
        .add("inner", inner, deps=["first"], run_on="failed")
        .add("last", job(), deps=["inner"], ignore_skipped=True)
    )
    await insert(database, outer)
    async with process(database) as worker:
        await step(worker, "first")
        await sweep(database)
        await step(worker, "last")
    skipped = "select step_name from baton.workflow_steps where skipped order by 1"
    assert [name for (name,) in await rows(database, skipped)] == [
        "deep",
        "inner",
        "one",
        "three",
        "tidy",
        "two",
    ]
    assert (await causes(database))["tidy"] == "step inner, which is this workflow, was skipped"
    assert await rows(database, "select distinct state::text from baton.workflows") == [
        ("completed",)
    ]
    assert await value(database, "select count(*) from baton.workflow_releases") == 0


async def test_cancelling_the_step_cancels_the_workflow_that_it_is(database: str) -> None:
    deep = Workflow("deep").add("two", job()).sleep("three", 3600, deps=["two"])
    inner = (
        Workflow("inner")
        .add("one", job())
        .add("deep", deep)
        .add("tidy", job(), deps=["one", "deep"], run_on="done")
    )
    outer = Workflow("outer").add("inner", inner).add("notify", job(), deps=["inner"])
    outer.add("clean", job(), deps=["inner"], run_on="failed")
    await insert(database, outer)
    await sweep(database)
    async with process(database) as worker, Client(database) as client:
        one, two = await worker.fetch(10)
        [holder, *_] = await client.get_workflow_jobs(outer.workflow_id)
        assert await client.cancel_job(holder.id, "not wanted")
        await sweep(database)
        assert await worker.acknowledge(done(one), done(two)) == frozenset()
        await step(worker, "clean")
    found = await states(database)
    assert found.pop("clean") == "completed"
    assert set(found.values()) == {"cancelled"}
    assert (await causes(database))["tidy"] == "step inner, which is this workflow, was cancelled"
    finished = "select count(*) from baton.workflows where state = 'failed'"
    assert await value(database, finished) == 3
    assert await value(database, "select count(*) from baton.workflow_releases") == 0


async def test_a_sub_workflow_that_never_began_does_not_clean_up(database: str) -> None:
    inner = Workflow("inner").add("one", job()).add("tidy", job(), deps=["one"], run_on="done")
    outer = Workflow("outer").add("first", job()).add("inner", inner, deps=["first"])
    await insert(database, outer)
    async with process(database) as worker:
        [first] = await worker.fetch(10)
        await worker.acknowledge(ended(first, State.DISCARDED))
        await sweep(database)
        assert await worker.fetch(10) == []
    found = await states(database)
    assert found.pop("first") == "discarded"
    assert set(found.values()) == {"cancelled"}


async def test_the_end_of_a_sub_workflow_that_waited_for_the_cancel_of_its_step_comes_too_late(
    database: str,
) -> None:
    outer = (
        Workflow("outer")
        .add("inner", Workflow("inner").add("one", job()))
        .add("last", job(), deps=["inner"], run_on="done")
    )
    await insert(database, outer)
    await sweep(database)
    async with process(database) as worker, Client(database) as client:
        [one] = await worker.fetch(10)
        [holder, _] = await client.get_workflow_jobs(outer.workflow_id)
        async with connection(database) as conn, conn.transaction():
            await client.cancel_job(holder.id, conn=conn)
            # the sub-workflow ends; its step is locked, so what follows is left for the sweep
            await worker.complete(one)
            await sweep(database)
            assert await value(database, "select count(*) from baton.workflow_releases") == 1
        await sweep(database)
        await step(worker, "last")
    assert await states(database) == {"inner": "cancelled", "one": "completed", "last": "completed"}
    assert await value(database, "select count(*) from baton.workflow_releases") == 0


async def test_a_cancel_that_waited_for_the_end_of_the_sub_workflow_comes_too_late(
    database: str,
) -> None:
    outer = Workflow("outer").add("inner", Workflow("inner").add("one", job()))
    await insert(database, outer)
    await sweep(database)
    cancelled: list[bool] = []
    async with process(database) as worker, Client(database) as client:
        [one] = await worker.fetch(10)
        [holder] = await client.get_workflow_jobs(outer.workflow_id)
        await rows(
            database,
            "select baton.finish_jobs(%s, array[%s], array[%s], '{completed}', '{0}', '{f}',"
            " '{null}', '{null}', '{t}')",
            worker.lease,
            one.id,
            one.epoch,
        )
        await rows(database, "select baton.sweep_releases(0, 0, 100)")

        async def settle(conn: Any) -> None:
            await conn.execute("select baton.sweep_releases(0, 0, 100)")

        async def cancel() -> None:
            cancelled.append(await client.cancel_job(holder.id))

        await in_turn(database, settle, cancel)
        await sweep(database)
    assert cancelled == [False]
    assert await states(database) == {"inner": "completed", "one": "completed"}


async def test_what_is_held_by_others_is_cancelled_when_they_let_go(database: str) -> None:
    inner = Workflow("inner").add("one", job()).add("two", job())
    outer = Workflow("outer").add("inner", inner)
    await insert(database, outer)
    await sweep(database)
    async with Client(database) as client, connection(database) as conn:
        [holder] = await client.get_workflow_jobs(outer.workflow_id)
        [one, _] = await client.get_workflow_jobs(inner.workflow_id)
        async with conn.transaction():
            await conn.execute("select from baton.jobs where id = %s for update", [one.id])
            await client.cancel_job(holder.id)
            with anyio.fail_after(60):
                await value(database, "select swept from baton.sweep_releases(0, 0, 100)")
            assert await states(database) == {
                "inner": "cancelled",
                "one": "available",
                "two": "cancelled",
            }
        await sweep(database)
    assert (await states(database))["one"] == "cancelled"
    assert await value(database, "select count(*) from baton.workflow_releases") == 0
