"""The commands that show how things are: doctor, top, sql, and what a tab offers."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from baton import SyncClient, Workflow
from baton.store import looks
from baton.store.doctor import CHECKS
from tests.e2e.commands import at_a_terminal, invoke, said, told
from tests.support import job


@pytest.fixture
def flow(database: str) -> Workflow:
    flow = Workflow("research").add("fetch", job("shop.fetch", queue="mail"))
    with SyncClient(database) as client:
        client.insert_workflow(flow)
        client.insert(job("shop.bill", queue="money", schedule_in=60))
        client.crons.add("shop.nightly", "@daily", name="nightly")
    return flow


def test_the_doctor_says_that_all_is_well(database: str) -> None:
    # not the settings: the server of the tests does without safety for speed
    # nor the workers, which are not known without --app
    apart = {"settings", "workers"}
    some = [word for name in CHECKS if name not in apart for word in ("--only", name)]
    assert said("doctor", *some, dsn=database) == "all is well: 12 checks found nothing\n"
    document = told("doctor", *some, dsn=database)
    assert (document["ok"], document["findings"]) == (True, [])
    assert "notifications" in document["checks"]


def test_the_doctor_says_what_is_broken_and_what_mends_it(database: str, flow: Workflow) -> None:
    del flow
    ended = invoke("doctor", dsn=database)
    assert ended.exit_code == 1
    lines = ended.stdout.splitlines()
    at = next(number for number, line in enumerate(lines) if "queue mail" in line)
    assert lines[at : at + 2] == [
        "✗ error   queues: no living worker process serves queue mail, with 1 job waiting",
        "          run: baton worker --queues mail=10",
    ]
    ended = invoke("doctor", "--json", "--only", "queues", dsn=database)
    assert ended.exit_code == 1
    document = json.loads(ended.stdout)
    assert document["ok"] is False
    assert document["checks"] == ["queues"]
    first = document["findings"][0]
    assert (first["severity"], first["facts"]) == ("error", {"queue": "mail", "jobs": 1})
    words = ("doctor", "-o", "jsonl", "--only", "queues")
    lines = invoke(*words, dsn=database).stdout.splitlines()
    assert [json.loads(line)["check"] for line in lines] == ["queues", "queues"]
    assert invoke("doctor", "--only", "luck", dsn=database).exit_code == 2
    assert invoke("doctor", dsn="postgresql://127.0.0.1:1/x").exit_code == 4


def test_the_doctor_knows_the_workers_of_a_program(
    database: str, flow: Workflow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    del flow
    program = "from baton import worker\n\n@worker(name='shop.fetch')\ndef fetch(job): ...\n"
    (tmp_path / "shop_of_the_doctor.py").write_text(program)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    ended = invoke(
        *("doctor", "--app", "shop_of_the_doctor", "--only", "workers", "--json"), dsn=database
    )
    workers = [each["facts"]["worker"] for each in json.loads(ended.stdout)["findings"]]
    assert workers == ["shop.bill", "shop.nightly"]


def test_top_looks_once_where_nobody_looks_at_it(database: str, flow: Workflow) -> None:
    del flow
    for words in (["top"], ["top", "--once"]):
        shown = said(*words, dsn=database)
        assert "0 processes" in shown
        assert re.search(r"^mail +0 +0 +1 ", shown, re.MULTILINE)
        assert "not served" in shown
    document = told("top", dsn=database)
    assert [each["name"] for each in document["queues"]] == ["mail", "money"]
    [line] = said("top", "--once", "-o", "jsonl", dsn=database).splitlines()
    assert json.loads(line)["processes"] == 0


def test_top_is_live_until_q_is_pressed(database: str, flow: Workflow) -> None:
    del flow
    inserted = False

    def react(shown: str, keys: int) -> bool:
        nonlocal inserted
        if "money" in shown and not inserted:
            with SyncClient(database) as client:
                client.insert(job(queue="fresh"))
            inserted = True
        if "fresh" in shown:
            os.write(keys, b"q")
            return True
        return False

    code, shown = at_a_terminal("top", "--every", "0.2", dsn=database, react=react)
    assert code == 0, shown
    assert "\x1b[?1049l" in shown  # the screen is as it was before
    assert "\x1b[?25h" in shown  # and so is the cursor


def test_top_writes_lines_until_it_is_interrupted(database: str) -> None:
    command = [sys.executable, "-m", "baton", "top", "-o", "jsonl", "--every", "0.2"]
    env = {**os.environ, "BATON_DSN": database}
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        assert [json.loads(run.stdout.readline())["processes"] for _ in range(2)] == [0, 0]
        run.send_signal(2)
        assert run.wait(60) == 130


def test_sql_is_listed_and_printed(database: str) -> None:
    listed = said("sql", dsn=database)
    for name in looks.names("looks"):
        assert f"\n{name} " in listed
    assert all(each["summary"] for each in told("sql", dsn=database))
    printed = said("sql", "queues", dsn=database, BATON_SCHEMA="other")
    assert "from other.jobs" in printed
    assert said("sql", "cancel_jobs", dsn=database).startswith("-- Cancels")
    assert "baton.jobs" in said("sql", "job_get", dsn=database)
    refused = invoke("sql", "queus", dsn=database)
    assert refused.exit_code == 3
    assert "there is no SQL named queus; there is queues" in refused.stderr


@pytest.mark.parametrize("name", looks.names("looks"))
def test_every_look_runs(database: str, flow: Workflow, name: str) -> None:
    with psycopg.connect(database) as conn:
        conn.execute("update baton.workflows set state = 'failed'")
        conn.execute(
            """update baton.jobs set state = 'discarded', errors = '[{"kind": "X"}]'
            where queue = 'mail'"""
        )
    del flow
    table = said("sql", name, "--run", dsn=database)
    found = told("sql", name, "--run", dsn=database)
    assert len(table.splitlines()) == 1 + len(found)


def test_what_is_no_look_is_not_run(database: str) -> None:
    refused = invoke("sql", "job_get", "--run", dsn=database)
    assert refused.exit_code == 2
    assert "job_get takes parameters; those that can be run are durations" in refused.stderr
    assert invoke("sql", "--run", dsn=database).exit_code == 2


def offered(line: str, dsn: str, **environment: str) -> list[str]:
    """What bash would offer at the end of a line."""
    words = line.split(" ")
    completion = {
        "_BATON_COMPLETE": "complete_bash",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(words) - 1),
    }
    result = invoke(dsn=dsn, **completion, **environment)
    assert result.stderr == ""
    return result.stdout.split("\n") if result.stdout.strip() else []


def test_a_tab_offers_what_there_is(database: str, flow: Workflow) -> None:
    def at(line: str) -> list[str]:
        return [each for each in offered(line, database) if each]

    assert at("baton queue pause ") == ["mail", "money"]
    assert at("baton queue pause ma") == ["mail"]
    assert at("baton cron run ") == ["nightly"]
    assert at("baton job insert shop.") == ["shop.bill", "shop.fetch", "shop.nightly"]
    assert at("baton workflow show ") == [str(flow.workflow_id)]
    assert at("baton job list que") == ["queue:"]
    assert at("baton job list queue:m") == ["queue:mail", "queue:money"]
    assert at("baton job cancel state:ret") == ["state:retryable"]
    assert at("baton workflow list name:") == ["name:research"]
    assert at("baton sql q") == ["queues"]
    # as bash cuts it
    assert at("baton job list queue : mo") == ["money"]
    assert at("baton job retry --queue m") == ["mail", "money"]
    assert at("baton job list --state ret") == ["retryable"]
    assert "doctor" in at("baton do")


def test_bash_and_zsh_are_taught_to_ask(database: str, flow: Workflow, tmp_path: Path) -> None:
    del flow
    program = tmp_path / "baton"
    program.write_text(f"#!{sys.executable}\nfrom baton.cli import main\nmain()\n")
    program.chmod(0o755)
    env = {
        **os.environ,
        "BATON_DSN": database,
        "HOME": str(tmp_path),
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
    }
    ask = """
      baton --install-completion > /dev/null  # it looks which shell asks
      source ~/.bashrc && complete -p baton
      COMP_WORDS=(baton queue pause m) COMP_CWORD=3
      _baton_completion baton m pause; echo "${COMPREPLY[@]}"
    """
    shell = ["bash", "--norc", "-c", ask]
    ended = subprocess.run(shell, env=env, check=True, capture_output=True, text=True, timeout=200)
    assert ended.stdout.splitlines() == [
        "complete -o default -F _baton_completion baton",
        "mail money",
    ]
    zsh = {"_BATON_COMPLETE": "complete_zsh", "_TYPER_COMPLETE_ARGS": "baton job list queue:m"}
    offers = invoke(dsn=database, **zsh).stdout
    assert "_arguments" in offers
    assert "mail" in offers


def test_without_a_database_a_tab_is_silent() -> None:
    for line in ("baton queue pause ", "baton job list queue:", "baton workflow show "):
        assert offered(line, "postgresql://127.0.0.1:1/x") == []
        assert offered(line, "nonsense") == []
