"""Budgets of workflows and queues, as the tables keep them: processes played by hand."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from time import sleep
from typing import Any

import anyio
import pytest

from baton import Client, Graft, NewJob, SyncClient, Workflow
from baton.errors import InvalidBudget, InvalidWorkflow, NotFound
from baton.jobs import Job
from baton.llm import Budget, Price, Usage
from baton.llm.budgets import Most
from baton.llm.meter import Meter
from baton.outcomes import Held
from baton.services.admission import Admission
from baton.states import State
from baton.store.claims import Claim
from baton.store.pools import Database
from tests.support import Process, connection, done, ended, process, rows, value

pytestmark = pytest.mark.anyio

RELEASE = """
  select baton.release_held(array(select distinct budget_id from baton.budget_reservations), false)
"""


@pytest.fixture(autouse=True)
def in_one_day() -> None:
    """Budgets of queues are those of a day of UTC; none of these tests is to last into the next."""
    while datetime.now(UTC) + timedelta(minutes=1) > tomorrow():
        sleep(1)


def tomorrow() -> datetime:
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return today + timedelta(days=1)


class Cents:
    """A cent for each token."""

    def price(self, usage: Usage) -> Price | None:
        return Price(Decimal(usage.input_tokens) / 100, "cents")


METER = Meter(pricing=Cents())


def job(**options: Any) -> NewJob:
    return NewJob(worker="tests.llm", **options)


def most(cents: int | None = None, tokens: int | None = None) -> Most:
    return Most(cost=None if cents is None else Decimal(cents) / 100, tokens=tokens)


async def ask(database: Database, claimed: Job, limit: Most | None = None) -> str:
    """What a process is told of an attempt that is about to start."""
    answer = await Admission(database).ask(claimed, limit or Most())
    if answer is None:
        return "admitted"
    return answer.verdict if isinstance(answer, Held) else type(answer).__name__


async def spend(worker: Process, claimed: Job, cents: int, *, end: State | None = None) -> None:
    """Record what an attempt used, and end it if it is to end."""
    METER.record(claimed, Usage(model="m", input_tokens=cents))
    claim = claimed.claim
    assert isinstance(claim, Claim)
    acks = [] if end is None else [ended(claimed, end)]
    await worker.cycles.cycle(worker.lease, acks, {}, used=[claim.tally])


async def move_on(database: str) -> None:
    """Do what timekeepers and stagers do."""
    await rows(database, "select 1 from baton.keep_time(100)")
    await rows(database, "select 1 from baton.stage_jobs(100)")


async def sweep(database: str) -> None:
    """Finish what was left to the sweep."""
    while await value(database, "select swept from baton.sweep_releases(0, 0, 100)"):
        pass


async def count(database: str) -> None:
    """Have budgets counted, which takes until all that ran when they were met has ended."""
    settle = "select 1 from baton.settle_budgets(array(select id from baton.budgets))"
    with anyio.fail_after(60):
        while not await value(database, "select bool_and(counted) from baton.budgets"):
            await rows(database, settle)
    await rows(database, settle)


async def state_of(database: str, job_id: int) -> tuple[Any, ...]:
    [found] = await rows(
        database, "select state::text, attempt from baton.jobs where id = %s", job_id
    )
    return found


def flow(count: int = 3, **options: Any) -> Workflow:
    made = Workflow("brief", **options)
    for number in range(count):
        made.add(f"s{number}", job())
    return made


async def test_a_step_waits_beyond_the_budget_of_its_workflow_until_that_is_raised(
    database: str,
) -> None:
    brief = flow(2, budget=Budget("0.10"))
    async with (
        Client(database) as client,
        Database(database, "baton") as own,
        process(database) as worker,
    ):
        await client.insert_workflow(brief)
        first, second = await worker.fetch(2)
        assert await ask(own, first) == "admitted"
        await spend(worker, first, 9)
        [status] = await client.budgets()
        assert (status.workflow, status.spent_cost, status.held) == ("brief", Decimal("0.09"), 0)
        await spend(worker, first, 3, end=State.COMPLETED)
        assert await ask(own, second) == "held"
        assert await state_of(database, second.id) == ("suspended", 0)
        [status] = await client.budgets(workflow=brief.workflow_id)
        assert (status.spent_cost, status.spent_tokens, status.held) == (Decimal("0.12"), 12, 1)
        await move_on(database)
        assert await worker.fetch(2) == []
        await client.set_budget(workflow=brief.workflow_id, cost="0.12")
        await move_on(database)
        assert await worker.fetch(2) == []
        assert (await client.set_budget(workflow=brief.workflow_id, cost="0.13")).held == 0
        await move_on(database)
        [again] = await worker.fetch(2)
        assert (again.id, again.attempt) == (second.id, 1)
        assert await ask(own, again) == "admitted"
        await spend(worker, again, 1, end=State.COMPLETED)
        assert (await client.get_workflow(brief.workflow_id)).state == "completed"


async def test_a_job_beyond_the_budget_of_its_queue_runs_on_the_next_day(database: str) -> None:
    async with (
        Client(database) as client,
        Database(database, "baton") as own,
        process(database) as worker,
    ):
        await client.set_budget(queue="default", tokens=5)
        await client.insert_all([job()] * 3)
        first, second, third = await worker.fetch(3)
        assert await ask(own, first) == "admitted"
        await spend(worker, first, 5, end=State.COMPLETED)
        assert [await ask(own, second), await ask(own, third)] == ["held", "held"]
        assert await state_of(database, second.id) == ("scheduled", 0)
        [status] = await client.budgets(queue="default")
        assert (status.spent_tokens, status.held) == (5, 2)
        midnight = status.renews_at
        found = await client.get_job(second.id)
        assert midnight is not None
        assert timedelta(0) <= found.scheduled_at - midnight < timedelta(seconds=30)
        assert (midnight.astimezone(UTC).hour, midnight.minute) == (0, 0)
        assert midnight - datetime.now(UTC) <= timedelta(days=1)
        assert (await worker.fetch(2)) == []
        # the day goes by
        await rows(
            database,
            """
            with spent as (update baton.budget_spending set spent_at = spent_at - interval '1 day'),
              used as (
                update baton.workflow_step_stats set inserted_at = inserted_at - interval '1 day'
              ),
              budget as (update baton.budgets set period_start = period_start - interval '1 day')
            update baton.jobs set scheduled_at = now() where id = %s returning 1
            """,
            second.id,
        )
        await move_on(database)
        [again] = await worker.fetch(2)
        assert (again.id, again.attempt) == (second.id, 1)
        assert await ask(own, again) == "admitted"
        await spend(worker, again, 2, end=State.COMPLETED)
        [status] = await client.budgets(queue="default")
        assert (status.spent_tokens, status.held) == (2, 1)
        assert (await client.set_budget(queue="default", tokens=6)).held == 0
        await move_on(database)
        assert [each.id for each in await worker.fetch(2)] == [third.id]


async def test_the_budget_of_a_queue_that_is_set_late_counts_what_was_used_that_day(
    database: str,
) -> None:
    async with Client(database) as client, process(database) as worker:
        await client.insert_all([job()] * 2)
        first, second = await worker.fetch(2)
        await spend(worker, first, 3, end=State.COMPLETED)
        await rows(
            database,
            """
            update baton.workflow_step_stats set inserted_at = inserted_at - interval '1 day'
            returning 1
            """,
        )
        await spend(worker, second, 4)
        status = await client.set_budget(queue="default", tokens=10)
        assert status.spent_tokens == 4
        assert (await client.set_budget(queue="other", tokens=10)).spent_tokens == 0


async def test_what_was_counted_of_a_day_does_not_count_to_the_next(database: str) -> None:
    async with (
        Client(database) as client,
        Database(database, "baton") as own,
        process(database) as worker,
    ):
        await client.set_budget(queue="default", cost=1)
        await client.insert_all([job()] * 2)
        first, second = await worker.fetch(2)
        await spend(worker, first, 40)
        await count(database)
        await spend(worker, first, 40)
        await count(database)
        await spend(worker, first, 40)
        assert (await client.budgets())[0].spent_cost == Decimal("1.2")
        assert await value(database, "select spent_cost from baton.budgets") == Decimal("0.8")
        await rows(
            database,
            """
            with used as (update baton.budget_spending set spent_at = spent_at - interval '1 day')
            update baton.budgets set period_start = period_start - interval '1 day' returning 1
            """,
        )
        assert (await client.budgets())[0].spent_cost == 0
        await count(database)
        assert await rows(
            database,
            "select spent_cost, period_start = date_trunc('day', now(), 'UTC') from baton.budgets",
        ) == [(0, True)]
        assert await ask(own, second) == "admitted"


async def test_what_runs_counts_with_the_most_that_it_may_cost(database: str) -> None:
    async with (
        Client(database) as client,
        Database(database, "baton") as own,
        process(database) as worker,
    ):
        brief = flow(3, budget=Budget("0.10"))
        await client.insert_workflow(brief)
        first, second, third = await worker.fetch(3)
        assert await ask(own, first, most(6)) == "admitted"
        assert await ask(own, second, most(6)) == "held"
        await spend(worker, first, 4)
        [status] = await client.budgets()
        # what it has spent of it is not counted twice
        assert (status.spent_cost, status.reserved_cost) == (Decimal("0.04"), Decimal("0.02"))
        assert await ask(own, third, most(4)) == "admitted"
        # the attempt ends with less, and what it left goes to whom was held
        await spend(worker, third, 0, end=State.COMPLETED)
        await rows(database, RELEASE)
        await move_on(database)
        assert await worker.fetch(3) == []
        await worker.acknowledge(done(first))
        await rows(database, RELEASE)
        await move_on(database)
        [again] = await worker.fetch(3)
        assert again.id == second.id
        assert await ask(own, again, most(6)) == "admitted"
        await worker.acknowledge(done(again))
        await rows(database, RELEASE)
        assert await value(database, "select count(*) from baton.budget_reservations") == 0


async def test_an_attempt_without_a_word_of_its_most_starts_while_anything_is_left(
    database: str,
) -> None:
    async with (
        Client(database) as client,
        Database(database, "baton") as own,
        process(database) as worker,
    ):
        await client.insert_workflow(flow(3, budget=Budget(tokens=10)))
        first, second, third = await worker.fetch(3)
        assert await ask(own, first, most(tokens=9)) == "admitted"
        assert await ask(own, second) == "admitted"
        await spend(worker, second, 1)
        assert await ask(own, third) == "held"


async def test_both_limits_hold(database: str) -> None:
    async with (
        Client(database) as client,
        Database(database, "baton") as own,
        process(database) as worker,
    ):
        await client.insert_workflow(flow(3, budget=Budget("0.10", 10)))
        first, second, third = await worker.fetch(3)
        assert await ask(own, first, most(11, 1)) == "held"
        assert await ask(own, second, most(1, 11)) == "held"
        assert await ask(own, third, most(10, 10)) == "admitted"


async def test_a_workflow_is_cancelled_when_its_budget_says_so(database: str) -> None:
    brief = flow(3, budget=Budget("0.05", on_exceeded="cancel"))
    async with (
        Client(database) as client,
        Database(database, "baton") as own,
        process(database) as worker,
    ):
        await client.insert_workflow(brief)
        first, second, third = await worker.fetch(3)
        assert await ask(own, first, most(5)) == "admitted"
        # it may be that what runs costs less
        assert await ask(own, second, most(5)) == "held"
        await spend(worker, first, 5, end=State.COMPLETED)
        assert await ask(own, third) == "cancelled"
        await sweep(database)
        status = await client.get_workflow(brief.workflow_id)
        assert status.state == "failed"
        causes = await rows(
            database, "select step_name, cause from baton.workflow_steps where cause is not null"
        )
        told = "the budget of workflow brief: $0.05 of $0.05 spent"
        assert sorted(causes) == [("s1", told), ("s2", told)]


async def test_a_queue_cancels_the_outermost_workflow_or_the_job_alone(database: str) -> None:
    inner = Workflow("inner").add("deep", job(queue="llm"))
    outer = Workflow("outer").add("inside", inner).add("last", job(), deps=["inside"])
    async with (
        Client(database) as client,
        Database(database, "baton") as own,
        process(database) as worker,
    ):
        await client.set_budget(queue="llm", cost=0, on_exceeded="cancel")
        plain = await client.insert(job(queue="llm"))
        [mine] = await worker.fetch(queue="llm")
        assert await ask(own, mine) == "cancelled"
        assert (await client.get_job(plain.id)).state == "cancelled"
        await client.insert_workflow(outer)
        await sweep(database)
        [deep] = await worker.fetch(queue="llm")
        assert await ask(own, deep) == "cancelled"
        await sweep(database)
        assert (await client.get_workflow(outer.workflow_id)).state == "failed"


async def test_a_step_of_a_sub_workflow_counts_to_all_that_it_is_in(database: str) -> None:
    inner = Workflow("inner", budget=Budget("0.50")).add("deep", job()).add("deeper", job())
    outer = Workflow("outer", budget=Budget("0.10")).add("inside", inner)
    async with (
        Client(database) as client,
        Database(database, "baton") as own,
        process(database) as worker,
    ):
        await client.insert_workflow(outer)
        await sweep(database)
        deep, deeper = await worker.fetch(2)
        assert await ask(own, deep, most(9)) == "admitted"
        await spend(worker, deep, 7)
        found = {each.workflow: each for each in await client.budgets()}
        assert {each.spent_cost for each in found.values()} == {Decimal("0.07")}
        assert {each.reserved_cost for each in found.values()} == {Decimal("0.02")}
        assert await ask(own, deeper, most(2)) == "held"
        assert [each.held for each in await client.budgets(workflow=outer.workflow_id)] == [1]
        await client.set_budget(workflow=outer.workflow_id, cost="0.20")
        await move_on(database)
        [again] = await worker.fetch(2)
        assert await ask(own, again, most(2)) == "admitted"


async def test_a_grafted_sub_workflow_brings_its_budget(database: str) -> None:
    brief = flow(1)
    inner = Workflow("inner", budget=Budget(tokens=3)).add("deep", job())
    async with Client(database) as client:
        await client.insert_workflow(brief)
        await client.graft(brief.workflow_id, Graft().add("inside", inner))
        [status] = await client.budgets()
        assert (status.workflow_id, status.tokens) == (inner.workflow_id, 3)
        assert await value(database, "select counted from baton.budgets")


async def test_the_slow_sweep_finds_nothing_to_do_about_what_is_held(database: str) -> None:
    async with (
        Client(database) as client,
        Database(database, "baton") as own,
        process(database) as worker,
    ):
        await client.insert_workflow(flow(1, budget=Budget(cost=0)))
        assert await ask(own, (await worker.fetch())[0]) == "held"
        assert await value(database, "select findings from baton.sweep_slowly(0, 0, 0, 100)") == {}
        await sweep(database)
        await move_on(database)
        assert await worker.fetch() == []


async def test_a_held_job_can_be_cancelled_and_is_forgotten(database: str) -> None:
    brief = flow(1, budget=Budget(cost=0))
    async with (
        Client(database) as client,
        Database(database, "baton") as own,
        process(database) as worker,
    ):
        [inserted] = await client.insert_workflow(brief)
        assert await ask(own, (await worker.fetch())[0]) == "held"
        await client.cancel_workflow(brief.workflow_id)
        assert (await client.budgets(workflow=brief.workflow_id))[0].held == 0
        await client.set_budget(workflow=brief.workflow_id, cost=1)
        await move_on(database)
        assert (await client.get_job(inserted.id)).state == "cancelled"
        assert await value(database, "select count(*) from baton.budget_holds") == 0


async def test_removing_a_budget_lets_everything_run(database: str) -> None:
    async with (
        Client(database) as client,
        Database(database, "baton") as own,
        process(database) as worker,
    ):
        assert not await client.remove_budget(queue="default")
        await client.set_budget(queue="default", cost=0)
        await client.insert_all([job()] * 2)
        for each in await worker.fetch(2):
            assert await ask(own, each, most(8)) == "held"
        assert await client.remove_budget(queue="default")
        await move_on(database)
        again = await worker.fetch(2)
        assert [await ask(own, each) for each in again] == ["admitted", "admitted"]
        assert await client.budgets() == []
        assert await value(database, "select count(*) from baton.budget_holds") == 0


async def test_a_budget_goes_with_its_workflow(database: str) -> None:
    brief = flow(1, budget=Budget(cost=1))
    async with Client(database) as client, process(database) as worker:
        await client.insert_workflow(brief)
        [first] = await worker.fetch()
        await spend(worker, first, 3, end=State.COMPLETED)
        assert await client.budgets() == []  # of those that execute
        await rows(database, "delete from baton.jobs returning 1")
        for _ in range(3):
            query = (
                "select 1 from baton.delete_workflows(array(select id from baton.workflows), 100)"
            )
            await rows(database, query)
        for table in ("workflows", "budgets", "budget_spending"):
            assert await value(database, f"select count(*) from baton.{table}") == 0


async def test_a_synchronous_client_and_a_transaction_set_budgets_too(database: str) -> None:
    with SyncClient(database) as client:
        status = client.set_budget(queue="llm", cost=Decimal("2.50"), tokens=7)
        assert (status.queue, status.cost, status.tokens) == ("llm", Decimal("2.50"), 7)
        assert [each.queue for each in client.budgets()] == ["llm"]
        assert client.remove_budget(queue="llm")
    async with Client(database) as client_, connection(database) as conn:
        async with conn.transaction(force_rollback=True):
            await client_.set_budget(queue="llm", cost=1, conn=conn)
            assert len(await client_.budgets(conn=conn)) == 1
        assert await client_.budgets() == []


async def test_what_is_not_said_of_a_budget_stays_as_it_is(database: str) -> None:
    brief = flow(1, budget=Budget("5", tokens=2_000_000, on_exceeded="cancel"))
    whose = {"workflow": brief.workflow_id}
    async with Client(database) as client:
        await client.insert_workflow(brief)
        status = await client.set_budget(cost=6, **whose)
        assert (status.cost, status.tokens, status.on_exceeded) == (6, 2_000_000, "cancel")
        status = await client.set_budget(on_exceeded="hold", **whose)
        assert (status.cost, status.tokens, status.on_exceeded) == (6, 2_000_000, "hold")
        status = await client.set_budget(cost=None, **whose)
        assert (status.cost, status.tokens) == (None, 2_000_000)
        for nothing in (
            {**whose, "tokens": None},
            whose,
            {"queue": "new", "on_exceeded": "cancel"},
            {"queue": "new", "cost": None},
        ):
            with pytest.raises(InvalidBudget, match="a budget limits cost, tokens or both"):
                await client.set_budget(**nothing)
        assert [each.tokens for each in await client.budgets()] == [2_000_000]


async def test_a_budget_is_that_of_one_thing_that_is_there(database: str) -> None:
    with pytest.raises(InvalidWorkflow, match=r"budget must be a baton\.llm\.Budget, not 5"):
        Workflow(budget=5)  # type: ignore[arg-type]
    async with Client(database) as client:
        with pytest.raises(InvalidBudget, match="name one of them"):
            await client.set_budget(cost=1)
        with pytest.raises(InvalidBudget, match="name one of them"):
            await client.remove_budget(queue="llm", workflow="0f6c")
        with pytest.raises(NotFound):
            await client.set_budget(workflow="0f6c", cost=1)


async def test_why_says_which_budget_it_is_and_what_raises_it(database: str) -> None:
    brief = flow(2, budget=Budget("0.10"))
    async with (
        Client(database) as client,
        Database(database, "baton") as own,
        process(database) as worker,
    ):
        await client.insert_workflow(brief)
        first, second = await worker.fetch(2)
        await ask(own, first, most(8))
        await ask(own, second, most(5))
        short = str(brief.workflow_id)[:8]
        crowded = await client.why(brief.workflow_id, "s1")
        assert crowded.reason == "budget"
        assert crowded.sentence == (
            "step s1 is held by the budget of workflow brief: $0.00 of $0.10 spent, $0.08 reserved "
            "by what runs, it may use $0.05; it runs when enough of that is left over, or once the "
            f"budget is raised: baton llm budget set --workflow {short} --cost AMOUNT"
        )
        await spend(worker, first, 8, end=State.COMPLETED)
        await rows(database, RELEASE)
        spent = await client.why(brief.workflow_id)
        assert spent.sentence == (
            "workflow brief is executing, 1 of 2 steps done, and is held up by one step: step s1 "
            "is held by the budget of workflow brief: $0.08 of $0.10 spent, it may use $0.05; it "
            f"runs once the budget is raised: baton llm budget set --workflow {short} --cost AMOUNT"
        )
        assert spent.as_json()["because"]["evidence"][0]["spent_cost"] == "0.08"
        await client.set_budget(queue="my queue", cost=1, tokens=0)
        plain = await client.insert(job(queue="my queue"))
        await ask(own, (await worker.fetch(queue="my queue"))[0])
        told = (await client.why(plain.id)).sentence
    before, at, after = told.partition("; it runs again at ")
    assert before == (
        f"job {plain.id} is held by the budget of queue my queue: $0.00 of $1.00 spent today, "
        "0 of 0 tokens used today"
    )
    assert at
    assert after.endswith(
        "or once the budget is raised: baton llm budget set --queue 'my queue' --cost AMOUNT "
        "--tokens NUMBER"
    )
