"""Steps that are added to a workflow while it runs: by a step that returns them, or goes on."""

from typing import Any
from uuid import uuid4

import pytest

from baton.client import Client
from baton.errors import (
    CyclicWorkflow,
    DuplicateWorkflow,
    InvalidWorkflow,
    JobLost,
    NotFound,
    StepBegun,
    StepTaken,
    UnknownDependency,
    WorkflowEnded,
)
from baton.jobs import Job
from baton.states import State
from baton.workflows import Graft, Workflow
from tests.store.grafting import complete_with, completed_ack, names, returns, sweep
from tests.support import Process, done, ended, job, process, rows, states, value

pytestmark = pytest.mark.anyio


def split_and_join(**options: Any) -> Workflow:
    return Workflow("w").add("split", job()).add("join", job(), deps=["split"], **options)


async def begin(client: Client, worker: Process, flow: Workflow) -> Job:
    """Insert a workflow and fetch its first step."""
    await client.insert_workflow(flow)
    [first] = await worker.fetch(10)
    return first


async def test_what_a_step_returns_runs_before_its_dependents(database: str) -> None:
    async with Client(database) as client, process(database) as worker:
        split = await begin(client, worker, split_and_join())
        graft = Graft().fan_out("part", {"b": job(), "a": job()})
        parts = await returns(database, worker, split, graft, '{"of": 2}')
        assert names(parts) == ["part:b", "part:a"]
        assert [each.result("split") for each in parts] == [{"of": 2}, {"of": 2}]
        assert await worker.complete(parts[0], capacity=10) == []
        await worker.acknowledge(done(parts[1], "2"))
        [join] = await worker.fetch(10)
    assert join.grafted("split") == {"part:b": None, "part:a": 2}
    assert join.results("part") == {"b": None, "a": 2}
    assert join.results() == {"split": {"of": 2}, "part:b": None, "part:a": 2}


async def test_a_fan_in_runs_when_nothing_was_grafted(database: str) -> None:
    async with Client(database) as client, process(database) as worker:
        split = await begin(client, worker, split_and_join())
        [join] = await returns(database, worker, split, Graft(), "1")
    assert join.results() == {"split": 1}
    assert join.grafted("split") == {}


async def test_what_a_grafted_step_grafts_is_waited_for_too(database: str) -> None:
    async with Client(database) as client, process(database) as worker:
        split = await begin(client, worker, split_and_join())
        [a] = await returns(database, worker, split, Graft().add("a", job()))
        [b] = await returns(database, worker, a, Graft().add("b", job()))
        [c] = await returns(database, worker, b, Graft().add("c", job()))
        await worker.acknowledge(done(c, "3"))
        [join] = await worker.fetch(10)
        await worker.complete(join)
    assert join.grafted("b") == {"c": 3}
    assert join.grafted("split") == {"a": None}
    assert await value(database, "select state::text from baton.workflows") == "completed"


async def test_grafted_steps_wait_for_each_other_and_for_older_ones(database: str) -> None:
    flow = split_and_join().add("other", job(priority=1))
    graft = (
        Graft()
        .fan_out("part", [job(), job()], deps=["other"])
        .add("sum", job(), deps=["part:*", "split"])
    )
    async with Client(database) as client, process(database) as worker:
        await client.insert_workflow(flow)
        split, other = await worker.fetch(10)
        assert await returns(database, worker, split, graft) == []
        parts = await worker.complete(other, capacity=10)
        assert names(parts) == ["part:0", "part:1"]
        [total] = await worker.complete(*parts, capacity=10)
        assert total.step is not None
        assert total.step.deps == ("split", "part:0", "part:1")
        assert names(await worker.complete(total, capacity=10)) == ["join"]


async def test_a_grafted_step_that_fails_poisons_the_fan_in(database: str) -> None:
    async with Client(database) as client, process(database) as worker:
        split = await begin(client, worker, split_and_join())
        [a] = await returns(database, worker, split, Graft().add("a", job()))
        await worker.acknowledge(ended(a, State.DISCARDED))
    assert await states(database) == {"split": "completed", "join": "cancelled", "a": "discarded"}


