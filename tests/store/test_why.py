"""Why a job waits or ended: one test for each answer, on a real database."""

import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest

from baton import Client, Query, Reason, SyncClient, Why, Workflow
from baton.errors import NotFound
from baton.jobs import Job
from baton.states import State
from tests.support import Process, ended, insert_in, job, process, rows, value

pytestmark = pytest.mark.anyio

NO_SOURCES = json.dumps({"attempt": 1, "kind": "ValueError", "message": "no sources"})
SWEEP = "select swept from baton.sweep_releases(0, 0, 100)"


@pytest.fixture
async def client(database: str) -> AsyncIterator[Client]:
    async with Client(database) as opened:
        yield opened


@pytest.fixture
async def worker(database: str) -> AsyncIterator[Process]:
    async with process(database) as opened:
        yield opened


async def edit(database: str, statement: str, *params: Any) -> None:
    await rows(database, f"{statement} returning 1", *params)


async def sweep(database: str) -> None:
    while await value(database, SWEEP):
        pass


def kinds(why: Why) -> list[str]:
    return [fact.kind for fact in why.evidence]


async def test_a_job_that_nobody_serves(client: Client) -> None:
    [one] = await client.insert_all([job(queue="mail")])
    why = await client.why(one.id)
    assert why.reason is Reason.UNSERVED
    assert why.sentence == (f"job {one.id} waits because no live worker process serves queue mail")
    assert json.dumps(why.as_json())


async def test_a_process_whose_lease_is_over_serves_nothing(
    database: str, client: Client, worker: Process
) -> None:
    one = await client.insert(job())
    assert (await client.why(one.id)).reason is Reason.TURN
    await edit(database, "update baton.leases set expires_at = now() - interval '1 s'")
    assert (await client.why(one.id)).reason is Reason.UNSERVED


async def test_a_job_of_a_paused_queue(client: Client, worker: Process) -> None:
    one = await client.insert(job())
    await client.queues.pause("default", by="ada")
    why = await client.why(one.id)
    assert why.reason is Reason.PAUSED
    assert "waits because queue default is paused by ada since 2" in why.sentence
    assert why.evidence[0].values["by"] == "ada"


async def test_a_job_of_a_queue_that_is_paused_in_every_process(
    client: Client, worker: Process
) -> None:
    one = await client.insert(job())
    await client.queues.pause("default", node="tests", by="ada")
    why = await client.why(one.id)
    assert why.reason is Reason.PAUSED
    assert "paused in every process that serves it, tests by ada since" in why.sentence
    assert why.evidence[0].text == "paused by ada in process tests"
    await client.queues.resume("default", node="tests")
    assert (await client.why(one.id)).reason is Reason.TURN


async def test_a_job_of_a_stopped_queue(client: Client, worker: Process) -> None:
    one = await client.insert(job())
    await client.queues.stop("default")
    why = await client.why(one.id)
    assert why.reason is Reason.STOPPED
    assert why.sentence == f"job {one.id} waits because queue default is stopped"


async def test_a_job_waits_for_its_turn(client: Client, worker: Process) -> None:
    jobs = await client.insert_all(
        [job(priority=5), job(), job(priority=5), job(priority=9), job(queue="mail")]
    )
    answers = [await client.why(each.id) for each in jobs[:4]]
    assert [why.evidence[0].values["ahead"] for why in answers] == [1, 0, 2, 3]
    assert answers[1].told == "is the next that queue default starts"
    assert answers[3].told == ("waits for its turn in queue default: 3 jobs are in front of it")


async def test_a_job_waits_for_its_turn_where_waiting_counts(
    database: str, client: Client, worker: Process
) -> None:
    old, new = await client.insert_all([job(priority=5), job(priority=3)])
    early = "update baton.jobs set scheduled_at = now() - interval '1 hour' where id = %s"
    await edit(database, early, old.id)
    assert (await client.why(new.id)).evidence[0].values["ahead"] == 0
    await client.queues.limit("default", ageing=60)
    assert (await client.why(new.id)).evidence[0].values["ahead"] == 1
    assert [each.id for each in await worker.fetch(1)] == [old.id]


