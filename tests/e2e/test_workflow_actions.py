"""The commands that steer workflows, as a person runs them."""

import json
from typing import Any

import psycopg
import pytest

from baton import SyncClient, Workflow
from baton.cli import workflow_actions
from tests.e2e.test_job_actions import refused
from tests.e2e.test_look import baton, said
from tests.support import job

SWEEP = "select swept from baton.sweep_releases(0, 0, 100)"


def inserted(database: str) -> str:
    inner = Workflow("inner").add("one", job())
    flow = Workflow("w").add("fetch", job()).add("inner", inner, deps=["fetch"])
    flow.add("report", job(), deps=["inner"])
    with SyncClient(database) as client:
        client.insert_workflow(flow)
    return str(flow.workflow_id)


def found(database: str, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(database, autocommit=True) as conn:
        return conn.execute(query.encode()).fetchall()


def swept(database: str) -> None:
    while found(database, SWEEP) != [(0,)]:
        pass


def test_a_workflow_is_cancelled_and_retried(database: str) -> None:
    whole = inserted(database)
    flow = whole[:8]
    assert said("workflow", "cancel", flow, "--dry-run", dsn=database) == "would cancel 4 steps\n"
    words = ("workflow", "cancel", flow, "--reason", "too late", "--yes")
    assert said(*words, dsn=database) == "cancelled 4 steps\n"
    again = baton(*words, dsn=database)
    assert (again.returncode, again.stdout) == (5, "")
    assert "no step of it is open to be cancelled" in again.stderr
    swept(database)
    assert found(database, "select distinct state::text from baton.workflows") == [("failed",)]

    planned = said("workflow", "retry", flow, "--dry-run", dsn=database)
    assert planned.splitlines()[0] == "fetch would run again, was cancelled"
    assert planned.count("\n") == 4
    one = json.loads(said("workflow", "retry", flow, "--step", "report", "--json", dsn=database))
    assert [step["step_name"] for step in one["steps"]] == ["report"]
    assert (one["action"], one["dry_run"], one["removed"], one["gone"]) == ("retry", False, [], [])
    assert said("workflow", "retry", flow, "--all", dsn=database).count("runs again") == 3


def test_a_page_of_what_would_run_again_is_shown_and_names_do_nothing_to_the_terminal(
    database: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    flow = Workflow("w").add("\x1b[2Jfirst", job()).fan_out("part", [job()] * 60)
    with SyncClient(database) as client:
        client.insert_workflow(flow)
        client.cancel_workflow(flow.workflow_id)
        swept(database)
        planned = client.retry_workflow(flow.workflow_id, dry_run=True)
    workflow_actions.list_steps("would run again", planned)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == r"\x1b[2Jfirst would run again, was cancelled"
    assert len(lines) == 61
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    workflow_actions.list_steps("would run again", planned)
    lines = capsys.readouterr().out.splitlines()
    assert (len(lines), lines[-1]) == (51, "and 11 more; in a pipe, all of them are listed")


def test_a_step_is_skipped(database: str) -> None:
    flow = inserted(database)
    words = ("workflow", "skip", flow, "fetch", "--result", '{"rows": 3}')
    assert said(*words, "--dry-run", dsn=database) == "would skip step fetch, which was available\n"
    assert json.loads(said(*words, "--json", dsn=database)) == {
        "action": "skip",
        "step": "fetch",
        "was": "available",
        "dry_run": False,
    }
    query = "select outcome::text, result from baton.workflow_steps where step_name = 'fetch'"
    assert found(database, query) == [("completed", {"rows": 3})]
    assert "has completed" in refused(*words, dsn=database, code=5)
    bare = ("workflow", "skip", flow, "inner", "--reason", "by hand")
    assert said(*bare, dsn=database) == "skipped step inner, which was suspended\n"


def test_what_cannot_be_steered_is_refused(database: str) -> None:
    flow = inserted(database)
    for verb in ("cancel", "retry"):
        assert "no workflow abcd" in refused("workflow", verb, "abcd", dsn=database, code=3)
    retry = ("workflow", "retry", flow)
    assert "no step has failed" in refused(*retry, dsn=database, code=5)
    assert "did you mean 'fetch'" in refused(*retry, "--step", "fetsh", dsn=database, code=3)
    assert "exclude each other" in refused(*retry, "--step", "fetch", "--all", dsn=database)
    skip = ("workflow", "skip", flow, "fetch", "--result")
    assert "--result is not JSON" in refused(*skip, "{", dsn=database)
