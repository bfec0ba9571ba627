"""Operations while others work, with a real wait for a lock."""

from typing import Any

import anyio
import pytest

from baton import Client, Workflow
from tests.support import (
    connection,
    done,
    in_turn,
    insert_in,
    job,
    process,
    rows,
    value,
)

pytestmark = pytest.mark.anyio

BEYOND_BIGINT = 2**70
FINAL = ("completed", "cancelled", "discarded")
SWEEP = "select swept from baton.sweep_releases(0, 0, 100)"


async def test_an_acknowledgement_that_waited_for_a_cancellation_is_refused(database: str) -> None:
    async with Client(database) as client, process(database) as worker:
        inserted = await client.insert(job())
        [mine] = await worker.fetch()
        accepted: list[frozenset[int]] = []

        async def acknowledge() -> None:
            accepted.append(await worker.acknowledge(done(mine)))

        await in_turn(database, lambda conn: client.cancel_job(inserted.id, conn=conn), acknowledge)
        assert accepted == [frozenset()]
        assert (await client.get_job(inserted.id)).state == "cancelled"


async def test_a_cancellation_that_waited_for_an_acknowledgement_comes_too_late(
    database: str,
) -> None:
    async with Client(database) as client:
        inserted = await client.insert(job())
        cancelled: list[bool] = []

        async def complete(conn: Any) -> None:
            await conn.execute("update baton.jobs set state = 'completed'")

        async def cancel() -> None:
            cancelled.append(await client.cancel_job(inserted.id))

        await in_turn(database, complete, cancel)
        assert cancelled == [False]
        assert (await client.get_job(inserted.id)).state == "completed"


async def test_of_two_retries_at_once_one_retries(database: str) -> None:
    async with Client(database) as client, process(database) as worker:
        over = await insert_in(database, client, "discarded", max_attempts=1)
        retried: list[bool] = []

        async def retry() -> None:
            retried.append(await client.retry_job(over.id))

        await in_turn(database, lambda conn: client.retry_job(over.id, conn=conn), retry)
        assert retried == [False]
        [again] = await worker.fetch(5)
        assert (again.attempt, again.max_attempts) == (2, 2)


async def test_a_fetch_passes_over_a_job_that_is_being_cancelled(database: str) -> None:
    async with Client(database) as client, process(database) as worker:
        first, second = await client.insert_all([job(), job()])
        async with connection(database) as conn, conn.transaction():
            await client.cancel_job(first.id, conn=conn)
            assert [each.id for each in await worker.fetch(5)] == [second.id]
        assert await worker.fetch(5) == []


async def test_a_cancellation_that_waited_for_a_fetch_cancels_what_executes(database: str) -> None:
    async with Client(database) as client, process(database) as worker:
        inserted = await client.insert(job())

        async def fetch(conn: Any) -> None:
            query = "select ids from baton.fetch_jobs(%s, '{default}', '{1}')"
            await conn.execute(query, (worker.lease,))

        async def cancel() -> None:
            await client.cancel_job(inserted.id)

        await in_turn(database, fetch, cancel)
        found = await client.get_job(inserted.id)
    assert (found.state, found.attempt) == ("cancelled", 1)


async def test_a_filter_by_state_spares_a_job_that_left_the_state_meanwhile(database: str) -> None:
    async with Client(database) as client, process(database) as worker:
        inserted = await client.insert(job())

        async def fetch(conn: Any) -> None:
            query = "select ids from baton.fetch_jobs(%s, '{default}', '{1}')"
            await conn.execute(query, (worker.lease,))

        async def cancel() -> None:
            assert await client.cancel_jobs(queue="default", state="available") == 0

        await in_turn(database, fetch, cancel)
        assert (await client.get_job(inserted.id)).state == "executing"


async def test_a_workflow_that_finishes_while_a_step_is_retried_stays_executing(
    database: str,
) -> None:
    flow = Workflow("w").add("a", job()).add("b", job(queue="other"))
    async with Client(database) as client, process(database) as worker:
        a, _ = await client.insert_workflow(flow)
        await worker.complete(*await worker.fetch())
        [b] = await worker.fetch(queue="other")
        async with connection(database) as conn, conn.transaction():
            await client.retry_job(a.id, conn=conn)
            await worker.acknowledge(done(b))
        await value(database, SWEEP)
        assert (await client.get_workflow(flow.workflow_id)).state == "executing"
        assert await worker.run_all() == 1
        assert (await client.get_workflow(flow.workflow_id)).state == "completed"


async def test_a_workflow_whose_step_is_retried_between_the_look_and_the_lock_goes_on(
    database: str,
) -> None:
    """The look at its steps is behind, the lock of its row waits for who has locked the table."""
    async with Client(database) as client, process(database) as worker:
        [only] = await client.insert_workflow(Workflow("w").add("only", job()))
        [claimed] = await worker.fetch()
        async with connection(database) as conn:
            await conn.execute(
                """
                select baton.finish_jobs(
                  %s, %s, %s, '{completed}', '{0}', '{f}', '{null}', '{null}', '{t}'
                )
                """,
                (worker.lease, [claimed.id], [claimed.epoch]),
            )

            async def retry(holder: Any) -> None:
                await holder.execute("lock table baton.workflows in exclusive mode")
                assert await client.retry_job(only.id, conn=holder)

            async def advance() -> None:
                await conn.execute("select baton.sweep_releases(0, 0, 100)")

            await in_turn(database, retry, advance)
    assert await value(database, "select state::text from baton.workflows") == "executing"


async def test_operations_from_both_ends_of_the_table_do_not_deadlock(database: str) -> None:
    async with Client(database) as client:
        jobs = await client.insert_all([job() for _ in range(300)])
        ids = [each.id for each in jobs]

        async def back_and_forth(order: list[int]) -> None:
            for _ in range(10):
                await rows(database, "select * from baton.cancel_jobs(%s)", order)
                await rows(database, "select * from baton.retry_jobs(%s)", order)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(back_and_forth, ids)
            tasks.start_soon(back_and_forth, ids[::-1])
        assert await client.delete_jobs(ids=ids) == 300
