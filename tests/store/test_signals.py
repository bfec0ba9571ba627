"""Signals: said once from outside, heard by every step that waits for them."""

from typing import Any
from uuid import uuid4

import psycopg
import pytest
from pydantic import BaseModel

from baton import Client, SyncClient, Workflow
from baton.errors import InvalidSignal, NotFound, TooLarge, WorkflowEnded
from tests.store.test_gates import insert, sweep
from tests.support import connection, in_turn, job, process, rows, states, value

pytestmark = pytest.mark.anyio


def approval(**options: Any) -> Workflow:
    return (
        Workflow("approval")
        .add("draft", job())
        .wait_for("approved", deps=["draft"], **options)
        .add("send", job(), deps=["approved"])
    )


async def test_a_signal_lets_every_step_go_on_that_waits_for_it(database: str) -> None:
    flow = Workflow().wait_for("a", "go").wait_for("b", "go").wait_for("c", "other")
    await insert(database, flow)
    await sweep(database)
    async with Client(database) as client:
        assert await client.signal_workflow(flow.workflow_id, "go", {"by": "ann"})
    await sweep(database)
    assert await states(database) == {"a": "completed", "b": "completed", "c": "suspended"}
    results = "select distinct result from baton.workflow_steps where step_name in ('a', 'b')"
    assert await value(database, results) == {"by": "ann"}


async def test_a_signal_that_comes_before_anybody_waits_is_kept(database: str) -> None:
    flow = approval()
    await insert(database, flow)
    async with Client(database) as client, process(database) as worker:
        await client.signal_workflow(str(flow.workflow_id)[:8], "approved", [1])
        await sweep(database)
        [draft] = await worker.fetch()
        [send] = await worker.complete(draft, capacity=5)
    assert send.result("approved") == [1]


async def test_a_signal_is_said_once(database: str) -> None:
    flow = approval()
    await insert(database, flow)
    with SyncClient(database) as client:
        assert client.signal_workflow(flow.workflow_id, "approved", 1, sent_by="ann")
        assert not client.signal_workflow(flow.workflow_id, "approved", 2, sent_by="bob")
    said = "select payload, sent_by from baton.workflow_signals"
    assert await rows(database, said) == [(1, "ann")]
    assert await value(database, "select count(*) from baton.workflow_releases") == 1


async def test_only_a_workflow_that_executes_can_be_told_something(database: str) -> None:
    flow = Workflow("short").add("a", job())
    await insert(database, flow)
    async with Client(database) as client, process(database) as worker:
        with pytest.raises(NotFound, match="there is no workflow"):
            await client.signal_workflow(uuid4(), "go")
        await worker.run_all()
        with pytest.raises(WorkflowEnded, match=f"{flow.workflow_id} has ended"):
            await client.signal_workflow(flow.workflow_id, "go")
    assert await value(database, "select count(*) from baton.workflow_signals") == 0


async def test_what_can_not_be_stored_is_refused_before_it_is_sent(database: str) -> None:
    class Approval(BaseModel):
        by: str

    flow = approval()
    await insert(database, flow)
    async with Client(database) as client:
        with pytest.raises(InvalidSignal, match="name of a signal must not be blank"):
            await client.signal_workflow(flow.workflow_id, " ")
        with pytest.raises(InvalidSignal, match="is longer than 2000 bytes"):
            await client.signal_workflow(flow.workflow_id, "approved" * 300)
        with pytest.raises(InvalidSignal, match="can't be stored"):
            await client.signal_workflow(flow.workflow_id, "approved", {1, 2})
        with pytest.raises(TooLarge, match="payload of a signal"):
            await client.signal_workflow(flow.workflow_id, "approved", "x" * 10_000_000)
        assert await client.signal_workflow(flow.workflow_id, "approved", Approval(by="ann"))
    assert await value(database, "select payload from baton.workflow_signals") == {"by": "ann"}


