"""Acknowledging: only by the process that holds the claim, whatever happened meanwhile."""

from dataclasses import replace
from typing import Any

import anyio
import pytest

from baton.client import Client
from baton.errors import InvalidData
from baton.jobs import Job
from baton.states import State
from baton.workflows import Workflow
from tests.support import connection, done, ended, job, process, rows, value, waiters

pytestmark = pytest.mark.anyio


async def insert(database: str, **options: Any) -> Job:
    async with Client(database) as client:
        return await client.insert(job(**options))


async def test_success_completes_and_keeps_meta(database: str) -> None:
    inserted = await insert(database, meta={"tenant": 7})
    async with process(database) as worker:
        [claimed] = await worker.fetch()
        assert await worker.acknowledge(done(claimed)) == {inserted.id}
    [(state, completed, meta)] = await rows(
        database, "select state::text, completed_at is not null, meta from baton.jobs"
    )
    assert (state, completed, meta) == ("completed", True, {"tenant": 7})


async def test_an_acknowledgement_waits_for_the_disk_and_what_follows_from_it_does_not(
    database: str,
) -> None:
    """The setting is read as the commit sees it, by a trigger that is deferred until then."""
    async with connection(database) as conn:
        await conn.execute("create table seen (state text, waits text)")
        await conn.execute(
            "create function note() returns trigger language plpgsql as $$ begin insert into "
            "seen values (new.state, current_setting('synchronous_commit')); return null; end $$"
        )
        await conn.execute(
            "create constraint trigger note after update of state on baton.jobs "
            "deferrable initially deferred for each row execute function note()"
        )
    for _ in range(3):
        await insert(database)
    async with process(database) as worker:
        first, second, third = await worker.fetch(3)
        await worker.acknowledge(done(first))
        failed = ended(second, State.RETRYABLE, delay=60, error='{"message": "no"}')
        await worker.acknowledge(failed, done(third))
    seen = await rows(database, "select distinct state, waits from seen order by 1")
    assert seen == [("completed", "on"), ("executing", "off"), ("retryable", "on")]


async def test_failure_is_kept_with_its_attempt_and_time(database: str) -> None:
    await insert(database)
    async with process(database) as worker:
        [claimed] = await worker.fetch()
        error = '{"kind": "ValueError", "message": "no", "traceback": "…"}'
        await worker.acknowledge(ended(claimed, State.RETRYABLE, delay=60, error=error))
    [(state, due, errors)] = await rows(
        database,
        "select state::text, scheduled_at > now() + interval '50 s', errors from baton.jobs",
    )
    assert (state, due) == ("retryable", True)
    assert [(e["attempt"], e["kind"], e["message"]) for e in errors] == [(1, "ValueError", "no")]
    assert errors[0]["scheduled_at"] <= errors[0]["attempted_at"] <= errors[0]["at"]


async def test_snooze_gives_the_attempt_back_and_counts(database: str) -> None:
    await insert(database, meta={"snoozed": "nonsense", "kept": 1})
    async with process(database) as worker:
        for _ in range(2):
            [claimed] = await worker.fetch()
            await worker.acknowledge(ended(claimed, State.SCHEDULED, delay=0, refund=True))
            await rows(database, "select baton.stage_jobs(10)")
    found = await rows(database, "select attempt, max_attempts, meta from baton.jobs")
    assert found == [(0, 20, {"snoozed": 2, "kept": 1})]


async def test_late_ack_of_a_rescued_job_is_refused(database: str) -> None:
    inserted = await insert(database)
    async with process(database) as zombie, process(database) as heir:
        [claimed] = await zombie.fetch()
        await rows(database, "delete from baton.leases where id = %s returning id", zombie.lease)
        [(_, rescued, _, _)] = await rows(database, "select * from baton.rescue_jobs(60, 0, 10)")
        assert rescued == [inserted.id]
        assert await zombie.acknowledge(done(claimed)) == frozenset()
        [again] = await heir.fetch()
        assert await zombie.acknowledge(done(claimed)) == frozenset()
        assert await heir.acknowledge(done(again)) == {inserted.id}
    assert await rows(database, "select state::text, attempt from baton.jobs") == [("completed", 2)]


async def test_an_ack_with_an_old_epoch_is_refused_even_under_the_same_lease(database: str) -> None:
    await insert(database)
    async with process(database) as worker:
        [first] = await worker.fetch()
        await worker.acknowledge(ended(first, State.AVAILABLE, refund=True))
        [second] = await worker.fetch()
        assert second.attempt == first.attempt
        assert await worker.acknowledge(done(first)) == frozenset()
        assert await worker.acknowledge(done(second)) == {second.id}


async def test_an_ack_with_the_right_epoch_but_another_lease_is_refused(database: str) -> None:
    """A claim that a crash of the server undid can be given out again with the same epoch."""
    await insert(database)
    async with process(database) as one, process(database) as other:
        [claimed] = await one.fetch()
        assert await other.acknowledge(done(claimed)) == frozenset()


async def test_an_ack_is_accepted_once(database: str) -> None:
    await insert(database)
    async with process(database) as worker:
        [claimed] = await worker.fetch()
        assert await worker.acknowledge(done(claimed)) == {claimed.id}
        assert await worker.acknowledge(done(claimed)) == frozenset()


