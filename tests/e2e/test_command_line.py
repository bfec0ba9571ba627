"""What all commands have in common: filters, forms of output, questions and exit codes."""

import json
import os
import signal
import subprocess
import sys

import psycopg
import pytest

from baton import SyncClient, Workflow
from tests.e2e.commands import at_a_terminal, invoke, said, told
from tests.support import job

NOWHERE = "postgresql://127.0.0.1:1/x"


@pytest.fixture
def jobs(database: str) -> list[int]:
    with SyncClient(database) as client:
        inserted = client.insert_all(
            [job("shop.send", queue="mail", args={"to": n}, tags=["vip"]) for n in range(3)]
        )
        other = client.insert(job("shop.bill"))
    return [each.id for each in (*inserted, other)]


@pytest.fixture
def flows(database: str) -> list[Workflow]:
    made = [Workflow(name).add("a", job()) for name in ("research: sea", "research: sky", "other")]
    with SyncClient(database) as client:
        client.insert_workflows(made)
    return made


def states(dsn: str) -> list[str]:
    with psycopg.connect(dsn) as conn:
        return [row[0] for row in conn.execute("select state::text from baton.jobs order by id")]


def test_a_list_takes_a_filter_in_one_piece_or_in_several(database: str, jobs: list[int]) -> None:
    for words in (["queue:mail args.to:1"], ["queue:mail", "args.to:1"]):
        [found] = told("job", "list", *words, dsn=database)
        assert found["id"] == jobs[1]
    assert [each["id"] for each in told("job", "list", "send", "-args.to:0,1", dsn=database)] == [
        jobs[2]
    ]
    assert [each["id"] for each in told("job", "list", "-queue:mail", dsn=database)] == [jobs[3]]
    assert len(told("job", "list", "--queue=mail", "tag:vip", "-n", "2", dsn=database)) == 2


def test_lists_of_workflows_take_a_filter(database: str, flows: list[Workflow]) -> None:
    names = {each["name"] for each in told("workflow", "list", "research", dsn=database)}
    assert names == {"research: sky", "research: sea"}
    assert [each["name"] for each in told("workflow", "list", "-name:research*", dsn=database)] == [
        "other"
    ]
    start = str(flows[0].workflow_id)[:8]
    assert len(told("workflow", "list", start, dsn=database)) == 1


def test_a_wrong_filter_is_a_sentence(database: str) -> None:
    for words in (["job", "list"], ["job", "cancel", "--yes"]):
        refused = invoke(*words, "state:available", "quue:mail", dsn=database)
        assert refused.exit_code == 2
        assert refused.stderr == (
            "error: the filter is wrong at 'quue:mail': there is no field quue; "
            "did you mean queue?\n"
        )


def test_at_a_terminal_a_wrong_filter_is_pointed_at(database: str) -> None:
    code, shown = at_a_terminal(
        "job", "list", "x", "quue:mail", dsn=database, react=lambda *_: False
    )
    assert code == 2
    assert "x quue:mail\r\n  ^^^^^^^^^\r\n" in shown


def test_bulk_actions_count_first_and_want_a_yes(database: str, jobs: list[int]) -> None:
    refused = invoke("job", "cancel", "queue:mail", dsn=database)
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert refused.stderr == "error: this would cancel 3 jobs; say --yes if it is meant\n"
    dry = said("job", "cancel", "queue:mail", "--dry-run", dsn=database)
    assert dry == "would cancel 3 jobs\n"
    assert said("job", "cancel", "queue:mail", "-args.to:0", "--yes", dsn=database) == (
        "cancelled 2 jobs\n"
    )
    assert states(database) == ["available", "cancelled", "cancelled", "available"]
    # ids say what is meant
    assert said("job", "retry", *map(str, jobs[1:3]), dsn=database) == "retried 2 jobs\n"
    assert said("job", "delete", f"{jobs[0]} -queue:default", "--yes", dsn=database) == (
        "deleted 1 job\n"
    )


