"""Steps that ask people, before anything is inserted, and in tests without a database."""

from collections.abc import Callable
from typing import Any

import pytest

import baton.testing
from baton import Decision, Job, Registry, Workflow
from baton.errors import AlreadyAnswered, AnswersApproval, InvalidFlow, InvalidWorkflow

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"question": " "}, "the question of step 'ok' must not be blank"),
        ({"asks": ""}, "asks of step 'ok' must not be blank"),
        ({"shows": ["b"]}, "step 'ok' shows 'b', which is not one of the steps in its deps"),
        ({"shows": "a"}, "shows of step 'ok' must be a list of names"),
        ({"deps": "a"}, "deps of step 'ok' must be a list of names"),
        ({"timeout": -1}, "step 'ok'"),
        ({"on_timeout": "later"}, "on_timeout of step 'ok' must be completed, discarded or"),
        ({"on_rejected": "retryable"}, "on_rejected of step 'ok' must be completed, discarded or"),
    ],
)
def test_what_can_not_be_asked_is_refused_at_once(options: dict[str, Any], said: str) -> None:
    question = options.pop("question", "Go?")
    with pytest.raises(InvalidWorkflow, match=said):
        Workflow().approval("ok", question, **{"deps": ["a"], **options})


def test_an_approval_is_drawn_and_written_down_like_every_step() -> None:
    flow = Workflow("w").sleep("night", 1).approval("ok", "Pay $5?", deps=["night"], timeout=60)
    assert "approval" in flow.graph().to_mermaid()
    assert "hexagon" in flow.graph().to_dot()
    assert "<polygon" in flow.graph().to_svg()
    again = Workflow.from_json(flow.to_json())
    [_, ok] = again.steps()
    assert (ok.kind, ok.wait_seconds, ok.signal) == ("approval", 60, "approval:ok")
    assert ok.job.args["question"] == "Pay $5?"
    with pytest.raises(InvalidFlow, match="worker, wait_for, approval, sleep and workflow"):
        Workflow.from_json({"steps": [{"name": "a", "sleep": 1, "approval": {"question": "?"}}]})


@pytest.fixture
def flow() -> Callable[..., Workflow]:
    registry = Registry()

    @registry.worker()
    def read(job: Job) -> Any:
        return job.result("ok", as_=Decision | None)

    def make(**options: Any) -> Workflow:
        return (
            Workflow("w")
            .approval("ok", "Go?", **options)
            .add("read", read.new(), deps=["ok"])
            .add("else", read.new(), deps=["ok"], run_on="failed")
        )

    make.registry = registry  # type: ignore[attr-defined]
    return make


@pytest.mark.parametrize(
    ("options", "answers", "became"),
    [
        ({}, {"ok": True}, ["completed", "completed", "completed"]),
        ({}, {"ok": False}, ["cancelled", "cancelled", "completed"]),
        ({"on_rejected": "discarded"}, {"ok": False}, ["discarded", "cancelled", "completed"]),
        ({"on_rejected": "completed"}, {"ok": False}, ["completed", "completed", "completed"]),
        ({"timeout": 60}, {}, ["discarded", "cancelled", "completed"]),
        ({"timeout": 60, "on_timeout": "completed"}, {}, ["completed", "completed", "completed"]),
        ({}, {}, ["suspended", "suspended", "suspended"]),
    ],
)
async def test_approvals_are_answered_inline(
    flow: Callable[..., Workflow],
    options: dict[str, Any],
    answers: dict[str, bool],
    became: list[str],
) -> None:
    with baton.testing.inline(registry=flow.registry, approvals=answers) as performed:  # type: ignore[attr-defined]
        jobs = await flow(**options).insert()
    assert [job.state for job in jobs] == became
    for each in performed:
        if answers:
            assert each.value.approved is answers["ok"]
            assert each.value.by == "test"


async def test_a_worker_may_answer_what_is_asked_later_inline() -> None:
    registry = Registry()

    @registry.worker()
    async def answers(job: Job) -> None:
        assert job.step is not None
        said = await Workflow.approve(job.step.workflow_id, "ok", by="ann")
        assert said.by == "ann"
        with pytest.raises(AlreadyAnswered):
            await Workflow.reject(job.step.workflow_id, "ok", by="bob")
        with pytest.raises(AnswersApproval):
            await Workflow.signal(job.step.workflow_id, "approval:ok", True)

    flow = Workflow().add("a", answers.new()).approval("ok", "Go?", deps=["a"])
    with baton.testing.inline(registry=registry, raise_errors=True):
        jobs = await flow.insert()
    assert [job.state for job in jobs] == ["completed", "completed"]