async def test_a_signal_that_no_index_can_hold_gets_into_no_table(database: str) -> None:
    """One step that waited for it would fail the sweep, for all workflows, again and again."""
    await insert(database, Workflow().wait_for("a"))
    text = "(select string_agg(md5(each::text), '') from generate_series(1, 100) as each)"
    for wrong in (
        f"update baton.workflow_steps set signal = {text}",
        f"update baton.workflow_steps set step_name = {text}",
        f"update baton.workflows set unique_key = {text}",
        f"select baton.signal_workflow(id, {text}) from baton.workflows",
    ):
        with pytest.raises(psycopg.errors.CheckViolation):
            await rows(database, wrong)


async def test_the_longest_names_are_inserted_and_heard(database: str) -> None:
    name = "".join(chr(0x4E00 + number * 7_919 % 20_000) for number in range(660))
    flow = (
        Workflow("long", unique=name)
        .wait_for(name)
        .approval(name[1:], "all of it?")
        .fan_out("part", {name[:600]: job()}, deps=[name, name[1:]])
    )
    await insert(database, flow)
    await sweep(database)
    async with Client(database) as client, process(database) as worker:
        assert await client.signal_workflow(flow.workflow_id, name, 1)
        assert await client.approve(flow.workflow_id, name[1:], by="ann")
        await sweep(database)
        [part] = await worker.fetch()
        assert part.step_name == f"part:{name[:600]}"
        assert await client.templates.put(name, flow.to_json()) == 1


async def test_a_signal_is_said_when_its_transaction_commits(database: str) -> None:
    flow = approval()
    await insert(database, flow)
    async with Client(database) as client, connection(database) as conn:
        async with conn.transaction(force_rollback=True):
            assert await client.signal_workflow(flow.workflow_id, "approved", conn=conn)
        assert await value(database, "select count(*) from baton.workflow_signals") == 0
        async with conn.transaction():
            assert await client.signal_workflow(flow.workflow_id, "approved", conn=conn)
    assert await value(database, "select count(*) from baton.workflow_signals") == 1


async def test_sql_says_signals_too(database: str) -> None:
    flow = approval()
    await insert(database, flow)
    door = "select baton.signal_workflow(%s, 'approved', '{}', 'psql')"
    assert await value(database, door, flow.workflow_id) is True
    assert await value(database, door, flow.workflow_id) is False
    with pytest.raises(psycopg.Error, match="there is no workflow"):
        await value(database, door, uuid4())


async def test_a_signal_does_not_reach_sub_workflows(database: str) -> None:
    inner = Workflow("inner").wait_for("go")
    outer = Workflow("outer").add("inner", inner).wait_for("too", "go")
    await insert(database, outer)
    await sweep(database)
    async with Client(database) as client:
        await client.signal_workflow(outer.workflow_id, "go")
        await sweep(database)
        assert await states(database) == {
            "inner": "executing",
            "too": "completed",
            "go": "suspended",
        }
        await client.signal_workflow(inner.workflow_id, "go")
        await sweep(database)
    assert set((await states(database)).values()) == {"completed"}


async def test_a_signal_and_a_step_that_begins_to_wait_at_the_same_time_meet(
    database: str,
) -> None:
    """Neither transaction sees what the other writes; whoever commits first is seen afterwards."""
    flow = approval()
    await insert(database, flow)
    async with (
        Client(database) as client,
        process(database) as worker,
        connection(database) as parking,
        connection(database) as saying,
    ):
        [draft] = await worker.fetch()
        await rows(
            database,
            "select baton.finish_jobs(%s, array[%s], array[%s], '{completed}', '{0}', '{f}',"
            " '{null}', '{null}', '{t}')",
            worker.lease,
            draft.id,
            draft.epoch,
        )
        async with saying.transaction():
            assert await client.signal_workflow(flow.workflow_id, "approved", 7, conn=saying)
            async with parking.transaction():
                await parking.execute("select baton.sweep_releases(0, 0, 100)")
            # what follows from the parking is looked at before the signal commits
            await sweep(database)
            assert await value(database, "select count(*) from baton.workflow_releases") == 0
        await sweep(database)
        [send] = await worker.fetch()
    assert send.result("approved") == 7


