"""Approvals on the page: what is asked, by whom it may be answered, and the answer."""

import pytest

from baton import Client, Workflow
from baton.masking import hide
from baton.web.access import Action, Resource, User
from tests.store.test_gates import sweep
from tests.support import done, job, process, rows
from tests.web.pages import SAME, page

pytestmark = pytest.mark.anyio


async def asking(database: str) -> tuple[Workflow, int]:
    flow = (
        Workflow("offer")
        .add("draft", job())
        .approval("sign_off", "Send <this>?", deps=["draft"], asks="sales", timeout=60)
        .add("send", job(), deps=["sign_off"])
    )
    async with Client(database) as client, process(database) as worker:
        _, asks, _ = await client.insert_workflow(flow)
        [draft] = await worker.fetch()
        await worker.acknowledge(done(draft, result='{"item": "chair", "price": "secret"}'))
        await sweep(database)
    return flow, asks.id


async def test_what_is_asked_is_listed_and_shown_with_what_it_is_about(database: str) -> None:
    flow, number = await asking(database)
    async with page(database, redact=hide("price")) as client:
        listed = (await client.get("approvals")).text
        assert "Send &lt;this&gt;?" in listed
        assert f"/jobs/{number}" in listed
        shown = (await client.get(f"jobs/{number}")).text
        assert "Send &lt;this&gt;?" in shown
        assert "asked: sales" in shown
        assert "&#34;item&#34;: &#34;chair&#34;" in shown
        assert "secret" not in shown
        assert "Approve</button>" in shown
        shown = (await client.get(f"workflows/{flow.workflow_id}")).text
        assert f'data-key="asked-{number}">Send &lt;this&gt;?</a>' in shown
        assert "waits for the approval of sales" in shown


async def test_an_answer_is_given_once_on_the_page(database: str) -> None:
    flow, number = await asking(database)
    async with page(database) as client:
        root = f"workflows/{flow.workflow_id}"
        data = {"step": "sign_off", "comment": "too dear"}
        answer = await client.post(f"{root}/reject", data=data, headers=SAME)
        assert answer.status_code == 303
        assert "rejected step sign_off" in (await client.get(answer.headers["location"])).text
        again = await client.post(f"{root}/approve", data=data, headers=SAME)
        assert again.status_code == 409
        assert "was rejected by anonymous" in again.text
        for data, status in (({}, 400), ({"step": "draft"}, 409), ({"step": "none"}, 404)):
            answer = await client.post(f"{root}/approve", data=data, headers=SAME)
            assert answer.status_code == status
        assert "Nobody is asked anything" in (await client.get("approvals")).text
        shown = (await client.get(f"jobs/{number}")).text
        assert "<strong>rejected</strong> by anonymous" in shown
        assert "too dear" in shown
        assert "Approve</button>" not in shown
    deeds = await rows(database, "select action, outcome, details from baton.audit_log order by id")
    assert deeds[:2] == [
        ("reject", "done", {"step": "sign_off", "comment": "too dear"}),
        ("approve", "failed", {"step": "sign_off", "comment": "too dear"}),
    ]


async def test_who_may_signal_may_not_therefore_approve(database: str) -> None:
    flow, number = await asking(database)

    def authorize(user: User, action: Action, resource: Resource) -> bool:
        return action not in {Action.APPROVE, Action.SKIP}

    async with page(database, authorize=authorize) as client:
        shown = (await client.get(f"jobs/{number}")).text
        assert "Approve</button>" not in shown
        assert "Reject</button>" in shown
        root = f"workflows/{flow.workflow_id}"
        answer = await client.post(f"{root}/approve", data={"step": "sign_off"}, headers=SAME)
        assert answer.status_code == 403
        data = {"signal": "approval:sign_off", "payload": '{"approved": true}'}
        answer = await client.post(f"{root}/signal", data=data, headers=SAME)
        assert answer.status_code == 400
    assert await rows(database, "select name from baton.workflow_signals") == []
