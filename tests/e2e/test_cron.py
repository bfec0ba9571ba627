"""``baton cron``, as a person runs it."""

import json
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.e2e.test_look import baton, said

APP = """
from baton import Job, worker


@worker(name="reports.send", queue="mail")
def send(job: Job, to: str, copies: int = 1) -> None: ...
"""


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "reports.py").write_text(APP)
    monkeypatch.chdir(tmp_path)
    return "reports"


def refused(*words: str, dsn: str, code: int = 2) -> str:
    ended = baton(*words, dsn=dsn)
    assert (ended.returncode, ended.stdout) == (code, ""), ended.stderr
    assert ended.stderr.startswith("error: ")
    assert ended.stderr.count("\n") == 1
    return ended.stderr


def shown(dsn: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(said("cron", "list", "--json", dsn=dsn))
    return found


def test_an_entry_is_added_edited_paused_resumed_run_and_removed(database: str, app: str) -> None:
    out = said(
        *("cron", "add", "weekly", "0 9 * * mon", "reports.send", "--arg", "to=ann"),
        *("--timezone", "Europe/Berlin", "--catch-up", "latest", "--priority", "2"),
        *("--timeout", "5m", "--app", app),
        dsn=database,
    )
    assert out.startswith("added weekly: 0 9 * * mon Europe/Berlin, next ")
    [entry] = shown(database)
    assert (entry["source"], entry["catch_up"], entry["args"]) == ("database", 1, {"to": "ann"})
    assert entry["options"] == {"priority": 2, "timeout": 300}
    assert entry["next_tick_at"] is not None

    said("cron", "edit", "weekly", "--expression", "@daily", "--arg", "copies=3", dsn=database)
    edited = said("cron", "edit", "weekly", "--timeout", "none", "--json", dsn=database)
    assert json.loads(edited)["options"] == {"priority": 2}
    [entry] = shown(database)
    assert (entry["expression"], entry["args"]) == ("@daily", {"to": "ann", "copies": 3})

    assert said("cron", "pause", "weekly", "--by", "ann", dsn=database).startswith("paused weekly")
    assert "paused by ann" in said("cron", "list", dsn=database)
    out = said("cron", "run", "weekly", "--app", app, dsn=database)
    assert out == "inserted job 1 in queue mail\n"
    with psycopg.connect(database) as conn:
        row = conn.execute("select priority, meta ->> 'cron_name', args from baton.jobs").fetchone()
    assert row == (2, "weekly", {"to": "ann", "copies": 3})
    said("cron", "resume", "weekly", dsn=database)
    assert shown(database)[0]["paused_at"] is None
    assert said("cron", "remove", "weekly", dsn=database) == "removed weekly\n"
    assert shown(database) == []


def test_the_next_ticks_are_shown_of_an_entry_and_of_an_expression(database: str) -> None:
    said("cron", "add", "minutely", "* * * * *", "w", dsn=database)
    assert len(said("cron", "next", "minutely", "-n", "3", dsn=database).splitlines()) == 3
    words = ("cron", "next", "0 9 1 1 *", "--timezone", "Asia/Tokyo")
    assert said(*words, "-n", "2", dsn=database).count("09:00:00 JST") == 2
    [tick] = json.loads(said(*words, "-n", "1", "--json", dsn=database))
    assert tick.endswith("-01-01T09:00:00+09:00")
    assert said("cron", "next", "@reboot", dsn=database).startswith("when the first worker")
    assert said("cron", "next", "0 9 1 1 mon", "-n", "2", dsn=database).count("09:00:00 UTC") == 2
    assert said("cron", "next", "30 0 9 1 1 1", "-n", "1", dsn=database).count("09:00:30 UTC") == 1
    said("cron", "add", "0 9 1 1 mon", "30 10 1 1 *", "w", dsn=database)
    assert "10:30:00 UTC" in said("cron", "next", "0 9 1 1 mon", "-n", "1", dsn=database)
    assert "it has 6 fields" not in refused("cron", "next", "nobody", dsn=database, code=3)
    assert "its day-of-week can't be" in refused("cron", "next", "1 2 3 4 often", dsn=database)


def test_an_entry_that_was_broken_in_psql_is_listed_as_such(database: str) -> None:
    said("cron", "add", "x", "@daily", "w", dsn=database)
    with psycopg.connect(database) as conn:
        conn.execute("update baton.crons set expression = 'often [red]\x1b', options = '{}'")
    out = said("cron", "list", dsn=database)
    assert "broken" in out
    assert "\x1b" not in out
    assert "it has 2 fields" in shown(database)[0]["problem"]


def test_what_cannot_be_is_refused_with_a_sentence(database: str, app: str) -> None:
    def add(*words: str) -> tuple[str, ...]:
        return ("cron", "add", "x", *words)

    said(*add("@daily", "w"), dsn=database)
    assert "there is a cron entry named 'x'" in refused(*add("@daily", "w"), dsn=database, code=5)
    assert "its minute can't be '61'" in refused(*add("61 * * * *", "w"), dsn=database)
    assert "no time zone 'Mars'" in refused(*add("@daily", "w", "-z", "Mars"), dsn=database)
    assert "catch_up must be" in refused(*add("@daily", "w", "--catch-up", "all"), dsn=database)
    assert "priority must be" in refused(*add("@daily", "w", "--priority", "10"), dsn=database)
    words = add("@daily", "reports.send", "--app", app)
    assert "missing a required argument: 'to'" in refused(*words, dsn=database)
    words = add("@daily", "nobody", "--app", app)
    assert "no worker named 'nobody'" in refused(*words, dsn=database, code=1)
    assert "what is to be changed?" in refused("cron", "edit", "x", dsn=database)
    for command in ("remove", "pause", "resume", "run", "next"):
        error = refused("cron", command, "nothing", dsn=database, code=3)
        assert error == "error: there is no cron entry nothing\n"
    with psycopg.connect(database) as conn:
        conn.execute("update baton.crons set source = 'code'")
    error = refused("cron", "edit", "x", "--expression", "@hourly", dsn=database)
    assert "stands in the code of a program" in error
