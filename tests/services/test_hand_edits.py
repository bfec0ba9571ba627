"""Rows that somebody edited in psql, one by one; tests/fuzz does it by the thousand."""

from datetime import UTC, datetime

import pytest
from structlog.testing import capture_logs

from baton import Client, Job, Registry, Workflow
from tests.services.test_node import all_final, running, until
from tests.support import connection, job, process, rows, value

pytestmark = pytest.mark.anyio

LAST = 2**63 - 1


def registry() -> Registry:
    found = Registry()

    @found.worker(name="ok")
    async def ok(_job: Job) -> int:
        return 1

    return found


@pytest.mark.parametrize("change", ["attempt = 32767", f"epoch = {LAST}", f"epoch = {-LAST - 1}"])
async def test_the_last_number_that_there_is_keeps_no_other_job_from_being_claimed(
    database: str, change: str
) -> None:
    async with running(database, registry(), queues=["other=1"]) as (_, client):
        await client.insert_all([job("ok"), job("ok")])
    async with connection(database) as conn:
        await conn.execute(
            f"update baton.jobs set {change}, max_attempts = 32767 where id = 1".encode()
        )
    async with running(database, registry()):
        await until(all_final(database))
    found = await rows(database, "select state::text from baton.jobs")
    assert found == [("completed",), ("completed",)]


async def test_a_claim_with_the_last_epoch_is_still_fenced_by_its_lease(database: str) -> None:
    async with Client(database) as client:
        await client.insert(job("ok"))
    async with connection(database) as conn:
        await conn.execute(f"update baton.jobs set epoch = {LAST}".encode())
    async with process(database) as first, process(database) as second:
        [claimed] = await first.fetch()
        assert claimed.epoch == LAST
        await rows(database, "update baton.jobs set state = 'available' returning id")
        [again] = await second.fetch()
        assert await first.complete(claimed) == []
        assert await value(database, "select state::text from baton.jobs") == "executing"
        await second.complete(again)
        assert await value(database, "select state::text from baton.jobs") == "completed"


@pytest.mark.parametrize(
    "edit",
    [
        "delete from baton.duties",
        "update baton.duties set last_run_at = 'infinity'",
        "update baton.duties set last_run_at = now() + interval '1 year'",
    ],
)
async def test_duties_whose_rows_are_gone_or_of_the_future_are_done(
    database: str, edit: str
) -> None:
    """A clock that was set back leaves times of the future, too."""
    async with Client(database) as client:
        await client.insert(job("ok"))
    async with process(database) as dead:
        await dead.fetch()
        async with connection(database) as conn:
            await conn.execute(edit.encode())
            await conn.execute("delete from baton.leases")
        async with running(database, registry()):
            await until(all_final(database))
    assert await value(database, "select state::text from baton.jobs") == "completed"


async def test_a_step_that_can_not_be_read_fails_and_the_others_of_its_batch_run(
    database: str,
) -> None:
    """Its dependency has a result that is nested deeper than programs can write."""
    deep = "[" * 1_000 + "]" * 1_000
    bad = Workflow("bad").add("a", job("ok")).add("b", job("ok", max_attempts=1), deps=["a"])
    good = Workflow("good").add("a", job("ok")).add("b", job("ok"), deps=["a"])
    async with Client(database) as client:
        await client.insert_workflows([bad, good])
    async with process(database) as worker:
        await worker.complete(*await worker.fetch(2))
    async with connection(database) as conn:
        await conn.execute(
            "update baton.workflow_steps set result = %s::jsonb where workflow_id = %s and "
            "step_name = 'a'",
            (deep, bad.workflow_id),
        )
    with capture_logs() as logs:
        async with running(database, registry()) as (_, client):
            await until(all_final(database))
            status = await client.get_workflow(bad.workflow_id)
    found = await rows(database, "select state::text from baton.workflow_nodes order by job_id")
    assert [state for (state,) in found] == ["completed", "discarded", "completed", "completed"]
    assert "can't be read" in str(status.nodes[-1].error)
    assert [each["job"] for each in logs if each["event"] == "job.unreadable"] == [2]


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (
            "args = ('{\"x\": ' || repeat('9', 100000) || '}')::jsonb",
            "its args, 100,007 characters",
        ),
        ("args = ('{\"x\": ' || repeat('9', 100000) || '}')::jsonb", "more than 4,300 digits"),
        ("args = (repeat('[', 3000) || repeat(']', 3000))::jsonb", "nested more than 200 deep"),
        (
            "meta = ('{\"x\": ' || repeat('[', 3000) || repeat(']', 3000) || '}')::jsonb",
            "its meta, 6,007 characters of JSON: it is nested more than 200 deep",
        ),
        (
            """tags = '{a}',
              meta = ('{"x": ' || repeat('[', 3000) || repeat(']', 3000) || '}')::jsonb""",
            "its meta, 6,007 characters of JSON: it is nested more than 200 deep",
        ),
    ],
)
async def test_a_job_that_python_can_not_hold_says_what_of_it_is_too_large(
    database: str, edit: str, said: str
) -> None:
    async with Client(database) as client:
        await client.insert_all([job("ok", max_attempts=1), job("ok")])
    async with connection(database) as conn:
        await conn.execute(f"update baton.jobs set {edit} where id = 1".encode())
    async with running(database, registry()) as (_, client):
        await until(all_final(database))
        shown = await client.get_job(1)
    found = await rows(database, "select state::text from baton.jobs order by id")
    assert found == [("discarded",), ("completed",)]
    assert said in shown.errors[-1]["message"]


async def test_errors_that_python_can_not_hold_keep_no_job_from_running(database: str) -> None:
    deep = "[" * 1_000 + "]" * 1_000
    async with Client(database) as client:
        await client.insert(job("ok"))
    async with connection(database) as conn:
        await conn.execute("update baton.jobs set errors = %s::jsonb", (deep,))
    async with process(database) as worker:
        [claimed] = await worker.fetch()
        assert [error["message"][:5] for error in claimed.errors] == ["[[[[["]
        await worker.complete(claimed)
    assert await value(database, "select state::text from baton.jobs") == "completed"


async def test_times_that_python_does_not_know_keep_no_row_from_being_read(database: str) -> None:
    async with Client(database) as client:
        await client.insert_workflow(Workflow("odd").add("a", job("ok")).add("b", job("ok")))
        async with connection(database) as conn:
            await conn.execute(
                "update baton.jobs set state = 'completed', inserted_at = '-infinity', "
                "attempted_at = '4713-01-01 BC', completed_at = 'infinity', deadline = null"
            )
            await conn.execute(
                "update baton.workflow_steps set inserted_at = 'infinity', "
                "finished_at = '294276-12-31', outcome = 'completed'"
            )
        listed = await client.list_jobs()
        assert [each.inserted_at for each in listed] == [datetime.min.replace(tzinfo=UTC)] * 2
        assert listed[0].completed_at == datetime.max.replace(tzinfo=UTC)
        [flow] = await client.list_workflows()
        assert len((await client.get_workflow(flow.id)).nodes) == 2
