"""What people do in the shell is on record: who, from where, what, to what, and what came of it."""

import getpass
import json
import socket
from pathlib import Path
from typing import Any

import anyio
import psycopg
import pytest
from anyio import to_thread

from baton import Client, SyncClient, Workflow
from baton.cli.app import paths
from tests.e2e.commands import invoke, said, told
from tests.roles import name_of, role
from tests.support import connection, job, nap, waiters

HERE = f"{getpass.getuser()}@{socket.gethostname()}"
LOG = "select action, kind, subject, outcome, message, details from baton.audit_log order by id"

# All commands are in one of these: a new one that changes something is not to be forgotten.
RECORDED = {
    *(f"workflow {word}" for word in ("cancel", "retry", "skip", "signal", "approve", "reject")),
    *(f"job {word}" for word in ("edit", "cancel", "retry", "delete")),
    *(f"queue {word}" for word in ("pause", "resume", "scale", "stop", "start", "limit")),
    *(f"cron {word}" for word in ("add", "edit", "remove", "pause", "resume", "run")),
    *("llm budget set", "llm budget remove", "template put"),
}
LOOKING = {
    *(f"workflow {word}" for word in ("list", "approvals", "schema", "show", "tree", "graph")),
    *("workflow watch", "workflow why", "job list", "job show", "job why", "queue list"),
    *(
        "queue check",
        "process list",
        "error list",
        "llm stats",
        "llm log",
        "llm budget list",
        "cron list",
        "cron next",
        "audit",
    ),
    *("top", "doctor", "template list", "template show", "sql", "psql", "version"),
}
PROGRAMS = {  # they insert, serve, or do the work of whoever owns the tables
    *("workflow run", "job insert", "demo", "worker", "web", "db start", "db stop", "db dsn"),
    *("migrate", "maintain"),
}


def log(dsn: str, query: str = LOG) -> list[tuple[Any, ...]]:
    with psycopg.connect(dsn) as conn:
        return conn.execute(query.encode()).fetchall()


def test_every_command_is_known_to_change_something_or_not() -> None:
    commands = {" ".join(words) for words, _ in paths()}
    assert commands == RECORDED | LOOKING | PROGRAMS


def test_what_is_done_to_jobs_is_on_record(database: str) -> None:
    with SyncClient(database) as client:
        one, two = client.insert_all([job(args={"password": "old"}), job(queue="mail")])
    edit = ("--arg", "password=hunter2", "--timeout", "none", "--tag", "vip")
    said("job", "edit", str(one.id), *edit, dsn=database)
    said("job", "edit", "queue:mail", "--priority", "3", "--yes", dsn=database)
    said("job", "cancel", str(one.id), "--reason", "no", dsn=database)
    assert invoke("job", "retry", str(one.id), str(two.id), dsn=database).exit_code == 5
    where = ("-queue:other", "--queue", "mail", "--arg", "to=a b", "--state", "available")
    said("job", "delete", *where, "--yes", dsn=database)
    assert log(database) == [
        (
            *("edit", "job", str(one.id), "done", f"changed job {one.id}"),
            {"args": ["password"], "timeout": "none", "tags": ["vip"]},
        ),
        ("edit", "jobs", "queue:mail", "done", "changed 1 job", {"priority": 3}),
        ("cancel", "job", str(one.id), "done", "cancelled 1 job", {"reason": "no"}),
        (
            *("retry", "jobs", f"{one.id} {two.id}", "done"),
            *(f"retried 1 job; job {two.id} is available: it can't be retried", {}),
        ),
        (
            *("delete", "jobs", '!queue:other args.to:"a b" state:available queue:mail', "done"),
            *("deleted 0 jobs", {}),
        ),
    ]
    assert "hunter2" not in str(log(database, "select log::text from baton.audit_log as log"))


def test_what_is_done_to_workflows_is_on_record_by_their_whole_ids(database: str) -> None:
    flow = Workflow("offer").add("a", job()).approval("sign", "Sell?", deps=[]).approval("b", "B?")
    with SyncClient(database) as client:
        client.insert_workflow(flow)
    whole = str(flow.workflow_id)
    said("workflow", "signal", whole[:8], "go", "--payload", '"s3cret"', dsn=database)
    said("workflow", "approve", whole[:8], "sign", "--comment", "ok", "--by", "eva", dsn=database)
    said("workflow", "reject", whole, "b", dsn=database)
    said("workflow", "skip", whole, "a", "--reason", "late", "--yes", dsn=database)
    assert log(database) == [
        ("signal", "workflow", whole, "done", "signal go was sent", {"signal": "go"}),
        (
            *("approve", "workflow", whole, "done", "approved step sign as eva"),
            {"step": "sign", "comment": "ok", "by": "eva"},
        ),
        (
            *("reject", "workflow", whole, "done", f"rejected step b as {getpass.getuser()}"),
            {"step": "b"},
        ),
        (
            *("skip", "workflow", whole, "done", "step a counts as completed; it was available"),
            {"step": "a", "reason": "late"},
        ),
    ]


