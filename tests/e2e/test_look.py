"""The commands that look and migrate, as a person runs them."""

import json
import os
import subprocess
import sys
from typing import Any

import psycopg
import pytest

from baton import SyncClient
from baton.workflows import Workflow
from tests.support import job

HOSTILE = "[red]x[/red]\x1b[31m\n; drop"


def baton(*words: str, dsn: str, **environment: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "BATON_DSN": dsn, **environment}
    command = [sys.executable, "-m", "baton", *words]
    return subprocess.run(
        command, env=env, capture_output=True, text=True, timeout=200, check=False
    )


def said(*words: str, dsn: str) -> str:
    ended = baton(*words, dsn=dsn)
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr == ""
    return ended.stdout


@pytest.fixture
def flow(database: str) -> Workflow:
    flow = (
        Workflow(f"brief {HOSTILE}")
        .add("fetch", job(args={"topic": HOSTILE}))
        .add("summarize", job(), deps=["fetch"])
    )
    with SyncClient(database) as client:
        client.insert_workflow(flow)
    return flow


def test_workflows_are_listed(database: str, flow: Workflow) -> None:
    out = said("workflow", "list", dsn=database)
    assert str(flow.workflow_id) in out
    assert "executing" in out
    assert "0/2" in out
    assert "\x1b" not in out
    assert "[red]x[/red]" in out
    [listed] = json.loads(said("workflow", "list", "--json", dsn=database))
    assert listed["counts"] == {"available": 1, "suspended": 1}
    assert listed["progress"]["open"] == 2
    assert json.loads(said("workflow", "list", "--json", "--state=failed", dsn=database)) == []


def test_workflows_are_listed_by_criteria_and_in_pages(database: str) -> None:
    flows = [Workflow(name, tags=[name]).add("a", job()) for name in ("first", "second")]
    with SyncClient(database) as client:
        for each in flows:
            client.insert_workflow(each)

    def listed(*words: str) -> list[str]:
        found = json.loads(said("workflow", "list", "--json", *words, dsn=database))
        return [each["name"] for each in found]

    assert listed("--tag=first") == ["first"]
    assert listed("--inserted-after=2020-01-01") == ["second", "first"]
    assert listed("--inserted-before=2020-01-01") == []
    assert listed("--template=nightly") == []
    assert listed(f"--parent={flows[0].workflow_id}") == []
    assert listed(f"--before={str(flows[1].workflow_id)[:8]}") == ["first"]
    refused = baton("workflow", "list", "--state=available", dsn=database)
    assert refused.returncode != 0
    assert "it is one of executing, completed, failed" in refused.stderr


def test_why_is_answered_in_one_line_and_with_evidence(database: str, flow: Workflow) -> None:
    out = said("workflow", "why", str(flow.workflow_id)[:8], dsn=database)
    sentence, *evidence = out.splitlines()
    assert sentence.startswith("workflow brief [red]x[/red]")
    assert sentence.endswith("because no live worker process serves queue default")
    assert evidence[0] == "  progress     0 of 2 steps done"
    assert evidence[-2:] == [
        "step fetch",
        "  processes    no live worker process serves queue default",
    ]
    assert "\x1b" not in out
    step = json.loads(
        said("workflow", "why", str(flow.workflow_id), "summarize", "--json", dsn=database)
    )
    assert step["reason"] == "dependency"
    assert step["evidence"][0]["name"] == "fetch"
    assert step["because"]["reason"] == "unserved"
    job_id = step["evidence"][0]["job_id"]
    assert said("job", "why", str(job_id), dsn=database).startswith("step fetch waits because")
    refused = baton("workflow", "why", str(flow.workflow_id), "fetsch", dsn=database)
    assert refused.returncode != 0
    assert "there is no step 'fetsch' in workflow" in refused.stderr


def test_a_workflow_is_shown_by_the_beginning_of_its_id(database: str, flow: Workflow) -> None:
    for given in (str(flow.workflow_id), str(flow.workflow_id)[:8]):
        out = said("workflow", "show", given, dsn=database)
        assert "fetch" in out
        assert "summarize" in out
        assert "suspended" in out
        assert "\x1b" not in out
    shown = json.loads(said("workflow", "show", str(flow.workflow_id), "--json", dsn=database))
    assert [step["state"] for step in shown["steps"]] == ["available", "suspended"]


