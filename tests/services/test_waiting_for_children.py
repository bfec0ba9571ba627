"""What waits for a free child process, in front of the pool."""

import time
from pathlib import Path
from typing import Any, NamedTuple

import anyio
import pytest
from anyio import CancelScope, create_task_group

from baton.outcomes import Success
from baton.services.processes import Processes, Report
from tests.services.test_node import until

pytestmark = pytest.mark.anyio


class Errand(NamedTuple):
    """As much of a job as the pool looks at."""

    name: str
    place: Path
    timeout: float | None = None


def run_errand(errand: Errand) -> Report:
    (errand.place / errand.name).touch()
    while errand.name == "first" and not (errand.place / "go").exists():
        time.sleep(0.01)
    return Report(Success())


async def test_a_job_that_is_stopped_while_it_waits_for_a_child_never_begins(
    tmp_path: Path,
) -> None:
    processes: Any = Processes(1, run_errand)

    async def has_begun() -> bool:
        return await anyio.Path(tmp_path / "first").exists()

    async def stop(scope: CancelScope) -> None:
        scope.cancel()

    try:
        async with create_task_group() as tasks:
            tasks.start_soon(processes.perform, Errand("first", tmp_path))
            await until(has_begun)
            with CancelScope() as scope:
                tasks.start_soon(stop, scope)
                await processes.perform(Errand("second", tmp_path))
            assert scope.cancelled_caught
            await anyio.Path(tmp_path / "go").touch()
        await processes.perform(Errand("third", tmp_path))
    finally:
        await processes.close()
    assert {each.name async for each in anyio.Path(tmp_path).iterdir()} == {"first", "go", "third"}
