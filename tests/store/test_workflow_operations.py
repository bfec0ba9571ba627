"""Cancel and retry whole workflows, and skip steps of them."""

from collections.abc import Sequence
from uuid import uuid4

import pytest

from baton import BatonError, Client, Job, SyncClient, Workflow
from baton.errors import (
    InvalidFilter,
    InvalidResult,
    NotFound,
    NothingToRetry,
    StepCompleted,
    UnknownSteps,
)
from baton.states import State
from tests.support import Process, done, ended, job, process, rows, states, value

pytestmark = pytest.mark.anyio

SWEEP = "select swept from baton.sweep_releases(0, 0, 100)"
BAD = '{"kind": "error", "message": "no"}'
BECAUSE_OF_A = {"of a", "last", "of careless"}  # in the test of what stays cancelled


async def sweep(database: str) -> None:
    """Sweep until nothing follows any more."""
    while await value(database, SWEEP):
        pass


async def fail(worker: Process, *jobs: Job) -> None:
    await worker.acknowledge(*(ended(each, State.DISCARDED, error=BAD) for each in jobs))


async def run(database: str, worker: Process) -> list[str]:
    """Complete what can run until nothing can; return the names in order."""
    names: list[str] = []
    await sweep(database)
    while jobs := await worker.fetch(10):
        names += [each.step_name or "" for each in jobs]
        await worker.acknowledge(*(done(each, f'"{each.step_name}"') for each in jobs))
        await sweep(database)
    return names


async def of_flow(database: str) -> str:
    return str(await value(database, "select state::text from baton.workflows"))


def diamond(**options: object) -> Workflow:
    return (
        Workflow("w")
        .add("a", job())
        .add("b", job(), deps=["a"])
        .add("c", job(queue="other"), deps=["a"])
        .add("d", job(), deps=["b", "c"])
    )


async def test_a_cancelled_workflow_has_no_open_step_and_fails(database: str) -> None:
    flow = diamond().add("tidy", job(), deps=["d"], run_on="done")
    async with Client(database) as client, process(database) as worker:
        await client.insert_workflow(flow)
        await worker.complete(*await worker.fetch())
        [b] = await worker.fetch()
        assert await client.cancel_workflow(flow.workflow_id, "too late", dry_run=True) == 4
        assert await client.cancel_workflow(str(flow.workflow_id)[:8], "too late") == 4
        assert await worker.acknowledge(done(b)) == frozenset()
        await sweep(database)
        status = await client.get_workflow(flow.workflow_id)
        assert (status.state, status.failed_steps) == ("failed", ["b", "c", "d", "tidy"])
        assert {node.error for node in status.nodes} == {None, "too late"}
        assert await client.cancel_workflow(flow.workflow_id) == 0
    assert await value(database, "select count(*) from baton.workflow_completions") == 1


async def test_what_waits_is_cancelled_and_sub_workflows_with_it(database: str) -> None:
    innermost = Workflow("innermost").wait_for("signal").add("one", job(), deps=["signal"])
    inner = Workflow("inner").add("innermost", innermost).add("two", job())
    flow = Workflow("outer").add("inner", inner).sleep("nap", 3600).add("last", job(), deps=["nap"])
    async with Client(database) as client:
        await client.insert_workflow(flow)
        await sweep(database)
        assert await client.cancel_workflow(flow.workflow_id) == 7
        await sweep(database)
    assert set((await states(database)).values()) == {"cancelled"}
    assert await rows(database, "select distinct state::text from baton.workflows") == [("failed",)]
    assert await value(database, "select count(*) from baton.workflow_completions") == 3


async def test_a_workflow_of_many_steps_is_cancelled_in_portions(database: str) -> None:
    flow = Workflow("wide").add("first", job())
    for n in range(2_500):
        flow.add(f"s{n}", job(), deps=["first"])
    flow.add("last", job(), deps=[f"s{n}" for n in range(2_500)], run_on="done")
    async with Client(database) as client:
        await client.insert_workflow(flow)
        assert await client.cancel_workflow(flow.workflow_id) == 2_502
        await sweep(database)
        assert await of_flow(database) == "failed"
        assert (await client.progress(flow.workflow_id)).cancelled == 2_502