def test_an_action_on_many_workflows_is_one_row(database: str) -> None:
    flows = [Workflow(name).add("a", job()).add("b", job()) for name in ("offer", "off", "other")]
    with SyncClient(database) as client:
        for each in flows:
            client.insert_workflow(each)
    whole = str(flows[0].workflow_id)
    said("workflow", "cancel", whole, "--reason", "over", dsn=database)
    said("workflow", "retry", whole[:8], "--step", "a", dsn=database)
    said("workflow", "retry", whole, "--all", dsn=database)
    said("workflow", "cancel", "name:off*", "-tag:vip", "--yes", dsn=database)
    said("workflow", "retry", "state:executing", "name:off*", "--yes", dsn=database)
    assert log(database) == [
        ("cancel", "workflow", whole, "done", "cancelled 2 steps", {"reason": "over"}),
        ("retry", "workflow", whole, "done", "1 step runs again", {"step": ["a"]}),
        ("retry", "workflow", whole, "done", "2 steps run again", {"all": True}),
        (
            *("cancel", "workflows", "name:off* !tag:vip", "done"),
            *("cancelled 4 steps of 2 workflows", {}),
        ),
        (
            "retry",
            "workflows",
            "state:executing name:off*",
            "done",
            "retried 4 steps of 2 workflows",
            {},
        ),
    ]


def test_what_is_said_of_queues_cron_entries_budgets_and_templates_is_on_record(
    database: str, tmp_path: Path
) -> None:
    flow = Workflow("w").add("a", job())
    with SyncClient(database) as client:
        client.insert_workflow(flow)
    (tmp_path / "flow.json").write_text('{"steps": [{"name": "a", "worker": "w"}]}')
    whole = str(flow.workflow_id)
    for words in (
        ("queue", "pause", "mail", "--node", "n", "--new"),
        ("queue", "resume", "mail"),
        ("queue", "scale", "mail", "5", "--new"),
        ("queue", "stop", "mail"),
        ("queue", "start", "mail", "--slots", "2"),
        ("queue", "limit", "mail", "--global-limit", "3", "--clear", "ageing"),
        ("cron", "add", "nightly", "@daily", "shop.clean", "--arg", "key=hunter2"),
        ("cron", "edit", "nightly", "--expression", "@hourly", "--timeout", "none"),
        ("cron", "pause", "nightly"),
        ("cron", "resume", "nightly"),
        ("cron", "run", "nightly"),
        ("cron", "remove", "nightly"),
        ("template", "put", "brief", str(tmp_path / "flow.json")),
    ):
        said(*words, dsn=database)
    said("llm", "budget", "set", "--workflow", whole[:8], "--cost", "1.5", dsn=database)
    assert invoke("llm", "budget", "remove", "-w", whole, dsn=database).exit_code == 0
    assert invoke("llm", "budget", "remove", "-q", "mail", dsn=database).exit_code == 3
    found = log(database)
    assert [(action, kind, subject) for action, kind, subject, *_ in found] == [
        *((word, "queue", "mail") for word in ("pause", "resume", "scale", "stop", "start")),
        ("limit", "queue", "mail"),
        *((word, "cron", "nightly") for word in ("add", "edit", "pause", "resume", "run")),
        ("remove", "cron", "nightly"),
        ("put", "template", "brief"),
        ("set_budget", "workflow", whole),
        ("remove_budget", "workflow", whole),
        ("remove_budget", "queue", "mail"),
    ]
    assert [outcome for *_, outcome, _, _ in found] == [*["done"] * 15, "failed"]
    details = [each for *_, each in found]
    assert details[0] == {"node": "n"}
    assert details[5] == {"global_limit": 3, "clear": ["ageing"]}
    assert details[6] == {
        "args": ["key"],
        "expression": "@daily",
        "worker": "shop.clean",
    }
    assert details[7] == {"expression": "@hourly", "timeout": "none"}
    assert details[13] == {"cost": "1.5"}


def test_what_failed_is_on_record_and_what_was_only_tried_is_not(database: str) -> None:
    assert invoke("cron", "run", "nightly", dsn=database).exit_code == 3
    failed = ("run", "cron", "nightly", "failed", "there is no cron entry nightly", {})
    assert log(database) == [failed]
    for words in (
        ("job", "cancel", "queue:mail", "--dry-run"),
        ("job", "cancel", "queue:mail"),  # nobody says yes
        ("job", "cancel", "quue:mail", "--yes"),
        ("job", "edit", "queue:mail", "--priority", "2", "--dry-run"),
        ("workflow", "cancel", "0f6c0f6c"),  # there is none
        ("workflow", "retry", "name:x", "--dry-run"),
        ("workflow", "cancel", "nme:x", "--yes"),
        ("llm", "budget", "set", "--cost", "1"),
    ):
        invoke(*words, dsn=database)
    assert log(database) == [failed]


