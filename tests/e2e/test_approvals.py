"""``baton workflow approvals``, ``approve`` and ``reject``, as a person runs them."""

import json

import psycopg

from baton import SyncClient, Workflow
from tests.e2e.commands import invoke, said, told
from tests.store.test_gates import SWEEP


def asking(database: str) -> str:
    flow = Workflow("offer").approval("sign_off", "Send [it]?", asks="sales", timeout=60)
    with SyncClient(database) as client:
        client.insert_workflow(flow)
    with psycopg.connect(database, autocommit=True) as conn:
        while conn.execute(SWEEP).fetchone() != (0,):
            pass
    return str(flow.workflow_id)


def test_what_is_asked_is_listed_shown_and_explained(database: str) -> None:
    flow = asking(database)
    assert "Send [it]?" in said("workflow", "approvals", dsn=database)
    assert "nobody is asked" in said("workflow", "approvals", "--asks", "boss", dsn=database)
    [asked] = told("workflow", "approvals", flow[:8], dsn=database)
    assert (asked["step"], asked["asks"], asked["on_timeout"]) == ("sign_off", "sales", "discarded")
    assert 'asks for approval of sales: "Send [it]?"' in said(
        "workflow", "show", flow, dsn=database
    )
    [step] = told("workflow", "show", flow, dsn=database)["steps"]
    assert (step["kind"], step["question"]) == ("approval", "Send [it]?")
    why = told("workflow", "why", flow, "sign_off", dsn=database)
    assert why["reason"] == "approval"
    assert 'waits for the approval of sales: "Send [it]?" until' in why["sentence"]
    assert "when it is discarded" in why["sentence"]


def test_an_answer_is_given_once_from_the_shell(database: str) -> None:
    flow = asking(database)
    words = ("workflow", "reject", flow[:8], "sign_off")
    answer = told(*words, "--comment", "too dear", "--by", "bob", dsn=database)
    assert (answer["approved"], answer["by"], answer["comment"]) == (False, "bob", "too dear")
    again = invoke("workflow", "approve", flow, "sign_off", dsn=database)
    assert again.exit_code == 5
    assert "'sign_off' was rejected by bob at" in again.stderr


def test_the_user_of_the_shell_answers_unless_another_is_named(database: str) -> None:
    flow = asking(database)
    out = said("workflow", "approve", flow, "sign_off", dsn=database, LOGNAME="ann")
    assert out == "approved step sign_off as ann\n"


def test_an_answer_that_can_not_be_given_is_explained(database: str) -> None:
    flow = asking(database)
    for words, code, why in [
        (("approve", flow, "sign_of"), 3, "did you mean 'sign_off'?"),
        (("approve", "0f6c0f6c", "sign_off"), 3, "there is no workflow 0f6c0f6c"),
        (("reject", flow, "sign_off", "--by", " "), 2, "who answers must not be blank"),
        (("approvals", "--limit", "0"), 2, "limit"),
    ]:
        ended = invoke("workflow", *words, dsn=database)
        assert ended.exit_code == code, ended.stderr
        assert why in ended.stderr
    assert json.loads(said("workflow", "approvals", "--json", dsn=database))