async def test_a_job_waits_because_all_slots_are_busy(client: Client, worker: Process) -> None:
    jobs = await client.insert_all([job() for _ in range(12)])
    await worker.fetch(10)
    why = await client.why(jobs[-1].id)
    assert why.reason is Reason.BUSY
    assert why.told == (
        "waits because all 10 slots of queue default are busy and 1 job is in front of it"
    )


async def test_a_job_waits_because_of_a_global_limit(client: Client, worker: Process) -> None:
    await client.queues.limit("default", global_limit=2)
    jobs = await client.insert_all([job() for _ in range(3)])
    running = await worker.fetch(10)
    assert len(running) == 2
    why = await client.why(jobs[-1].id)
    assert why.reason is Reason.GLOBAL_LIMIT
    first, second = sorted(each.id for each in running)
    assert why.told == (
        f"waits because queue default executes 2 jobs at once at most: "
        f"jobs {first} and {second} execute"
    )
    await worker.complete(running[0])
    assert (await client.why(jobs[-1].id)).reason is Reason.TURN


async def test_a_limit_holds_in_each_partition(client: Client, worker: Process) -> None:
    await client.queues.limit("default", global_limit=1, partition_by="args.tenant")
    one, two, other = await client.insert_all(
        [job(args={"tenant": tenant}) for tenant in ("acme", "acme", "bolt")]
    )
    [running] = await worker.fetch(1)
    assert running.id == one.id
    why = await client.why(two.id)
    assert why.reason is Reason.GLOBAL_LIMIT
    assert "executes 1 job at once at most in partition acme: job" in why.sentence
    assert why.evidence[1].values == {"job_ids": [one.id], "count": 1}
    assert (await client.why(other.id)).reason is Reason.TURN


async def test_a_job_waits_because_of_a_rate_limit(client: Client, worker: Process) -> None:
    await client.queues.limit("default", rate_limit=1, rate_period=3600)
    jobs = await client.insert_all([job(), job()])
    assert len(await worker.fetch(10)) == 1
    why = await client.why(jobs[-1].id)
    assert why.reason is Reason.RATE_LIMIT
    assert why.told.startswith("waits because queue default starts 1 within 60 min at most: there")
    assert 3500 < why.evidence[0].values["room_in"] <= 3600


async def test_a_job_that_executes(client: Client, worker: Process) -> None:
    one = await client.insert(job(timeout=60.0))
    await worker.fetch()
    why = await client.why(one.id)
    assert why.reason is Reason.EXECUTING
    assert "on tests, attempt 1 of 20" in why.sentence
    assert kinds(why) == ["process", "attempt", "timeout"]


async def test_a_job_whose_process_is_dead(database: str, client: Client, worker: Process) -> None:
    one = await client.insert(job())
    await worker.fetch()
    await edit(database, "update baton.leases set expires_at = now() - interval '1 s'")
    why = await client.why(one.id)
    assert why.reason is Reason.LOST
    assert "was executed by tests, last heard of at" in why.sentence
    await edit(database, "delete from baton.leases")
    assert "executed by a process that is gone" in (await client.why(one.id)).sentence


async def test_a_job_that_is_retried_later(client: Client, worker: Process) -> None:
    one = await client.insert(job(max_attempts=3))
    [got] = await worker.fetch()
    error = {"attempt": 1, "kind": "ValueError", "message": "no such\nrecord"}
    await worker.acknowledge(ended(got, State.RETRYABLE, delay=300.0, error=json.dumps(error)))
    why = await client.why(one.id)
    assert why.reason is Reason.RETRY
    assert why.told.endswith("(in 5 min), after attempt 1 of 3 failed: no such record")
    assert kinds(why) == ["due", "error", "attempt"]


async def test_a_job_that_is_scheduled(client: Client, worker: Process) -> None:
    one = await client.insert(job(schedule_in=7200.0))
    why = await client.why(one.id)
    assert why.reason is Reason.SCHEDULED
    assert why.told.endswith("(in 2 h)") or why.told.endswith("(in 120 min)")
    await client.queues.pause("default")
    assert kinds(await client.why(one.id)) == ["due", "queue"]


async def test_a_job_that_is_past_its_deadline(
    database: str, client: Client, worker: Process
) -> None:
    one = await client.insert(job())
    await edit(database, "update baton.jobs set deadline = now() - interval '1 s'")
    assert (await client.why(one.id)).reason is Reason.DEADLINE


