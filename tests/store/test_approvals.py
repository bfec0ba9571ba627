"""Approvals: a person is shown what will happen, and says yes or no, once."""

import json
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from baton import Client, Decision, Graft, SyncClient, Workflow
from baton.errors import (
    AlreadyAnswered,
    AnswersApproval,
    ApprovalEnded,
    InvalidAnswer,
    InvalidFilter,
    NotAnApproval,
    NotFound,
    UnknownSteps,
)
from tests.store.test_gates import insert, sweep
from tests.support import connection, done, in_turn, job, process, rows, states, value

pytestmark = pytest.mark.anyio

QUESTION = "Send this offer?"


def offer(**options: Any) -> Workflow:
    return (
        Workflow("offer")
        .add("draft", job())
        .approval("sign_off", QUESTION, deps=["draft"], asks="sales", **options)
        .add("send", job(), deps=["draft", "sign_off"])
        .add("apologize", job(), deps=["sign_off"], run_on="failed")
    )


async def asking(database: str, client: Client, **options: Any) -> Workflow:
    """A workflow whose draft is done: it asks."""
    flow = offer(**options)
    await client.insert_workflow(flow)
    async with process(database) as worker:
        [draft] = await worker.fetch()
        await worker.acknowledge(done(draft, result=json.dumps({"price": 7})))
    await sweep(database)
    return flow


async def test_people_are_shown_what_the_steps_before_returned(database: str) -> None:
    async with Client(database) as client:
        flow = await asking(database, client, timeout=3_600)
        [asked] = await client.approvals()
        assert (asked.workflow_id, asked.workflow_name) == (flow.workflow_id, "offer")
        assert (asked.step_name, asked.question, asked.asks) == ("sign_off", QUESTION, "sales")
        assert asked.shown == {"draft": {"price": 7}}
        assert asked.since is not None
        assert asked.until is not None
        assert (asked.until - asked.since).total_seconds() == 3_600
        assert await client.approvals(flow.workflow_id, asks="sales") == [asked]
        assert await client.approvals(asks="finance") == []
        [unseen] = await client.approvals(str(flow.workflow_id)[:8], shown=False)
        assert unseen.shown == {}
        with pytest.raises(NotFound):
            await client.approvals("0000")
        with pytest.raises(InvalidFilter):
            await client.approvals(limit=0)


async def test_a_yes_lets_the_workflow_go_on_with_the_decision(database: str) -> None:
    async with Client(database) as client:
        flow = await asking(database, client)
        said = await client.approve(flow.workflow_id, "sign_off", by="ann", comment="fine ")
        assert (said.approved, said.by, said.comment) == (True, "ann", "fine")
        assert await client.approvals() == []
        await sweep(database)
        async with process(database) as worker:
            [send] = await worker.fetch(5)
        assert send.result("sign_off", as_=Decision) == said
        assert await states(database) == {
            "draft": "completed",
            "sign_off": "completed",
            "send": "executing",
            "apologize": "completed",  # it was skipped
        }
        assert "approved by ann: fine" in (await client.why(flow.workflow_id, "sign_off")).sentence


async def test_a_no_cancels_what_was_to_happen_and_tells_what_runs_then(database: str) -> None:
    async with Client(database) as client:
        flow = await asking(database, client)
        await client.reject(str(flow.workflow_id)[:8], "sign_off", by="bob", comment="too dear")
        await sweep(database)
        async with process(database) as worker:
            [apology] = await worker.fetch(5)
            assert apology.step is not None
            assert apology.step.name == "apologize"
            assert apology.result("sign_off")["comment"] == "too dear"
            await worker.complete(apology)
        assert await states(database) == {
            "draft": "completed",
            "sign_off": "cancelled",
            "send": "cancelled",
            "apologize": "completed",
        }
        cause = "select cause from baton.workflow_steps where step_name = 'sign_off'"
        assert await value(database, cause) == "rejected by bob: too dear"
        asked = await client.get_approval(flow.workflow_id, "sign_off")
        assert asked.state == "cancelled"
        assert asked.decision is not None
        assert (asked.decision.approved, asked.decision.by) == (False, "bob")


@pytest.mark.parametrize("end", ["completed", "discarded", "cancelled"])
async def test_the_workflow_says_what_a_no_means(database: str, end: Any) -> None:
    async with Client(database) as client:
        flow = await asking(database, client, on_rejected=end)
        await client.reject(flow.workflow_id, "sign_off", by="bob")
        await sweep(database)
        assert (await states(database))["sign_off"] == end
        result = (
            "select result -> 'approved' from baton.workflow_steps where step_name = 'sign_off'"
        )
        assert await value(database, result) is False


