"""Events of steps and workflows: what is published, and what subscribers get to see of it."""

import json
from uuid import uuid4

import anyio
import pytest

from baton import (
    Client,
    Registry,
    StepUpdated,
    Workflow,
    WorkflowFinished,
)
from baton.states import State
from baton.store.migrations import migrate
from tests.services.pages import Page, bare_listener, flow_of, listening, registry
from tests.services.test_node import finished, running, until
from tests.support import ended, job, process, rows, value

__all__ = ["registry"]

pytestmark = pytest.mark.anyio


async def test_every_transition_is_told_in_its_order_and_then_the_end(
    database: str, registry: Registry
) -> None:
    flow = flow_of(a=("works", []), b=("naps", ["a"]), c=("fails", ["b"]), d=("works", ["c"]))
    page = Page()
    async with running(database, registry) as (_, client), anyio.create_task_group() as tasks:
        tasks.start_soon(page.read, client.events.subscribe_workflow(flow.workflow_id))
        await listening(database)
        await client.insert_workflow(flow)
        with anyio.fail_after(60):
            await page.ended.wait()
    assert page.said == [
        ("a", "executing"),
        ("a", "completed"),
        ("b", "executing"),
        ("b", "snoozed"),
        ("b", "executing"),
        ("b", "completed"),
        ("c", "executing"),
        ("c", "retryable"),
        ("c", "executing"),
        ("c", "discarded"),
        ("d", "cancelled"),
    ]
    end = page.events[-1]
    assert isinstance(end, WorkflowFinished)
    assert (end.outcome, end.failed_steps, end.failed) == ("failed", ("c", "d"), 2)
    assert end.duration > 0
    told = {(e.step_name, e.state): e for e in page.events[:-1]}
    done = told["a", "completed"]
    assert (done.has_result, done.error, done.worker, done.attempt) == (True, None, "works", 1)
    assert done.workflow_id == flow.workflow_id
    assert done.workflow_label == "flow"
    assert told["b", "snoozed"].attempt == 1
    assert told["c", "retryable"].error == "broken"
    assert told["c", "discarded"].attempt == 2
    assert told["d", "cancelled"].error == "dependency c was discarded"
    assert {
        "event",
        "schema",
        "transaction",
        "workflow_id",
        "workflow_label",
        "step_name",
        "state",
        "skipped",
        "job_id",
        "epoch",
        "worker",
        "attempt",
        "has_result",
        "error",
        "timestamp",
    } == set(done.payload)


async def test_other_languages_listen_to_the_same_channels(
    database: str, registry: Registry
) -> None:
    flow = flow_of(a=("gives_up", []), b=("leaves", []))
    channel = f"workflow:{flow.workflow_id}"
    async with (
        bare_listener(database, channel) as heard,
        bare_listener(database, "workflow:all") as heard_all,
        running(database, registry) as (_, client),
    ):
        await client.insert_workflow(flow)
        await until(finished(database))
        one, all_ = await heard(), await heard_all()
    assert one == all_
    assert [(e.get("step_name"), e.get("state") or e["outcome"]) for e in one] == [
        ("a", "executing"),
        ("b", "executing"),
        ("a", "discarded"),
        ("b", "cancelled"),
        (None, "failed"),
    ]
    assert {e["schema"] for e in one} == {"baton"}


async def test_names_and_errors_of_any_length_and_kind_never_break_a_notification(
    database: str,
) -> None:
    nasty = '\x01\x7f"\\\U0001f600\n' * 1_000
    flow = Workflow(f"label {nasty}")
    for index in range(12):
        flow.add(f"{index} {nasty}"[:1_300], job(worker=f"w{index}{nasty}"))
    async with (
        bare_listener(database, "workflow:all") as heard,
        Client(database) as client,
        process(database) as worker,
    ):
        await client.insert_workflow(flow)
        jobs = await worker.fetch(capacity=20)
        message = json.dumps({"kind": "error", "message": nasty})
        await worker.acknowledge(*(ended(each, State.DISCARDED, error=message) for each in jobs))
        events = await heard()
    assert [e.get("state") for e in events] == ["executing"] * 12 + ["discarded"] * 12 + [None]
    by_job = {e["job_id"]: e for e in events if e.get("state") == "discarded"}
    assert all(e["step_name"].startswith(e["step_name"].split()[0]) for e in by_job.values())
    assert len({e["step_name"] for e in by_job.values()}) == 12
    assert all(e["error"] == nasty[:500] for e in by_job.values())
    assert len(events[-1]["failed_steps"]) == 12


