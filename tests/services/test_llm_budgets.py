"""Budgets in worker processes: what is held, what it takes to run on, and who is told."""

from decimal import Decimal
from typing import Any

import anyio
import pytest

from baton import Job, Registry, Snooze, Workflow
from baton.llm import Budget, LLMWorker, Price, Usage, at_most, llm_worker
from baton.telemetry import Telemetry
from baton.testing import drain_queue
from tests.services import apps
from tests.services.pages import Page, listening
from tests.services.test_node import all_final, finished, running, until
from tests.support import rows, value

pytestmark = pytest.mark.anyio

HELD = "select count(*) from baton.budget_holds"


class Cents:
    """A cent for each token."""

    def price(self, usage: Usage) -> Price | None:
        return Price(Decimal(usage.input_tokens) / 100, "cents")


def priced() -> Registry:
    registry = Registry()
    registry.use_pricing(Cents)
    return registry


def cents(count: int) -> Usage:
    return Usage(model="m", input_tokens=count)


def flow(worker: Any, count: int, **options: Any) -> Workflow:
    made = Workflow("brief", **options)
    for number in range(count):
        made.add(f"s{number}", worker.new())
    return made


async def test_a_step_is_held_without_its_attempt_and_runs_once_the_budget_is_raised(
    database: str,
) -> None:
    registry = priced()
    told: list[tuple[str, Any]] = []
    attempts: list[int] = []

    @llm_worker(registry=registry)
    async def think(job: Job) -> None:
        attempts.append(job.attempt)
        job.record_usage(cents(10))

    @registry.worker(queue="llm")
    async def plain(_job: Job) -> None: ...

    def hear(event: str, _: Any, metadata: Any) -> None:
        told.append((event, metadata.get("reason") or metadata.get("error")))

    brief = (
        Workflow("brief", budget=Budget("0.10"))
        .add("first", think.new())
        .add("second", think.new(), deps=["first"])
        .add("third", plain.new(), deps=["first"])
    )
    Telemetry.attach("budgets", ["baton.llm.held", "baton.step.snoozed"], hear)
    try:
        async with running(database, registry, queues=["llm=5"]) as (_, client):
            await client.insert_workflow(brief)

            async def is_held() -> bool:
                return await value(database, HELD) == 1

            async def is_told() -> bool:
                return len(told) == 2

            await until(is_held)
            await until(is_told)
            # only who calls language models is asked
            await until(lambda: completed(database, "third"))
            reason = "the budget of workflow brief: $0.10 of $0.10 spent"
            assert told == [("baton.llm.held", reason), ("baton.step.snoozed", reason)]
            assert (await client.why(brief.workflow_id, "second")).reason == "budget"
            await client.set_budget(workflow=brief.workflow_id, cost="0.20")
            await until(finished(database))
            assert (await client.get_workflow(brief.workflow_id)).state == "completed"
    finally:
        Telemetry.detach("budgets")
    assert attempts == [1, 1]


async def completed(database: str, step: str) -> bool:
    query = "select outcome::text from baton.workflow_steps where step_name = %s"
    return bool(await value(database, query, step) == "completed")