@pytest.mark.parametrize("state", ["completed", "discarded", "cancelled", "suspended"])
async def test_a_job_that_does_not_move_any_more(database: str, client: Client, state: str) -> None:
    one = await insert_in(database, client, state)
    why = await client.why(one.id)
    assert why.reason == state
    assert why.subject == f"job {one.id}"


@pytest.mark.parametrize("job_id", [0, 4711, -1, 2**63, 10**30])
async def test_there_is_no_answer_for_what_is_not_there(client: Client, job_id: int) -> None:
    with pytest.raises(NotFound):
        await client.why(job_id)
    with pytest.raises(NotFound):
        await client.why(uuid4())
    with pytest.raises(NotFound):
        await client.why(uuid4(), "a")


async def start(client: Client, flow: Workflow) -> dict[str, Job]:
    """Insert a workflow and return its jobs by the names of their steps."""
    await client.insert_workflow(flow)
    return {each.step_name or "": each for each in await client.get_workflow_jobs(flow.workflow_id)}


async def test_a_step_waits_for_its_dependencies(client: Client, worker: Process) -> None:
    flow = Workflow("w")
    for name in "abcdefg":
        flow.add(name, job())
    await start(client, flow.add("end", job(), deps=list("abcdefg")))
    await worker.fetch(1)
    why = await client.why(flow.workflow_id, "end")
    assert why.reason is Reason.DEPENDENCY
    assert why.told == "waits for a (executing), b (available), c (available) and 4 more"
    assert kinds(why) == ["dependency"] * 5 + ["dependencies"]
    assert why.because is not None
    assert why.because.subject == "step a"
    assert why.because.reason is Reason.EXECUTING
    assert why.sentence == f"step end {why.told}: {why.because.sentence}"


async def test_a_chain_of_steps_leads_to_the_one_that_can_move(
    client: Client, worker: Process
) -> None:
    flow = Workflow("w").add("a", job())
    for before, name in zip("abcde", "bcdef", strict=True):
        flow.add(name, job(), deps=[before])
    await start(client, flow)
    await client.queues.pause("default", by="ada")
    why = await client.why(flow.workflow_id, "f")
    assert why.told == "waits for e (suspended)"
    assert why.root.subject == "step a"
    assert why.root.reason is Reason.PAUSED
    assert "step f waits for e (suspended): step a waits because queue default" in why.sentence


async def test_the_first_failure_is_told_and_not_the_cascade(
    client: Client, worker: Process
) -> None:
    flow = Workflow("w").add("a", job(max_attempts=1)).add("b", job(), deps=["a"])
    flow.add("c", job(), deps=["b"]).add("d", job(), deps=["c"])
    await start(client, flow)
    [a] = await worker.fetch()
    await worker.acknowledge(ended(a, State.DISCARDED, error=NO_SOURCES))
    for name in "bcd":
        why = await client.why(flow.workflow_id, name)
        assert why.reason is Reason.CANCELLED
        assert why.root.subject == "step a"
        assert "because of step a: step a was discarded at" in why.sentence
        assert why.sentence.endswith("after attempt 1 of 1: no sources")
    why = await client.why(flow.workflow_id)
    assert why.reason is Reason.FAILED
    assert ", 1 step discarded and 3 steps cancelled, the first of them: step a was" in why.sentence


async def test_steps_that_were_cancelled_together_are_no_cascade(
    client: Client, worker: Process
) -> None:
    flow = Workflow("w").add("a", job()).add("b", job(), deps=["a"])
    jobs = await start(client, flow)
    await client.cancel_jobs(ids=[jobs["a"].id, jobs["b"].id], reason="the customer left")
    why = await client.why(flow.workflow_id, "b")
    assert why.because is None
    assert why.told.endswith("the customer left")


async def test_the_first_skip_is_told(client: Client, worker: Process) -> None:
    flow = Workflow("w").add("a", job()).add("notify", job(), deps=["a"], run_on="failed")
    flow.add("b", job(), deps=["notify"]).add("c", job(), deps=["b"])
    await start(client, flow)
    await worker.complete(*await worker.fetch())
    why = await client.why(flow.workflow_id, "c")
    assert why.reason is Reason.SKIPPED
    assert why.root.subject == "step notify"
    assert why.sentence.endswith(": no dependency failed")
    whole = await client.why(flow.workflow_id)
    assert whole.reason is Reason.COMPLETED
    assert whole.sentence.endswith("3 steps skipped")