async def test_what_waits_outside_its_workflow_and_what_is_skipped_are_told_too(
    database: str, registry: Registry
) -> None:
    inner = Workflow("inner").add("x", job(worker="works"))
    flow = (
        Workflow("outer")
        .add("first", job(worker="works"))
        .add("inner", inner, deps=["first"])
        .sleep("pause", 0.01, deps=["first"])
        .wait_for("approval", timeout=0.01, on_timeout="completed", deps=["first"])
        .add("alarm", job(worker="works"), deps=["pause"], run_on="failed")
    )
    page = Page()
    async with running(database, registry) as (_, client), anyio.create_task_group() as tasks:
        tasks.start_soon(page.read, client.events.subscribe_workflow(flow.workflow_id))
        await listening(database)
        await client.insert_workflow(flow)
        due = "update baton.workflow_waits set until = now() where signal is not null returning 1"
        sweep = "select swept from baton.sweep_releases(0, 0, 100)"

        async def ended() -> bool:
            waits = "select array_agg(job_id) from baton.workflow_waits where woken_at is null"
            await rows(database, due)
            if ids := await value(database, waits):
                leave = "insert into baton.workflow_releases (job_ids) values (%s) returning id"
                await rows(database, leave, ids)
                await rows(database, sweep)
            return page.ended.is_set()

        await until(ended)
    told = {name: [state for step, state in page.said if step == name] for name, _ in page.said}
    assert told == {
        "first": ["executing", "completed"],
        "inner": ["executing", "completed"],
        "pause": ["snoozed", "completed"],
        "approval": ["snoozed", "completed"],
        "alarm": ["completed"],
    }
    skipped = [e.step_name for e in page.events if isinstance(e, StepUpdated) and e.skipped]
    assert skipped == ["alarm"]


async def test_a_dead_process_is_told_as_a_failed_attempt(database: str) -> None:
    flow = Workflow("flow").add("a", job())
    async with (
        bare_listener(database, "workflow:all") as heard,
        Client(database) as client,
        process(database) as worker,
    ):
        await client.insert_workflow(flow)
        await worker.fetch()
        await rows(
            database, "update baton.leases set expires_at = now() - interval '1 s' returning id"
        )
        await rows(database, "select * from baton.rescue_jobs(60, 0, 10)")
        events = await heard()
    assert [(e["state"], e["error"]) for e in events] == [
        ("executing", None),
        ("retryable", "the worker process that ran it died"),
    ]


async def test_an_attempt_that_was_given_back_is_silent(database: str) -> None:
    flow = Workflow("flow").add("a", job())
    async with (
        bare_listener(database, "workflow:all") as heard,
        Client(database) as client,
        process(database) as worker,
    ):
        await client.insert_workflow(flow)
        [claimed] = await worker.fetch()
        await worker.acknowledge(ended(claimed, State.AVAILABLE, refund=True))
        assert [e["state"] for e in await heard()] == ["executing"]


async def test_a_step_cancelled_by_hand_is_told_by_the_sweep(
    database: str, registry: Registry
) -> None:
    flow = Workflow("flow").add("a", job(queue="nobody")).add("b", job(queue="nobody"), deps=["a"])
    page = Page()
    async with running(database, registry) as (_, client), anyio.create_task_group() as tasks:
        inserted = await client.insert_workflow(flow)
        tasks.start_soon(page.read, client.events.subscribe_workflow(flow.workflow_id))
        await listening(database)
        await client.cancel_job(inserted[0].id, "the customer left")
        with anyio.fail_after(60):
            await page.ended.wait()
    assert [(e.step_name, e.state, e.error) for e in page.events[:-1]] == [
        ("a", "cancelled", "the customer left"),
        ("b", "cancelled", "dependency a was cancelled"),
    ]


async def test_two_schemas_in_one_database_hear_only_their_own(database: str) -> None:
    migrate(database, schema="other")
    id_ = uuid4()
    page = Page()
    async with (
        Client(database) as client,
        Client(database, schema="other") as other,
        process(database) as worker,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(page.read, other.events.subscribe_all())
        await listening(database)
        await client.insert_workflow(Workflow("mine", workflow_id=id_).add("a", job()))
        await worker.run_all()
        note = {"event": "workflow_finished", "schema": "other", "workflow_id": str(id_)}
        end = {
            **note,
            "workflow_label": "other",
            "outcome": "completed",
            "failed_steps": [],
            "failed": 0,
            "duration": 1,
            "timestamp": "2026-01-01T00:00:00+00:00",
        }
        say = "select pg_notify('workflow:all', %s)"
        for nonsense in ("", "{", "[1]", json.dumps([note]), json.dumps(end), json.dumps([end])):
            await rows(database, say, nonsense)
        with anyio.fail_after(60):
            await page.begun.wait()
        tasks.cancel_scope.cancel()
    assert [e.workflow_label for e in page.events] == ["other"]


async def test_a_process_may_publish_nothing(database: str, registry: Registry) -> None:
    flow = flow_of(a=("works", []), b=("fails", ["a"]), c=("works", ["b"]))
    async with (
        bare_listener(database, "workflow:all") as heard,
        running(database, registry, events=False) as (_, client),
    ):
        await client.insert_workflow(flow)
        await until(finished(database))
        assert await heard() == []
