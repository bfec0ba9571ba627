"""Budgets while others work: refused and raised, recorded and counted, killed and asked for."""

from decimal import Decimal
from typing import Any

import anyio
import pytest

from baton import Client, Snooze, documents
from baton.jobs import Job
from baton.llm import Budget, Usage
from baton.llm.budgets import Most
from baton.services.admission import Admission
from baton.states import State
from baton.store.claims import Claim
from baton.store.pools import Database
from tests.store.test_budgets import METER, RELEASE, ask, count, flow, job, most, move_on, spend
from tests.support import connection, ended, in_turn, process, rows, value

pytestmark = pytest.mark.anyio


async def answer_of(own: Database, claimed: Job, limit: Most | None = None) -> str:
    """What an attempt is told in the end, however long somebody changes its budget."""
    while (answer := await ask(own, claimed, limit)) == "Snooze":
        pass
    return answer


async def test_a_budget_that_is_set_late_counts_what_was_used_before(database: str) -> None:
    """Also what others record at the same time, who do not see it yet."""
    brief = flow(2)
    async with (
        Client(database) as client,
        Database(database, "baton") as own,
        process(database) as worker,
        connection(database) as recording,
    ):
        await client.insert_workflow(brief)
        first, second = await worker.fetch(2)
        await spend(worker, first, 10)
        METER.record(first, Usage(model="m", input_tokens=20))
        claim = first.claim
        assert isinstance(claim, Claim)
        said = documents.encode(claim.tally.rows())
        async with recording.transaction():
            await recording.execute("select baton.record_usage(%s::jsonb)", [said])
            status = await client.set_budget(workflow=brief.workflow_id, cost="1")
            assert status.spent_cost == Decimal("0.10")
            for _ in range(2):  # it can't be counted once and for all yet
                assert await ask(own, second) == "admitted"
            assert not await value(database, "select counted from baton.budgets")
        [status] = await client.budgets()
        assert status.spent_cost == Decimal("0.30")
        await spend(worker, first, 1)
        await count(database)
        await spend(worker, first, 1, end=State.COMPLETED)
        # the rows of the attempts may go; the sum stays
        await rows(database, "delete from baton.workflow_step_stats returning 1")
        [status] = await client.budgets()
        assert (status.spent_cost, status.spent_tokens) == (Decimal("0.32"), 32)


async def test_nobody_who_records_usage_waits_for_a_budget_that_is_being_set(database: str) -> None:
    brief = flow(1, budget=Budget("1"))
    async with Client(database) as client, process(database) as worker:
        await client.insert_workflow(brief)
        [first] = await worker.fetch()
        async with connection(database) as conn, conn.transaction():
            await client.set_budget(workflow=brief.workflow_id, cost="2", conn=conn)
            with anyio.fail_after(60):
                await spend(worker, first, 3, end=State.COMPLETED)
        [status] = await client.budgets(workflow=brief.workflow_id)
        assert (status.cost, status.spent_cost) == (2, Decimal("0.03"))


async def test_an_attempt_that_gets_no_answer_asks_again_later(database: str) -> None:
    brief = flow(1, budget=Budget("1"))
    async with (
        Client(database) as client,
        Database(database, "baton") as own,
        process(database) as worker,
    ):
        await client.insert_workflow(brief)
        [first] = await worker.fetch()
        async with connection(database) as conn, conn.transaction():
            await client.set_budget(workflow=brief.workflow_id, cost="2", conn=conn)
            answer = await Admission(own).ask(first, Most())
        assert isinstance(answer, Snooze)
        assert answer.delay <= 4


async def test_a_budget_that_is_raised_while_an_attempt_is_refused_releases_it(
    database: str,
) -> None:
    brief = flow(1, budget=Budget(cost=0))
    async with Client(database) as client, process(database) as worker:
        await client.insert_workflow(brief)
        [first] = await worker.fetch()

        async def refuse(conn: Any) -> None:
            found = await conn.execute(
                "select verdict from baton.admit_attempt(%s, %s, %s, %s, 'default', 0, 0, true)",
                [worker.lease, first.id, first.epoch, brief.workflow_id],
            )
            assert await found.fetchone() == ("held",)

        async def increase() -> None:
            await client.set_budget(workflow=brief.workflow_id, cost=1)

        await in_turn(database, refuse, increase)
        await move_on(database)
        assert [each.id for each in await worker.fetch()] == [first.id]


async def test_two_who_change_different_limits_at_once_both_have_their_way(database: str) -> None:
    async with Client(database) as client:

        async def limit_tokens() -> None:
            await client.set_budget(queue="llm", tokens=7)

        for cost in (1, 2):  # the first time there is none yet
            await in_turn(
                database,
                lambda conn, cost=cost: client.set_budget(queue="llm", cost=cost, conn=conn),
                limit_tokens,
            )
            [status] = await client.budgets()
            assert (status.cost, status.tokens) == (cost, 7)