@pytest.mark.parametrize(
    ("end", "approved"), [("completed", True), ("discarded", None), ("cancelled", None)]
)
async def test_the_workflow_says_what_silence_means(
    database: str, end: Any, approved: bool | None
) -> None:
    async with Client(database) as client:
        flow = await asking(database, client, timeout=60, on_timeout=end)
        await let_time_pass(database)
        assert await value(database, "select ended from baton.keep_time(10)") == 1
        found = """
          select outcome::text, cause, result -> 'approved' from baton.workflow_steps
          where kind = 'approval'
        """
        assert await rows(database, found) == [(end, "nobody answered within 60 s", approved)]
        with pytest.raises(ApprovalEnded, match=f"it is {end}"):
            await client.approve(flow.workflow_id, "sign_off", by="ann")


async def test_there_is_one_answer(database: str) -> None:
    async with Client(database) as client:
        flow = await asking(database, client)
        first = await client.approve(flow.workflow_id, "sign_off", by="ann")
        for _ in range(2):  # before its step has heard it, and after
            with pytest.raises(AlreadyAnswered, match="'sign_off' was approved by ann at") as told:
                await client.reject(flow.workflow_id, "sign_off", by="bob")
            assert (told.value.approved, told.value.by, told.value.at) == (True, "ann", first.at)
            await sweep(database)
    said = "select sent_by, payload -> 'approved' from baton.workflow_signals"
    assert await rows(database, said) == [("ann", True)]


async def test_an_answer_that_comes_before_the_question_is_kept(database: str) -> None:
    flow = offer()
    await insert(database, flow)
    with SyncClient(database) as client:
        client.approve(flow.workflow_id, "sign_off", by="ann")
        with pytest.raises(AlreadyAnswered):
            client.approve(flow.workflow_id, "sign_off", by="bob")
        assert client.get_approval(flow.workflow_id, "sign_off").since is None
        assert client.approvals() == []
    async with process(database) as worker:
        [draft] = await worker.fetch()
        [send] = await worker.complete(draft, capacity=5)
    assert send.result("sign_off")["by"] == "ann"


async def test_of_two_who_answer_at_the_same_time_one_is_heard(database: str) -> None:
    refused: list[AlreadyAnswered] = []
    async with Client(database) as client:
        flow = await asking(database, client)

        async def second() -> None:
            with pytest.raises(AlreadyAnswered) as told:
                await client.reject(flow.workflow_id, "sign_off", by="bob")
            refused.append(told.value)

        await in_turn(
            database,
            lambda conn: client.approve(flow.workflow_id, "sign_off", by="ann", conn=conn),
            second,
        )
        await sweep(database)
    assert [each.by for each in refused] == ["ann"]
    assert (await states(database))["sign_off"] == "completed"


async def test_an_answer_that_is_not_committed_when_the_time_is_over_wins(database: str) -> None:
    async with Client(database) as client, connection(database) as saying:
        flow = await asking(database, client, timeout=60)
        await let_time_pass(database)
        async with saying.transaction():
            await client.approve(flow.workflow_id, "sign_off", by="ann", conn=saying)
            assert await value(database, "select ended from baton.keep_time(10)") == 0
        assert await value(database, "select ended from baton.keep_time(10)") == 1
        await sweep(database)
    assert (await states(database))["sign_off"] == "completed"


async def test_an_answer_that_waited_for_the_time_to_be_kept_comes_too_late(database: str) -> None:
    refused: list[str] = []
    async with Client(database) as client:
        flow = await asking(database, client, timeout=60)
        await let_time_pass(database)

        async def keep(conn: Any) -> None:
            await conn.execute("select ended from baton.keep_time(10)")

        async def say() -> None:
            with pytest.raises(ApprovalEnded) as told:
                await client.approve(flow.workflow_id, "sign_off", by="ann")
            refused.append(told.value.state)

        await in_turn(database, keep, say)
        await sweep(database)
    assert refused == ["discarded"]
    assert await value(database, "select count(*) from baton.workflow_signals") == 0


async def test_an_answer_that_waited_for_a_cancellation_comes_too_late(database: str) -> None:
    async with Client(database) as client:
        flow = await asking(database, client)

        async def say() -> None:
            with pytest.raises(ApprovalEnded, match="it is cancelled"):
                await client.approve(flow.workflow_id, "sign_off", by="ann")

        await in_turn(
            database, lambda conn: client.cancel_workflow(flow.workflow_id, conn=conn), say
        )


async def test_a_retry_asks_anew(database: str) -> None:
    async with Client(database) as client:
        flow = await asking(database, client)
        await client.reject(flow.workflow_id, "sign_off", by="bob")
        await sweep(database)
        await client.retry_workflow(flow.workflow_id, ["sign_off"])
        await sweep(database)
        [asked] = await client.approvals()
        assert asked.decision is None
        await client.approve(flow.workflow_id, "sign_off", by="ann")
        await sweep(database)
    assert (await states(database))["sign_off"] == "completed"


async def test_an_early_yes_does_not_count_for_what_was_made_again(database: str) -> None:
    flow = offer()
    async with Client(database) as client:
        await client.insert_workflow(flow)
        await client.approve(flow.workflow_id, "sign_off", by="ann")
        async with process(database) as worker:
            [draft] = await worker.fetch()
            await client.cancel_job(draft.id)
        await sweep(database)
        assert (await states(database))["sign_off"] == "cancelled"
        await client.retry_workflow(flow.workflow_id)
        async with process(database) as worker:
            [draft] = await worker.fetch()
            await worker.complete(draft)
        await sweep(database)
        assert [each.step_name for each in await client.approvals()] == ["sign_off"]


