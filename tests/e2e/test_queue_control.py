"""``baton queue`` and several real worker processes."""

import json
import os
import signal
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import anyio
import psycopg
import pytest

from baton import Client
from tests.e2e.test_look import baton, said
from tests.e2e.test_worker_process import app, appears, exit_of, job, until, worker
from tests.support import connection, nap, rows, value

__all__ = ["app"]

pytestmark = pytest.mark.anyio

COMPLETED = "select count(*) from baton.jobs where state = 'completed'"


async def test_24_several_processes_never_exceed_a_global_limit(database: str, app: Path) -> None:
    total, limit = 400, 3
    async with Client(database) as client:
        await client.queues.limit("default", global_limit=limit)
        await client.insert_all([job("quick") for _ in range(total)])
    most = 0
    with ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(worker(database, app))
        async with connection(database) as conn:
            with anyio.fail_after(120):
                while True:
                    await nap()
                    query = """
                      select count(*) filter (where state = 'executing'),
                        count(*) filter (where state = 'completed')
                      from baton.jobs
                    """
                    [(running, completed)] = await (await conn.execute(query)).fetchall()
                    most = max(most, running)
                    if completed == total:
                        break
    assert 0 < most <= limit
    assert await value(database, "select max(attempt) from baton.jobs") == 1


async def test_a_killed_process_frees_its_places_in_a_global_limit(
    database: str, app: Path
) -> None:
    async with Client(database) as client:
        await client.queues.limit("default", global_limit=1)
        await client.insert(job("until_told", name="a"))
    with worker(database, app) as first:
        await appears(app / "a.1.begun")
        async with Client(database) as client:
            await client.insert(job("quick"))
        with worker(database, app):
            first.send_signal(signal.SIGKILL)
            await appears(app / "a.2.begun")
            (app / "a.go").touch()
            await until(database, COMPLETED, 2)


async def test_29_a_pause_in_one_process_is_exact_in_others(database: str, app: Path) -> None:
    """Processes run at full speed; after the pause has returned, nothing starts."""
    # more than they can do in any moment that this test is kept waiting
    many = "insert into baton.jobs (worker) select 'quick' from generate_series(1, 50000)"
    async with Client(database) as client, connection(database) as conn:
        await conn.execute(many.encode())
        with ExitStack() as stack:
            for _ in range(2):
                stack.enter_context(worker(database, app))
            await until(database, f"select ({COMPLETED}) > 100", True)
            await client.queues.pause("default", by="me")
            [(paused,)] = await (await conn.execute("select clock_timestamp()")).fetchall()
            query = "select count(*) from baton.jobs where state = 'executing'"
            await until(database, query, 0)
            [(late,)] = await rows(
                database, "select count(*) from baton.jobs where attempted_at > %s", paused
            )
            assert late == 0
            left = await value(
                database, "select count(*) from baton.jobs where state = 'available'"
            )
            assert left > 0
            before = await value(database, COMPLETED)
            await client.queues.resume("default")
            await until(database, f"select ({COMPLETED}) > {before}", True)


async def test_the_name_of_a_process_is_given_with_node(database: str, app: Path) -> None:
    assert said("queue", "stop", "default", "--node", "night", "--new", dsn=database) == ""
    with worker(database, app, "--node", "night") as process:
        await until(database, "select max(node) from baton.leases", "night")
        [found] = json.loads(said("queue", "check", "default", "--json", dsn=database))
        assert (found["node"], found["slots"], found["running"]) == ("night", 0, [])
        assert "stopped" in said("queue", "check", "default", dsn=database)
        process.send_signal(signal.SIGTERM)
        assert await exit_of(process) == 0


def queue_row(dsn: str, columns: str) -> Any:
    with psycopg.connect(dsn) as conn:
        return conn.execute(f"select {columns} from baton.queues".encode()).fetchone()


def test_queues_are_paused_scaled_and_stopped_from_the_shell(database: str) -> None:
    said("queue", "pause", "mail", "--by", "me", "--new", dsn=database)
    assert "paused by me" in said("queue", "list", dsn=database)
    said("queue", "resume", "mail", dsn=database)
    assert queue_row(database, "name") is None
    said("queue", "scale", "mail", "7", "--new", dsn=database)
    assert queue_row(database, "slots") == (7,)
    said("queue", "stop", "mail", dsn=database)
    assert queue_row(database, "slots") == (0,)
    said("queue", "start", "mail", "--slots", "4", dsn=database)
    assert queue_row(database, "slots") == (4,)


def test_queues_are_limited_from_the_shell(database: str) -> None:
    said(
        *("queue", "limit", "mail", "--new", "--global-limit", "5", "--rate-limit", "100"),
        *("--rate-period", "60", "--partition-by", "args.tenant", "--ageing", "30"),
        dsn=database,
    )
    out = said("queue", "list", dsn=database)
    assert "5 at once, 100 in 60 s, by args.tenant, ageing 30 s" in out
    said("queue", "limit", "mail", "--clear", "rate_limit", "--clear", "ageing", dsn=database)
    [listed] = json.loads(said("queue", "list", "--json", dsn=database))
    assert (listed["rate_limit"], listed["rate_period"], listed["ageing"]) == (None, None, None)
    assert listed["global_limit"] == 5


def test_who_pauses_a_queue_is_the_user_of_the_shell(database: str) -> None:
    env = {**os.environ, "LOGNAME": "ada"}
    assert baton("queue", "pause", "mail", "--new", dsn=database, **env).returncode == 0
    with psycopg.connect(database) as conn:
        assert conn.execute("select paused_by from baton.queues").fetchall() == [("ada",)]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["scale", "mail", "0"], "error: slots must be from 1 to 10,000, not 0; stop ends a queue"),
        (["limit", "mail"], "error: no limit is given"),
        (["limit", "mail", "--global-limit", "0"], "error: global_limit must be a whole number"),
        (["limit", "mail", "--rate-limit", "5"], "error: rate_limit and rate_period are given"),
        (["limit", "mail", "--partition-by", "x"], "error: partition_by must be worker"),
        (["limit", "mail", "--clear", "x"], "error: --clear x: it is one of"),
        (
            ["limit", "mail", "--ageing", "5", "--clear", "ageing"],
            "error: --clear ageing: the same",
        ),
        (["pause", " "], "error: the queue must not be blank"),
        (["pause", "mail", "--node", " "], "error: the node must not be blank"),
    ],
)
def test_31_a_wrong_word_is_a_sentence_and_an_exit_code(
    database: str, words: list[str], sentence: str
) -> None:
    ended = baton("queue", *words, "--new", dsn=database)
    assert ended.returncode == 2
    assert ended.stderr.startswith(sentence)
    assert "Traceback" not in ended.stderr
