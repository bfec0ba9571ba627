"""Many jobs at once: by COPY where that is possible, and the same jobs come of it everywhere."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import anyio
import psycopg
import pytest

import baton
from baton import Client, NewJob, Registry, SyncClient, Telemetry, Unique
from baton.errors import DatabaseError, InvalidJob, TooLarge
from tests.support import connection, heard, job, process, rows, value

pytestmark = pytest.mark.anyio

MANY = 1_200  # enough for a COPY, and for more than one of its pieces
KINDS: list[dict[str, Any]] = [
    {},
    {"queue": "mail", "priority": 3, "weight": 2, "max_attempts": 7},
    {"tags": ["a", 'b"{},\\ü', "c"]},
    {"meta": {"m": ["ü", '"', "\\", None, 1.5]}},
    {"schedule_in": 60.5},
    {"schedule_in": 7, "timeout": 3},
    {"timeout": 1.5, "deadline": datetime(2100, 1, 1, tzinfo=UTC)},
    {"scheduled_at": datetime(2101, 1, 1, tzinfo=UTC)},
    {"scheduled_at": datetime(2001, 2, 3, 4, 5, 6, 7, tzinfo=UTC)},
]


def mixed(number: int = MANY) -> list[NewJob]:
    return [
        job(args={"n": n, "text": "{\"',\\ü\t\n"}, **KINDS[n // 10 % len(KINDS)])
        for n in range(number)
    ]


async def table(dsn: str) -> list[Any]:
    query = """
      select
        args, state::text, queue, worker, meta, tags, priority, attempt, max_attempts, errors,
        epoch, timeout, deadline, weight, partition_key,
        case
          when scheduled_at between inserted_at and inserted_at + interval '1 year'
            then (scheduled_at - inserted_at)::text
          else scheduled_at::text
        end
      from baton.jobs order by id
    """
    return await rows(dsn, query)


async def test_many_jobs_come_back_in_order_each_as_it_stands(database: str) -> None:
    jobs = mixed()
    async with Client(database) as client:
        inserted = await client.insert_all(jobs)
        assert [each.args for each in inserted] == [each.args for each in jobs]
        for place in (*range(0, MANY, 10), MANY - 1, -1):
            assert await client.get_job(inserted[place].id) == inserted[place]
    ids = [each.id for each in inserted]
    assert ids == sorted(set(ids))
    assert inserted[2:4] == [inserted[2], inserted[3]]


async def test_few_and_many_make_the_same_rows(database: str) -> None:
    async with Client(database) as client:
        for new in mixed(100):
            await client.insert(new)
        one_by_one = await table(database)
        await rows(database, "delete from baton.jobs returning 1")
        await client.insert_all(mixed(100))
        assert await table(database) == one_by_one
        await rows(database, "delete from baton.jobs returning 1")
        assert await client.insert_many(mixed(100)) == 100
        assert await table(database) == one_by_one
        await rows(database, "delete from baton.jobs returning 1")
        await client.insert_all(mixed())
        assert (await table(database))[:100] == one_by_one


async def test_a_generator_is_inserted_piece_by_piece(database: str) -> None:
    async with Client(database) as client:
        assert await client.insert_many(job(args={"n": n}) for n in range(25_000)) == 25_000
        assert await client.insert_many([]) == 0
    found = await rows(database, "select (args ->> 'n')::integer from baton.jobs order by id")
    assert [n for (n,) in found] == list(range(25_000))


@pytest.mark.parametrize("bad", [{"args": {"a": "x\x00"}}, {"args": {"a": "x" * 5_000_000}}])
async def test_a_bad_job_among_many_leaves_nothing(database: str, bad: dict[str, Any]) -> None:
    jobs = [*mixed(), job(**bad)]
    async with Client(database) as client:
        with pytest.raises((InvalidJob, TooLarge)):
            await client.insert_many(jobs)
        with pytest.raises((InvalidJob, TooLarge)):
            await client.insert_all(jobs)
        with pytest.raises(InvalidJob, match="is not a job"):
            await client.insert_many([*jobs[:-1], "job"])  # type: ignore[list-item]
        assert await value(database, "select count(*) from baton.jobs") == 0
        await client.insert(job())


async def test_a_generator_that_raises_leaves_nothing_and_its_error_is_its_own(
    database: str,
) -> None:
    def broken() -> Iterator[NewJob]:
        yield from mixed()
        raise LookupError("no more")

    async with Client(database) as client:
        with pytest.raises(LookupError, match="no more"):
            await client.insert_many(broken())
    with SyncClient(database) as sync_client, pytest.raises(LookupError, match="no more"):
        sync_client.insert_many(broken())
    assert await value(database, "select count(*) from baton.jobs") == 0


async def test_an_insert_of_many_that_is_cancelled_leaves_nothing(database: str) -> None:
    async with Client(database) as client:
        with anyio.CancelScope() as scope:

            def endless() -> Iterator[NewJob]:
                for n in count():
                    if n == 15_000:
                        scope.cancel()
                    yield job(args={"n": n})

            await client.insert_many(endless())
        assert scope.cancelled_caught
        assert await value(database, "select count(*) from baton.jobs") == 0
        await client.insert(job())


async def test_what_the_database_refuses_is_told(database: str) -> None:
    async with Client(database) as client, connection(database) as conn:
        await conn.execute("alter table baton.jobs add check (args ->> 'n' <> '1100')")
        with pytest.raises(DatabaseError):
            await client.insert_many(mixed())
        with pytest.raises(DatabaseError):
            await client.insert_all(mixed())
    assert await value(database, "select count(*) from baton.jobs") == 0


async def test_unique_jobs_among_many_stay_unique(database: str) -> None:
    def jobs() -> Iterator[NewJob]:
        for n in range(2_000):
            yield job(args={"n": n // 2}, unique=Unique() if n >= 1_000 else None)

    async with Client(database) as client:
        assert await client.insert_many(jobs()) == 1_500
        assert await client.insert_many(jobs()) == 1_000
    assert await value(database, "select count(*) from baton.jobs") == 2_500


async def test_many_jobs_of_a_partitioned_queue_know_their_partitions(database: str) -> None:
    async with Client(database) as client, connection(database) as conn:
        await conn.execute(
            "insert into baton.queues (name, partition_by) values ('mail', 'args.n')"
        )
        await client.insert_many(mixed())
        await client.insert_all(mixed())
    wrong = """
      select count(*) from baton.jobs
      where partition_key is distinct from case when queue = 'mail' then args ->> 'n' end
    """
    assert await value(database, wrong) == 0
    assert await value(database, "select count(partition_key) from baton.jobs") > 0


@pytest.mark.parametrize("how", ["insert_all", "insert_many"])
async def test_each_queue_of_many_jobs_is_told_once(database: str, how: str) -> None:
    jobs = [job(queue="ab"[n % 2]) for n in range(MANY)] + [job(queue="c", schedule_in=0.5)]
    async with connection(database) as listener, Client(database) as client:
        await listener.execute('listen "baton.jobs"; listen "baton.control"')
        await getattr(client, how)(jobs)
        told = await heard(listener)
    assert sorted(told) == ["a", "b", "due"]


@pytest.mark.parametrize("autocommit", [True, False])
@pytest.mark.parametrize("commits", [True, False])
async def test_many_jobs_live_and_die_with_the_callers_transaction(
    database: str, autocommit: bool, commits: bool
) -> None:
    async with Client(database) as client:
        async with await psycopg.AsyncConnection.connect(database, autocommit=autocommit) as conn:
            if autocommit:
                async with conn.transaction(force_rollback=not commits):
                    await client.insert_many(mixed(), conn=conn)
                    await client.insert_all(mixed(), conn=conn)
            else:
                await client.insert_many(mixed(), conn=conn)
                await client.insert_all(mixed(), conn=conn)
                assert await value(database, "select count(*) from baton.jobs") == 0
                await (conn.commit() if commits else conn.rollback())
    assert await value(database, "select count(*) from baton.jobs") == 2 * MANY * commits


async def test_a_bad_job_does_no_harm_to_the_callers_transaction(database: str) -> None:
    bad = [*mixed(), job(args={"a": "\x00"})]
    async with Client(database) as client, connection(database) as conn:
        async with conn.transaction():
            await client.insert(job(), conn=conn)
            with pytest.raises(InvalidJob):
                await client.insert_many(bad, conn=conn)
            with pytest.raises(InvalidJob):
                await client.insert_all(bad, conn=conn)
    assert await value(database, "select count(*) from baton.jobs") == 1


def test_the_synchronous_twin_does_the_same(database: str) -> None:
    with SyncClient(database) as client, psycopg.connect(database) as conn:
        assert client.insert_many(mixed()) == MANY
        assert client.insert_many(mixed(), conn=conn) == MANY
        inserted = client.insert_all(mixed(), conn=conn)
        assert [each.args["n"] for each in inserted] == list(range(MANY))
        conn.commit()
        [found] = conn.execute("select count(*) from baton.jobs").fetchone() or (None,)
    assert found == 3 * MANY


async def test_hooks_see_every_one_of_many_and_the_span_tells_how_many(database: str) -> None:
    registry = Registry()
    seen: list[int] = []

    @registry.before_insert
    def see(new: NewJob) -> NewJob:
        seen.append(new.args["n"])
        return new

    told: list[Any] = []
    Telemetry.attach("test", "baton.insert.stop", lambda *facts: told.append(facts[1]["count"]))
    try:
        async with Client(database, registry=registry) as client:
            await client.insert_many(mixed())
    finally:
        Telemetry.detach("test")
    assert (seen, told) == (list(range(MANY)), [MANY])


async def test_many_jobs_are_run_as_others_are(database: str) -> None:
    async with Client(database) as client, process(database) as worker:
        await client.insert_many(job(args={"n": n}) for n in range(MANY))
        assert await worker.run_all(500) == MANY
    assert (
        await value(database, "select count(*) from baton.jobs where state = 'completed'") == MANY
    )


async def test_the_time_of_many_inserts_is_the_clocks(database: str) -> None:
    async with Client(database) as client, connection(database) as conn:
        async with conn.transaction():
            found = await (await conn.execute("select now(), pg_sleep(0.2)")).fetchone()
            await client.insert_many(mixed(), conn=conn)
    assert found is not None
    first = await value(database, "select min(inserted_at) from baton.jobs")
    assert first > found[0] + timedelta(seconds=0.1)


async def test_the_default_clients_insert_many_too(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BATON_DSN", database)
    assert await baton.insert_many([job(), job()]) == 2
    assert baton.insert_many_sync([job()]) == 1