async def test_the_sql_door_cancels(database: str) -> None:
    flow = diamond()
    async with Client(database) as client:
        await client.insert_workflow(flow)
        call = "select baton.cancel_workflow(%s, 'its deadline has passed')"
        assert await value(database, call, flow.workflow_id) == 4
        assert await value(database, call, uuid4()) is None
        status = await client.get_workflow(flow.workflow_id)
    assert status.nodes[0].error == "its deadline has passed"


async def test_failed_steps_run_again_and_successes_keep_their_results(database: str) -> None:
    flow = diamond().add("notify", job(), deps=["b"], run_on="failed")
    async with Client(database) as client, process(database) as worker:
        await client.insert_workflow(flow)
        [a] = await worker.fetch()
        await worker.acknowledge(done(a, '"kept"'))
        await fail(worker, *await worker.fetch())
        await worker.complete(*await worker.fetch(queue="other"))
        assert await run(database, worker) == ["notify"]
        assert await of_flow(database) == "failed"

        planned = await client.retry_workflow(flow.workflow_id, dry_run=True)
        assert await of_flow(database) == "failed"
        retried = await client.retry_workflow(flow.workflow_id)
        assert planned == retried
        assert {step.step_name: step.was for step in retried.steps} == {
            "b": "discarded",
            "d": "cancelled",
            "notify": "completed",
        }
        assert await of_flow(database) == "executing"
        assert await value(database, "select count(*) from baton.workflow_completions") == 0

        [b] = await worker.fetch()
        assert (b.step_name, b.attempt, b.result("a")) == ("b", 1, "kept")
        await worker.complete(b)
        assert await run(database, worker) == ["d"]
        status = await client.get_workflow(flow.workflow_id)
    assert status.state == "completed"
    assert [node.step_name for node in status.nodes if node.skipped] == ["notify"]


@pytest.mark.parametrize(
    ("steps", "again"),
    [
        (["b"], ["b", "d"]),
        ("b", ["b", "d"]),
        (["c", "b"], ["b", "c", "d"]),
        (["a"], ["a", "b", "c", "d"]),
        ("all", ["a", "b", "c", "d"]),
    ],
)
async def test_a_retry_from_a_step_takes_everything_after_it(
    database: str, steps: str | Sequence[str], again: list[str]
) -> None:
    async with Client(database) as client, process(database) as worker:
        flow = diamond()
        await client.insert_workflow(flow)
        await rows(database, "update baton.jobs set queue = 'default' returning 1")
        assert len(await run(database, worker)) == 4
        planned = await client.retry_workflow(flow.workflow_id, steps, dry_run=True)
        assert await client.retry_workflow(flow.workflow_id, steps) == planned
        assert planned.step_names == again
        assert sorted(await run(database, worker)) == again
        assert await of_flow(database) == "completed"


async def test_steps_of_the_set_that_run_are_fenced_and_wait_again(database: str) -> None:
    async with Client(database) as client, process(database) as worker:
        flow = diamond()
        await client.insert_workflow(flow)
        await worker.complete(*await worker.fetch())
        [b] = await worker.fetch()
        assert (await client.retry_workflow(flow.workflow_id, ["a"])).step_names == ["a", "b", "c"]
        assert await worker.acknowledge(done(b)) == frozenset()
        assert await states(database) == {
            "a": "available",
            "b": "suspended",
            "c": "suspended",
            "d": "suspended",
        }


async def test_a_step_that_heard_a_signal_waits_for_another(database: str) -> None:
    flow = Workflow("w").add("a", job()).wait_for("ok", deps=["a"]).add("b", job(), deps=["ok"])
    say = """
      with said as (
        insert into baton.workflow_signals (workflow_id, name) values (%s, 'ok') returning 1
      )
      insert into baton.workflow_releases (job_ids, inserted_at)
      select array_agg(job_id), '-infinity' from baton.workflow_waits, said returning 1
    """
    async with Client(database) as client, process(database) as worker:
        await client.insert_workflow(flow)
        assert await run(database, worker) == ["a"]
        await rows(database, say, flow.workflow_id)
        assert await run(database, worker) == ["b"]
        assert (await client.retry_workflow(flow.workflow_id, "ok")).step_names == ["ok", "b"]
        assert await run(database, worker) == []
        await rows(database, say, flow.workflow_id)
        assert await run(database, worker) == ["b"]
    assert await of_flow(database) == "completed"


def nested() -> Workflow:
    inner = Workflow("inner").add("one", job()).add("two", job(), deps=["one"])
    return (
        Workflow("outer")
        .add("first", job())
        .add("inner", inner, deps=["first"])
        .add("last", job(), deps=["inner"])
    )


