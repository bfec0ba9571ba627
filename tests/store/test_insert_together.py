"""Single inserts that happen at the same time: one statement, and to each its own job."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import anyio
import pytest

from baton import Client, SyncClient, Telemetry, Unique
from baton.errors import DatabaseError, InvalidJob
from baton.jobs import Job, NewJob
from tests.support import connection, job, rows, value, waiters
from tests.support import heard as heard_by

pytestmark = pytest.mark.anyio


async def insert_at_once(client: Client, jobs: list[NewJob]) -> list[Job | Exception]:
    ends: list[Job | Exception] = [ValueError()] * len(jobs)

    async def insert(place: int) -> None:
        try:
            ends[place] = await client.insert(jobs[place])
        except Exception as error:
            ends[place] = error

    async with anyio.create_task_group() as tasks:
        for place in range(len(jobs)):
            tasks.start_soon(insert, place)
    return ends


async def test_jobs_of_all_kinds_come_back_to_those_who_inserted_them(database: str) -> None:
    kinds: list[dict[str, Any]] = [
        {},
        {"queue": "mail", "priority": 3, "weight": 2},
        {"tags": ["a", 'b"{},\\']},
        {"meta": {"m": ["ü", '"', "\\"]}},
        {"schedule_in": 60.5},
        {"schedule_in": 7, "timeout": 3},
        {"timeout": 1.5, "max_attempts": 1},
        {"unique": Unique()},
    ]
    jobs = [job(args={"n": n, "text": "{\"',\\"}, **kinds[n % len(kinds)]) for n in range(40)]
    async with Client(database) as client:
        ends = await insert_at_once(client, jobs)
        for new, end in zip(jobs, ends, strict=True):
            assert isinstance(end, Job)
            assert end.args == new.args
            assert (end.queue, end.tags, end.meta) == (new.queue, new.tags, new.meta)
            assert await client.get_job(end.id) == end
    assert await value(database, "select count(distinct inserted_at) from baton.jobs") < 40


async def test_those_that_wait_for_one_statement_share_the_next(database: str) -> None:
    async with Client(database) as client, connection(database) as conn:
        await client.insert(job())
        async with anyio.create_task_group() as tasks:
            async with conn.transaction(), connection(database) as looking:
                await conn.execute("lock table baton.jobs in share mode")
                tasks.start_soon(client.insert, job())
                with anyio.fail_after(60):
                    while await waiters(looking) == 0:
                        await anyio.lowlevel.checkpoint()
                for _ in range(30):
                    tasks.start_soon(client.insert, job())
                await anyio.lowlevel.checkpoint()
    found = await rows(
        database, "select count(*) from baton.jobs group by inserted_at order by inserted_at"
    )
    assert found == [(1,), (1,), (30,)]


async def test_a_job_that_the_database_refuses_is_refused_alone(database: str) -> None:
    async with connection(database) as conn:
        await conn.execute("alter table baton.jobs add check (args ->> 'n' <> '7')")
    async with Client(database) as client:
        ends = await insert_at_once(client, [job(args={"n": n}) for n in range(20)])
    refused = [place for place, end in enumerate(ends) if isinstance(end, DatabaseError)]
    assert refused == [7]
    assert await value(database, "select count(*) from baton.jobs") == 19


async def test_threads_share_statements_and_a_job_that_is_refused_is_refused_alone(
    database: str,
) -> None:
    async with connection(database) as conn:
        await conn.execute("alter table baton.jobs add check (args ->> 'n' <> '7')")
    jobs = [job(args={"n": n}, priority=n % 2) for n in range(20)]
    with SyncClient(database) as client, ThreadPoolExecutor(20) as threads:
        ends = [threads.submit(client.insert, each) for each in jobs]
        refused = [place for place, end in enumerate(ends) if end.exception() is not None]
    assert refused == [7]
    assert isinstance(ends[7].exception(), DatabaseError)
    found = [end.result() for place, end in enumerate(ends) if place != 7]
    async with Client(database) as client:
        for end in found:
            assert await client.get_job(end.id) == end
    assert sorted(end.args["n"] for end in found) == [n for n in range(20) if n != 7]


async def test_a_job_that_cannot_be_written_is_refused_alone(database: str) -> None:
    async with Client(database) as client:
        ends = await insert_at_once(client, [job(), job(args={"a": "\x00"}), job()])
    assert [type(end) for end in ends] == [Job, InvalidJob, Job]


async def test_each_insert_has_its_own_span(database: str) -> None:
    heard: list[tuple[str, Any]] = []
    Telemetry.attach("test", "baton.insert.*", lambda *told: heard.append((told[0], told[2])))
    try:
        async with Client(database) as client:
            await insert_at_once(client, [job(args={"n": n}) for n in range(5)])
    finally:
        Telemetry.detach("test")
    for event in ("baton.insert.start", "baton.insert.stop"):
        told = [metadata["jobs"] for name, metadata in heard if name == event]
        assert sorted(each.args["n"] for [each] in told) == [0, 1, 2, 3, 4]


async def test_each_queue_is_told_once_by_a_common_statement(database: str) -> None:
    async with connection(database) as listener, Client(database) as client:
        await listener.execute('listen "baton.jobs"')
        await client.insert_all([job(queue=queue) for queue in "abab"])
        told = await heard_by(listener)
    assert sorted(told) == ["a", "b"]
