"""Telemetry of steps and workflows: told once, in the process where it became certain."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import anyio
import pytest

from baton import Cancel, Client, Discard, Job, Registry, Snooze, Telemetry, Workflow
from baton.testing import drain_queue
from tests.services.test_node import all_final, finished, running, until
from tests.support import connection, job, process, rows

pytestmark = pytest.mark.anyio

Told = tuple[str, dict[str, Any], dict[str, Any]]


@contextmanager
def told(*events: str) -> Iterator[list[Told]]:
    heard: list[Told] = []

    def handler(event: str, measurements: Any, metadata: Any) -> None:
        heard.append((event.removeprefix("baton."), dict(measurements), dict(metadata)))

    Telemetry.attach("test", events or ("baton.step.*", "baton.workflow.*"), handler)
    try:
        yield heard
    finally:
        Telemetry.detach("test")


def names(heard: list[Told]) -> list[tuple[str, str | None]]:
    return [(event, metadata.get("step_name")) for event, _, metadata in heard]


async def test_every_kind_of_end_is_told_with_what_it_took(database: str) -> None:
    registry = Registry()
    naps = 0

    @registry.worker(name="works")
    async def works(_job: Job) -> None: ...

    @registry.worker(name="naps")
    async def naps_once(_job: Job) -> Snooze | None:
        nonlocal naps
        naps += 1
        return Snooze(0.01) if naps == 1 else None

    @registry.worker(name="raises", max_attempts=2, backoff=lambda _job, _error: 0.01)
    async def raises(_job: Job) -> None:
        raise ValueError("broken")

    @registry.worker(name="late", max_attempts=1, timeout=0.01)
    async def late(_job: Job) -> None:
        await anyio.sleep_forever()

    @registry.worker(name="gives_up")
    async def gives_up(_job: Job) -> Discard:
        return Discard("no use")

    @registry.worker(name="leaves")
    async def leaves(_job: Job) -> Cancel:
        return Cancel("not wanted")

    flow = (
        Workflow("flow")
        .add("works", works.new())
        .add("naps", naps_once.new())
        .add("raises", raises.new())
        .add("late", late.new())
        .add("gives_up", gives_up.new())
        .add("leaves", leaves.new())
        .add("after", works.new(), deps=["leaves"])
        .add("notify", works.new(), deps=["works"], run_on="failed")
    )
    with told() as heard:
        async with running(database, registry) as (_, client):
            await client.insert_workflow(flow)
            await until(finished(database))
    by_name: dict[str, list[str]] = {}
    for event, _, metadata in heard:
        by_name.setdefault(metadata.get("step_name") or "", []).append(event)
    assert by_name == {
        "works": ["step.executing", "step.completed"],
        "naps": ["step.executing", "step.snoozed", "step.executing", "step.completed"],
        "raises": ["step.executing", "step.retryable", "step.executing", "step.discarded"],
        "late": ["step.executing", "step.discarded"],
        "gives_up": ["step.executing", "step.discarded"],
        "leaves": ["step.executing", "step.cancelled"],
        "after": ["step.cancelled"],
        "notify": ["step.completed"],
        "": ["workflow.finished", "workflow.failed"],
    }
    facts = {(metadata.get("step_name"), event): metadata for event, _, metadata in heard}
    assert facts["raises", "step.retryable"]["error"] == "broken"
    assert facts["raises", "step.discarded"]["job"].attempt == 2
    assert "0.01" in facts["late", "step.discarded"]["error"]
    assert facts["gives_up", "step.discarded"]["error"] == "no use"
    cascade = facts["after", "step.cancelled"]
    assert (cascade["job"], cascade["error"]) == (None, "dependency leaves was cancelled")
    assert cascade["workflow_id"] == flow.workflow_id
    assert cascade["workflow_label"] == "flow"
    assert facts["notify", "step.completed"]["skipped"]
    end = facts[None, "workflow.failed"]
    assert (end["outcome"], end["failed"]) == ("failed", 5)
    for event, measurements, metadata in heard:
        if event == "step.discarded" and metadata["step_name"] == "late":
            assert measurements["duration"] >= 0.01
            assert measurements["queue_time"] >= 0


async def test_a_refused_acknowledgement_is_not_told(database: str) -> None:
    registry = Registry()
    begun, go_on = anyio.Event(), anyio.Event()

    @registry.worker(name="stubborn")
    async def stubborn(_job: Job) -> None:
        begun.set()
        with anyio.CancelScope(shield=True):
            await go_on.wait()

    flow = Workflow("flow").add("a", stubborn.new())
    with told() as heard:
        async with running(database, registry) as (_, client):
            [inserted] = await client.insert_workflow(flow)
            await begun.wait()
            await client.cancel_job(inserted.id)
            await until(finished(database))
            go_on.set()
    assert names(heard) == [
        ("step.executing", "a"),
        ("step.cancelled", "a"),
        ("workflow.finished", None),
        ("workflow.failed", None),
    ]


async def test_a_step_that_completed_in_a_transaction_of_its_worker_is_told_once(
    database: str,
) -> None:
    registry = Registry()

    @registry.worker(name="completes")
    async def completes(job: Job) -> None:
        async with connection(database) as conn, conn.transaction():
            await job.complete_in(conn, {"answer": 42})

    flow = Workflow("flow").add("a", completes.new())
    with told() as heard:
        async with running(database, registry) as (_, client):
            await client.insert_workflow(flow)
            await until(finished(database))
    assert names(heard) == [
        ("step.executing", "a"),
        ("step.completed", "a"),
        ("workflow.finished", None),
    ]
    assert heard[1][2]["job"].step_name == "a"
    assert heard[1][1]["duration"] > 0


async def test_what_a_dead_process_left_is_told_by_those_who_find_it(database: str) -> None:
    registry = Registry()

    @registry.worker(name="works")
    async def works(_job: Job) -> None: ...

    flow = Workflow("flow").add("rescued", works.new()).add("ended", works.new())

    def enough(heard: list[Told]) -> Callable[[], Any]:
        async def check() -> bool:
            return ("workflow.finished", None) in names(heard)

        return check

    async with process(database) as dead:
        with told() as heard:
            async with running(database, registry, queues=["other=1"]) as (_, client):
                await client.insert_workflow(flow)
                jobs = {each.step_name: each for each in await dead.fetch(capacity=2)}
                ended = jobs["ended"]
                query = """
                  select accepted from baton.finish_jobs(
                    %s, array[%s::bigint], array[%s::bigint], '{completed}', '{0}', '{f}',
                    array[null::text], array[null::text], '{t}'
                  )
                """
                await rows(database, query, dead.lease, ended.id, ended.epoch)  # and then it dies
                await rows(
                    database, "delete from baton.leases where id = %s returning id", dead.lease
                )

                async def both() -> bool:
                    return {"step.completed", "step.retryable"} <= {
                        event for event, _ in names(heard)
                    }

                await until(both)
            async with running(database, registry):
                await until(enough(heard))
    assert sorted(names(heard)) == sorted(
        [
            ("step.completed", "ended"),
            ("step.retryable", "rescued"),
            ("step.executing", "rescued"),
            ("step.completed", "rescued"),
            ("workflow.finished", None),
        ]
    )
    facts = {event: metadata for event, _, metadata in heard}
    assert facts["step.retryable"]["error"] == "the worker process that ran it died"


async def test_a_plain_job_is_no_step(database: str) -> None:
    registry = Registry()

    @registry.worker(name="works")
    async def works(_job: Job) -> None: ...

    with told() as heard:
        async with running(database, registry) as (_, client):
            await client.insert(works.new())
            await until(all_final(database))
    assert heard == []


async def test_a_drained_queue_tells_the_same(database: str) -> None:
    registry = Registry()

    @registry.worker(name="works")
    async def works(_job: Job) -> None: ...

    flow = Workflow("flow").add("a", works.new()).add("b", works.new(), deps=["a"])
    async with Client(database) as client:
        await client.insert_workflow(flow)
        with told() as heard:
            await drain_queue(registry=registry, dsn=database)
    assert names(heard) == [
        ("step.executing", "a"),
        ("step.completed", "a"),
        ("step.executing", "b"),
        ("step.completed", "b"),
        ("workflow.finished", None),
    ]


async def test_the_default_logger_warns_of_failures_and_tells_of_the_rest(
    database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    registry = Registry()

    @registry.worker(name="raises", max_attempts=1)
    async def raises(_job: Job) -> None:
        raise ValueError("broken")

    flow = Workflow("flow").add("a", raises.new()).add("b", job(), deps=["a"])
    Telemetry.attach_default_logger(events="baton.*")
    try:
        async with running(database, registry) as (_, client):
            await client.insert_workflow(flow)
            await until(finished(database))
    finally:
        Telemetry.detach_default_logger()
    lines = [line for line in capsys.readouterr().out.splitlines() if "baton." in line]

    def levels(event: str) -> set[str]:
        return {
            level
            for line in lines
            for level in ("info", "warning")
            if f"{event} " in line and level in line
        }

    assert levels("baton.step.executing") == {"info"}
    assert levels("baton.step.discarded") == {"warning"}
    assert levels("baton.step.cancelled") == {"info"}
    assert levels("baton.workflow.finished") == {"info"}
    assert levels("baton.workflow.failed") == {"warning"}
    assert levels("baton.job.exception") == {"warning"}
    assert any("broken" in line for line in lines if "baton.step.discarded" in line)