async def failed_nested(database: str, client: Client, worker: Process) -> Workflow:
    """A workflow whose sub-workflow failed in its second step."""
    flow = nested()
    await client.insert_workflow(flow)
    await worker.complete(*await worker.fetch())
    await worker.complete(*await worker.fetch())
    await fail(worker, *await worker.fetch())
    await sweep(database)
    assert await states(database) == {
        "first": "completed",
        "inner": "discarded",
        "one": "completed",
        "two": "discarded",
        "last": "cancelled",
    }
    return flow


async def test_a_retry_goes_into_a_failed_sub_workflow(database: str) -> None:
    async with Client(database) as client, process(database) as worker:
        flow = await failed_nested(database, client, worker)
        planned = await client.retry_workflow(flow.workflow_id, dry_run=True)
        assert await client.retry_workflow(flow.workflow_id) == planned
        assert set(planned.step_names) == {"inner", "two", "last"}
        assert await run(database, worker) == ["two", "last"]
    query = "select name, state::text from baton.workflows order by 1"
    assert await rows(database, query) == [("inner", "completed"), ("outer", "completed")]


async def test_a_retry_of_a_sub_workflow_goes_out_of_it(database: str) -> None:
    async with Client(database) as client, process(database) as worker:
        await failed_nested(database, client, worker)
        inner = await value(database, "select id from baton.workflows where name = 'inner'")
        retried = await client.retry_workflow(inner)
        assert set(retried.step_names) == {"inner", "two", "last"}
        assert await run(database, worker) == ["two", "last"]

        again = await client.retry_workflow(inner, "two")
        assert set(again.step_names) == {"inner", "two", "last"}
        assert await run(database, worker) == ["two", "last"]
    query = "select name, state::text from baton.workflows order by 1"
    assert await rows(database, query) == [("inner", "completed"), ("outer", "completed")]


async def test_a_retry_from_a_step_before_a_sub_workflow_runs_all_of_it(database: str) -> None:
    async with Client(database) as client, process(database) as worker:
        flow = await failed_nested(database, client, worker)
        retried = await client.retry_workflow(flow.workflow_id, "inner")
        assert set(retried.step_names) == {"inner", "one", "two", "last"}
        assert await run(database, worker) == ["one", "two", "last"]
        await client.retry_workflow(flow.workflow_id, "first")
        assert await run(database, worker) == ["first", "one", "two", "last"]
        await client.retry_workflow(flow.workflow_id, "all")
        assert await run(database, worker) == ["first", "one", "two", "last"]


async def test_the_progress_of_a_large_workflow_is_taken_back(database: str) -> None:
    flow = Workflow("wide")
    for n in range(1_000):
        flow.add(f"s{n}", job())
    async with Client(database) as client, process(database) as worker:
        await client.insert_workflow(flow)
        jobs = await worker.fetch(1_000)
        await fail(worker, *jobs[:10])
        await worker.acknowledge(*(done(each) for each in jobs[10:]))
        assert (await client.progress(flow.workflow_id)).discarded == 10
        await client.retry_workflow(flow.workflow_id)
        progress = await client.progress(flow.workflow_id)
        assert (progress.completed, progress.discarded) == (990, 0)
        await client.skip_step(flow.workflow_id, "s3")
        assert len(await run(database, worker)) == 9
        progress = await client.progress(flow.workflow_id)
        assert (progress.total, progress.completed, progress.discarded) == (1_000, 1_000, 0)


async def test_an_end_that_was_not_counted_yet_is_not_taken_back(database: str) -> None:
    flow = Workflow("wide")
    for n in range(1_000):
        flow.add(f"s{n}", job())
    async with Client(database) as client, process(database) as worker:
        jobs = await client.insert_workflow(flow)
        await client.cancel_jobs(ids=[each.id for each in jobs[:5]])
        await client.retry_workflow(flow.workflow_id)
        await worker.run_all(500)
        await sweep(database)
        progress = await client.progress(flow.workflow_id)
    assert (progress.completed, progress.cancelled) == (1_000, 0)