@pytest.mark.parametrize(
    ("answer", "code", "left"), [("n\n", 1, 4), ("y\n", 0, 1), ("\x03", 130, 4)]
)
def test_at_a_terminal_it_asks(
    database: str, jobs: list[int], answer: str, code: int, left: int
) -> None:
    del jobs

    def react(shown: str, keys: int) -> bool:
        if "delete 3 jobs? [y/N] " not in shown:
            return False
        os.write(keys, answer.encode())
        return True

    ended, shown = at_a_terminal("job", "delete", "queue:mail", dsn=database, react=react)
    assert ended == code, shown
    assert len(states(database)) == left


def test_many_jobs_are_edited(database: str, jobs: list[int]) -> None:
    refused = invoke("job", "edit", "queue:mail", "--priority", "3", dsn=database)
    assert refused.stderr == "error: this would change 3 jobs; say --yes if it is meant\n"
    words = ("job", "edit", "queue:mail", "--priority", "3", "--arg", "more=1")
    assert said(*words, "--dry-run", dsn=database) == "would change 3 jobs\n"
    assert said(*words, "--yes", dsn=database) == "changed 3 jobs\n"
    found = told("job", "list", "priority:3", dsn=database)
    assert sorted(each["args"]["to"] for each in found) == [0, 1, 2]
    assert {each["args"]["more"] for each in found} == {1}
    ids = [str(each) for each in jobs[:2]]
    assert said("job", "edit", *ids, "--queue", "slow", dsn=database) == "changed 2 jobs\n"
    with SyncClient(database) as client:
        client.cancel_job(jobs[0])
        assert client.update_jobs({"schedule_in": 60}, where="queue:slow") == 1


def test_many_workflows_are_cancelled_and_retried(database: str, flows: list[Workflow]) -> None:
    del flows
    refused = invoke("workflow", "cancel", "name:research*", dsn=database)
    assert refused.stderr == "error: this would cancel 2 workflows; say --yes if it is meant\n"
    dry = said("workflow", "cancel", "name:research*", "--dry-run", dsn=database)
    assert dry == "would cancel 2 workflows\n"
    assert said("workflow", "cancel", "name:research*", "--yes", dsn=database) == (
        "cancelled 2 steps of 2 workflows\n"
    )
    assert states(database) == ["cancelled", "cancelled", "available"]
    with psycopg.connect(database) as conn:
        conn.execute("update baton.workflows set state = 'failed' where name like 'research%'")
    assert told("workflow", "retry", "since:1h", "--yes", dsn=database) == {
        "action": "retry",
        "workflows": 2,
        "steps": 2,
        "dry_run": False,
    }
    assert states(database) == ["available"] * 3
    refused = invoke("workflow", "retry", "since:1h", "--step", "a", dsn=database)
    assert "--step and --all are for one workflow" in refused.stderr
    assert "the filter is empty" in invoke("workflow", "cancel", "", "-y", dsn=database).stderr


LISTS = [
    ("job", "list"),
    ("workflow", "list"),
    ("queue", "list"),
    ("cron", "list"),
    ("template", "list"),
    ("queue", "check", "mail"),
]


@pytest.mark.parametrize("words", LISTS, ids=" ".join)
def test_every_list_is_a_table_json_or_lines_of_json(
    database: str, jobs: list[int], flows: list[Workflow], words: tuple[str, ...]
) -> None:
    del jobs, flows
    table = said(*words, dsn=database)
    assert "\x1b" not in table
    listed = json.loads(said(*words, "-o", "json", dsn=database))
    assert isinstance(listed, list)
    assert json.loads(said(*words, "--json", dsn=database)) == listed
    lines = said(*words, "--output", "jsonl", dsn=database).splitlines()
    assert [json.loads(line) for line in lines] == listed
    assert len(table.splitlines()) == 1 + len(listed)
    assert json.loads(said(*words, dsn=database, BATON_OUTPUT="json")) == listed