async def test_of_two_who_say_the_same_one_is_heard(database: str) -> None:
    flow = approval()
    await insert(database, flow)
    said: list[bool] = []
    async with Client(database) as client:

        async def second() -> None:
            said.append(await client.signal_workflow(flow.workflow_id, "approved", 2))

        await in_turn(
            database,
            lambda conn: client.signal_workflow(flow.workflow_id, "approved", 1, conn=conn),
            second,
        )
    assert said == [False]
    assert await value(database, "select payload from baton.workflow_signals") == 1


LOOK = "select ended, ready, next_in from baton.keep_time(10)"
SWEEP = "select swept from baton.sweep_releases(0, 0, 100)"


async def waiting_step(
    database: str, client: Client, *, over: bool = False, **options: Any
) -> tuple[Workflow, int]:
    """A workflow whose one step waits for the signal ``go``, and whose time may be over."""
    flow = Workflow().wait_for("go", timeout=3_600, **options)
    [waits] = await client.insert_workflow(flow)
    await sweep(database)
    if over:
        await rows(database, "update baton.workflow_waits set until = now() returning until")
    return flow, waits.id


async def test_a_signal_that_came_before_the_time_was_looked_at_wins_over_it(
    database: str,
) -> None:
    async with Client(database) as client:
        flow, _ = await waiting_step(database, client, over=True)
        await client.signal_workflow(flow.workflow_id, "go", 7)
        assert await value(database, "select ended from baton.keep_time(10)") == 1
        await sweep(database)
    assert await states(database) == {"go": "completed"}
    assert await value(database, "select result from baton.workflow_steps") == 7


async def test_a_signal_that_is_not_committed_when_the_time_is_over_comes_too_late(
    database: str,
) -> None:
    async with Client(database) as client, connection(database) as saying:
        flow, _ = await waiting_step(database, client, over=True, on_timeout="cancelled")
        async with saying.transaction():
            assert await client.signal_workflow(flow.workflow_id, "go", 7, conn=saying)
            assert await value(database, "select ended from baton.keep_time(10)") == 1
        await sweep(database)
    assert await states(database) == {"go": "cancelled"}
    assert await value(database, "select count(*) from baton.workflow_releases") == 0


async def test_a_step_that_somebody_holds_does_not_keep_the_time_busy(database: str) -> None:
    async with Client(database) as client, connection(database) as holder:
        _, held = await waiting_step(database, client, over=True)
        async with holder.transaction():
            await holder.execute("select from baton.jobs where id = %s for update", [held])
            assert await rows(database, LOOK) == [(0, [], None)]
        assert await rows(database, LOOK) == [(1, [], None)]
    assert await states(database) == {"go": "discarded"}


async def test_a_signal_that_waits_for_a_cancellation_changes_nothing_any_more(
    database: str,
) -> None:
    async with Client(database) as client, connection(database) as cancelling:
        flow, waits = await waiting_step(database, client)
        async with cancelling.transaction():
            assert await client.cancel_job(waits, conn=cancelling)
            assert await client.signal_workflow(flow.workflow_id, "go", 7)
            # the step is locked: what the signal means for it is kept for the next sweep
            await rows(database, SWEEP)
            assert await value(database, "select count(*) from baton.workflow_releases") == 1
        await sweep(database)
    assert await states(database) == {"go": "cancelled"}
    assert await value(database, "select count(*) from baton.workflow_releases") == 0


async def test_a_cancellation_that_waits_for_what_a_signal_ends_comes_too_late(
    database: str,
) -> None:
    cancelled: list[bool] = []
    async with Client(database) as client:
        flow, waits = await waiting_step(database, client)
        await client.signal_workflow(flow.workflow_id, "go", 7)

        async def end(conn: Any) -> None:
            await conn.execute(SWEEP)

        async def cancel() -> None:
            cancelled.append(await client.cancel_job(waits))

        await in_turn(database, end, cancel)
        await sweep(database)
    assert cancelled == [False]
    assert await states(database) == {"go": "completed"}