async def test_a_plain_retry_of_a_step_wakes_what_was_cancelled_because_of_it(
    database: str,
) -> None:
    flow = (
        Workflow("w")
        .add("a", job())
        .add("b", job(), deps=["a"])
        .add("c", job(), deps=["b"])
        .add("own", job(), deps=["a"])
    )
    async with Client(database) as client, process(database) as worker:
        a, *_, own = await client.insert_workflow(flow)
        await client.cancel_job(own.id, "not wanted")
        await fail(worker, *await worker.fetch())
        assert (await states(database))["c"] == "cancelled"
        assert await client.retry_job(a.id)
        assert await states(database) == {
            "a": "available",
            "b": "suspended",
            "c": "suspended",
            "own": "cancelled",
        }
        assert await run(database, worker) == ["a", "b", "c"]


@pytest.mark.parametrize("action", ["retry", "skip"])
async def test_what_another_bad_dependency_keeps_from_running_stays_cancelled(
    database: str, action: str
) -> None:
    """It would be cancelled a second time, its callbacks called again, and its cause be another."""
    flow = (
        Workflow("w")
        .add("a", job())
        .add("other", job())
        .add("of both", job(), deps=["a", "other"])
        .add("of other", job(), deps=["other"])
        .add("after", job(), deps=["of both"])
        .add("of two", job(), deps=["a", "of other"])
        .add("of a", job(), deps=["a"])
        .add("last", job(), deps=["of a"])
        .add("end", job(), deps=["last", "after"])
        .add("careless", job(), deps=["a", "other"], ignore_discarded=True)
        .add("of careless", job(), deps=["careless", "a"])
    )
    ends = """
      select step_name, cause, finished_at from baton.workflow_steps
      where outcome = 'cancelled' order by job_id
    """
    async with Client(database) as client, process(database) as worker:
        a, *_ = await client.insert_workflow(flow)
        jobs = await worker.fetch(2)
        await fail(worker, *jobs)
        before = [row for row in await rows(database, ends) if row[0] not in BECAUSE_OF_A]
        if action == "retry":
            assert await client.retry_job(a.id)
        else:
            await client.skip_step(flow.workflow_id, "a")
        assert await rows(database, ends) == before
        ran = await run(database, worker)
    expected = ["a"] * (action == "retry") + ["careless", "of a", "of careless", "last"]
    assert sorted(ran) == sorted(expected)
    assert await rows(database, ends) == before
    assert await of_flow(database) == "failed"


@pytest.mark.parametrize("was", ["available", "executing", "suspended", "retryable", "discarded"])
async def test_a_skipped_step_counts_as_completed(database: str, was: str) -> None:
    flow = Workflow("w").add("a", job()).add("b", job(), deps=["a"]).add("c", job(), deps=["b"])
    async with Client(database) as client, process(database) as worker:
        await client.insert_workflow(flow)
        step = "b" if was == "suspended" else "a"
        mine: Sequence[Job] = []
        if was not in ("available", "suspended"):
            mine = await worker.fetch()
        if was == "retryable":
            await worker.acknowledge(ended(mine[0], State.RETRYABLE, delay=60, error=BAD))
        elif was == "discarded":
            await fail(worker, *mine)
        assert await client.skip_step(flow.workflow_id, step, dry_run=True) == was
        given = {"x": 1}
        assert await client.skip_step(flow.workflow_id, step, given, reason="by hand") == was
        assert await worker.acknowledge(*(done(each) for each in mine)) == frozenset()
        rest = ["a", "c"] if step == "b" else ["b", "c"]
        assert await run(database, worker) == rest
        status = await client.get_workflow(flow.workflow_id)
        with pytest.raises(StepCompleted, match="'a' has completed"):
            await client.skip_step(flow.workflow_id, "a")
    assert status.state == "completed"
    assert next(node.result for node in status.nodes if node.step_name == step) == given
    cause = "select cause from baton.workflow_steps where step_name = %s"
    assert await value(database, cause, step) == "by hand"


async def test_skipping_the_only_failed_step_completes_its_workflow(database: str) -> None:
    flow = Workflow("w").add("a", job())
    async with Client(database) as client, process(database) as worker:
        await client.insert_workflow(flow)
        await fail(worker, *await worker.fetch())
        assert await of_flow(database) == "failed"
        await client.skip_step(flow.workflow_id, "a")
        await sweep(database)
    assert await of_flow(database) == "completed"


