"""Workers with executor="process", in real child processes."""

import os
import signal
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from baton import Workflow
from tests.services import apps
from tests.services.test_node import all_final, running, until
from tests.support import rows, value

pytestmark = pytest.mark.anyio

APP = "tests.services.apps:registry"


async def result_of(database: str, *jobs: Any) -> list[Any]:
    """Run jobs as steps of a workflow, where results are kept; return these in order."""
    flow = workflow_of(*jobs)
    async with running(database, apps.registry, app=APP) as (_, client):
        await client.insert_workflow(flow)
        await until(all_final(database), seconds=200)
    found = await rows(database, "select result from baton.workflow_nodes order by job_id")
    return [row[0] for row in found]


def workflow_of(*jobs: Any) -> Workflow:
    flow = Workflow("processes")
    for number, job in enumerate(jobs):
        flow.add(f"step {number}", job)
    return flow


async def errors(database: str) -> dict[str, tuple[str, dict[str, Any]]]:
    found = await rows(database, "select worker, state::text, errors -> -1 from baton.jobs")
    return {name.rpartition(".")[2]: (state, error) for name, state, error in found}


async def test_functions_and_coroutines_run_in_a_child_process_with_its_resources(
    database: str,
) -> None:
    [plain, coroutine] = await result_of(database, apps.pid.new(), apps.pid_of_coroutine.new())
    assert plain["pid"] != os.getpid()
    assert plain["opened_in"] == plain["pid"]
    assert coroutine != os.getpid()


async def test_a_child_that_dies_fails_its_attempt_and_not_the_worker(database: str) -> None:
    async with running(database, apps.registry, app=APP, queues=["default=3"]) as (_, client):
        await client.insert_all([apps.exits.new(), apps.is_killed.new(), apps.inserts.new()])
        await until(all_final(database), seconds=200)
    found = await errors(database)
    assert found["exits"][0] == found["is_killed"][0] == "discarded"
    assert found["exits"][1]["kind"] == "ProcessDied"
    assert "ended with status 7" in found["exits"][1]["message"]
    assert "was killed by signal 9" in found["is_killed"][1]["message"]
    assert found["inserts"][0] == found["child_of_child"][0] == "completed"


async def test_a_child_that_dies_while_it_has_nothing_to_do_is_replaced(database: str) -> None:
    once = apps.pid.with_options(max_attempts=1)
    flow = workflow_of(once.new())
    with capture_logs() as logs:
        async with running(database, apps.registry, app=APP, child_processes=1) as (_, client):
            await client.insert_workflow(flow)
            await until(all_final(database), seconds=200)
            first = await value(database, "select result -> 'pid' from baton.workflow_nodes")
            os.kill(first, signal.SIGKILL)

            async def is_reaped() -> bool:
                try:
                    os.kill(first, 0)
                except ProcessLookupError:
                    return True
                return False

            await until(is_reaped)
            await client.insert_workflow(workflow_of(once.new(), once.new()))
            await until(all_final(database), seconds=200)
    query = "select state::text, result -> 'pid' = %s::text::jsonb from baton.workflow_nodes"
    found = await rows(database, f"{query} order by job_id", first)
    assert found == [("completed", True), ("completed", False), ("completed", False)]
    assert [each["event"] for each in logs].count("children.replaced") == 1


async def test_a_signal_to_all_processes_of_a_service_leaves_a_child_its_job(
    database: str, tmp_path: Path
) -> None:
    path, go = tmp_path / "pid", tmp_path / "go"

    async def is_written() -> bool:
        return path.exists() and bool(path.read_text())

    async with running(database, apps.registry, app=APP) as (_, client):
        await client.insert(apps.waits_for.new(path=str(path), go=str(go)))
        await until(is_written, seconds=200)
        os.kill(int(path.read_text()), signal.SIGTERM)
        go.touch()
        await until(all_final(database), seconds=200)
    found = await rows(database, "select state::text, attempt, errors::text from baton.jobs")
    assert found == [("completed", 1, "[]")]


async def test_a_child_that_never_returns_is_killed_by_the_timeout(database: str) -> None:
    async with running(database, apps.registry, app=APP, queues=["default=1"]) as (_, client):
        await client.insert_all([apps.never_returns.new(), apps.pid.new()])
        await until(all_final(database), seconds=200)
    found = await errors(database)
    assert found["never_returns"][0] == "discarded"
    assert found["never_returns"][1]["kind"] == "AttemptTimeout"
    assert found["pid"][0] == "completed"


async def test_an_error_that_cannot_leave_the_child_is_recorded_all_the_same(database: str) -> None:
    async with running(database, apps.registry, app=APP) as (_, client):
        await client.insert(apps.raises.new())
        await until(all_final(database), seconds=200)
    [(state, error)] = (await errors(database)).values()
    assert state == "discarded"
    assert error["message"] == "of this child only"
    assert "Unpicklable" in error["traceback"]


async def test_without_an_app_to_import_the_attempt_fails_and_says_so(database: str) -> None:
    async with running(database, apps.registry) as (_, client):
        await client.insert(apps.pid.with_options(max_attempts=1).new())
        await until(all_final(database), seconds=200)
    message = await value(database, "select errors -> -1 ->> 'message' from baton.jobs")
    assert message.endswith("name its module with --app")
