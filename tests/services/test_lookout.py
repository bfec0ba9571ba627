"""One look a second finds whatever nobody was told of, and an idle process asks nothing else."""

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any
from unittest.mock import create_autospec

import anyio
import pytest

from baton import Client, Job, Registry, Snooze, WaitForSignal, Workflow
from baton.services.lookout import Lookout, Posts
from baton.services.neighbours import this_process
from baton.services.stager import Stager
from baton.store.lookout import Found
from baton.store.pools import Database
from tests.services.test_node import all_final, finished, running, until
from tests.services.test_producer import Lease
from tests.support import connection, job, process, rows, value
from tests.wire import counting

pytestmark = pytest.mark.anyio

# These write what a client would, and tell nobody.
QUIETLY = "insert into baton.jobs (worker, queue, state, scheduled_at) values {row} returning id"


@pytest.fixture
def registry() -> Registry:
    registry = Registry()

    @registry.worker(name="tests.nothing")
    async def nothing(_job: Job) -> None: ...

    return registry


async def test_an_idle_process_with_20_queues_sends_two_statements_a_second(
    database: str, registry: Registry
) -> None:
    """The renewals of its lease included; a process on a busy machine sends fewer."""
    queues = [f"q{number}=5" for number in range(20)]
    registry.worker(name="tests.listens", on_dep_discarded=lambda _reason, _job: None)(_nothing)
    async with (
        counting(database) as wire,
        running(wire.dsn, registry, queues=queues, poll_interval=1.0),
    ):
        began = await renewed(database, 2)  # what is asked once, at the start, is over
        before = wire.statements
        seconds = await renewed(database, began + 8) - began
        assert 0 < wire.statements - before <= 2 * seconds + 1


async def renewed(database: str, seconds: float) -> float:
    """Wait until the lease was renewed so long after its beginning; return how long."""
    query = """
      select extract(epoch from renewed_at - started_at) from baton.leases
      where renewed_at - started_at >= make_interval(secs => %s)
    """

    async def is_so() -> bool:
        await anyio.lowlevel.checkpoint()
        return bool(await rows(database, query, seconds))

    await until(is_so)
    [(found,)] = await rows(database, query, seconds)
    return float(found)


async def test_jobs_that_nobody_was_told_of_start_within_a_second(
    database: str, registry: Registry
) -> None:
    async with running(database, registry, poll_interval=1.0):
        await until(started(database))
        await rows(database, QUIETLY.format(row="('tests.nothing', 'default', 'available', now())"))
        await until(all_final(database))
    assert await late(database) < 60


async def test_jobs_that_become_due_soon_start_though_nobody_was_told_of_them(
    database: str, registry: Registry
) -> None:
    """The look says when; the poll would come after an hour."""
    async with running(database, registry, poll_interval=3_600):
        await until(started(database))
        soon = "('tests.nothing', 'default', 'scheduled', clock_timestamp() + interval '1.5 s')"
        await rows(database, QUIETLY.format(row=soon))
        await until(all_final(database))
    assert 0 <= await late(database) < 60


async def test_due_jobs_of_queues_that_nobody_serves_become_available_in_the_end(
    database: str, registry: Registry
) -> None:
    async with running(database, registry, poll_interval=3_600):
        await until(started(database))
        row = "('tests.nothing', 'unserved', 'scheduled', clock_timestamp())"
        await rows(database, QUIETLY.format(row=row))
        await until(says(database, "select state = 'available' from baton.jobs"))


async def test_what_was_said_about_queues_and_crons_is_found_though_nobody_was_told(
    database: str, registry: Registry
) -> None:
    async with running(database, registry, poll_interval=3_600):
        await until(started(database))
        await rows(
            database,
            "insert into baton.queues (name, slots) values ('default', 3) returning name",
        )
        await until(says(database, """select queues = '{"default": 3}' from baton.leases"""))
        await rows(
            database,
            """
            insert into baton.crons (name, expression, worker)
            values ('secondly', '* * * * * *', 'tests.nothing') returning name
            """,
        )
        await until(says(database, "select count(*) > 0 from baton.jobs"))