async def test_skipping_a_step_that_is_a_workflow_stops_what_runs_in_it(database: str) -> None:
    async with Client(database) as client, process(database) as worker:
        flow = nested()
        await client.insert_workflow(flow)
        await worker.complete(*await worker.fetch())
        [one] = await worker.fetch()
        assert await client.skip_step(flow.workflow_id, "inner", "given") == "suspended"
        assert await worker.acknowledge(done(one)) == frozenset()
        await sweep(database)
        [last] = await worker.fetch()
        assert last.result("inner") == "given"
        await worker.complete(last)
        await sweep(database)
    query = "select name, state::text from baton.workflows order by 1"
    assert await rows(database, query) == [("inner", "failed"), ("outer", "completed")]


async def test_what_was_cancelled_in_a_skipped_sub_workflow_has_not_failed(database: str) -> None:
    async with Client(database) as client, process(database) as worker:
        flow = nested()
        await client.insert_workflow(flow)
        await worker.complete(*await worker.fetch())
        await client.skip_step(flow.workflow_id, "inner")
        await run(database, worker)
        with pytest.raises(NothingToRetry):
            await client.retry_workflow(flow.workflow_id)
        retried = await client.retry_workflow(flow.workflow_id, "inner")
        assert await run(database, worker) == ["one", "two", "last"]
    assert len(retried.steps) == 4


async def test_a_retry_drops_the_deadline_that_has_passed(database: str) -> None:
    async with Client(database) as client:
        flow = Workflow("w", deadline_in=3600).add("a", job())
        await client.insert_workflow(flow)
        pass_by = "update baton.workflows set deadline = now() - interval '1 s' returning 1"
        await rows(database, pass_by)
        await client.cancel_workflow(flow.workflow_id)
        await sweep(database)
        await client.retry_workflow(flow.workflow_id)
        assert await value(database, "select deadline from baton.workflows") is None


async def test_skipping_a_step_of_a_failed_sub_workflow_goes_out_of_it(database: str) -> None:
    async with Client(database) as client, process(database) as worker:
        await failed_nested(database, client, worker)
        inner = await value(database, "select id from baton.workflows where name = 'inner'")
        assert await client.skip_step(inner, "two", 2) == "discarded"
        assert await run(database, worker) == ["last"]
    query = "select name, state::text from baton.workflows order by 1"
    assert await rows(database, query) == [("inner", "completed"), ("outer", "completed")]


async def test_what_cannot_be_is_said_in_one_sentence(database: str) -> None:
    flow = Workflow("w").add("fetch", job()).add("fetched", job(), deps=["fetch"])
    async with Client(database) as client:
        await client.insert_workflow(flow)
        for named in (uuid4(), "abcd", "not an id"):
            with pytest.raises(NotFound, match="there is no workflow"):
                await client.cancel_workflow(named)
            with pytest.raises(NotFound, match="there is no workflow"):
                await client.retry_workflow(named, dry_run=True)
            with pytest.raises(NotFound, match="there is no workflow"):
                await client.skip_step(named, "x")
        with pytest.raises(NotFound):
            await client.cancel_workflow(uuid4(), dry_run=True)
        with pytest.raises(UnknownSteps, match="did you mean 'fetch' or 'fetched'"):
            await client.retry_workflow(flow.workflow_id, ["fetch", "fethc"])
        with pytest.raises(UnknownSteps, match="no step 'x\ufffd'"):
            await client.skip_step(flow.workflow_id, "x\x00")
        with pytest.raises(NothingToRetry, match="no step has failed"):
            await client.retry_workflow(flow.workflow_id)
        with pytest.raises(InvalidFilter, match="names of steps"):
            await client.retry_workflow(flow.workflow_id, [])
        with pytest.raises(InvalidResult):
            await client.skip_step(flow.workflow_id, "fetch", object())
        assert await client.delete_jobs(meta={"workflow_id": str(flow.workflow_id)}) == 2
        await sweep(database)
        with pytest.raises(NothingToRetry, match="the jobs of fetch, fetched were deleted"):
            await client.retry_workflow(flow.workflow_id, dry_run=True)
        assert await client.skip_step(flow.workflow_id, "fetch") == "cancelled"


def test_the_same_without_an_event_loop(database: str) -> None:
    flow = diamond()
    with SyncClient(database) as client:
        client.insert_workflow(flow)
        assert client.cancel_workflow(flow.workflow_id) == 4
        assert len(client.retry_workflow(flow.workflow_id, "all").steps) == 4
        assert client.skip_step(flow.workflow_id, "a", dry_run=True) == "available"
        with pytest.raises(BatonError):
            client.retry_workflow(flow.workflow_id)