def test_jobs_are_listed_and_shown(database: str, flow: Workflow) -> None:
    out = said("job", "list", dsn=database)
    assert out.count("tests.worker") == 2
    [listed] = json.loads(said("job", "list", "--state", "suspended", "--json", dsn=database))
    shown = said("job", "show", str(listed["id"]), dsn=database)
    assert "suspended" in shown
    [first] = json.loads(said("job", "list", "--state", "available", "--json", dsn=database))
    shown = json.loads(said("job", "show", str(first["id"]), "--json", dsn=database))
    assert shown["args"] == {"topic": HOSTILE}
    assert "\x1b" not in said("job", "show", str(first["id"]), dsn=database)


def test_a_failed_job_shows_its_tracebacks(database: str) -> None:
    with SyncClient(database) as client, psycopg.connect(database) as conn:
        inserted = client.insert(job())
        errors: list[Any] = [
            {
                "attempt": 1,
                "at": "now",
                "kind": "ValueError",
                "message": "no",
                "traceback": "File x",
            },
            "edited by hand",
        ]
        conn.execute("update baton.jobs set errors = %s::jsonb", [json.dumps(errors)])
    out = said("job", "show", str(inserted.id), dsn=database)
    assert "ValueError" in out
    assert "File x" in out


def test_psql_finds_the_tables_without_their_schema(database: str, flow: Workflow) -> None:
    out = said(
        "psql", "-Atc", "select step_name, state from workflow_nodes order by 1", dsn=database
    )
    assert out.splitlines() == ["fetch|available", "summarize|suspended"]


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["workflow", "show", "ffffffff"], 3, "error: there is no workflow ffffffff"),
        (["workflow", "show", "%"], 3, "error: there is no workflow %"),
        (["job", "show", "4711"], 3, "error: there is no job 4711"),
        (["job", "show", "9" * 30], 3, f"error: there is no job {'9' * 30}"),
        (["job", "list", "--state", "lost"], 2, "error: --state lost: it is one of"),
        (["migrate", "--to", "77"], 2, "error: there is no migration 77"),
        (["migrate", "--check", "--sql"], 2, "error: --check, --sql and --down exclude"),
        (["migrate", "--down"], 2, "error: --down deletes jobs and workflows"),
        (["--schema", "x"], 2, ""),
    ],
)
def test_a_wrong_word_is_a_sentence_and_an_exit_code(
    database: str, words: list[str], code: int, sentence: str
) -> None:
    ended = baton(*words, dsn=database)
    assert ended.returncode == code
    assert ended.stderr.startswith(sentence)
    assert "Traceback" not in ended.stderr
    assert ended.stdout == ""


@pytest.mark.parametrize("words", [["workflow", "list"], ["job", "list"], ["migrate"]])
def test_no_server_is_a_sentence_without_the_password(words: list[str]) -> None:
    ended = baton(*words, dsn="postgresql://me:secret@127.0.0.1:1/x")
    assert ended.returncode == 4
    assert len(ended.stderr.splitlines()) == 1
    assert "secret" not in ended.stderr


def test_a_traceback_is_shown_when_asked_for() -> None:
    ended = baton("--debug", "job", "list", dsn="postgresql://me:secret@127.0.0.1:1/x")
    assert ended.returncode != 0
    assert "Traceback" in ended.stderr
    assert "secret" not in ended.stderr


def test_an_unmigrated_database_names_the_command(empty_database: str) -> None:
    ended = baton("job", "list", dsn=empty_database)
    assert ended.returncode == 4
    assert ended.stderr.strip().endswith("run: baton migrate")


def test_migrate_goes_forward_checks_and_goes_back(empty_database: str) -> None:
    behind = baton("migrate", "--check", dsn=empty_database)
    assert behind.returncode == 1
    assert "001_initial" in behind.stdout
    assert "applied 001_initial" in said("migrate", dsn=empty_database)
    assert "up to date" in said("migrate", dsn=empty_database)
    assert "up to date" in said("migrate", "--check", dsn=empty_database)
    assert "took back 001_initial" in said("migrate", "--down", "--yes", dsn=empty_database)
    assert baton("migrate", "--check", dsn=empty_database).returncode == 1


def test_migrate_prints_sql_without_a_database() -> None:
    out = said("migrate", "--sql", "--schema=other", dsn="postgresql://127.0.0.1:1/x")
    assert out.startswith("begin;")
    assert "create table other.jobs" in out
    assert "baton." not in out.replace("workflow_nodes", "")


def test_another_schema_is_served_by_every_command(empty_database: str) -> None:
    assert "applied" in said("migrate", "--schema", "other", dsn=empty_database)
    for words in (["job", "list"], ["workflow", "list"]):
        assert baton(*words, dsn=empty_database, BATON_SCHEMA="other").returncode == 0
    ended = baton("psql", "-Atc", "show search_path", dsn=empty_database, BATON_SCHEMA="other")
    assert ended.stdout.strip() == "other,public"