async def test_only_an_approval_can_be_answered_and_only_by_somebody(database: str) -> None:
    async with Client(database) as client:
        flow = await asking(database, client)
        with pytest.raises(NotFound, match="there is no workflow"):
            await client.approve(uuid4(), "sign_off", by="ann")
        with pytest.raises(UnknownSteps, match="did you mean 'sign_off'"):
            await client.approve(flow.workflow_id, "sign_of", by="ann")
        with pytest.raises(NotAnApproval, match="'draft' is no approval"):
            await client.reject(flow.workflow_id, "draft", by="ann")
        with pytest.raises(NotAnApproval):
            await client.get_approval(flow.workflow_id, "send")
        with pytest.raises(InvalidAnswer, match="who answers must not be blank"):
            await client.approve(flow.workflow_id, "sign_off", by=" ")
        await client.skip_step(flow.workflow_id, "sign_off", {"approved": True})
        with pytest.raises(ApprovalEnded, match="it is completed"):
            await client.approve(flow.workflow_id, "sign_off", by="ann")


async def test_a_signal_is_no_way_around_an_approval(database: str) -> None:
    async with Client(database) as client:
        flow = await asking(database, client)
        with pytest.raises(AnswersApproval, match="is the answer to an approval"):
            await client.signal_workflow(flow.workflow_id, "approval:sign_off", {"approved": True})
        door = "select baton.signal_workflow(%s, 'approval:sign_off', '{\"approved\": true}')"
        with pytest.raises(psycopg.Error, match="is the answer to an approval"):
            await value(database, door, flow.workflow_id)
        [asked] = await client.approvals()
        assert asked.step_name == "sign_off"


async def test_sql_answers_too(database: str) -> None:
    async with Client(database) as client:
        flow = await asking(database, client)
    door = "select verdict from baton.answer_approval(%s, %s, true, 'psql', 'by hand')"
    assert await value(database, door, flow.workflow_id, "draft") == "other"
    assert await value(database, door, flow.workflow_id, "nobody") == "unknown"
    assert await value(database, door, flow.workflow_id, "sign_off") == "answered"
    assert await value(database, door, flow.workflow_id, "sign_off") == "again"
    with pytest.raises(psycopg.Error, match="whose it is"):
        await value(
            database, "select baton.answer_approval(%s, 'sign_off', true, ' ')", flow.workflow_id
        )


async def test_what_was_written_by_hand_and_does_not_say_yes_is_a_no(database: str) -> None:
    async with Client(database) as client:
        flow = await asking(database, client)
        await rows(
            database,
            """
            with said as (
              insert into baton.workflow_signals (workflow_id, name, payload)
              values (%s, 'approval:sign_off', '["yes", "approved"]') returning 1
            )
            insert into baton.workflow_releases (job_ids, inserted_at)
            select array_agg(job_id), '-infinity' from baton.workflow_waits, said returning 1
            """,
            flow.workflow_id,
        )
        await sweep(database)
        asked = await client.get_approval(flow.workflow_id, "sign_off")
    assert (await states(database))["sign_off"] == "cancelled"
    assert asked.decision is not None
    assert not asked.decision.approved


async def test_only_some_of_the_dependencies_are_shown_when_that_is_said(database: str) -> None:
    flow = (
        Workflow()
        .add("secret", job())
        .fan_out("part", [job(), job()])
        .approval("ok", "Go?", deps=["secret", "part:*"], shows=["part:*"])
    )
    async with Client(database) as client, process(database) as worker:
        await client.insert_workflow(flow)
        for each in await worker.fetch(5):
            await worker.acknowledge(done(each, result=json.dumps(1)))
        await sweep(database)
        [asked] = await client.approvals()
    assert asked.shown == {"part:0": 1, "part:1": 1}


async def test_a_step_can_ask_when_it_finds_out_that_it_must(database: str) -> None:
    """What a worker adds while it runs may be an approval: an agent asks before it acts."""
    flow = Workflow().add("agent", job())
    async with Client(database) as client:
        await client.insert_workflow(flow)
        await client.graft(
            flow.workflow_id,
            Graft()
            .approval("may I", "Delete 14 rows?", deps=["agent"])
            .add("delete", job(), deps=["may I"]),
        )
        async with process(database) as worker:
            [agent] = await worker.fetch()
            await worker.acknowledge(done(agent, result=json.dumps({"rows": 14})))
            await sweep(database)
            [asked] = await client.approvals()
            assert asked.shown == {"agent": {"rows": 14}}
            await client.approve(flow.workflow_id, "may I", by="ann")
            await sweep(database)
            [delete] = await worker.fetch(5)
            assert delete.step is not None
            assert delete.step.name == "delete"


async def let_time_pass(database: str) -> None:
    await rows(database, "update baton.workflow_waits set until = now() returning until")
