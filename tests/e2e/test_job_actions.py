"""The commands that change jobs, as a person runs them."""

import json
import subprocess
from pathlib import Path
from typing import Any

import psycopg
import pytest

from baton import SyncClient, Workflow
from tests.e2e.test_look import baton, said
from tests.support import job

APP = """
from baton import Job, worker


@worker(name="mails.send", queue="mail", max_attempts=3)
def send(job: Job, to: int, text: str = "hello") -> None: ...
"""


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "mails.py").write_text(APP)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def found(dsn: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(dsn) as conn:
        return conn.execute("select id, state::text from baton.jobs order by id").fetchall()


def refused(*words: str, dsn: str, code: int = 2) -> str:
    ended: subprocess.CompletedProcess[str] = baton(*words, dsn=dsn)
    assert (ended.returncode, ended.stdout) == (code, ""), ended.stderr
    assert ended.stderr.startswith("error: ")
    assert ended.stderr.count("\n") == 1
    return ended.stderr


def test_jobs_are_cancelled_retried_and_deleted_by_id(database: str) -> None:
    with SyncClient(database) as client:
        first, second = client.insert_all([job(), job()])
    ids = [str(first.id), str(second.id), "12345"]
    ended = baton("job", "cancel", *ids, "--reason", "no", dsn=database)
    assert (ended.returncode, ended.stdout) == (3, "cancelled 2 jobs\n")
    assert ended.stderr == "error: there is no job 12345\n"
    assert found(database) == [(first.id, "cancelled"), (second.id, "cancelled")]
    ended = baton("job", "cancel", *ids, dsn=database)
    assert (ended.returncode, ended.stdout) == (5, "cancelled 0 jobs\n")
    assert ended.stderr.count("\n") == 3
    assert said("job", "retry", ids[0], dsn=database) == "retried 1 job\n"
    ended = baton("job", "delete", *ids, "--json", dsn=database)
    answer = json.loads(ended.stdout)
    assert ended.returncode == 3
    assert (answer["action"], answer["jobs"], answer["dry_run"]) == ("delete", 2, False)
    assert [each["id"] for each in answer["refused"]] == [12345]
    assert found(database) == []


def test_what_is_meant_by_a_filter_is_counted_and_confirmed(database: str) -> None:
    with SyncClient(database) as client:
        client.insert_all([job(queue="mail", args={"to": n % 2}, tags=["x"]) for n in range(4)])
        client.insert(job())
    fits = ("--queue", "mail", "--arg", "to=1", "--tag", "X", "--state", "available")
    assert said("job", "cancel", *fits, "--dry-run", dsn=database) == "would cancel 2 jobs\n"
    assert "would cancel 2 jobs; say --yes" in refused("job", "cancel", *fits, dsn=database)
    assert said("job", "cancel", *fits, "--yes", dsn=database) == "cancelled 2 jobs\n"
    assert said("job", "retry", "--queue=mail", "-y", dsn=database) == "retried 2 jobs\n"
    before = ("--inserted-before", "2020-01-01", "--yes")
    assert said("job", "delete", *before, dsn=database) == "deleted 0 jobs\n"
    after = ("--inserted-after", "2020-01-01T00:00Z", "--yes")
    assert said("job", "delete", *after, dsn=database) == "deleted 5 jobs\n"


def test_an_action_without_ids_and_filters_is_refused(database: str) -> None:
    for action in ("cancel", "retry", "delete"):
        assert "which jobs?" in refused("job", action, "--yes", dsn=database)
    assert "--state done" in refused("job", "cancel", "--state", "done", dsn=database)
    assert "name=value" in refused("job", "cancel", "--arg", "x", dsn=database)
    assert "2026-" in refused("job", "cancel", "--inserted-after", "soon", dsn=database)


def test_the_steps_of_a_workflow_are_cancelled_by_its_id(database: str) -> None:
    flow = Workflow("w").add("a", job()).add("b", job(), deps=["a"])
    with SyncClient(database) as client:
        client.insert_workflow(flow)
    words = ("job", "cancel", "--workflow", str(flow.workflow_id), "--yes")
    assert said(*words, dsn=database) == "cancelled 2 jobs\n"


def test_a_job_is_inserted_by_the_name_of_its_worker(database: str, tmp_path: Path) -> None:
    out = said(
        *("job", "insert", "some.worker", "--arg", "to=5", "--arg", "name=Ann", "--json"),
        *("--args", '{"to": 1, "more": [1]}', "--queue", "mail", "--priority", "2"),
        *("--max-attempts", "7", "--tag", "Vip", "--schedule-in", "2h", "--timeout", "1.5m"),
        *("--meta", '{"tenant": "a"}', "--weight", "3", "--deadline", "2900-01-01"),
        dsn=database,
    )
    inserted = json.loads(out)
    assert inserted["args"] == {"to": 5, "more": [1], "name": "Ann"}
    assert (inserted["state"], inserted["queue"], inserted["tags"]) == (
        "scheduled",
        "mail",
        ["vip"],
    )
    assert (inserted["priority"], inserted["max_attempts"], inserted["timeout"]) == (2, 7, 90)
    assert (inserted["meta"], inserted["weight"]) == ({"tenant": "a"}, 3)
    out = said("job", "insert", "w", "--schedule-at", "2020-01-01T00:00+00:00", dsn=database)
    assert out.endswith("available in queue default\n")


def test_an_inserted_job_is_checked_against_the_app(database: str, app: Path) -> None:
    words = ("job", "insert", "mails.send", "--app", "mails", "--json")
    inserted = json.loads(said(*words, "--arg", "to=5", dsn=database))
    assert (inserted["queue"], inserted["max_attempts"], inserted["args"]) == ("mail", 3, {"to": 5})
    assert "to: missing" in refused(*words, dsn=database)
    assert "to: Input should be" in refused(*words, "--arg", "to=x", dsn=database)
    assert "cc: unknown" in refused(*words, "--arg", "to=1", "--arg", "cc=2", dsn=database)
    other = ("job", "insert", "mails.sent", "--app", "mails")
    assert "no worker named 'mails.sent'" in refused(*other, dsn=database, code=1)


def test_a_job_is_edited(database: str, app: Path) -> None:
    with SyncClient(database) as client:
        inserted = client.insert(job("mails.send", args={"to": 1, "text": "x"}, timeout=5))
    edit = ("job", "edit", str(inserted.id))
    assert said(*edit, "--arg", "to=2", "--queue", "mail", dsn=database) == (
        f"changed job {inserted.id}: available in queue mail\n"
    )
    edited = json.loads(said(*edit, "--timeout=none", "--priority=3", "--json", dsn=database))
    assert (edited["args"], edited["timeout"]) == ({"to": 2, "text": "x"}, None)
    assert (edited["priority"], edited["queue"]) == (3, "mail")
    replaced = said(*edit, "--args", '{"to": 3}', "--schedule-in=1d", "--json", dsn=database)
    assert json.loads(replaced)["args"] == {"to": 3}
    assert json.loads(replaced)["state"] == "scheduled"
    assert "to: Input should be" in refused(*edit, "--arg=to=x", "-A", "mails", dsn=database)
    assert "what is to be changed?" in refused(*edit, dsn=database)
    assert "priority must be from 0 to 9" in refused(*edit, "--priority=10", dsn=database)
    assert "it must be a JSON object" in refused(*edit, "--args", "[1]", dsn=database)
    assert "is not JSON" in refused(*edit, "--meta", "{", dsn=database)
    assert "it looks like 90, 15m" in refused(*edit, "--schedule-in", "soon", dsn=database)
    assert "no job 12345" in refused("job", "edit", "12345", "--priority=1", dsn=database, code=3)


def test_a_job_whose_state_is_another_one_than_was_said_is_not_edited(database: str) -> None:
    with SyncClient(database) as client:
        later = client.insert(job(schedule_in=60))
        edit = ("job", "edit", str(later.id), "--priority=3")
        assert said(*edit, "state:available", "--dry-run", dsn=database) == "would change 0 jobs\n"
        assert said(*edit, "state:available", dsn=database) == "changed 0 jobs\n"
        assert client.get_job(later.id).priority == later.priority
        assert said(*edit, "state:scheduled", dsn=database) == "changed 1 job\n"
        assert client.get_job(later.id).priority == 3
