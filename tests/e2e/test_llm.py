"""``baton llm``, as a person runs it."""

import json
from decimal import Decimal

import pytest

from baton import SyncClient, Workflow
from tests.e2e.test_look import baton, said
from tests.store.test_llm_stats import filled, record
from tests.support import job, rows

pytestmark = pytest.mark.anyio


async def test_costs_are_shown_by_model_and_by_day(database: str) -> None:
    await filled(database)
    lines = said("llm", "stats", dsn=database).splitlines()
    assert lines[0].split() == (
        ["model", "attempts", "calls", "input", "cached", "output", "cost", "failed", "unpriced"]
    )
    assert lines[1].split() == ["large", "1", "1", "100", "0", "10", "$0.5000"]
    assert lines[3].split() == ["own", "1", "1", "100", "0", "10", "1"]
    await record(database, job_id=9, provider="azure")
    lines = said("llm", "stats", dsn=database).splitlines()
    assert [line.split()[:2] for line in lines if "small" in line] == [
        ["small", "3"],
        ["small", "(azure)"],
    ]
    days = json.loads(
        said("llm", "stats", "--by=day", "--since=2026-03-03", "--json", dsn=database)
    )
    assert [(each["day"], each["cost"]) for each in days] == [
        ("2026-03-03", "0.02"),
        ("2026-03-04", "0.04"),
    ]
    assert json.loads(said("llm", "stats", "--since", "1h", "--json", dsn=database)) == []
    lines = said("llm", "stats", "--by=day", "--since=2026-03-03", "-o", "jsonl", dsn=database)
    assert [json.loads(line) for line in lines.splitlines()] == days


async def test_the_steps_of_a_workflow_are_shown_with_their_total(database: str) -> None:
    flow = Workflow("brief").add("first", job()).add("second", job())
    with SyncClient(database) as client:
        jobs = client.insert_workflow(flow)
    for each in jobs:
        facts = {"step_name": each.step_name, "cost": Decimal("0.00001")}
        await record(database, job_id=each.id, workflow_id=flow.workflow_id, **facts)
    out = said("llm", "stats", str(flow.workflow_id)[:8], dsn=database)
    assert [line.split()[0] for line in out.splitlines()] == ["step", "first", "second", "total"]
    assert "<$0.0001" in out
    found = json.loads(said("llm", "stats", str(flow.workflow_id), "--json", dsn=database))
    assert found["total"]["cost"] == "0.00002"
    assert [step["step_name"] for step in found["steps"]] == ["first", "second"]
    lines = said("llm", "stats", str(flow.workflow_id), "-o", "jsonl", dsn=database)
    assert [json.loads(line) for line in lines.splitlines()] == found["steps"]


def test_what_can_not_be_asked_is_a_sentence(database: str) -> None:
    for words, code, message in (
        (["--since", "yesterday"], 2, "--since yesterday: it looks like"),
        (["--since", "1000000d"], 2, "--since 1000000d: it is longer than 100 years"),
        (["--until", "9" * 400], 2, "9: it is longer than 100 years"),
        (["--by=day", "--timezone=Nowhere"], 2, "'Nowhere' is no time zone"),
        (["abcd"], 3, "there is no workflow abcd"),
    ):
        ended = baton("llm", "stats", *words, dsn=database)
        assert (ended.returncode, message in ended.stderr) == (code, True), ended.stderr


async def test_what_a_step_said_is_shown(database: str) -> None:
    flow = Workflow("brief").add("first", job())
    with SyncClient(database) as client:
        [inserted] = client.insert_workflow(flow)
    await rows(
        database,
        """
        insert into baton.workflow_debug_logs
          (job_id, attempt, workflow_id, step_name, kind, content)
        values (%s, 1, %s, 'first', 'request', '{"prompt": "so\\u001b[31m so"}') returning 1
        """,
        inserted.id,
        flow.workflow_id,
    )
    out = said("llm", "log", str(flow.workflow_id)[:8], "first", dsn=database)
    assert "attempt 1  request" in out
    assert '"prompt": ' in out
    assert "\x1b" not in out
    [entry] = json.loads(said("llm", "log", str(inserted.id), "--json", dsn=database))
    assert entry["kind"] == "request"
    assert json.loads(said("llm", "log", str(inserted.id), "-o", "jsonl", dsn=database)) == entry
    ended = baton("llm", "log", "999999", dsn=database)
    assert (ended.returncode, ended.stderr) == (3, "error: there is no job 999999\n")
    ended = baton("llm", "log", str(flow.workflow_id), "second", dsn=database)
    assert (ended.returncode, "there is no step 'second'" in ended.stderr) == (3, True)