async def test_nobody_waits_for_a_graft_that_says_so(database: str) -> None:
    async with Client(database) as client, process(database) as worker:
        split = await begin(client, worker, split_and_join())
        jobs = await returns(database, worker, split, Graft(wait=False).add("a", job()))
        assert names(jobs) == ["join", "a"]
        await worker.complete(jobs[0])
        assert await value(database, "select state::text from baton.workflows") == "executing"
        await worker.complete(jobs[1])
    assert await value(database, "select state::text from baton.workflows") == "completed"


async def test_steps_of_every_kind_can_be_grafted(database: str) -> None:
    inner = Workflow("inner").add("x", job()).add("y", job(), deps=["x"])
    graft = (
        Graft()
        .sleep("pause", 0)
        .wait_for("approval", deps=["pause"], timeout=0, on_timeout="completed")
        .add("inside", inner, deps=["approval"])
        .add("never", job(), deps=["inside"], run_on="failed")
    )
    async with Client(database) as client, process(database) as worker:
        split = await begin(client, worker, split_and_join(ignore_skipped=True))
        [x] = await returns(database, worker, split, graft)
        assert x.workflow_id == inner.workflow_id
        [y] = await worker.complete(x, capacity=10)
        await worker.acknowledge(done(y, "5"))
        await sweep(database)
        [join] = await worker.fetch(10)
    assert join.grafted("split")["inside"] == {"y": 5}
    assert join.grafted("split")["never"] is None


async def test_grafted_jobs_are_like_those_of_their_workflow(database: str) -> None:
    flow = Workflow("w", tags=["urgent"], priority=3, debug=True).add("split", job())
    async with Client(database) as client, process(database) as worker:
        split = await begin(client, worker, flow)
        [a] = await returns(database, worker, split, Graft().add("a", job(tags=["own"])))
    assert (a.tags, a.priority) == (("own", "urgent"), 3)
    assert a.meta == {
        "workflow_id": str(flow.workflow_id),
        "workflow_name": "a",
        "workflow_label": "w",
        "workflow_debug": True,
    }


async def test_a_grafted_sub_workflow_has_what_it_lacks_from_the_workflow(database: str) -> None:
    flow = Workflow("w", tags=["urgent"], priority=3, context={"a": 1, "b": 2})
    graft = (
        Graft()
        .add("as it is", Workflow("x", priority=0, context={"a": 9}).add("x", job()))
        .add("plain", Workflow("y").add("y", job(priority=8)))
    )
    async with Client(database) as client, process(database) as worker:
        split = await begin(client, worker, flow.add("split", job()))
        x, y = await returns(database, worker, split, graft)
    assert x.step is not None
    assert y.step is not None
    assert (x.tags, x.priority, x.step.context) == (("urgent",), 0, {"a": 9, "b": 2})
    assert (y.tags, y.priority, y.step.context) == (("urgent",), 3, {"a": 1, "b": 2})
    assert x.step.deps == ("split",)


async def test_large_workflows_count_what_was_added(database: str) -> None:
    async with Client(database) as client, process(database) as worker:
        split = await begin(client, worker, split_and_join())
        await rows(database, "update baton.workflows set counted = true returning id")
        await returns(database, worker, split, Graft().fan_out("part", [job()] * 3))
    assert await value(database, "select sum(added) from baton.workflow_progress") == 3


async def test_a_step_that_goes_on_grafts_steps_that_start_at_once(database: str) -> None:
    async with Client(database) as client, process(database) as worker:
        split = await begin(client, worker, split_and_join())
        grafted = await client.graft_job(split, Graft().add("a", job()))
        assert (grafted.added, grafted.kept) == (("a",), ())
        [a] = await worker.fetch(10)
        assert await worker.complete(a, capacity=10) == []
        assert names(await worker.complete(split, capacity=10)) == ["join"]