async def test_a_step_that_runs_when_all_has_ended(client: Client, worker: Process) -> None:
    flow = Workflow("w").add("a", job()).add("tidy", job(), deps=["a"], run_on="done")
    await start(client, flow)
    why = await client.why(flow.workflow_id, "tidy")
    assert why.told == "waits for a (available) to end"


async def test_a_step_whose_dependency_is_gone_is_hopeless(
    database: str, client: Client, worker: Process
) -> None:
    flow = Workflow("w").add("a", job()).add("b", job(), deps=["a"])
    jobs = await start(client, flow)
    await edit(database, "delete from baton.workflow_steps where step_name = 'a'")
    why = await client.why(flow.workflow_id, "b")
    assert why.reason is Reason.HOPELESS
    assert why.told == (
        f"can never run and is about to be cancelled: dependency {jobs['a'].id} is gone"
    )


async def test_a_step_without_a_job(database: str, client: Client) -> None:
    flow = Workflow("w").add("a", job()).add("b", job(), deps=["a"])
    await start(client, flow)
    await edit(database, "delete from baton.jobs where worker = 'tests.worker'")
    why = await client.why(flow.workflow_id, "a")
    assert why.reason is Reason.DELETED


async def test_a_step_that_was_started_too_soon_still_waits(
    database: str, client: Client, worker: Process
) -> None:
    flow = Workflow("w").add("a", job()).add("b", job(), deps=["a"])
    jobs = await start(client, flow)
    await edit(database, "update baton.jobs set state = 'available' where id = %s", jobs["b"].id)
    why = await client.why(jobs["b"].id)
    assert why.reason is Reason.DEPENDENCY
    assert "waits for a (available), and looks again at" in why.told


async def test_a_step_waits_for_a_signal(database: str, client: Client) -> None:
    flow = Workflow("w").wait_for("approved", timeout=600, on_timeout="cancelled")
    await start(client, flow.add("send", job(), deps=["approved"]))
    await sweep(database)
    why = await client.why(flow.workflow_id, "send")
    assert why.told == "waits for approved (waiting)"
    assert why.root.reason is Reason.SIGNAL
    assert "step approved waits for signal approved until 2" in why.sentence
    assert why.sentence.endswith("(in 10 min), when it is cancelled")
    whole = await client.why(flow.workflow_id)
    assert whole.reason is Reason.SIGNAL
    assert "is executing, 0 of 2 steps done, and is held up by one step: step app" in whole.sentence
    signal = "insert into baton.workflow_signals (workflow_id, name) values (%s, 'approved')"
    await edit(database, signal, flow.workflow_id)
    why = await client.why(flow.workflow_id, "approved")
    assert why.reason is Reason.MOMENT
    assert why.told == "waited for signal approved, which came, and is about to go on"


async def test_a_signal_without_a_limit(database: str, client: Client) -> None:
    flow = Workflow("w").wait_for("approved")
    await start(client, flow)
    await sweep(database)
    assert (await client.why(flow.workflow_id, "approved")).told == "waits for signal approved"


async def test_a_step_sleeps(database: str, client: Client) -> None:
    flow = Workflow("w").sleep("nap", 600)
    await start(client, flow)
    assert (await client.why(flow.workflow_id, "nap")).reason is Reason.MOMENT
    await sweep(database)
    why = await client.why(flow.workflow_id, "nap")
    assert why.reason is Reason.SLEEP
    assert why.told.startswith("sleeps until 2")
    assert why.told.endswith("(in 10 min)")


async def test_a_step_that_is_a_workflow_leads_into_it(
    database: str, client: Client, worker: Process
) -> None:
    inner = Workflow("inner").add("a", job(queue="mail")).add("b", job(), deps=["a"])
    flow = Workflow("outer").add("ingest", inner).add("report", job(), deps=["ingest"])
    await start(client, flow)
    await sweep(database)
    why = await client.why(flow.workflow_id, "report")
    assert [why.subject, why.told] == ["step report", "waits for ingest (waiting)"]
    assert why.because is not None
    assert why.because.reason is Reason.SUBWORKFLOW
    assert why.root.subject == "step a"
    assert why.root.reason is Reason.UNSERVED
    assert "step ingest waits for the workflow that it is: workflow inner is exec" in why.sentence
    whole = await client.why(flow.workflow_id)
    assert whole.root.reason is Reason.UNSERVED