def test_every_show_is_text_or_json(database: str, flows: list[Workflow]) -> None:
    flow = str(flows[0].workflow_id)
    [inserted] = told("job", "list", f"workflow:{flow}", dsn=database)
    for words in (
        ("job", "show", str(inserted["id"])),
        ("job", "why", str(inserted["id"])),
        ("workflow", "show", flow),
        ("workflow", "tree", flow),
        ("workflow", "why", flow),
    ):
        assert said(*words, dsn=database)
        document = json.loads(said(*words, "-o", "json", dsn=database))
        assert json.loads(said(*words, "-o", "jsonl", dsn=database)) == document
    refused = invoke("job", "list", "-o", "yaml", dsn=database)
    assert refused.exit_code == 2
    assert "'table', 'json', 'jsonl'" in refused.stderr


def test_colour_is_for_terminals_that_want_it(database: str, jobs: list[int]) -> None:
    del jobs
    _, shown = at_a_terminal("job", "list", dsn=database, react=lambda *_: False)
    assert "\x1b[" in shown
    _, shown = at_a_terminal("job", "list", dsn=database, react=lambda *_: False, NO_COLOR="1")
    assert "\x1b[3" not in shown


DRY = ("", " --dry-run")
EXITS = [
    (0, "job list"),
    (0, "job cancel queue:none --yes"),
    (1, "migrate --check"),
    (2, "job list nonsense:1"),
    (2, "job list --nonsense"),
    (2, "job cancel"),
    (2, "job insert w --arg x"),
    (3, "job show 4711"),
    (3, "workflow show ffffffff"),
    (3, "cron run nightly"),
    (3, "job edit 4711 --priority 1"),
    (3, "--debug job show 4711"),
    *((3, f"job {verb} 4711{dry}") for verb in ("cancel", "retry", "delete") for dry in DRY),
    (3, "job edit 4711 --priority 1 --dry-run"),
    (4, "job list --schema nowhere"),
    (5, "cron add twice @daily w"),
    (5, "job edit 1 --schedule-in 5m"),
    *((5, f"job cancel 1{dry}") for dry in DRY),
    *((5, f"job retry 3{dry}") for dry in DRY),
    *((5, f"job delete 4{dry}") for dry in DRY),
    *((5, f"workflow cancel FLOW{dry}") for dry in DRY),
    (5, "job edit 1 --schedule-in 5m --dry-run"),
    (5, "job cancel 1 4711"),
    (5, "workflow skip FLOW a"),
    (5, "workflow signal FLOW hello"),
    (5, "workflow retry FLOW"),
    (124, "workflow watch OPEN --timeout 0.1"),
]


@pytest.mark.parametrize(("code", "command"), EXITS, ids=[command for _, command in EXITS])
def test_exit_codes_say_what_went_wrong(database: str, code: int, command: str) -> None:
    done, still = Workflow("done").add("a", job()), Workflow("open").add("a", job())
    with SyncClient(database) as client, psycopg.connect(database, autocommit=True) as conn:
        client.insert_workflows([done, still])
        client.skip_step(done.workflow_id, "a")
        conn.execute("select baton.finish_workflows(array[%s]::uuid[])", [done.workflow_id])
        client.crons.add("w", "@daily", name="twice")
        client.insert_all([job(), job()])
        conn.execute("update baton.jobs set state = 'executing' where id = 4")
        if "migrate" in command:
            conn.execute("delete from baton.migrations")
    words = command.replace("FLOW", str(done.workflow_id)).replace("OPEN", str(still.workflow_id))
    ended = invoke(*words.split(), dsn=database)
    assert ended.exit_code == code, ended.stderr
    if code == 4:
        assert invoke(*words.split(), dsn=NOWHERE).exit_code == 4
    if code not in {0, 1}:
        assert ended.stderr.strip()


def test_numbers_that_are_too_long_are_a_sentence(database: str) -> None:
    digits = "9" * 5_000
    for words, code in (
        (("llm", "log", digits), 3),
        (("template", "show", f"brief@{digits}"), 2),
        (("workflow", "run", f"brief@{digits}"), 2),
        (("job", "insert", "w", "--schedule-in", digits), 2),
    ):
        ended = invoke(*words, dsn=database)
        assert (ended.exit_code, ended.stderr.count("\n")) == (code, 1)