async def test_an_attempt_that_asks_while_the_budget_is_raised_starts(database: str) -> None:
    brief = flow(1, budget=Budget(cost=0))
    async with (
        Client(database) as client,
        Database(database, "baton") as own,
        process(database) as worker,
    ):
        await client.insert_workflow(brief)
        [first] = await worker.fetch()
        answers: list[str] = []

        async def asking() -> None:
            answers.append(await answer_of(own, first))

        await in_turn(
            database,
            lambda conn: client.set_budget(workflow=brief.workflow_id, cost=1, conn=conn),
            asking,
        )
        assert answers == ["admitted"]


async def test_an_attempt_that_asks_while_the_budget_is_removed_starts_and_reserves_nothing(
    database: str,
) -> None:
    async with (
        Client(database) as client,
        Database(database, "baton") as own,
        process(database) as worker,
    ):
        await client.set_budget(queue="default", cost=0)
        await client.insert(job())
        [first] = await worker.fetch()
        answers: list[str] = []

        async def asking() -> None:
            answers.append(await answer_of(own, first, most(5)))

        await in_turn(
            database, lambda conn: client.remove_budget(queue="default", conn=conn), asking
        )
        assert answers == ["admitted"]
        assert await value(database, "select count(*) from baton.budget_reservations") == 0


async def test_many_at_once_never_start_beyond_a_budget(database: str) -> None:
    brief = flow(40, budget=Budget("0.10"))
    answers: list[str] = []
    async with Client(database) as client, process(database) as worker:
        await client.insert_workflow(brief)
        jobs = await worker.fetch(40)

        async def ask_for(portion: Any) -> None:
            async with Database(database, "baton", size=1) as own:
                # who asked before may be slow to give the budget free
                answers.extend([await answer_of(own, each, most(1)) for each in portion])

        async with anyio.create_task_group() as tasks:
            for start in range(8):
                tasks.start_soon(ask_for, jobs[start::8])
        assert answers.count("admitted") == 10
        assert answers.count("held") == 30
        [status] = await client.budgets()
        assert (status.reserved_cost, status.held) == (Decimal("0.10"), 30)
        # exactly those that fit are let go
        await client.set_budget(workflow=brief.workflow_id, cost="0.13")
        await move_on(database)
        assert len(await worker.fetch(40)) == 3


async def test_what_a_dead_process_had_reserved_is_free(database: str) -> None:
    async with (
        Client(database) as client,
        Database(database, "baton") as own,
        process(database) as worker,
    ):
        await client.insert_workflow(flow(2, budget=Budget("0.10")))
        async with process(database) as dead:
            [first] = await dead.fetch()
            assert await ask(own, first, most(8)) == "admitted"
        [second] = await worker.fetch()
        assert await ask(own, second, most(8)) == "held"
        query = """
          select budgets from baton.look_around(1, '{}', '{}', '{}', false, 1, 1, 1, null)
        """
        assert not await value(database, query)
        await rows(database, "delete from baton.leases where id = %s returning 1", dead.lease)
        await rows(database, "select 1 from baton.rescue_jobs(0, 0, 100)")
        assert await value(database, query)
        assert (await client.budgets())[0].reserved_cost == 0
        await rows(database, RELEASE)
        assert not await value(database, query)
        await move_on(database)
        again = await worker.fetch(2)
        assert {each.id for each in again} == {first.id, second.id}
        assert sorted([await ask(own, each, most(8)) for each in again]) == ["admitted", "held"]


async def test_a_claim_that_was_lost_reserves_nothing(database: str) -> None:
    async with (
        Client(database) as client,
        Database(database, "baton") as own,
        process(database) as worker,
    ):
        await client.insert_workflow(flow(1, budget=Budget("0.10")))
        [first] = await worker.fetch()
        await client.cancel_job(first.id)
        assert await ask(own, first, most(8)) == "GiveBack"
        assert await value(database, "select count(*) from baton.budget_reservations") == 0


async def test_a_failed_attempt_leaves_nothing_reserved_for_the_next(database: str) -> None:
    async with (
        Client(database) as client,
        Database(database, "baton") as own,
        process(database) as worker,
    ):
        await client.insert_workflow(flow(1, budget=Budget("0.10")))
        for attempt in (1, 2):
            [claimed] = await worker.fetch()
            assert claimed.attempt == attempt
            assert await ask(own, claimed, most(9)) == "admitted"
            await worker.acknowledge(ended(claimed, State.RETRYABLE, error='{"kind": "x"}'))
            await move_on(database)


async def test_saying_it_twice_spends_it_once(database: str) -> None:
    async with Client(database) as client, process(database) as worker:
        await client.insert_workflow(flow(1, budget=Budget(cost=1)))
        [first] = await worker.fetch()
        METER.record(first, Usage(model="m", input_tokens=7))
        claim = first.claim
        assert isinstance(claim, Claim)
        for _ in range(3):
            await worker.cycles.cycle(worker.lease, [], {}, used=[claim.tally])
        assert (await client.budgets())[0].spent_cost == Decimal("0.07")
