"""``baton worker --processes``: a parent, its children, and every way in which they can end."""

import os
import signal
from pathlib import Path
from typing import Any

import anyio
import pytest

from baton import Client
from baton.cli.frame import ExitCode
from baton.supervisor import FIRST_DELAY, LONGEST_DELAY, UNFINISHED, delay, worst
from tests.e2e.test_worker_process import (
    APP,
    GONE,
    PATIENT,
    STATE,
    appears,
    exit_of,
    job,
    log_of,
    until,
    worker,
)
from tests.support import connection, nap, rows, value

pytestmark = pytest.mark.anyio

LIVING = "select count(*) from baton.leases"


@pytest.fixture
def app(tmp_path: Path) -> Path:
    (tmp_path / "app.py").write_text(APP)
    return tmp_path


def events(app: Path, name: str) -> list[dict[str, Any]]:
    return [line for line in log_of(app) if line["event"] == name]


async def logged(app: Path, name: str, count: int) -> list[dict[str, Any]]:
    with anyio.fail_after(60):
        while len(found := events(app, name)) < count:
            await nap()
    return found


async def gone(pids: list[int]) -> None:
    def alive(pid: int) -> bool:
        # a zombie, whom nobody waits for in a container without an init, has ended
        try:
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
        except FileNotFoundError:
            return False

    with anyio.fail_after(60):
        while any(alive(pid) for pid in pids):
            await nap()


@pytest.mark.parametrize("word", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_to_the_parent_drains_all_children(
    database: str, app: Path, word: signal.Signals
) -> None:
    async with Client(database) as client:
        await client.insert_all([job("until_told", name=name) for name in ("a", "b")])
    with worker(database, app, "--processes", "2", "--queues", "default=1") as parent:
        await appears(app / "a.1.begun")
        await appears(app / "b.1.begun")
        children = await logged(app, "process.ready", 2)
        async with Client(database) as client:
            late = await client.insert_all([job("quick") for _ in range(4)])
        parent.send_signal(word)
        await logged(app, "worker.stopping", 2)
        (app / "a.go").touch()
        (app / "b.go").touch()
        assert await exit_of(parent) == 0
    assert parent.pid not in {child["pid"] for child in children}
    assert await rows(database, "select id, state::text from baton.jobs order by id") == [
        (late[0].id - 2, "completed"),
        (late[0].id - 1, "completed"),
    ] + [(each.id, "available") for each in late]
    assert [line["status"] for line in events(app, "process.exited")] == [0, 0]
    assert log_of(app)[-1] == {**log_of(app)[-1], "event": "supervisor.stopped", "code": 0}
    assert await value(database, LIVING) == 0


async def test_a_killed_child_is_replaced_and_its_job_run_again(database: str, app: Path) -> None:
    async with Client(database) as client:
        await client.insert(job("until_told", name="a"))
    with worker(database, app, "--processes", "2") as parent:
        await appears(app / "a.1.begun")
        ready = await logged(app, "process.ready", 2)
        node = await value(
            database,
            """
            select lease.node from baton.leases as lease
            join baton.jobs as job on job.attempted_by = lease.id
            """,
        )
        victim = int(node.rpartition(":")[2])
        assert victim in {child["pid"] for child in ready}
        os.kill(victim, signal.SIGKILL)
        await appears(app / "a.2.begun")
        (app / "a.go").touch()
        await until(database, STATE, "completed")
        ready = await logged(app, "process.ready", 3)
        parent.send_signal(signal.SIGTERM)
        assert await exit_of(parent) == 0
    [exited] = [line for line in events(app, "process.exited") if line["pid"] == victim]
    assert exited["signal"] == "SIGKILL"
    [restarting] = events(app, "process.restarting")
    assert restarting["place"] == exited["place"] == ready[2]["place"]
    assert await value(database, "select attempt from baton.jobs") == 2


async def test_children_end_when_the_parent_is_killed(database: str, app: Path) -> None:
    async with Client(database) as client:
        await client.insert(job("until_told", name="a"))
    with worker(database, app, "--processes", "2") as parent:
        await appears(app / "a.1.begun")
        ready = await logged(app, "process.ready", 2)
        parent.kill()
        await exit_of(parent)
        await logged(app, "worker.stopping", 2)
        (app / "a.go").touch()
        await gone([child["pid"] for child in ready])
    assert len(events(app, "parent.lost")) == 2
    assert await value(database, STATE) == "completed"
    assert await value(database, LIVING) == 0


async def test_a_second_signal_ends_all_children_at_once(database: str, app: Path) -> None:
    (app / "app.py").write_text(APP + PATIENT)
    async with Client(database) as client:
        await client.insert(job("until_told", name="stuck"))
    with worker(database, app, "--processes", "2", "--grace", "3600") as parent:
        await appears(app / "stuck.1.begun")
        await logged(app, "process.ready", 2)
        parent.send_signal(signal.SIGTERM)
        await logged(app, "worker.stopping", 2)
        parent.send_signal(signal.SIGTERM)
        assert await exit_of(parent) == ExitCode.UNFINISHED
    assert await rows(database, "select state::text, attempt from baton.jobs") == [("available", 0)]


async def test_a_signal_to_parent_and_children_alike_is_one_signal(
    database: str, app: Path
) -> None:
    """As systemd does it; the second that a child hears does not cut the grace short."""
    async with Client(database) as client:
        await client.insert(job("until_told", name="a"))
    with worker(database, app, "--processes", "2", "--grace", "3600") as parent:
        await appears(app / "a.1.begun")
        ready = await logged(app, "process.ready", 2)
        parent.send_signal(signal.SIGTERM)
        for child in ready:
            os.kill(child["pid"], signal.SIGTERM)
        await logged(app, "worker.stopping", 2)
        (app / "a.go").touch()
        assert await exit_of(parent) == 0
    assert await value(database, STATE) == "completed"


async def test_jobs_given_back_after_the_grace_are_an_exit_code_of_their_own(
    database: str, app: Path
) -> None:
    (app / "app.py").write_text(APP + PATIENT)
    async with Client(database) as client:
        await client.insert(job("until_told", name="stuck"))
    for options in ([], ["--processes", "2"]):
        with worker(database, app, "--grace", "0", *options) as process:
            await appears(app / "stuck.1.begun")
            (app / "stuck.1.begun").unlink()
            process.send_signal(signal.SIGTERM)
            assert await exit_of(process) == 5
    assert await rows(database, "select state::text, attempt from baton.jobs") == [("available", 0)]


async def test_behaviour_47_jobs_end_within_the_grace_and_none_start_after_shutdown_began(
    database: str, app: Path
) -> None:
    async with Client(database) as client:
        await client.insert(job("until_told", name="a"))
    with worker(database, app, "--queues", "default=3") as process:
        await appears(app / "a.1.begun")
        process.send_signal(signal.SIGTERM)
        await logged(app, "worker.stopping", 1)
        async with Client(database) as client:
            await client.insert_all([job("quick"), job("until_told", name="b")])
        (app / "a.go").touch()
        assert await exit_of(process) == 0
    assert await rows(database, "select state::text, attempt from baton.jobs order by id") == [
        ("completed", 1),
        ("available", 0),
        ("available", 0),
    ]


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (["--app", "no_such_module"], ExitCode.USAGE),
        (["--dsn", GONE, "--database-wait", "0"], ExitCode.DATABASE),
        (["--grace", "-1"], ExitCode.USAGE),
    ],
)
async def test_what_can_not_start_at_all_is_said_once_and_ends_everything(
    database: str, app: Path, options: list[str], code: ExitCode
) -> None:
    with worker(database, app, "--processes", "3", *options) as process:
        assert await exit_of(process) == code
    lines = (app / "log").read_text().splitlines()
    assert len([line for line in lines if line.startswith("error: ")]) == 1
    assert not [line for line in lines if "process.restarting" in line]


