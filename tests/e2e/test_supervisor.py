"""The parent of several processes, with children that do nothing but what is tested."""

import signal
import sys

import anyio
import pytest
from structlog.testing import capture_logs

from baton import supervisor as module
from baton.supervisor import Supervisor

pytestmark = pytest.mark.anyio

READY = """
import os, signal, socket, sys, time
end = socket.socket(fileno=int(os.environ["BATON_SUPERVISED"].split(":")[0]))
end.send(b"r")
"""
DEAF = READY + "time.sleep(1000)"
ENDS_ONCE_TOLD = READY + "sys.exit(0 if end.recv(1) in (b'', b'd') else 5)"


def parent(script: str, count: int = 1) -> Supervisor:
    return Supervisor([sys.executable, "-c", script], count)


async def test_a_child_that_hears_nothing_is_killed_in_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "FORCE_TIME", 0.1)
    codes: list[int] = []
    with anyio.fail_after(60):
        async with anyio.create_task_group() as tasks:
            supervisor = parent(DEAF, 2)

            async def run() -> None:
                codes.append(await supervisor.run())

            tasks.start_soon(run)
            with capture_logs() as logs:
                while sum(line["event"] == "process.ready" for line in logs) < 2:
                    await anyio.lowlevel.checkpoint()
            supervisor.stop()
            supervisor.stop()
    assert codes == [128 + signal.SIGKILL]


async def test_a_child_that_ends_unasked_is_replaced_whatever_its_exit_code(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "FIRST_DELAY", 0.01)
    monkeypatch.setattr(module, "LONGEST_DELAY", 0.01)
    for script, how in [
        ("sys.exit(0)", {"status": 0}),
        ("sys.exit(4)", {"status": 4}),
        ("os.kill(os.getpid(), signal.SIGABRT)", {"signal": "SIGABRT"}),
    ]:
        supervisor = parent(READY + script)
        with capture_logs() as logs, anyio.fail_after(60):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(supervisor.run)
                while sum(line["event"] == "process.restarting" for line in logs) < 3:
                    await anyio.lowlevel.checkpoint()
                supervisor.stop()
        exited = [line for line in logs if line["event"] == "process.exited"]
        assert how.items() <= exited[0].items()
        restarting = [line for line in logs if line["event"] == "process.restarting"]
        assert [line["deaths"] for line in restarting[:3]] == [1, 2, 3]


async def test_a_healthy_life_makes_the_next_death_the_first_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "FIRST_DELAY", 0.01)
    monkeypatch.setattr(module, "HEALTHY", 0.0)
    supervisor = parent(READY)
    with capture_logs() as logs, anyio.fail_after(60):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(supervisor.run)
            while sum(line["event"] == "process.restarting" for line in logs) < 3:
                await anyio.lowlevel.checkpoint()
            supervisor.stop()
    assert {line["deaths"] for line in logs if line["event"] == "process.restarting"} == {1}


@pytest.mark.parametrize("script", ["raise SystemExit(4)", "raise SystemExit(2)", "1 / 0"])
async def test_what_fails_before_anything_worked_is_not_tried_again(script: str) -> None:
    with capture_logs() as logs, anyio.fail_after(60):
        code = await parent(script, 3).run()
    assert code == {"raise SystemExit(4)": 4, "raise SystemExit(2)": 2}.get(script, 1)
    assert sum(line["event"] == "process.started" for line in logs) == 1


async def test_a_supervisor_can_be_stopped_at_any_moment() -> None:
    """Before it runs, while its children start, and twice."""
    for wait in range(6):
        supervisor = parent(ENDS_ONCE_TOLD, 2)
        with anyio.fail_after(60):
            async with anyio.create_task_group() as tasks:
                if wait == 0:
                    supervisor.stop()
                tasks.start_soon(supervisor.run)
                for _ in range(wait * 3):
                    await anyio.lowlevel.checkpoint()
                supervisor.stop()
                if wait % 2:
                    supervisor.stop()
