"""A worker completes its job in a transaction of its own: effect and completion, or neither."""

import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import anyio
import psycopg
import pytest

from baton import Client, Job, Registry, Snooze, Workflow
from baton.errors import (
    BatonError,
    CompletedTwice,
    InvalidConnection,
    InvalidResult,
    JobLost,
    NotPerformed,
    TooLarge,
)
from tests.services.conftest import Limits
from tests.services.test_node import all_final, finished, running, until
from tests.support import connection, done, job, process, rows, states, value

pytestmark = pytest.mark.anyio

ROLLED_BACK = "the transaction that completed the job was rolled back"
Body = Callable[[psycopg.AsyncConnection[Any], Job], Awaitable[Any]]


async def effect(conn: psycopg.AsyncConnection[Any], job: Job) -> None:
    await conn.execute("insert into effects values (%s)", (job.id,))


async def found(database: str) -> tuple[str, int]:
    """The state of the only job, and how many effects there are."""
    state = await value(database, "select state::text from baton.jobs")
    return state, await value(database, "select count(*) from effects")


async def last_error(database: str) -> dict[str, Any]:
    error: dict[str, Any] = await value(database, "select errors -> -1 from baton.jobs")
    return error


async def perform(database: str, body: Body, **options: Any) -> None:
    """Run one job whose worker does ``body`` with a connection of its own, until it has ended."""
    registry = Registry()

    @registry.worker(max_attempts=1, **options)
    async def works(job: Job) -> Any:
        async with await psycopg.AsyncConnection.connect(database) as conn:
            return await body(conn, job)

    async with running(database, registry) as (_, client):
        await client.insert(works.new())
        await until(all_final(database))


async def test_effect_and_completion_commit_together(effects: str) -> None:
    async def body(conn: psycopg.AsyncConnection[Any], job: Job) -> None:
        await effect(conn, job)
        await job.complete_in(conn)
        assert await found(effects) == ("executing", 0)
        await conn.commit()
        assert await found(effects) == ("completed", 1)

    await perform(effects, body)
    assert await found(effects) == ("completed", 1)
    assert await value(effects, "select errors::text from baton.jobs") == "[]"


async def test_an_attempt_whose_completion_was_rolled_back_fails(effects: str) -> None:
    async def body(conn: psycopg.AsyncConnection[Any], job: Job) -> None:
        await effect(conn, job)
        await job.complete_in(conn)
        await conn.rollback()

    await perform(effects, body)
    assert await found(effects) == ("discarded", 0)
    assert (await last_error(effects))["message"] == ROLLED_BACK


async def test_a_savepoint_that_is_rolled_back_takes_the_completion_with_it(effects: str) -> None:
    async def body(conn: psycopg.AsyncConnection[Any], job: Job) -> None:
        async with conn.transaction(force_rollback=True):
            await job.complete_in(conn)
        await conn.commit()

    await perform(effects, body)
    assert (await last_error(effects))["message"] == ROLLED_BACK


async def test_an_error_that_rolls_the_completion_back_is_the_failure(effects: str) -> None:
    async def body(conn: psycopg.AsyncConnection[Any], job: Job) -> None:
        async with conn.transaction():
            await effect(conn, job)
            await job.complete_in(conn)
            raise ValueError("too late")

    await perform(effects, body)
    assert await found(effects) == ("discarded", 0)
    assert (await last_error(effects))["message"] == "too late"


async def test_an_error_after_the_commit_leaves_the_job_completed(effects: str) -> None:
    async def body(conn: psycopg.AsyncConnection[Any], job: Job) -> None:
        await effect(conn, job)
        await job.complete_in(conn)
        await conn.commit()
        raise ValueError("too late")

    await perform(effects, body)
    assert await found(effects) == ("completed", 1)


async def test_a_snooze_after_a_rollback_is_a_snooze(effects: str) -> None:
    async def body(conn: psycopg.AsyncConnection[Any], job: Job) -> Snooze | None:
        if "snoozed" in job.meta:
            return None
        await job.complete_in(conn)
        await conn.rollback()
        return Snooze(0.01)

    await perform(effects, body)
    assert await value(effects, "select attempt from baton.jobs") == 1
    assert await found(effects) == ("completed", 0)


async def test_after_a_rollback_it_may_be_completed_again(effects: str) -> None:
    async def body(conn: psycopg.AsyncConnection[Any], job: Job) -> None:
        for end in (conn.rollback, conn.commit):
            await effect(conn, job)
            await job.complete_in(conn)
            await end()

    await perform(effects, body)
    assert await found(effects) == ("completed", 1)


@pytest.mark.parametrize("how", ["same transaction", "after the commit", "other connection"])
async def test_completing_twice_is_an_error(effects: str, how: str) -> None:
    async def body(conn: psycopg.AsyncConnection[Any], job: Job) -> None:
        await job.complete_in(conn)
        if how == "after the commit":
            await conn.commit()
        async with await psycopg.AsyncConnection.connect(effects) as other:
            with pytest.raises(CompletedTwice, match="completed already"):
                await job.complete_in(other if how == "other connection" else conn)
            await conn.commit()
            await effect(other, job)

    await perform(effects, body)
    # the error has spoilt the transaction in which it was raised
    state, _ = await found(effects)
    assert state == ("discarded" if how == "same transaction" else "completed")