async def test_a_stale_ack_does_not_spoil_its_batch(database: str) -> None:
    async with Client(database) as client:
        await client.insert_all([job() for _ in range(3)])
    async with process(database) as worker:
        first, second, third = await worker.fetch(3)
        await worker.acknowledge(done(second))
        taken = await worker.acknowledge(*(done(each) for each in (third, second, first)))
    assert taken == {first.id, third.id}


async def test_overlapping_batches_in_opposite_order_do_not_deadlock(database: str) -> None:
    """Both name the same claims; whoever comes second waits for a real lock and is refused."""
    async with Client(database) as client:
        await client.insert_all([job() for _ in range(200)])
    async with process(database) as worker, process(database) as rival:
        rival.lease = worker.lease
        claimed = await worker.fetch(200)
        taken: list[frozenset[int]] = []

        async def acknowledge(process_: Any, jobs: Any) -> None:
            taken.append(await process_.acknowledge(*(done(each) for each in jobs)))

        async with connection(database) as holder:
            async with holder.transaction(), anyio.create_task_group() as tasks:
                await holder.execute(
                    "select from baton.jobs where id = %s for update", (claimed[99].id,)
                )
                tasks.start_soon(acknowledge, worker, claimed)
                tasks.start_soon(acknowledge, rival, claimed[::-1])
                async with connection(database) as observer:
                    with anyio.fail_after(60):
                        while await waiters(observer) < 2:
                            await anyio.lowlevel.checkpoint()
                await holder.execute("commit")
    assert sorted(len(ids) for ids in taken) == [0, 200]


async def test_a_refused_word_fails_the_whole_batch_and_changes_nothing(database: str) -> None:
    async with Client(database) as client:
        await client.insert_all([job(), job()])
    async with process(database) as worker:
        good, bad = await worker.fetch(2)
        with pytest.raises(InvalidData):
            await worker.acknowledge(
                done(good), ended(bad, State.DISCARDED, error='{"a": "\\u0000"}')
            )
    assert await value(database, "select count(*) from baton.jobs where state = 'executing'") == 2


async def test_finishing_inside_a_rolled_back_transaction_leaves_the_job_executing(
    database: str,
) -> None:
    await insert(database)
    async with process(database) as worker, connection(database) as conn:
        [claimed] = await worker.fetch()
        async with conn.transaction(force_rollback=True):
            await conn.execute(
                """
                select baton.finish_jobs(
                  %s, array[%s], array[%s::bigint], array['completed'::baton.job_state], array[0.0],
                  array[false], array[null], array[null], array[false]
                )
                """,
                (worker.lease, claimed.id, claimed.epoch),
            )
    assert await value(database, "select state::text from baton.jobs") == "executing"


async def test_steps_and_jobs_that_complete_with_others_that_fail_are_all_acknowledged(
    database: str,
) -> None:
    """What completed and what did not are written one after the other, in one commit."""
    flow = Workflow("mixed").add("good", job()).add("bad", job()).add("after", job(), deps=["good"])
    async with Client(database) as client, process(database) as worker:
        await client.insert_workflow(flow)
        await client.insert_all([job(), job()])
        good, bad, plain, failed = await worker.fetch(4)
        stale = replace(plain, epoch=plain.epoch - 1)
        error = '{"kind": "error", "message": "no"}'
        taken = await worker.acknowledge(
            done(stale),
            done(good, '{"a": "\\\\ and \\"quoted\\""}'),
            ended(failed, State.DISCARDED, error=error),
            ended(bad, State.DISCARDED, error=error),
        )
        assert taken == {good.id, bad.id, failed.id}
        [after] = await worker.fetch(1)
    assert after.step is not None
    assert after.step.results == {"good": {"a": '\\ and "quoted"'}}
    assert await rows(database, "select state::text from baton.jobs order by id") == [
        ("completed",), ("discarded",), ("executing",), ("executing",), ("discarded",)
    ]  # fmt: skip
    assert await value(database, "select count(*) from baton.workflow_releases") == 0


async def test_the_completed_steps_of_a_batch_wait_in_one_order_with_those_that_failed(
    database: str,
) -> None:
    """Two claims of the same jobs, each with other jobs completed: who comes second is refused."""
    flow = Workflow("crossed")
    for index in range(40):
        flow.add(f"{index}", job())
    async with (
        Client(database) as client,
        process(database) as worker,
        process(database) as rival,
        connection(database) as holder,
        connection(database) as observer,
    ):
        await client.insert_workflow(flow)
        rival.lease = worker.lease
        jobs = await worker.fetch(40)
        taken: list[frozenset[int]] = []

        async def acknowledge(process_: Any, odd: int) -> None:
            acks = [
                ended(each, State.CANCELLED, error="{}") if each.id % 2 == odd else done(each)
                for each in jobs
            ]
            taken.append(await process_.acknowledge(*acks))

        async with holder.transaction(), anyio.create_task_group() as tasks:
            # the last of each kind: whoever goes kind by kind waits with the rest of one in hand
            last = [each.id for each in jobs[-2:]]
            await holder.execute("select from baton.jobs where id = any (%s) for update", (last,))
            tasks.start_soon(acknowledge, worker, 0)
            tasks.start_soon(acknowledge, rival, 1)
            with anyio.fail_after(60):
                while await waiters(observer) < 2:
                    await anyio.lowlevel.checkpoint()
            await holder.execute("commit")
    assert sorted(len(ids) for ids in taken) == [0, 40]