async def test_a_step_may_graft_what_waits_for_itself_or_for_what_has_ended(database: str) -> None:
    flow = Workflow("w").add("first", job()).add("split", job(), deps=["first"])
    graft = Graft().add("later", job(), deps=["split"]).add("now", job(), deps=["first"])
    async with Client(database) as client, process(database) as worker:
        first = await begin(client, worker, flow)
        [split] = await worker.complete(first, capacity=10)
        await client.graft_job(split, graft)
        await sweep(database)
        assert names(await worker.fetch(10)) == ["now"]
        assert names(await worker.complete(split, capacity=10)) == ["later"]


async def test_an_attempt_keeps_what_an_earlier_one_grafted(database: str) -> None:
    inner = Workflow("inner").add("x", job())
    first = Graft().add("a", job()).add("in", inner, deps=["a"])
    second = (
        Graft()
        .add("new", job(), deps=["a"])
        .add("a", job(priority=9))
        .add("in", Workflow("inner").add("x", job()), deps=["a"])
    )
    async with Client(database) as client, process(database) as worker:
        split = await begin(client, worker, split_and_join())
        await client.graft_job(split, first)
        [a] = await worker.fetch(10)
        await worker.acknowledge(ended(split, State.AVAILABLE, refund=True), done(a, "1"))
        again, x = sorted(await worker.fetch(10), key=lambda each: each.step_name != "split")
        grafted = await client.graft_job(again, second)
        assert (set(grafted.added), set(grafted.kept)) == ({"new"}, {"a", "in"})
        await sweep(database)
        [new] = await worker.fetch(10)
        assert new.results() == {"a": 1}
        await worker.complete(new, x, again)
        await sweep(database)
        [join] = await worker.fetch(10)
    assert list(join.grafted("split")) == ["a", "in", "new"]
    assert await value(database, "select count(*) from baton.workflows") == 2


async def test_a_returned_graft_keeps_what_the_step_grafted_before(database: str) -> None:
    async with Client(database) as client, process(database) as worker:
        split = await begin(client, worker, split_and_join())
        await client.graft_job(split, Graft().add("a", job()))
        [a] = await worker.fetch(10)
        graft = Graft().add("a", job()).add("b", job(), deps=["a"])
        assert await returns(database, worker, split, graft) == []
        assert names(await worker.complete(a, capacity=10)) == ["b"]


async def test_the_name_of_another_step_is_refused_and_nothing_is_added(database: str) -> None:
    async with Client(database) as client, process(database) as worker:
        split = await begin(client, worker, split_and_join())
        with pytest.raises(StepTaken, match="'join'"):
            await client.graft_job(split, Graft().add("a", job()).add("join", job()))
        with pytest.raises(StepTaken, match="'join'"):
            await complete_with(database, split, Graft().add("join", job()))
        assert await states(database) == {"split": "executing", "join": "suspended"}
        assert names(await worker.complete(split, capacity=10)) == ["join"]


async def test_a_workflow_that_is_there_can_not_be_added(database: str) -> None:
    flow = split_and_join()
    same = Workflow("same", workflow_id=flow.workflow_id).add("inside", job())
    async with Client(database) as client, process(database) as worker:
        split = await begin(client, worker, flow)
        with pytest.raises(DuplicateWorkflow, match=str(flow.workflow_id)):
            await client.graft_job(split, Graft().add("a", same))
        assert await states(database) == {"split": "executing", "join": "suspended"}


async def test_what_is_not_there_can_not_be_waited_for(database: str) -> None:
    async with Client(database) as client, process(database) as worker:
        split = await begin(client, worker, split_and_join())
        with pytest.raises(UnknownDependency, match="'b' depends on 'ghost'"):
            await client.graft_job(split, Graft().add("a", job()).add("b", job(), deps=["ghost"]))


