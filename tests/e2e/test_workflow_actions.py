"""The commands that steer workflows, as a person runs them."""

import json
from typing import Any

import psycopg

from baton import SyncClient, Workflow
from tests.e2e.test_job_actions import refused
from tests.e2e.test_look import said
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
    assert said(*words, "--json", dsn=database) == (
        '{"action": "cancel", "steps": 0, "dry_run": false}\n'
    )
    swept(database)
    assert found(database, "select distinct state::text from baton.workflows") == [("failed",)]

    planned = said("workflow", "retry", flow, "--dry-run", dsn=database)
    assert planned.splitlines()[0] == "fetch would run again, was cancelled"
    assert planned.count("\n") == 4
    one = json.loads(said("workflow", "retry", flow, "--step", "report", "--json", dsn=database))
    assert [step["step_name"] for step in one["steps"]] == ["report"]
    assert (one["action"], one["dry_run"], one["removed"], one["gone"]) == ("retry", False, [], [])
    assert said("workflow", "retry", flow, "--all", dsn=database).count("runs again") == 3


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
    assert "has completed" in refused(*words, dsn=database, code=1)
    bare = ("workflow", "skip", flow, "inner", "--reason", "by hand")
    assert said(*bare, dsn=database) == "skipped step inner, which was suspended\n"


def test_what_cannot_be_steered_is_refused(database: str) -> None:
    flow = inserted(database)
    for verb in ("cancel", "retry"):
        assert "no workflow abcd" in refused("workflow", verb, "abcd", dsn=database, code=3)
    retry = ("workflow", "retry", flow)
    assert "no step has failed" in refused(*retry, dsn=database, code=1)
    assert "did you mean 'fetch'" in refused(*retry, "--step", "fetsh", dsn=database, code=3)
    assert "exclude each other" in refused(*retry, "--step", "fetch", "--all", dsn=database)
    skip = ("workflow", "skip", flow, "fetch", "--result")
    assert "--result is not JSON" in refused(*skip, "{", dsn=database)
