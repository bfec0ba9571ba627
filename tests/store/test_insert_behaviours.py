"""What every queue of the Oban model shows when jobs are inserted."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from baton import Client, Job, Registry
from baton.errors import InvalidArguments, InvalidJob
from tests.services.test_node import running, until
from tests.support import connection, job, process, rows

pytestmark = pytest.mark.anyio


@pytest.fixture
def registry() -> Iterator[Registry]:
    found = Registry()
    with found.collecting():
        yield found


async def test_insert_sets_id_and_timestamps_and_state_available(database: str) -> None:
    before = datetime.now(UTC)
    async with Client(database) as client:
        inserted = await client.insert(job())
    assert inserted.id > 0
    assert inserted.state == "available"
    assert before - timedelta(minutes=1) < inserted.inserted_at <= datetime.now(UTC)
    assert inserted.scheduled_at == inserted.inserted_at
    assert inserted.attempted_at is inserted.completed_at is None


async def test_a_job_inserted_late_in_a_long_transaction_counts_from_its_own_insert(
    database: str,
) -> None:
    async with Client(database) as client, connection(database) as conn:
        async with conn.transaction():
            found = await (await conn.execute("select now(), pg_sleep(0.2)")).fetchone()
            inserted = await client.insert(job(schedule_in=60), conn=conn)
    assert found is not None
    assert inserted.inserted_at > found[0] + timedelta(seconds=0.1)
    assert inserted.scheduled_at == inserted.inserted_at + timedelta(seconds=60)


async def test_future_scheduled_at_becomes_scheduled(database: str) -> None:
    when = datetime.now(UTC) + timedelta(hours=1)
    async with Client(database) as client:
        inserted = await client.insert(job(scheduled_at=when))
    assert (inserted.state, inserted.scheduled_at) == ("scheduled", when)


async def test_past_scheduled_at_runs_promptly(database: str) -> None:
    async with Client(database) as client, process(database) as worker:
        inserted = await client.insert(job(scheduled_at=datetime.now(UTC) - timedelta(days=1)))
        [claimed] = await worker.fetch()
    assert claimed.id == inserted.id


@pytest.mark.parametrize("delay", [90, 90.0, timedelta(seconds=90)])
async def test_relative_delay_accepts_int_float_and_timedelta_and_overrides_scheduled_at(
    database: str, registry: Registry, delay: Any
) -> None:
    @registry.worker()
    async def later(_job: Job) -> None: ...

    when = datetime.now(UTC) - timedelta(hours=1)
    async with Client(database) as client:
        new = later.with_options(schedule_in=delay, scheduled_at=when).new()
        inserted = await client.insert(new)
    assert inserted.state == "scheduled"
    assert inserted.scheduled_at - inserted.inserted_at == timedelta(seconds=90)


@pytest.mark.parametrize("options", [{"queue": " "}, {"worker": ""}, {"worker": "\t"}])
def test_blank_queue_or_worker_is_rejected(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidJob, match="must not be blank"):
        job(**options)


@pytest.mark.parametrize("column", ["queue", "worker"])
async def test_blank_queue_or_worker_is_kept_out_of_the_table_too(
    database: str, column: str
) -> None:
    async with Client(database) as client:
        await client.insert(job())
    with pytest.raises(psycopg.errors.CheckViolation):
        await rows(database, f"update baton.jobs set {column} = ' ' returning 1")


@pytest.mark.parametrize("number", [0, -1, 40_000, 1.5, True, "3"])
def test_max_attempts_of_zero_or_less_or_no_number_are_rejected(number: Any) -> None:
    with pytest.raises(InvalidJob, match="max_attempts must be from 1"):
        job(max_attempts=number)


@pytest.mark.parametrize("number", [-1, 10, 2.0, False, "1"])
def test_priority_outside_0_to_9_is_rejected(number: Any) -> None:
    with pytest.raises(InvalidJob, match="priority must be from 0 to 9"):
        job(priority=number)


async def test_tags_are_trimmed_lowercased_deduped_and_stringified(database: str) -> None:
    async with Client(database) as client:
        inserted = await client.insert(job(tags=[" Mail\n", "mail", 7, "ÄÖ", "MAIL"]))
    assert inserted.tags == ("mail", "7", "äö")


async def test_per_job_options_override_worker_defaults(database: str, registry: Registry) -> None:
    @registry.worker(queue="mail", priority=3, max_attempts=5, tags=["a"])
    async def send(_job: Job) -> None: ...

    async with Client(database) as client:
        plain = await client.insert(send.new())
        other = await client.insert(send.with_options(priority=1, queue="bulk").new())
    assert (plain.queue, plain.priority, plain.max_attempts) == ("mail", 3, 5)
    assert (other.queue, other.priority, other.max_attempts, other.tags) == ("bulk", 1, 5, ("a",))


async def test_arguments_of_function_jobs_are_checked_against_the_signature_at_enqueue(
    registry: Registry,
) -> None:
    @registry.worker()
    async def send(_job: Job, to: int) -> None: ...

    with pytest.raises(InvalidArguments, match=r"to: .* not 'ann'"):
        send.new(to="ann")  # type: ignore[arg-type]
    with pytest.raises(InvalidArguments, match="to"):
        send.new()  # type: ignore[call-arg]


@pytest.mark.parametrize("count", [1, 1_000])
async def test_bulk_insert_returns_every_job_with_ids_in_order(database: str, count: int) -> None:
    async with Client(database) as client:
        inserted = await client.insert_all(
            [job(args={"n": n}, priority=9 - n % 10, schedule_in=n % 2) for n in range(count)]
        )
    assert [each.args["n"] for each in inserted] == list(range(count))
    assert [each.id for each in inserted] == sorted({each.id for each in inserted})


async def test_success_completes_with_completed_at_and_meta_kept(
    database: str, registry: Registry
) -> None:
    @registry.worker()
    async def fine(_job: Job) -> str:
        return "done"

    async with running(database, registry) as (_, client):
        inserted = await client.insert(fine.with_options(meta={"a": [1]}).new())

        async def completed() -> bool:
            return (await client.get_job(inserted.id)).state == "completed"

        await until(completed)
        ended = await client.get_job(inserted.id)
    assert ended.completed_at is not None
    assert ended.completed_at >= inserted.inserted_at
    assert ended.meta == {"a": [1]}