def test_ids_that_can_not_have_it_are_named_and_the_rest_is_done(
    database: str, jobs: list[int]
) -> None:
    with psycopg.connect(database, autocommit=True) as conn:
        conn.execute("update baton.jobs set state = 'completed' where id = %s", [jobs[0]])
    ids = [*map(str, jobs[:2]), "4711"]
    sentences = (
        f"error: job {jobs[0]} is completed: it can't be cancelled\nerror: there is no job 4711\n"
    )
    dry = invoke("job", "cancel", *ids, "--dry-run", dsn=database)
    assert (dry.exit_code, dry.stdout, dry.stderr) == (5, "would cancel 1 job\n", sentences)
    ended = invoke("job", "cancel", *ids, "--json", dsn=database)
    assert (ended.exit_code, ended.stderr) == (5, sentences)
    assert json.loads(ended.stdout) == {
        "action": "cancel",
        "jobs": 1,
        "dry_run": False,
        "refused": [
            {"id": jobs[0], "error": f"job {jobs[0]} is completed: it can't be cancelled"},
            {"id": 4711, "error": "there is no job 4711"},
        ],
    }
    assert states(database)[:2] == ["completed", "cancelled"]
    edited = invoke("job", "edit", *ids, "--schedule-in", "5m", dsn=database)
    assert (edited.exit_code, edited.stdout) == (5, "changed 0 jobs\n")
    assert edited.stderr.count("error: ") == 3
    assert said("job", "cancel", *ids[:2], "--state", "available", dsn=database) == (
        "cancelled 0 jobs\n"
    )


def test_of_several_workflows_each_is_steered_that_can_be_and_the_others_are_named(
    database: str, flows: list[Workflow]
) -> None:
    ended, first, second = (str(each.workflow_id) for each in flows)
    assert said("workflow", "cancel", ended, dsn=database) == "cancelled 1 step\n"
    ids = [ended, first[:30], first.upper(), second, "ffffffff"]  # one is given twice
    why = f"workflow {ended} is executing: no step of it is open to be cancelled"
    sentences = f"error: {why}\nerror: there is no workflow ffffffff\n"
    dry = invoke("workflow", "cancel", *ids, "--dry-run", dsn=database)
    assert (dry.exit_code, dry.stdout, dry.stderr) == (
        5,
        "would cancel 2 steps of 2 workflows\n",
        sentences,
    )
    done = invoke("workflow", "cancel", *ids, "--reason", "late", "--json", dsn=database)
    assert (done.exit_code, done.stderr) == (5, sentences)
    assert json.loads(done.stdout) == {
        "action": "cancel",
        "workflows": 2,
        "steps": 2,
        "dry_run": False,
        "refused": [
            {"id": ended, "error": why},
            {"id": "ffffffff", "error": "there is no workflow ffffffff"},
        ],
    }
    assert states(database) == ["cancelled"] * 3
    retried = said("workflow", "retry", first, second, dsn=database)
    assert retried == "retried 2 steps of 2 workflows\n"
    again = invoke("workflow", "retry", first, second, dsn=database)
    assert (again.exit_code, again.stdout) == (5, "retried 0 steps of 0 workflows\n")
    assert again.stderr.count("there is nothing to retry in workflow") == 2
    nobody = invoke("workflow", "cancel", "ffffffff", "eeeeeeee", dsn=database)
    assert (nobody.exit_code, nobody.stdout) == (3, "cancelled 0 steps of 0 workflows\n")
    refused = invoke("workflow", "retry", first, second, "--all", dsn=database)
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "--step and --all are for one workflow" in refused.stderr
    with psycopg.connect(database) as conn:
        deeds = conn.execute(
            "select kind, subject, message, details from baton.audit_log"
        ).fetchall()
    assert deeds[1] == (
        "workflows",
        f"{ended} {first} {second} ffffffff",
        f"cancelled 2 steps of 2 workflows; {why}; there is no workflow ffffffff",
        {"reason": "late"},
    )
    assert len(deeds) == 4


