"""Completing a job in a transaction: of SQLAlchemy and Django, in children, and when killed."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import anyio
import pytest
from django.db import connections, transaction
from sqlalchemy import create_engine, text
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session

from baton import Client, Job, Registry
from baton.loading import load_registry
from tests.guests import django_alias, url
from tests.services.test_complete_in import ROLLED_BACK, found
from tests.services.test_node import all_final, running, until
from tests.support import job, rows, value

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("commits", [True, False])
@pytest.mark.parametrize("kind", ["sqlalchemy", "sqlalchemy asyncio", "django"])
async def test_the_transactions_of_sqlalchemy_and_django_complete_jobs_too(
    effects: str, kind: str, commits: bool
) -> None:
    registry = Registry()
    engine = create_engine(url(effects))
    async_engine = create_async_engine(url(effects))
    insert = text("insert into effects values (1)")

    @registry.worker(name="sqlalchemy", max_attempts=1)
    def session(job: Job) -> None:
        with Session(engine) as session:
            job.complete_in_sync(session)
            session.execute(insert)
            session.commit() if commits else session.rollback()

    @registry.worker(name="sqlalchemy asyncio", max_attempts=1)
    async def async_session(job: Job) -> None:
        async with AsyncSession(async_engine) as session:
            await job.complete_in(session)
            await session.execute(insert)
            await (session.commit() if commits else session.rollback())

    @registry.worker(name="django", max_attempts=1)
    def model(job: Job) -> None:
        with django_alias(effects) as alias, transaction.atomic(using=alias):
            job.complete_in_sync(connections[alias])
            with connections[alias].cursor() as cursor:
                cursor.execute("insert into effects values (1)")
            transaction.set_rollback(not commits, using=alias)

    async with running(effects, registry) as (_, client):
        await client.insert(job(kind, max_attempts=1))
        await until(all_final(effects))
    await async_engine.dispose()
    engine.dispose()
    assert await found(effects) == (("completed", 1) if commits else ("discarded", 0))


KILLED = """
import os
import psycopg
from baton import Job, worker

DSN = os.environ["BATON_DSN"]

@worker(name="dies")
async def dies(job: Job) -> None:
    async with await psycopg.AsyncConnection.connect(DSN) as conn:
        await conn.execute("insert into effects values (%s)", (job.id,))
        await job.complete_in(conn)
        if job.attempt == 1:
            os.kill(os.getpid(), 9)
        await conn.commit()
        os.kill(os.getpid(), 9)
"""


async def test_a_process_killed_before_or_after_the_commit_leaves_both_or_neither(
    effects: str, tmp_path: Path
) -> None:
    """Killed before: nothing is left, and it runs again. Killed after: it does not run again."""
    (tmp_path / "app.py").write_text(KILLED)
    async with Client(effects) as client:
        await client.insert(job("dies", max_attempts=5))
    command = [sys.executable, "-m", "baton", "worker", "--app", "app", "--queues", "default=1"]
    environment = {**os.environ, "BATON_DSN": effects}
    seen = []
    for _ in range(2):
        ended = await anyio.to_thread.run_sync(
            lambda: subprocess.run(
                command,
                cwd=tmp_path,
                env=environment,
                timeout=120,
                check=False,
                capture_output=True,
            )
        )
        assert ended.returncode == -signal.SIGKILL, ended.stderr
        seen.append(await found(effects))
    assert seen == [("executing", 0), ("completed", 1)]
    assert await value(effects, "select attempt from baton.jobs") == 2


async def test_a_worker_in_a_child_process_completes_its_job_too(
    effects: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "child_app.py").write_text(CHILD)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    monkeypatch.setenv("EFFECTS_DSN", effects)
    registry = load_registry("child_app")
    async with running(effects, registry, app="child_app") as (_, client):
        good = await client.insert(job("child.completes", args={"commits": True}))
        bad = await client.insert(job("child.completes", args={"commits": False}, max_attempts=1))
        await until(all_final(effects), seconds=60)
        assert (await client.get_job(good.id)).state == "completed"
        lost = await client.get_job(bad.id)
    assert (lost.state, lost.errors[-1]["message"]) == ("discarded", ROLLED_BACK)
    assert await rows(effects, "select job from effects") == [(good.id,)]


CHILD = """
import os
import psycopg
from baton import Job, worker

@worker(name="child.completes", executor="process")
def completes(job: Job, commits: bool) -> None:
    with psycopg.connect(os.environ["EFFECTS_DSN"]) as conn:
        conn.execute("insert into effects values (%s)", (job.id,))
        job.complete_in_sync(conn)
        conn.commit() if commits else conn.rollback()
"""