async def test_the_first_failure_inside_a_sub_workflow_is_told(
    database: str, client: Client, worker: Process
) -> None:
    inner = Workflow("inner").add("a", job(max_attempts=1)).add("b", job(), deps=["a"])
    flow = Workflow("outer").add("ingest", inner).add("report", job(), deps=["ingest"])
    await start(client, flow)
    await sweep(database)
    [a] = await worker.fetch()
    await worker.acknowledge(ended(a, State.DISCARDED, error=NO_SOURCES))
    await sweep(database)
    for subject in [(flow.workflow_id, "report"), (flow.workflow_id, "ingest")]:
        why = await client.why(*subject)
        assert why.root.subject == "step a"
        assert why.sentence.endswith("no sources")
    whole = await client.why(flow.workflow_id)
    assert whole.reason is Reason.FAILED
    assert whole.root.subject == "step a"


async def test_a_workflow_that_somebody_cancelled_says_so_everywhere(
    client: Client, worker: Process, database: str
) -> None:
    inner = Workflow("inner").add("a", job()).add("b", job(), deps=["a"])
    flow = Workflow("outer").add("ingest", inner).add("report", job(), deps=["ingest"])
    await start(client, flow)
    await sweep(database)
    await client.cancel_workflow(flow.workflow_id, "the customer left")
    await sweep(database)
    for subject in [
        (flow.workflow_id, "report"),
        (flow.workflow_id, "ingest"),
        (flow.workflow_id, None),
        (inner.workflow_id, "b"),
        (inner.workflow_id, None),
    ]:
        why = await client.why(*subject)
        assert why.sentence.endswith("the customer left"), subject


async def test_a_worker_waits_for_a_signal(client: Client, worker: Process) -> None:
    await start(client, flow := Workflow("w").add("a", job()))
    [a] = await worker.fetch()
    note = json.dumps({"signal": "approved", "seconds": 600, "on_timeout": "resume"})
    await worker.acknowledge(ended(a, State.SUSPENDED, note=note))
    why = await client.why(flow.workflow_id, "a")
    assert why.reason is Reason.SIGNAL
    assert why.sentence.endswith("(in 10 min), when it runs on")


async def test_a_step_that_somebody_skipped(client: Client, worker: Process) -> None:
    flow = Workflow("w").add("a", job()).add("b", job(), deps=["a"])
    await start(client, flow)
    await client.skip_step(flow.workflow_id, "a", reason="done by hand")
    why = await client.why(flow.workflow_id, "a")
    assert "done by hand" in [fact.text for fact in why.evidence]


async def test_the_steps_of_a_sub_workflow_that_never_began_lead_out_of_it(
    database: str, client: Client, worker: Process
) -> None:
    inner = Workflow("inner").add("b", job())
    flow = Workflow("outer").add("a", job(max_attempts=1)).add("ingest", inner, deps=["a"])
    await start(client, flow)
    [a] = await worker.fetch()
    await worker.acknowledge(ended(a, State.DISCARDED, error=NO_SOURCES))
    await sweep(database)
    why = await client.why(inner.workflow_id, "b")
    assert why.reason is Reason.CANCELLED
    assert why.root.subject == "step a"


async def test_a_large_workflow_is_put_into_bunches(
    database: str, client: Client, worker: Process
) -> None:
    flow = Workflow("large")
    for number in range(3_000):
        flow.add(f"fetch {number}", job(queue="mail" if number % 3 else "default"))
    flow.add("end", job(), deps=list(flow.step_names()))
    await client.insert_workflow(flow)
    await worker.fetch(10)
    why = await client.why(flow.workflow_id)
    assert why.reason is Reason.UNSERVED
    assert why.told == (
        "is executing, 0 of 3,001 steps done, and is held up by 2,000 steps "
        "(fetch 1, fetch 2, fetch 4 and 1,997 more)"
    )
    counts = [fact.values["count"] for fact in why.evidence if fact.kind == "steps"]
    assert counts == [2000, 990, 10]
    end = await client.why(flow.workflow_id, "end")
    assert end.told.endswith("and 2,997 more")