async def test_a_graft_that_closes_a_circle_is_refused(database: str) -> None:
    flow = split_and_join().add("after", job(), deps=["join"])
    async with Client(database) as client, process(database) as worker:
        split = await begin(client, worker, flow)
        for dep in ("join", "after"):
            with pytest.raises(CyclicWorkflow, match=f"a -> {dep} -> a"):
                await client.graft_job(split, Graft().add("a", job(), deps=[dep]))
        with pytest.raises(CyclicWorkflow, match="a -> b"):
            Graft().add("a", job(), deps=["b"]).add("b", job(), deps=["a"]).steps()
        free = Graft(wait=False).add("a", job(), deps=["after"])
        await client.graft_job(split, free)
        [join] = await worker.complete(split, capacity=10)
        [after] = await worker.complete(join, capacity=10)
        assert names(await worker.complete(after, capacity=10)) == ["a"]


async def test_a_step_that_was_taken_away_grafts_nothing(database: str) -> None:
    async with Client(database) as client, process(database) as worker:
        split = await begin(client, worker, split_and_join())
        await client.cancel_job(split.id)
        with pytest.raises(JobLost):
            await client.graft_job(split, Graft().add("a", job()))
        with pytest.raises(JobLost):
            await complete_with(database, split, Graft().add("a", job()))
        assert "a" not in await states(database)


async def test_steps_are_grafted_from_outside_before_others(database: str) -> None:
    flow = split_and_join()
    graft = Graft().add("check", job()).add("sign", job(), deps=["check", "split"])
    async with Client(database) as client, process(database) as worker:
        split = await begin(client, worker, flow)
        grafted = await client.graft(flow.workflow_id, graft, before=["join"])
        assert grafted.added == ("check", "sign")
        [check] = await worker.fetch(10)
        [sign] = await worker.complete(check, split, capacity=10)
        await worker.acknowledge(done(sign, "1"))
        [join] = await worker.fetch(10)
        assert join.results() == {"split": None, "check": None, "sign": 1}
    grafted_by = "select grafted_by from baton.workflow_steps where step_name = 'sign'"
    assert await value(database, grafted_by) == 0


async def test_what_begins_or_has_ended_takes_no_graft_from_outside(database: str) -> None:
    flow = split_and_join()
    graft = Graft().add("a", job())
    async with Client(database) as client, process(database) as worker:
        split = await begin(client, worker, flow)
        with pytest.raises(StepBegun, match="'split' can't wait for more: it is executing"):
            await client.graft(flow.workflow_id, graft, before=["split"])
        with pytest.raises(NotFound, match="step 'ghost'"):
            await client.graft(flow.workflow_id, graft, before=["ghost"])
        with pytest.raises(NotFound, match="workflow"):
            await client.graft(uuid4(), graft)
        with pytest.raises(CyclicWorkflow):
            await client.graft(
                flow.workflow_id, Graft().add("a", job(), deps=["join"]), before=["join"]
            )
        with pytest.raises(InvalidWorkflow, match="not returned by a step"):
            await client.graft(flow.workflow_id, Graft(1))
        [join] = await worker.complete(split, capacity=10)
        await worker.complete(join)
        with pytest.raises(WorkflowEnded):
            await client.graft(flow.workflow_id, graft)


async def test_ten_thousand_steps_are_grafted_at_once(database: str) -> None:
    graft = Graft().fan_out("part", [job()] * 10_000)
    async with Client(database) as client, process(database) as worker:
        split = await begin(client, worker, split_and_join())
        await complete_with(database, split, graft)
        await worker.acknowledge(completed_ack(split))
        assert await worker.run_all(1_000) == 10_001
    assert await value(database, "select state::text from baton.workflows") == "completed"


async def test_what_is_added_to_a_sub_workflow_that_has_not_begun_waits_for_it(
    database: str,
) -> None:
    inner = Workflow("inner").add("x", job())
    flow = Workflow("w").add("first", job()).add("inner", inner, deps=["first"])
    async with Client(database) as client, process(database) as worker:
        first = await begin(client, worker, flow)
        await client.graft(inner.workflow_id, Graft().add("y", job()))
        await sweep(database)
        assert await worker.fetch(10) == []
        assert names(await worker.complete(first, capacity=10)) == ["x", "y"]
        await client.graft(inner.workflow_id, Graft().add("z", job()))
        assert names(await worker.fetch(10)) == ["z"]