@pytest.mark.parametrize("count", ["0", "257", "-1", "two"])
async def test_there_are_from_1_to_256_processes(database: str, app: Path, count: str) -> None:
    with worker(database, app, "--processes", count) as process:
        assert await exit_of(process) == ExitCode.USAGE


async def test_one_process_has_no_parent(database: str, app: Path) -> None:
    with worker(database, app, "--processes", "1") as process:
        await logged(app, "worker.started", 1)
        process.send_signal(signal.SIGTERM)
        assert await exit_of(process) == 0
    assert not events(app, "supervisor.started")


def test_the_delay_doubles_with_each_death_in_a_row_up_to_a_limit() -> None:
    for deaths in range(1, 100):
        longest = min(LONGEST_DELAY, FIRST_DELAY * 2 ** (deaths - 1))
        assert longest / 2 <= delay(deaths) <= longest


@pytest.mark.parametrize(
    ("codes", "code"),
    [
        ([], 0),
        ([0, 0], 0),
        ([0, 5, 0], 5),
        ([5, 1], 1),
        ([0, 4, 5], 4),
        ([5, -9], 137),
        ([-15, 2], 143),
    ],
)
def test_the_worst_exit_code_is_an_error_then_jobs_given_back(codes: list[int], code: int) -> None:
    assert worst(codes) == code
    assert UNFINISHED == ExitCode.UNFINISHED


async def test_a_worker_process_prunes_what_its_rules_say(database: str, app: Path) -> None:
    async with Client(database) as client:
        old, young = await client.insert_all([job("quick"), job("quick")])
    async with connection(database) as conn:
        await conn.execute(
            """
            update baton.jobs set state = 'completed',
              completed_at = now() - case when id = %s then interval '8 days' else '6 days' end
            """,
            (old.id,),
        )
    with worker(database, app, "--prune", "completed=7d,discarded=30d") as process:
        [line] = await logged(app, "jobs.pruned", 1)
        process.send_signal(signal.SIGTERM)
        assert await exit_of(process) == 0
    assert line["completed"] == 1
    assert await rows(database, "select id from baton.jobs") == [(young.id,)]


async def test_a_bad_rule_is_one_sentence_and_an_exit_code(database: str, app: Path) -> None:
    with worker(database, app, "--prune", "executing=7d") as process:
        assert await exit_of(process) == ExitCode.USAGE
    assert (app / "log").read_text().startswith("error: prune: only finished jobs are pruned")


async def test_a_child_whose_event_loop_is_blocked_ends_after_its_parent_too(
    database: str, app: Path
) -> None:
    with (app / "app.py").open("a") as file:
        file.write("""
@worker(name="blocks")
async def blocks(job: Job):
    (HERE / "blocked").touch()
    while True: time.sleep(1)
""")
    async with Client(database) as client:
        await client.insert(job("blocks"))
    with worker(database, app, "--processes", "2", "--grace", "0") as parent:
        await appears(app / "blocked")
        ready = await logged(app, "process.ready", 2)
        parent.kill()
        await gone([child["pid"] for child in ready])
