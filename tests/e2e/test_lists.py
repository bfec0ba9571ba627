"""Lists of queues, processes, cron entries, approvals and errors, and queues that nobody knows."""

import json

import psycopg
import pytest

from baton import SyncClient
from tests.e2e.commands import invoke, said, told
from tests.support import job

LISTS = (
    ("queue", "list"),
    ("process", "list"),
    ("cron", "list"),
    ("error", "list"),
    ("workflow", "approvals"),
)


@pytest.fixture
def filled(database: str) -> str:
    with SyncClient(database) as client, psycopg.connect(database) as conn:
        client.insert_all([job(queue="mail"), job(queue="news"), job(queue="night")])
        client.queues.pause("news", by="ada")
        for name in ("a", "b", "c"):
            client.crons.add(f"shop.{name}", "@daily", name=name, paused=name == "b")
            conn.execute(
                "insert into baton.leases (node, queues, expires_at) "
                "values (%s, %s, now() + interval '1 hour')",
                [name, json.dumps({name: 1})],
            )
            conn.execute(
                "insert into baton.jobs (queue, worker, args, state, errors) "
                "values ('mail', 'w', '{}', 'discarded', %s)",
                [json.dumps([{"kind": f"E\x1b{name}", "message": "no 7"}])],
            )
    return database


@pytest.mark.parametrize(
    ("words", "field", "found"),
    [
        (("queue", "list", "state:paused"), "name", ["news"]),
        (("queue", "list", "-queue:n*", "available:1.."), "name", ["mail"]),
        (("queue", "list", "--after", "news", "-n", "1"), "name", ["night"]),
        (("process", "list", "queue:b,c", "-node:c"), "node", ["b"]),
        (("cron", "list", "state:paused"), "name", ["b"]),
        (("cron", "list", "-state:paused", "worker:shop.*"), "name", ["a", "c"]),
        (("error", "list", "kind:*c", "queue:mail"), "pattern", ["no <n>"]),
        (("workflow", "approvals", "asks:ada"), "step", []),
    ],
)
def test_lists_take_a_filter(
    filled: str, words: tuple[str, ...], field: str, found: list[str]
) -> None:
    assert [each[field] for each in told(*words, dsn=filled)] == found
    lines = said(*words, "-o", "jsonl", dsn=filled).splitlines()
    assert [json.loads(line)[field] for line in lines] == found
    table = said(*words, dsn=filled)
    assert "\x1b" not in table
    assert all(name in table for name in found)


@pytest.mark.parametrize("words", LISTS)
def test_a_wrong_word_is_a_sentence_that_names_the_fields(
    database: str, words: tuple[str, ...]
) -> None:
    ended = invoke(*words, "zzz:1", dsn=database)
    assert (ended.exit_code, ended.stdout) == (2, "")
    assert "there is no field zzz; there are " in ended.stderr


@pytest.mark.parametrize("words", LISTS[:4])
def test_people_are_told_how_to_see_the_next_page(filled: str, words: tuple[str, ...]) -> None:
    places = []
    after: tuple[str, ...] = ()
    while True:
        ended = invoke(*words, "-n", "1", *after, dsn=filled)
        assert ended.exit_code == 0
        places.append(ended.stdout.splitlines()[1].split()[0])
        if not ended.stderr:
            break
        assert ended.stderr.startswith("there are more: --after ")
        after = tuple(ended.stderr.split()[3:5])
    assert len(places) == len(set(places)) >= 3
    # a program sees by itself that a page is full
    assert said(*words, "-n", "1", "--json", dsn=filled)


def test_more_jobs_than_are_counted_are_counted_when_that_is_asked_for(
    filled: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with SyncClient(filled) as client:
        client.insert_all([job(queue="mail") for _ in range(4)])
    monkeypatch.setattr("baton.cli.queue_look.COUNTED", 2)
    [short] = told("queue", "list", "queue:mail", dsn=filled)
    assert (short["counts"], short["cut"]) == ({"available": 2}, ["available"])
    assert "2+" in said("queue", "list", "queue:mail", dsn=filled)
    [exact] = told("queue", "list", "queue:mail", "--exact", dsn=filled)
    assert (exact["counts"], exact["cut"]) == ({"available": 5}, [])


@pytest.mark.parametrize(
    "words",
    [
        ("pause", "nigth"),
        ("resume", "nigth"),
        ("scale", "nigth", "3"),
        ("stop", "nigth"),
        ("start", "nigth"),
        ("limit", "nigth", "--global-limit", "3"),
    ],
)
def test_nothing_is_said_about_a_queue_that_nobody_knows_unless_that_is_meant(
    filled: str, words: tuple[str, ...]
) -> None:
    ended = invoke("queue", *words, dsn=filled)
    assert (ended.exit_code, ended.stdout) == (3, "")
    assert ended.stderr == (
        "error: there is no queue 'nigth' that anybody knows; did you mean 'night'? "
        "say --new if it is meant\n"
    )
    query = b"select (select count(*) from baton.queues), (select count(*) from baton.audit_log)"
    with psycopg.connect(filled) as conn:
        assert conn.execute(query).fetchone() == (1, 0)
    said("queue", *words, "--new", dsn=filled)
    said("queue", *(word.replace("nigth", "night") for word in words), dsn=filled)
