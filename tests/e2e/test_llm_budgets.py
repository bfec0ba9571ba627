"""``baton llm budget``, as a person runs it, and processes that are killed while they may spend."""

import json
from pathlib import Path

import pytest

from baton import Client, NewJob, SyncClient, Workflow
from baton.llm import Budget
from tests.e2e.commands import invoke, said
from tests.e2e.test_worker_process import appears, until, worker

pytestmark = pytest.mark.anyio

APP = """
import time
from pathlib import Path
from baton import Job
from baton.llm import llm_worker

@llm_worker(name="think", queue="default", max_cost="0.08")
def think(job: Job, name: str):
    Path(f"{name}.{job.attempt}.begun").touch()
    while not Path(f"{name}.go").exists():
        time.sleep(0.01)
"""


def think(name: str) -> NewJob:
    return NewJob(worker="think", args={"name": name})


async def test_a_process_that_is_killed_leaves_nothing_reserved(
    database: str, tmp_path: Path
) -> None:
    (tmp_path / "app.py").write_text(APP)
    brief = Workflow("brief", budget=Budget("0.10")).add("a", think("a")).add("b", think("b"))
    async with Client(database) as client:
        await client.insert_workflow(brief)
        with worker(database, tmp_path) as first:
            await appears(tmp_path / "a.1.begun")
            await until(database, "select count(*) from baton.budget_holds", 1)
            assert not (tmp_path / "b.1.begun").exists()
            first.kill()
        with worker(database, tmp_path):
            # the rescued job and the held one ask again; one of them at a time fits
            (tmp_path / "a.go").touch()
            (tmp_path / "b.go").touch()
            await until(database, "select state::text from baton.workflows", "completed")
            [status] = await client.budgets(workflow=brief.workflow_id)
            assert status.reserved_cost == 0
            # what ended attempts had reserved counts for nothing, and the next look deletes it
            await until(database, "select count(*) from baton.budget_reservations", 0)


def test_budgets_are_set_listed_and_removed(database: str) -> None:
    brief = Workflow("brief", budget=Budget(tokens=2_000)).add("a", NewJob(worker="w"))
    with SyncClient(database) as client:
        client.insert_workflow(brief)
    short = str(brief.workflow_id)[:8]
    shown = said("llm", "budget", "set", "--queue", "llm", "--cost", "12.5", dsn=database)
    assert shown.splitlines()[0].split() == (
        ["of", "limit", "spent", "reserved", "held", "beyond", "it", "renews"]
    )
    assert shown.splitlines()[1].split()[:6] == ["queue", "llm,", "a", "day", "$12.50", "$0.00"]
    said(
        *("llm", "budget", "set", "--workflow", short, "--cost=1", "--tokens=5"),
        *("--on-exceeded", "cancel"),
        dsn=database,
    )
    listed = json.loads(said("llm", "budget", "list", "--json", dsn=database))
    assert [(each["queue"], each["cost"], each["tokens"]) for each in listed] == [
        ("llm", "12.5", None),
        (None, "1", 5),
    ]
    assert listed[1]["on_exceeded"] == "cancel"
    # what is not said stays
    changed = said(*("llm", "budget", "set", "-w", short, "--tokens", "1", "--json"), dsn=database)
    assert json.loads(changed) | listed[1] == json.loads(changed) | {
        "tokens": 5,
        "updated_at": listed[1]["updated_at"],
    }
    lifted = said("llm", "budget", "set", "-w", short, "--cost", "none", dsn=database)
    assert " 1 token " in lifted
    assert "$" not in lifted
    said("llm", "budget", "set", "-w", short, "--cost=1", "--tokens=5", dsn=database)
    listed = json.loads(said("llm", "budget", "list", "--json", dsn=database))
    lines = said("llm", "budget", "list", "-o", "jsonl", dsn=database).splitlines()
    assert [json.loads(line) for line in lines] == listed
    assert f"workflow brief {short}" in said("llm", "budget", "list", dsn=database)
    one = json.loads(said("llm", "budget", "list", "-w", short, "--json", dsn=database))
    assert one == listed[1:]
    removed = invoke("llm", "budget", "remove", "--queue", "llm", dsn=database)
    assert (removed.exit_code, removed.stderr) == (0, "removed\n")


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["set", "--queue", "llm"], 2, "error: a budget limits cost, tokens or both\n"),
        (
            ["set", "--cost", "1"],
            2,
            "error: a budget is that of a workflow or of a queue: name one of them\n",
        ),
        (
            ["set", "-q", "llm", "--cost", "much"],
            2,
            "error: cost must be an amount of US dollars, not 'much'\n",
        ),
        (
            ["set", "-q", "llm", "--tokens", "many"],
            2,
            "error: tokens must be a whole number from 0 on, or none, not 'many'\n",
        ),
        (["set", "-w", "abcd", "--cost", "1"], 3, "error: there is no workflow abcd\n"),
        (["remove", "-q", "llm"], 3, "error: there is no budget of llm\n"),
    ],
)
def test_what_can_not_be_done_is_a_sentence(
    database: str, words: list[str], code: int, message: str
) -> None:
    ended = invoke("llm", "budget", *words, dsn=database)
    assert (ended.exit_code, ended.stderr) == (code, message)