def test_at_a_terminal_it_asks_before_several_workflows_are_cancelled(
    database: str, flows: list[Workflow]
) -> None:
    def react(shown: str, keys: int) -> bool:
        if "cancel 3 steps of 3 workflows? [y/N] " not in shown:
            return False
        os.write(keys, b"n\n")
        return True

    ids = [str(each.workflow_id) for each in flows]
    ended, shown = at_a_terminal("workflow", "cancel", *ids, dsn=database, react=react)
    assert ended == 1, shown
    assert states(database) == ["available"] * 3


RACES = [
    ("job", "cancel", "queue:race"),
    ("job", "retry", "queue:race", "--state", "scheduled"),
    ("job", "delete", "queue:race"),
    ("job", "edit", "queue:race", "--priority", "3"),
    ("workflow", "cancel", "name:race"),
    ("workflow", "retry", "name:race", "state:executing"),
]


@pytest.mark.parametrize("words", RACES, ids=" ".join)
def test_what_fits_only_after_it_was_agreed_to_is_left_alone(
    database: str, words: tuple[str, ...]
) -> None:
    """Another session inserts and moves more while the question stands on the terminal."""

    def more(client: SyncClient) -> None:
        client.insert(job(queue="race", schedule_in=60))
        client.insert_workflow(flow := Workflow("race").add("a", job()))
        if words[1] == "retry":
            client.cancel_jobs(meta={"workflow_id": str(flow.workflow_id)})

    with SyncClient(database) as client:
        old = client.insert(job(schedule_in=60))  # was there before, and fits only later
        more(client)

        def react(shown: str, keys: int) -> bool:
            if "[y/N] " not in shown:
                return False
            more(client)
            client.update_job(old.id, {"queue": "race"})
            os.write(keys, b"y\n")
            return True

        code, shown = at_a_terminal(*words, dsn=database, react=react)
    assert code == 0, shown
    assert " 1 job" in shown.splitlines()[-1] or "of 1 workflow" in shown.splitlines()[-1], shown


def test_an_interrupt_is_130(database: str, flows: list[Workflow]) -> None:
    command = [sys.executable, "-m", "baton", "workflow", "watch", str(flows[0].workflow_id)]
    env = {**os.environ, "BATON_DSN": database}
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as run:
        assert run.stdout is not None
        assert run.stdout.readline()
        run.send_signal(signal.SIGINT)
        assert run.wait(60) == 130


def test_a_statement_that_takes_too_long_is_124(database: str) -> None:
    with psycopg.connect(database) as conn:
        conn.execute("lock table baton.jobs in access exclusive mode")
        ended = invoke("job", "list", dsn=database, BATON_STATEMENT_TIMEOUT="1")
    assert ended.exit_code == 124
    assert "statement timeout" in ended.stderr


def test_what_is_named_like_a_secret_is_shown_when_that_is_meant(database: str) -> None:
    args = {"to": "ada", "smtp": {"Password": "hunter2"}}
    with SyncClient(database) as client:
        number = str(client.insert(job(args=args)).id)
    shown = said("job", "show", number, dsn=database)
    assert "ada" in shown
    assert "hunter2" not in shown
    assert "hunter2" in said("job", "show", number, "--show-secrets", dsn=database)
    assert told("job", "show", number, dsn=database)["args"] == args


def test_dividing_a_queue_anew_shows_a_bar(database: str) -> None:
    with SyncClient(database) as client:
        client.insert_all([job(args={"tenant": n}) for n in range(3)])
    words = ("queue", "limit", "default", "--partition-by", "args.tenant")
    code, shown = at_a_terminal(*words, dsn=database, react=lambda seen, _keys: "dividing" in seen)
    assert (code, "dividing jobs" in shown) == (0, True)
    assert said(*words, dsn=database) == ""
