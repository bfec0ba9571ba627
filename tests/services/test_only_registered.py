"""Rows that somebody wrote by hand: what they name is looked up among what was registered."""

import json
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from baton import Job, Registry
from tests.services import apps
from tests.services.test_node import running, until
from tests.support import rows, value

pytestmark = pytest.mark.anyio

TRAP = "tests.services.trap"
NAMES = [
    "os.system",
    "subprocess.run",
    "builtins.eval",
    "builtins.exec",
    "__import__",
    "eval",
    f"{TRAP}.spring",
    f"{TRAP}:spring",
    TRAP,
    "baton.child.perform",
    "tests.services.apps.pid.function",
    "__main__",
    "../../trap",
    "{0.__class__}",
]
INSERT = """
  insert into baton.jobs (worker, args, meta, max_attempts)
  values (%s, %s::jsonb, %s::jsonb, 1) returning id
"""


@pytest.fixture
def mark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file that is there when the trap sprang, in this process or in a child."""
    path = tmp_path / "mark"
    monkeypatch.setenv("TRAP", str(path))
    return path


def sprung(mark: Path) -> bool:
    return mark.exists() or TRAP in sys.modules


def test_the_trap_would_spring(mark: Path) -> None:
    import_module(TRAP)
    del sys.modules[TRAP]
    assert sprung(mark)


def finals(database: str) -> Any:
    return value(database, "select bool_and(state in ('completed', 'discarded')) from baton.jobs")


async def test_a_worker_that_was_not_registered_runs_nothing(database: str, mark: Path) -> None:
    args = json.dumps({"command": f"touch {mark}", "args": f"touch {mark}", "shell": True})
    meta = json.dumps({"module": TRAP, "executor": "process", "callable": f"{TRAP}.spring"})
    for name in NAMES:
        await rows(database, INSERT, name, args, meta)
    await rows(database, INSERT, "tests.services.apps.pid", "{}", meta)  # one that is
    settings = {"app": "tests.services.apps:registry", "child_processes": 1}
    async with running(database, apps.registry, **settings):
        await until(lambda: finals(database))
    assert not sprung(mark)
    ended = await rows(
        database, "select worker, state::text, errors -> -1 ->> 'kind' from baton.jobs order by id"
    )
    *unknown, known = ended
    assert known == ("tests.services.apps.pid", "completed", None)
    assert unknown == [(name, "discarded", "UnknownWorker") for name in NAMES]


async def test_neither_a_condition_nor_a_cron_entry_nor_a_reaction_names_code(
    database: str, mark: Path
) -> None:
    registry = Registry()
    called = []

    @registry.worker(name="known")
    async def known(job: Job) -> None:
        called.append(job.id)

    reaction = json.dumps({"worker": f"{TRAP}.spring", "queue": "default", "max_attempts": 1})
    [(flow,)] = await rows(
        database,
        """
        insert into baton.workflows (name, on_finished)
        values ('w', %s::jsonb) returning id::text
        """,
        reaction,
    )
    [(step,)] = await rows(
        database, INSERT, "known", "{}", json.dumps({"workflow_id": flow, "workflow_name": "a"})
    )
    await rows(
        database,
        """
        insert into baton.workflow_steps (job_id, workflow_id, step_name, condition, has_callbacks)
        values (%s, %s::uuid, 'a', %s, true) returning 1
        """,
        step,
        flow,
        f"{TRAP}.spring",
    )
    await rows(
        database,
        """
        insert into baton.crons (name, expression, worker, inserted_at, catch_up)
        values (%s, '* * * * *', %s, now() - interval '1 hour', 5) returning 1
        """,
        "c",
        f"{TRAP}.spring",
    )
    async with running(database, registry):
        await until(lambda: finals_of(database, f"{TRAP}.spring"))
    assert not sprung(mark)
    assert called == []


async def finals_of(database: str, worker: str) -> bool:
    query = """
      select count(*) from baton.jobs
      where worker = %s and errors -> -1 ->> 'kind' = 'UnknownWorker'
    """
    return int(await value(database, query, worker)) >= 2