def test_it_says_who_it_was_and_from_where(database: str) -> None:
    by_ssh = {"SSH_CONNECTION": "192.0.2.7 50000 192.0.2.1 22"}
    said("queue", "pause", "a", "--new", dsn=database, SSH_CONNECTION="")
    said("--actor", "ada", "queue", "pause", "b", "--new", dsn=database, **by_ssh)
    by_bob = ("queue", "pause", "c", "--by", "bob", "--new")
    said(*by_bob, dsn=database, BATON_ACTOR="ada", SSH_CONNECTION="")
    found = log(database, "select actor, address, source, details from baton.audit_log order by id")
    assert found == [
        (HERE, None, "cli", {}),
        ("ada", "192.0.2.7", "cli", {}),
        ("ada", None, "cli", {"by": "bob"}),
    ]
    query = "select name, paused_by from baton.queues order by name"
    assert log(database, query) == [("a", getpass.getuser()), ("b", "ada"), ("c", "bob")]


def test_a_role_that_may_not_write_it_down_does_nothing(database: str) -> None:
    with role(database, "worker") as dsn:
        with psycopg.connect(database) as conn:
            conn.execute(f"revoke insert on baton.audit_log from {quoted(name_of(dsn))}".encode())
        refused = invoke("queue", "pause", "mail", "--new", dsn=dsn)
    assert refused.exit_code == 4
    assert refused.stderr.startswith("error: nothing was done, because it can't be written to")
    assert "permission denied for table audit_log" in refused.stderr
    assert refused.stderr.count("\n") == 1
    assert log(database, "select name from baton.queues") == []


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


@pytest.mark.anyio
async def test_it_is_on_record_before_it_is_done(database: str) -> None:
    async with Client(database) as client:
        mine = await client.insert(job())
    query = LOG.encode()
    async with connection(database) as holder, connection(database) as looking:
        async with anyio.create_task_group() as tasks:
            async with holder.transaction():
                await holder.execute("select from baton.jobs where id = %s for update", [mine.id])
                tasks.start_soon(
                    to_thread.run_sync, lambda: invoke("job", "cancel", str(mine.id), dsn=database)
                )
                with anyio.fail_after(60):
                    while await waiters(looking) == 0:
                        await nap()
                open_one = await (await looking.execute(query)).fetchall()
        ended = await (await looking.execute(query)).fetchall()
    assert open_one == [("cancel", "job", str(mine.id), None, None, {})]
    assert ended == [("cancel", "job", str(mine.id), "done", "cancelled 1 job", {})]


def test_the_log_is_listed_filtered_and_paged(database: str) -> None:
    with psycopg.connect(database) as conn:
        conn.execute(
            "insert into baton.audit_log "
            "(actor, address, source, action, kind, subject, outcome, message, inserted_at) values "
            "('ada', '192.0.2.7', 'web', 'pause', 'queue', E'mail\\x1b[31m', 'done', 'so', now()), "
            "('ada', null, 'cli', 'cancel', 'job', '52', null, null, now() - interval '2 days'), "
            "('bob@box', null, 'cli', 'cancel', 'jobs', 'queue:mail', 'failed', 'no', now())"
        )
    first, second, third = (id_ for (id_,) in log(database, "select id from baton.audit_log"))

    def ids(*words: str) -> list[int]:
        return [each["id"] for each in told("audit", *words, dsn=database)]

    assert ids() == [third, second, first]
    assert ids("actor:ada") == [second, first]
    assert ids("actor:bob*", "action:cancel,retry", "outcome:failed") == [third]
    assert ids("source:cli", "-subject:52") == [third]
    assert ids("since:1d", "kind:queue") == [first]
    assert ids("until:1d") == ids("52") == [second]
    assert ids("box") == [third]
    assert ids("-n", "1", "--before", str(third)) == [second]
    listed = said("audit", dsn=database)
    assert "\x1b" not in listed
    assert "ada (192.0.2.7)" in listed
    assert "not known" in listed
    assert "failed: no" in listed
    [line] = said("audit", "actor:bob@box", "-o", "jsonl", dsn=database).splitlines()
    assert json.loads(line)["subject"] == "queue:mail"
    wrong = invoke("audit", "acter:ada", dsn=database)
    assert (wrong.exit_code, wrong.stdout) == (2, "")
    assert "did you mean actor?" in wrong.stderr
