"""``baton workflow signal``, as a person runs it."""

import json

import psycopg

from baton import SyncClient, Workflow
from tests.e2e.test_look import baton, said


def test_a_signal_is_said_once_from_the_shell(database: str) -> None:
    flow = Workflow("w").wait_for("approved")
    with SyncClient(database) as client:
        client.insert_workflow(flow)
    words = ("workflow", "signal", str(flow.workflow_id)[:8], "approved")
    payload = json.dumps({"by": "ann"})
    out = said(*words, "--payload", payload, "--by", "ann", dsn=database)
    assert out == "approved was said\n"
    out = said(*words, dsn=database)
    assert out == "approved had been said before; nothing was changed\n"
    assert json.loads(said(*words, "--json", dsn=database)) == {"said": False}
    with psycopg.connect(database) as conn:
        row = conn.execute("select name, payload, sent_by from baton.workflow_signals").fetchone()
    assert row == ("approved", {"by": "ann"}, "ann")


def test_what_a_terminal_has_no_letter_for_is_printed_as_its_code(database: str) -> None:
    flow = Workflow("w").wait_for("größe")
    with SyncClient(database) as client:
        client.insert_workflow(flow)
    words = ("workflow", "signal", str(flow.workflow_id), "größe")
    ended = baton(*words, dsn=database, PYTHONIOENCODING="ascii")
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "gr\\xf6\\xdfe was said\n", "")


def test_a_signal_that_can_not_be_said_is_explained(database: str) -> None:
    ended = baton("workflow", "signal", "0f6c0f6c", "approved", dsn=database)
    assert (ended.returncode, ended.stdout) != (0, "")
    assert "there is no workflow 0f6c0f6c" in ended.stderr
    ended = baton("workflow", "signal", "0f6c0f6c", "x", "--payload", "{", dsn=database)
    assert "--payload is not JSON" in ended.stderr