async def test_of_a_very_large_workflow_not_all_is_looked_at(
    database: str, client: Client, worker: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("baton.store.why.LOOKED_AT", 5)
    flow = Workflow("large")
    for number in range(1_100):
        flow.add(f"fetch {number}", job())
    await client.insert_workflow(flow)
    why = await client.why(flow.workflow_id)
    assert why.evidence[-1].values == {"steps": 10}
    middle = "update baton.workflow_steps set outcome = 'completed' where step_name <> 'fetch 500'"
    await edit(database, middle)
    done = "insert into baton.workflow_progress (workflow_id, completed) values (%s, 1099)"
    await edit(database, done, flow.workflow_id)
    why = await client.why(flow.workflow_id)
    assert why.root.subject == "step fetch 500"
    assert "1,099 of 1,100 steps done, and is held up by one step" in why.sentence or (
        "1,099 of 1,100 steps done, and waits for one step" in why.sentence
    )


async def test_a_workflow_that_goes_on_says_what_runs(client: Client, worker: Process) -> None:
    flow = Workflow("w").add("a", job()).add("b", job(), deps=["a"])
    await start(client, flow)
    await worker.fetch()
    why = await client.why(flow.workflow_id)
    assert why.reason is Reason.EXECUTING
    assert "0 of 2 steps done, and waits for one step: step a has been executing" in why.sentence


async def test_a_failure_is_told_while_the_rest_goes_on(client: Client, worker: Process) -> None:
    flow = Workflow("w").add("a", job()).add("b", job())
    await start(client, flow)
    a, _ = await worker.fetch(2)
    await worker.acknowledge(ended(a, State.DISCARDED, error=NO_SOURCES))
    why = await client.why(flow.workflow_id)
    assert "1 of 2 steps done (1 step discarded), and waits for one step" in why.sentence
    [failed] = [fact for fact in why.evidence if fact.kind == "failed"]
    assert failed.text.startswith("1 step discarded; first step a was discarded")


@pytest.mark.parametrize(
    "change",
    [
        "update baton.jobs set attempted_at = 'infinity', timeout = 1e300, deadline = '8999-01-01'",
        "update baton.jobs set attempted_at = '-infinity', inserted_at = '-infinity'",
        "update baton.jobs set state = 'discarded', discarded_at = '290000-01-01'",
        "update baton.jobs set state = 'available', scheduled_at = '1900-01-01'",
        "update baton.jobs set errors = '[1, {\"message\": {}}]'",
        "update baton.workflows set finished_at = 'infinity', state = 'completed'",
        "update baton.workflow_steps set finished_at = 'infinity', outcome = 'cancelled'",
        "update baton.workflow_waits set inserted_at = '-infinity', until = 'infinity'",
        "insert into baton.queues (name, paused_at) values ('default', '-infinity')",
        "insert into baton.queue_nodes values ('default', 'tests', null, null, 'infinity')",
        'update baton.leases set queues = \'{"default": "many", "x": null, "y": 1e300}\'',
        "insert into baton.queues values ('default', 1, 1, null, '', 1, 1, 1e9, null, '', 0.001)",
    ],
)
async def test_rows_that_somebody_edited_are_explained_all_the_same(
    database: str, client: Client, worker: Process, change: str
) -> None:
    flow = Workflow("w").add("a", job()).add("b", job(), deps=["a"]).wait_for("go", timeout=60)
    await start(client, flow)
    await client.insert_all([job(), job(), job()])
    await worker.fetch()
    await edit(database, change)
    for job_id in await value(database, "select array_agg(id) from baton.jobs"):
        assert (await client.why(job_id)).sentence
    assert json.dumps((await client.why(flow.workflow_id)).as_json())
    await client.queues.list()
    await client.queues.check("default")


async def test_everybody_can_ask(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BATON_DSN", database)
    flow = Workflow("brief").add("a", job())
    [one] = await flow.insert()
    by_job = await Query.why(one.id)
    assert by_job.told == (await Query.why(str(flow.workflow_id)[:8], "a")).told
    with SyncClient(database) as client:
        assert client.why(one.id).told == by_job.told
        with pytest.raises(NotFound, match="there is no step 'b' in workflow"):
            client.why(flow.workflow_id, "b")
