"""Workflows as data from the shell."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.e2e.test_look import baton, said

FLOW = {
    "name": "greet ${who}",
    "parameters": {"who": {"type": "string"}},
    "steps": [{"name": "greet", "worker": "greeting.greet", "args": {"who": {"$param": "who"}}}],
}
APP = """
from baton import Job, worker

@worker()
def greet(job: Job, who: str) -> None: ...
"""


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BATON_APP", "greeting")
    (tmp_path / "greeting.py").write_text(APP)
    (tmp_path / "flow.json").write_text(json.dumps(FLOW))
    return tmp_path


def refused(*words: str, dsn: str) -> subprocess.CompletedProcess[str]:
    ended = baton(*words, dsn=dsn)
    assert ended.returncode != 0
    assert ended.stdout == ""
    assert "Traceback" not in ended.stderr
    return ended


def test_a_file_is_inserted_with_its_arguments(database: str) -> None:
    workflow_id = said("workflow", "run", "flow.json", "--arg", "who=ann", dsn=database).strip()
    shown = json.loads(said("workflow", "show", workflow_id, "--json", dsn=database))
    assert shown["name"] == "greet ann"


def test_a_dry_run_checks_and_inserts_nothing(database: str) -> None:
    out = said(
        "workflow", "run", "flow.json", "--args", '{"who": "ann"}', "--dry-run", dsn=database
    )
    assert out == "1 step, in this order: greet\n"
    assert json.loads(said("workflow", "list", "--json", dsn=database)) == []


def test_templates_are_stored_listed_shown_and_run(database: str) -> None:
    assert said("template", "put", "greeting", "flow.json", dsn=database) == "1\n"
    [listed] = json.loads(said("template", "list", "--json", dsn=database))
    assert (listed["name"], listed["version"], listed["steps"]) == ("greeting", 1, ["greet"])
    assert "greeting" in said("template", "list", dsn=database)
    assert json.loads(said("template", "show", "greeting@1", dsn=database)) == FLOW
    words = ("workflow", "run", "-t", "greeting", "--arg", "who=bob", "--json")
    ran = json.loads(said(*words, dsn=database))
    assert (ran["name"], ran["steps"], ran["inserted"]) == ("greet bob", ["greet"], True)


def test_an_argument_that_is_given_twice_is_refused(database: str) -> None:
    words = ("workflow", "run", "flow.json", "--arg", "who=ann", "--arg", "who=bob")
    assert "--arg who: it is given twice" in refused(*words, dsn=database).stderr


def test_the_schema_is_json(database: str) -> None:
    schema = json.loads(said("workflow", "schema", dsn=database))
    assert "steps" in schema["$defs"]["FlowDocument"]["properties"]


def test_what_can_t_be_run_is_refused_with_one_sentence(database: str, place: Path) -> None:
    (place / "broken.json").write_text("{")
    for words, problem in (
        (["flow.json"], "who: the parameter is not given"),
        (["gone.json"], "gone.json can't be read"),
        (["broken.json"], "it is not JSON"),
        ([], "give a file of JSON, or --template"),
        (["flow.json", "-t", "x"], "give a file of JSON, or --template"),
        (["-t", "gone"], "gone"),
        (["-t", "gone@x"], "it looks like research or research@3"),
    ):
        assert problem in refused("workflow", "run", *words, dsn=database).stderr