async def rescue(database: str) -> None:
    await rows(database, "delete from baton.leases returning id")
    await rows(database, "select * from baton.rescue_jobs(60, 0, 10)")


async def test_a_job_that_was_rescued_in_between_is_lost_and_its_effect_rolled_back(
    effects: str,
) -> None:
    async with Client(effects) as client, process(effects) as worker, connection(effects) as conn:
        await client.insert(job())
        [claimed] = await worker.fetch()
        await rescue(effects)
        with suppress(JobLost):
            async with conn.transaction():
                await effect(conn, claimed)
                await claimed.complete_in(conn)
                raise AssertionError
    assert await found(effects) == ("available", 0)


async def test_a_lost_job_spoils_the_transaction_even_if_the_error_is_swallowed(
    effects: str,
) -> None:
    async with Client(effects) as client, process(effects) as worker:
        await client.insert(job())
        [claimed] = await worker.fetch()
        await rescue(effects)
        async with await psycopg.AsyncConnection.connect(effects) as conn:
            await effect(conn, claimed)
            with pytest.raises(JobLost):
                await claimed.complete_in(conn)
            await conn.commit()
    assert await found(effects) == ("available", 0)


async def test_a_job_that_is_being_completed_cannot_be_rescued(effects: str) -> None:
    async with Client(effects) as client, process(effects) as worker, connection(effects) as conn:
        await client.insert(job())
        [claimed] = await worker.fetch()
        async with conn.transaction():
            await claimed.complete_in(conn)
            await effect(conn, claimed)
            await rescue(effects)
    assert await found(effects) == ("completed", 1)


async def test_an_old_claim_of_a_job_that_runs_again_is_lost(effects: str) -> None:
    async with Client(effects) as client, process(effects) as one, process(effects) as heir:
        await client.insert(job())
        [old] = await one.fetch()
        await rows(effects, "delete from baton.leases where id = %s returning id", one.lease)
        await rows(effects, "select * from baton.rescue_jobs(60, 0, 10)")
        [new] = await heir.fetch()
        async with await psycopg.AsyncConnection.connect(effects) as conn:
            with pytest.raises(JobLost):
                await old.complete_in(conn)
            await conn.rollback()
            await new.complete_in(conn)
        assert await heir.acknowledge(done(new)) == frozenset()
    assert (await found(effects))[0] == "completed"


async def test_only_the_worker_with_its_own_job_can_complete_it(effects: str) -> None:
    async with Client(effects) as client, connection(effects) as conn:
        inserted = await client.insert(job())
        for outsider in (inserted, await client.get_job(inserted.id)):
            with pytest.raises(NotPerformed, match="only by its worker"):
                await outsider.complete_in(conn)
            with pytest.raises(NotPerformed):
                outsider.complete_in_sync(conn)


async def test_a_connection_that_commits_by_itself_is_refused(effects: str) -> None:
    async with Client(effects) as client, process(effects) as worker, connection(effects) as conn:
        await client.insert(job())
        [claimed] = await worker.fetch()
        with pytest.raises(InvalidConnection, match="open a transaction"):
            await claimed.complete_in(conn)
        with pytest.raises(InvalidConnection, match=r"not builtins\.NoneType"):
            await claimed.complete_in(None)


@pytest.mark.parametrize(
    ("result", "error", "words"),
    [
        (object(), InvalidResult, "neither JSON nor"),
        ("\x00", InvalidResult, "NUL"),
        (Snooze(5), InvalidResult, r"Snooze\(5\) says that the job is not completed"),
        ("x" * 5_000_000, TooLarge, "max_result_bytes"),
    ],
)
async def test_a_result_that_cannot_be_stored_is_refused_before_anything_is_done(
    effects: str, result: Any, error: type[BatonError], words: str
) -> None:
    async with Client(effects) as client, process(effects) as worker:
        await client.insert_workflow(Workflow("w").add("a", job()))
        [claimed] = await worker.fetch()
        async with await psycopg.AsyncConnection.connect(effects) as conn:
            with pytest.raises(error, match=words):
                await claimed.complete_in(conn, result)
            await effect(conn, claimed)
    assert await found(effects) == ("executing", 1)