async def test_a_step_that_sleeps_wakes_though_nobody_was_told_that_it_does(
    database: str, registry: Registry
) -> None:
    @registry.worker(name="tests.sleeper")
    async def sleeper(job: Job) -> Any:
        return "awake" if job.waited else WaitForSignal("never", timeout=1.5)

    async with running(database, registry, poll_interval=3_600) as (_, client):
        await client.insert_workflow(Workflow().add("a", sleeper.new()))
        await until(finished(database))


async def test_a_job_of_a_paused_queue_does_not_have_its_process_look_again_and_again(
    database: str,
) -> None:
    query = """
      select array_length(ready, 1)
      from baton.look_around(0, '{default}', '{default}', '{}', false, 1, 2, 2, null)
    """
    async with Client(database) as client:
        await client.insert(job("tests.nothing"))
        assert await value(database, query) == 1
        await client.queues.pause("default")
        assert await value(database, query) is None


async def test_jobs_that_a_process_has_no_slot_for_are_not_looked_for(database: str) -> None:
    """The way to them leads over all that was claimed while an old transaction is open."""
    query = """
      select array_length(ready, 1)
      from baton.look_around(0, '{default}', %s, '{}', false, 1, 2, 2, null)
    """
    read = """
      select coalesce(sum(idx_tup_read), 0) from pg_stat_user_indexes
      where indexrelname = 'jobs_available'
    """
    # what these have read is counted when they have ended, at the latest
    gone = """
      select count(*) = 0 from pg_stat_activity
      where datname = current_database() and application_name in ('baton worker', 'baton lease')
    """
    async with connection(database) as old, connection(database) as conn:
        async with Client(database) as client, process(database) as worker:
            await client.insert_all([job("tests.nothing")] * 500)
            await old.execute("begin isolation level repeatable read; select 1")
            await worker.fetch(capacity=500)
            await client.insert(job("tests.nothing"))
        await until(says(database, gone))
        counts = [await value(database, read)]
        for hungry in ([], ["default"]):
            found = await (await conn.execute(query.encode(), [hungry])).fetchone()
            assert found == (len(hungry) or None,)
            await conn.execute("select pg_stat_force_next_flush()")
            counts.append(await value(database, read))
    assert counts[1] == counts[0]
    assert counts[2] > counts[1] + 500


@pytest.mark.parametrize(
    ("state", "entries"), [("available", 500), ("scheduled", 1_000), ("completed", 0)]
)
async def test_a_look_tells_how_many_jobs_it_walked_over_without_seeing_them(
    database: str, state: str, entries: int
) -> None:
    """What is due is looked for twice: in its own queues, and in those of others."""
    insert = """
      insert into baton.jobs (worker, state)
      select 'tests.nothing', %s::baton.job_state from generate_series(1, 500)
    """
    look = """
      select passed from baton.look_around(0, '{default}', '{default}', '{}', true, 1, 2, 2, null)
    """
    async with connection(database) as conn:
        await conn.execute("begin")
        await conn.execute(insert.encode(), [state])
        assert await value(database, look) == entries


