"""Workflows as data: the portable form, its parameters, and the way there and back."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from baton import Job, Registry, Workflow
from baton.errors import CyclicWorkflow, InvalidFlow, InvalidWorkflow, UnknownDependency
from baton.workflows import parameters
from tests.support import job

registry = Registry()


@registry.worker(name="send", queue="mail", timeout=5, tags=["post"])
def send(job: Job, to: str, copies: int = 1) -> None: ...


@registry.worker(name="audit")
async def audit(job: Job, **facts: Any) -> None: ...


FLOW: dict[str, Any] = {
    "name": "mail ${who} for $$5",
    "unique": "mail:${who}",
    "parameters": {
        "who": {"type": "string", "description": "to whom"},
        "copies": {"type": "integer", "default": 2},
    },
    "context": {"who": {"$param": "who"}},
    "on_finished": {"worker": "audit", "args": {"who": {"$param": "who"}}},
    "steps": [
        {
            "name": "send",
            "worker": "send",
            "args": {"to": {"$param": "who"}, "copies": {"$param": "copies"}},
            "options": {"timeout": None, "meta": {"for": {"$param": "who"}}},
        },
        {
            "name": "answer",
            "wait_for": {"timeout": 60, "on_timeout": "completed"},
            "deps": ["send"],
        },
        {
            "name": "allowed",
            "approval": {
                "question": "Again for ${who}?",
                "asks": "boss",
                "shows": [],
                "timeout": 60,
                "on_rejected": "completed",
            },
            "deps": ["answer"],
        },
        {"name": "pause", "sleep": 0.5, "deps": ["allowed"]},
        {
            "name": "again",
            "workflow": {"steps": [{"name": "send", "worker": "send", "args": {"to": "ann"}}]},
            "deps": ["pause"],
            "ignore_skipped": True,
        },
        {
            "name": "sorry",
            "worker": "audit",
            "deps": ["again"],
            "run_on": "failed",
            "when": "wanted",
        },
    ],
}


def made(flow: Any = FLOW, /, **args: Any) -> Workflow:
    return Workflow.from_json(flow, {"who": "ann", **args}, registry=registry)


def problems(flow: Any, args: dict[str, Any] | None = None) -> tuple[str, ...]:
    with pytest.raises(InvalidFlow) as raised:
        Workflow.from_json(flow, args, registry=registry)
    return raised.value.problems


def test_a_document_becomes_the_workflow_that_it_describes() -> None:
    flow = made()
    assert (flow.name, flow.unique, flow.context) == ("mail ann for $5", "mail:ann", {"who": "ann"})
    assert flow.on_finished is not None
    assert flow.on_finished.args == {"who": "ann"}
    by_name = {step.name: step for step in flow.steps()}
    assert by_name["send"].job.args == {"to": "ann", "copies": 2}
    assert by_name["send"].job.queue == "mail"  # the worker's own default
    assert by_name["send"].job.timeout is None  # what the document says wins
    assert by_name["send"].job.meta == {"for": "ann"}
    assert by_name["answer"].wait_seconds == 60
    assert (by_name["pause"].kind, by_name["pause"].wait_seconds) == ("sleep", 0.5)
    assert by_name["again"].ignore_skipped
    assert by_name["again"].workflow is not None
    assert by_name["again"].workflow.step_names() == ["send"]
    assert (by_name["sorry"].run_on, by_name["sorry"].condition) == ("failed", "wanted")


def test_the_document_of_a_workflow_makes_the_same_workflow() -> None:
    flow = made()
    again = Workflow.from_json(flow.to_json(), registry=registry)
    assert again.to_json() == flow.to_json()
    assert [step.job for step in again.steps()] == [step.job for step in flow.steps()]


def test_a_document_keeps_options_that_differ_from_those_of_the_worker() -> None:
    flow = Workflow().add("a", send.with_options(queue="default", tags=[], timeout=None).new("x"))
    [step] = Workflow.from_json(flow.to_json(), registry=registry).steps()
    assert (step.job.queue, step.job.tags, step.job.timeout) == ("default", (), None)


def test_a_value_that_looks_like_a_parameter_survives() -> None:
    args = {"x": {"$param": "y"}, "z": [{"$literal": 1}]}
    flow = Workflow("costs $5 ${who}").add("a", audit.new(**args))
    again = Workflow.from_json(flow.to_json(), registry=registry)
    assert again.name == "costs $5 ${who}"
    assert again.jobs()[0].args == args


@given(
    st.recursive(
        st.none() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner) | st.dictionaries(st.sampled_from(["$param", "$literal", "a"]), inner)
        ),
    )
)
def test_any_value_survives(value: Any) -> None:
    assert parameters.fill(parameters.literal(value), {}) == value


@given(st.text())
def test_any_name_survives(text: str) -> None:
    assert parameters.fill_text(text.replace("$", "$$"), {}) == text


def test_the_published_schema_accepts_documents_and_refuses_others() -> None:
    validator = Draft202012Validator(Workflow.json_schema())
    validator.validate(FLOW)
    validator.validate(json.loads(made().to_json()))
    assert not validator.is_valid({"steps": []})
    assert not validator.is_valid({"steps": [{"name": "a", "colour": "red"}]})


@pytest.mark.parametrize(
    ("flow", "problem"),
    [
        ("{", "it is not JSON"),
        ("[]", "document: "),
        ("\ud800", "it is not JSON"),
        ("[" * 100_000, "it is not JSON"),
        ('{"steps": [{"name": "a", "sleep": 1, "sleep": 2}]}', "sleep: it stands twice"),
        ({}, "steps: Field required"),
        ({"steps": []}, "steps: "),
        ({"baton": 2, "steps": [{"name": "a", "sleep": 1}]}, "baton: "),
        ({"steps": [{"name": "a", "sleep": 1}], "colour": "red"}, "colour: Extra inputs"),
        ({"steps": [{"name": "a"}]}, "steps.0: Value error, a step has one of"),
        ({"steps": [{"name": "a", "sleep": 1, "worker": "send"}]}, "not worker and sleep"),
        ({"steps": [{"name": "a", "sleep": 1, "args": {}}]}, "args and options go with a worker"),
        ({"steps": [{"name": "a", "sleep": -1}]}, "steps.a: "),
        ({"steps": [{"name": "a", "worker": "gone"}]}, "steps.a: no worker named 'gone'"),
        ({"steps": [{"name": "a", "worker": "send"}]}, "missing a required argument: 'to'"),
        (
            {"steps": [{"name": "a", "worker": "send", "args": {"to": "a", "copies": "x"}}]},
            "copies: Input should be a valid integer",
        ),
        (
            {"steps": [{"name": "a", "worker": "audit", "options": {"priority": 10}}]},
            "priority must be from 0 to 9",
        ),
        (
            {"steps": [{"name": "a", "worker": "audit", "args": {"x": {"$param": "y"}}}]},
            "steps.a: parameter 'y' is not declared",
        ),
        ({"name": "${}", "steps": [{"name": "a", "sleep": 1}]}, "name: parameter '' is not"),
        (
            {
                "parameters": {"n": {"type": "integer", "default": "x"}},
                "steps": [{"name": "a", "sleep": 1}],
            },
            "n: it must be of type integer",
        ),
        (
            {"steps": [{"name": "b", "workflow": {"steps": [{"name": "a", "worker": "gone"}]}}]},
            "steps.b.steps.a: no worker named 'gone'",
        ),
        (
            {"on_finished": {"worker": "gone"}, "steps": [{"name": "a", "sleep": 1}]},
            "on_finished: no worker named 'gone'",
        ),
    ],
)
def test_what_can_t_be_read_is_named_by_its_place(flow: Any, problem: str) -> None:
    assert problem in "; ".join(problems(flow))


def test_every_problem_of_the_steps_is_named() -> None:
    steps = [{"name": name, "worker": "gone"} for name in "abc"]
    assert len(problems({"steps": steps})) == 3


@pytest.mark.parametrize(
    ("args", "problem"),
    [
        ({}, "who: the parameter is not given"),
        ({"who": 5}, "who: it must be of type string, not 5"),
        ({"who": "ann", "copies": True}, "copies: it must be of type integer, not True"),
        ({"who": "ann", "wo": 1}, "wo: there is no such parameter; this workflow has copies, who"),
    ],
)
def test_parameters_that_don_t_fit_are_named(args: dict[str, Any], problem: str) -> None:
    assert problems(FLOW, args) == (problem,)


def test_a_document_is_validated_like_a_workflow() -> None:
    steps = [{"name": "a", "sleep": 1, "deps": ["b"]}]
    with pytest.raises(UnknownDependency):
        Workflow.from_json({"steps": steps}, registry=registry)
    steps.append({"name": "b", "sleep": 1, "deps": ["a"]})
    with pytest.raises(CyclicWorkflow):
        Workflow.from_json({"steps": steps}, registry=registry)
    with pytest.raises(InvalidFlow, match="already has a step named 'a'"):
        Workflow.from_json({"steps": [steps[0], steps[0]]}, registry=registry)


def test_a_deadline_at_a_time_can_t_be_written_down() -> None:
    flow = Workflow(deadline=datetime(2030, 1, 1, tzinfo=UTC)).add("a", job())
    with pytest.raises(InvalidFlow, match="use deadline_in"):
        flow.to_json()


def test_a_document_only_names_workers_of_the_registry() -> None:
    with pytest.raises(InvalidWorkflow, match=r"no worker named 'os\.system'"):
        Workflow.from_json({"steps": [{"name": "a", "worker": "os.system"}]}, registry=registry)