async def test_whoever_follows_a_workflow_hears_that_a_step_is_put_off(database: str) -> None:
    registry = priced()

    @llm_worker(registry=registry)
    async def think(_job: Job) -> None: ...

    brief = flow(think, 1, budget=Budget(cost=0))
    page = Page()
    async with (
        running(database, registry, queues=["llm=5"]) as (_, client),
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(page.read, client.events.subscribe_workflow(brief.workflow_id))
        await listening(database)
        await client.insert_workflow(brief)

        async def is_told() -> bool:
            return ("s0", "snoozed") in page.said

        await until(is_told)
        await client.remove_budget(workflow=brief.workflow_id)
        with anyio.fail_after(60):
            await page.ended.wait()
    assert page.said == [
        ("s0", "executing"),
        ("s0", "snoozed"),
        ("s0", "executing"),
        ("s0", "completed"),
    ]


async def test_what_one_attempt_leaves_over_the_next_one_gets(database: str) -> None:
    """Nobody raises anything: the end of each attempt that had reserved lets others run."""
    registry = priced()
    most_at_once = 0
    at_once = 0

    with registry.collecting():

        class Think(LLMWorker, max_cost="0.06"):
            async def perform(self, job: Job) -> None:
                nonlocal at_once, most_at_once
                at_once += 1
                most_at_once = max(most_at_once, at_once)
                await anyio.lowlevel.checkpoint()
                job.record_usage(cents(1))
                at_once -= 1

    async with running(database, registry, queues=["llm=5"]) as (_, client):
        await client.insert_workflow(flow(Think, 4, budget=Budget("0.09")))
        await until(all_final(database))
        nothing_reserved = "select not exists (select from baton.budget_reservations)"
        await until(lambda: value(database, nothing_reserved))  # what is dead goes a little later
    assert most_at_once == 1
    assert await rows(database, "select distinct state::text, attempt from baton.jobs") == [
        ("completed", 1)
    ]


async def test_an_attempt_that_waits_for_its_provider_reserves_nothing(database: str) -> None:
    registry = priced()
    snoozed = anyio.Event()

    @llm_worker(registry=registry)
    async def think(job: Job, first: bool) -> Any:
        if first:
            snoozed.set()
            return Snooze(3_600)
        return None

    brief = Workflow("brief", budget=Budget("0.10"))
    brief.add("first", at_most(think.new(first=True), cost="0.10"))
    brief.add("second", at_most(think.new(first=False), cost="0.10"))
    async with running(database, registry, queues=["llm=1"]) as (_, client):
        await client.insert_workflow(brief)
        await snoozed.wait()
        await until(lambda: completed(database, "second"))


async def test_what_runs_in_a_child_process_is_asked_for_before(database: str) -> None:
    worker = apps.registry.find("tests.services.apps.thinks_in_child")
    assert worker.spends is not None
    async with running(
        database, apps.registry, queues=["llm=1"], app="tests.services.apps:registry"
    ) as (_, client):
        await client.set_budget(queue="llm", cost=0)
        job = await client.insert(worker.new({}, (), {}))

        async def is_held() -> bool:
            return await value(database, HELD) == 1

        await until(is_held)
        found = await client.get_job(job.id)
        assert (found.state, found.attempt) == ("scheduled", 0)


async def test_a_workflow_beyond_its_budget_is_cancelled_where_that_was_chosen(
    database: str,
) -> None:
    registry = priced()

    @llm_worker(registry=registry)
    async def think(job: Job) -> None:
        job.record_usage(cents(10))

    brief = Workflow("brief", budget=Budget("0.10", on_exceeded="cancel"))
    brief.add("first", think.new()).add("second", think.new(), deps=["first"])
    brief.add("third", think.new(), deps=["second"])
    async with running(database, registry, queues=["llm=5"]) as (_, client):
        await client.insert_workflow(brief)
        await until(all_final(database))

        async def is_over() -> bool:
            return (await client.get_workflow(brief.workflow_id)).state == "failed"

        await until(is_over)
    causes = await rows(database, "select distinct cause from baton.workflow_steps order by 1")
    assert causes == [("the budget of workflow brief: $0.10 of $0.10 spent",), (None,)]


async def test_a_job_that_says_nonsense_of_its_most_fails(database: str) -> None:
    registry = priced()

    @llm_worker(registry=registry, max_attempts=1)
    async def think(_job: Job) -> None: ...

    async with running(database, registry, queues=["llm=5"]) as (_, client):
        job = await client.insert(think.with_options(meta={"llm_max_cost": "much"}).new())
        await until(all_final(database))
        [error] = (await client.get_job(job.id)).errors
    assert error["message"] == "llm_max_cost must be an amount of US dollars, not 'much'"


async def test_a_test_that_drains_a_queue_meets_the_budgets(database: str) -> None:
    registry = priced()

    @llm_worker(registry=registry)
    async def think(job: Job) -> None:
        job.record_usage(cents(10))

    async with running(database, registry, queues=["other=1"]) as (_, client):
        await client.insert_workflow(flow(think, 3, budget=Budget("0.20")))
        drained = await drain_queue("llm", registry=registry, dsn=database)
        assert (drained.completed, drained.snoozed) == (2, 1)
