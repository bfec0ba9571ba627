"""Who is dead and who is only slow, with real ``baton worker`` processes."""

from pathlib import Path

import pytest

from baton import Client
from baton.jobs import NewJob
from tests.e2e.test_worker_process import appears, exit_of, job, until, worker
from tests.support import rows, value

pytestmark = pytest.mark.anyio

APP = """
import os, time
from pathlib import Path
from baton import Job, worker

HERE = Path(__file__).parent

def wait(job):
    (HERE / f"{job.attempt}.begun").touch()
    while not (HERE / "go").exists():
        time.sleep(0.01)

@worker(name="in_a_thread")
def in_a_thread(job: Job):
    wait(job)

@worker(name="on_the_event_loop")
async def on_the_event_loop(job: Job):
    wait(job)  # nothing else of this process's event loop runs meanwhile

@worker(name="kills_its_process")
def kills_its_process(job: Job):
    os._exit(9)
"""


@pytest.fixture
def app(tmp_path: Path) -> Path:
    (tmp_path / "app.py").write_text(APP)
    return tmp_path


@pytest.mark.parametrize("how", ["in_a_thread", "on_the_event_loop"])
async def test_a_slow_live_job_is_never_rescued(database: str, app: Path, how: str) -> None:
    """It runs for longer than the lease lasts, and others look for dead processes meanwhile."""
    async with Client(database) as client:
        await client.insert(job(how))
    with worker(database, app, "--lease-ttl", "10"):
        await appears(app / "1.begun")
        with worker(database, app, "--lease-ttl", "10"):
            longer = "select count(*) from baton.leases where renewed_at > started_at + '11 s'"
            await until(database, longer, 2)
            (app / "go").touch()
            await until(database, "select state::text from baton.jobs", "completed")
    assert await rows(database, "select attempt, errors from baton.jobs") == [(1, [])]


async def test_jobs_of_a_killed_process_start_elsewhere_within_seconds(
    database: str, app: Path
) -> None:
    """Long before its lease would end, after a minute: its advisory lock tells."""
    async with Client(database) as client:
        await client.insert(job("in_a_thread"))
    with worker(database, app, "--lease-ttl", "60") as first:
        await appears(app / "1.begun")
        with worker(database, app):
            await until(database, "select count(*) from baton.leases where guarded", 2)
            killed_at = await value(database, "select clock_timestamp()")
            first.kill()
            await appears(app / "2.begun")
            (app / "go").touch()
            await until(database, "select state::text from baton.jobs", "completed")
    query = "select extract(epoch from attempted_at - %s) from baton.jobs"
    took = float(await value(database, query, killed_at))
    assert took < 45  # 2 to 3 s on a machine that has nothing else to do


async def test_a_crash_looping_job_ends_discarded_after_its_attempts(
    database: str, app: Path
) -> None:
    async with Client(database) as client:
        await client.insert(NewJob(worker="kills_its_process", max_attempts=3))
    for _ in range(3):
        with worker(database, app) as victim:
            assert await exit_of(victim) == 9
    with worker(database, app) as survivor:
        await until(database, "select state::text from baton.jobs", "discarded")
        assert survivor.poll() is None
    [(attempt, errors)] = await rows(database, "select attempt, errors from baton.jobs")
    assert attempt == 3
    assert [(each["attempt"], each["kind"]) for each in errors] == [
        (1, "rescued"),
        (2, "rescued"),
        (3, "rescued"),
    ]