async def test_jobs_are_left_alone_for_longer_when_the_way_to_them_was_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each of many processes would walk over a large insert that is not committed, each second."""
    asked: list[tuple[Sequence[str], Sequence[str]]] = []
    server = SimpleNamespace(time=1_000, passed=0)

    async def look_around(_database: Database, **about: Any) -> Found:
        await anyio.lowlevel.checkpoint()
        asked.append((about["queues"], about["hungry"]))
        assert about["queues"] or not about["others"]
        return replace(NOTHING, passed=server.passed)

    monkeypatch.setattr("baton.services.lookout.look_around", look_around)
    monkeypatch.setattr("baton.services.lookout.monotonic", lambda: server.time)
    lookout = _lookout(["default"])
    looks = ((0, 500_000), (4, 0), (2, 10**9), (59, 0), (2, 0), (1, 0))
    for later, passed in looks:
        server.time += later
        server.passed = passed
        await lookout.look()
    jobs, no_jobs = (["default"], ["default"]), ((), ())
    assert asked == [jobs, no_jobs, jobs, no_jobs, jobs, jobs]


async def test_a_look_writes_nothing(database: str) -> None:
    """Thousands of them a second must not cost transaction ids."""
    query = """
      select pg_current_xact_id_if_assigned() is null
      from baton.look_around(0, '{default,other}', '{default}', '{a}', true, 1, 2, 0, null)
    """
    assert await value(database, query) is True


NOTHING = Found(
    ready=[],
    misplaced=False,
    stage_in=None,
    others_due=False,
    passed=0,
    time_in=None,
    sweep_in=None,
    rescue_in=None,
    near={},
    rescued_ago=0.0,
    leases="",
    said="",
    crons="",
    callbacks=False,
    budgets=False,
)


def _lookout(queues: Sequence[str]) -> Lookout:
    database = create_autospec(Database)
    stager = Stager(database, served=lambda: queues, wake=lambda _: None)
    return Lookout(
        database,
        Lease(),
        Posts(stager, *[stager.duty] * 7),
        served=lambda: queues,
        hungry=lambda: queues,
        listeners=list,
        wake=lambda _: None,
        poll_interval=1.0,
    )


async def _nothing(_job: Job) -> Snooze | None:
    return None


def started(database: str) -> Any:
    """Whether the process has asked everything that it asks at its start."""
    return says(database, "select count(*) > 0 from baton.leases where renewed_at > started_at")


def says(database: str, query: str) -> Any:
    async def check() -> bool:
        return bool(await value(database, query))

    return check


async def late(database: str) -> float:
    query = "select max(extract(epoch from attempted_at - scheduled_at)) from baton.jobs"
    return float(await value(database, query))


async def test_the_lease_of_a_process_of_this_machine_that_is_gone_is_buried(
    database: str, registry: Registry
) -> None:
    """Behind a pooler no lock tells, and the end of the lease is an hour away."""
    async with running(database, registry):
        await rows(database, LEASE, a_dead_process(), str(this_process()))
        await until(says(database, "select not exists (select from baton.leases where node = 'a')"))
        # the other is this process: silent, but there
        assert await value(database, "select count(*) from baton.leases where node = 'b'") == 1


async def test_a_new_process_is_told_of_leases_that_are_fresh_and_whose_lock_is_free(
    database: str,
) -> None:
    """Those that others of its machine hold, however recently they were renewed."""
    machine, elsewhere = "boot pid:[1]", "boot pid:[2]"
    query = """
      select near, processes
      from baton.look_around(0, '{}', '{}', '{}', false, 1, 60, %s::double precision, %s::text)
    """
    async with process(database) as living:
        here = "update baton.leases set process = %s where id = %s returning id"
        await rows(database, here, f"{machine} 1 1", living.lease)
        fresh = """
          insert into baton.leases (node, process, expires_at)
          values ('a', %s, now() + interval '1 h'), ('b', %s, now() + interval '1 h') returning id
        """
        (near,), _ = await rows(database, fresh, f"{machine} 2 2", f"{elsewhere} 3 3")
        assert await rows(database, query, 0.0, machine) == [([near], [f"{machine} 2 2"])]
        assert await rows(database, query, 60.0, machine) == [(None, None)]


def a_dead_process() -> str:
    tell = "from baton.services.neighbours import this_process; print(this_process())"
    return subprocess.run(
        [sys.executable, "-c", tell], capture_output=True, text=True, check=True
    ).stdout.strip()


LEASE = """
  insert into baton.leases (node, guarded, process, renewed_at, expires_at)
  values
    ('a', false, %s, now() - interval '10 s', now() + interval '1 h'),
    ('b', false, %s, now() - interval '10 s', now() + interval '1 h')
  returning id
"""