async def test_a_step_stores_its_result_and_the_next_one_follows(effects: str) -> None:
    registry = Registry()
    seen: list[Any] = []

    @registry.worker()
    async def first(job: Job) -> str:
        async with await psycopg.AsyncConnection.connect(effects) as conn:
            await effect(conn, job)
            await job.complete_in(conn, {"rows": 1})
        return "this is not looked at"

    @registry.worker()
    def second(job: Job) -> None:
        with psycopg.connect(effects) as conn:
            job.complete_in_sync(conn, job.result("first"))
        seen.append(job.results())

    flow = Workflow("hop").add("first", first.new()).add("second", second.new(), deps=["first"])
    async with running(effects, registry) as (_, client):
        await client.insert_workflow(flow)
        await until(finished(effects))
        status = await client.get_workflow(flow.workflow_id)
    assert status.state == "completed"
    assert [node.result for node in status.nodes] == [{"rows": 1}, {"rows": 1}]
    assert seen == [{"first": {"rows": 1}}]
    assert await value(effects, "select count(*) from baton.workflow_releases") == 0


async def test_the_very_next_cycle_releases_what_waited(effects: str) -> None:
    """No sweep is needed: the cycle that brings the acknowledgement looks at the dependents."""
    flow = Workflow("hop").add("a", job()).add("b", job(), deps=["a"])
    async with Client(effects) as client, process(effects) as worker:
        await client.insert_workflow(flow)
        [a] = await worker.fetch()
        async with await psycopg.AsyncConnection.connect(effects) as conn:
            await a.complete_in(conn)
            assert a.claim is not None
            early = replace(done(a), release=a.claim.release, completed=True, waits=False)
            cycle = await worker.cycles.cycle(worker.lease, [early], {"default": 1})
            assert (cycle.accepted, cycle.held, cycle.jobs) == (frozenset(), {a.id}, [])
            await conn.commit()
        late = await worker.cycles.cycle(worker.lease, [early], {"default": 1})
    assert (late.accepted, late.held) == (frozenset(), frozenset())
    assert [each.step_name for each in late.jobs] == ["b"]
    assert await value(effects, "select count(*) from baton.workflow_releases") == 0


async def test_a_step_completed_by_a_process_that_died_then_is_swept(effects: str) -> None:
    flow = Workflow("hop").add("a", job()).add("b", job(), deps=["a"])
    async with Client(effects) as client, process(effects) as worker, connection(effects) as conn:
        await client.insert_workflow(flow)
        [a] = await worker.fetch()
        async with conn.transaction():
            await a.complete_in(conn)
        assert await states(effects) == {"a": "completed", "b": "suspended"}
        await conn.execute("select baton.sweep_releases(0, 0, 100)")
    assert await states(effects) == {"a": "completed", "b": "available"}


@pytest.mark.parametrize("ends", ["commit", "rollback"])
async def test_a_transaction_left_open_stalls_no_other_job(effects: str, ends: str) -> None:
    registry = Registry()
    leaked: list[psycopg.AsyncConnection[Any]] = []

    @registry.worker(max_attempts=1)
    async def leaks(job: Job) -> None:
        conn = await psycopg.AsyncConnection.connect(effects)
        await effect(conn, job)
        await job.complete_in(conn)
        leaked.append(conn)

    @registry.worker()
    async def others(_job: Job) -> None: ...

    async with running(effects, registry) as (_, client):
        bad = await client.insert(leaks.new())

        async def has_leaked() -> bool:
            return bool(leaked)

        await until(has_leaked)
        for _ in range(20):
            await client.insert(others.new())
            await client.insert_workflow(
                Workflow("w").add("a", others.new()).add("b", others.new(), deps=["a"])
            )
        query = "select count(*) from baton.jobs where state = 'completed'"

        async def others_are_done() -> bool:
            return int(await value(effects, query)) == 60

        await until(others_are_done)
        assert (await client.get_job(bad.id)).state == "executing"
        await getattr(leaked[0], ends)()
        await until(all_final(effects))
        assert (await client.get_job(bad.id)).state == (
            "completed" if ends == "commit" else "discarded"
        )
        await leaked[0].close()
    assert await value(effects, "select count(*) from effects") == (ends == "commit")


async def test_a_thread_that_completes_after_its_job_was_given_up_loses_it_or_keeps_it_whole(
    effects: str, limits: Limits
) -> None:
    """Its attempt timed out while its transaction was open: the transaction decides."""
    registry = Registry()
    go_on = threading.Event()
    begun = threading.Event()

    @registry.worker(max_attempts=1, timeout=60)
    def slow(job: Job) -> None:
        with psycopg.connect(effects) as conn:
            conn.execute("insert into effects values (%s)", (job.id,))
            job.complete_in_sync(conn)
            begun.set()
            go_on.wait(120)

    @registry.worker()
    async def other(_job: Job) -> None: ...

    async with running(effects, registry) as (node, client):
        given_up = await client.insert(slow.new())
        assert await anyio.to_thread.run_sync(begun.wait, 60)
        limits.are_over()

        async def is_given_up() -> bool:
            return not node._executor.in_hand

        await until(is_given_up)
        other_job = await client.insert(other.new())

        async def other_is_done() -> bool:
            return (await client.get_job(other_job.id)).state == "completed"

        await until(other_is_done)
        go_on.set()
        await until(all_final(effects))
        assert (await client.get_job(given_up.id)).state == "completed"
    assert await value(effects, "select count(*) from effects") == 1
