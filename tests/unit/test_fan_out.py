"""Fan-outs over a collection that is known when the workflow is built."""

from typing import Any

import pytest

from baton import NewJob, Workflow
from baton.errors import DuplicateStep, InvalidWorkflow, UnknownDependency

JOB = NewJob(worker="w")


def deps(flow: Workflow) -> dict[str, tuple[str, ...]]:
    return {step.name: step.deps for step in flow.steps()}


def test_a_fan_out_makes_a_step_for_each_key() -> None:
    flow = Workflow().add("a", JOB).fan_out("part", {"x": JOB, 7: JOB}, deps=["a"])
    assert deps(flow) == {"a": (), "part:x": ("a",), "part:7": ("a",)}


def test_a_fan_out_over_a_sequence_counts_from_zero() -> None:
    flow = Workflow().fan_out("part", (JOB for _ in range(2)), deps=iter(()))
    assert flow.step_names() == ["part:0", "part:1"]


def test_one_word_stands_for_the_steps_of_a_fan_out() -> None:
    flow = (
        Workflow()
        .add("join", JOB, deps=["a", "part:*", "part:1"])
        .add("a", JOB)
        .fan_out("part", [JOB, JOB])
    )
    assert deps(flow)["join"] == ("a", "part:0", "part:1")


def test_an_empty_fan_out_holds_up_nothing() -> None:
    flow = Workflow().fan_out("part", []).add("join", JOB, deps=["part:*"])
    assert deps(flow) == {"join": ()}


def test_a_fan_out_may_follow_another() -> None:
    flow = Workflow().fan_out("a", [JOB]).fan_out("b", [JOB, JOB], deps=["a:*"])
    assert deps(flow) == {"a:0": (), "b:0": ("a:0",), "b:1": ("a:0",)}


def test_a_fan_out_may_consist_of_workflows() -> None:
    inner = Workflow("inner").add("a", JOB)
    flow = Workflow().fan_out("part", {"x": inner})
    assert [step.kind for step in flow.steps()] == ["workflow"]


def test_an_unknown_fan_out_is_named() -> None:
    with pytest.raises(UnknownDependency, match=r"'join' depends on 'prat:\*'"):
        Workflow().fan_out("part", []).add("join", JOB, deps=["prat:*"]).validate()


def test_a_second_fan_out_of_the_same_name_is_refused() -> None:
    with pytest.raises(DuplicateStep, match=r"part:\*"):
        Workflow().fan_out("part", []).fan_out("part", [])


def test_keys_that_are_the_same_text_are_refused() -> None:
    with pytest.raises(DuplicateStep, match="part:1"):
        Workflow().fan_out("part", {1: JOB, "1": JOB})


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"name": " ", "jobs": []}, "blank"),
        ({"name": "a", "jobs": [7]}, "'a:0' must be given a job"),
        ({"name": "a", "jobs": [JOB], "deps": "b"}, "must be a list of names"),
        ({"name": "a", "jobs": {"*": JOB}}, "must not end in"),
    ],
)
def test_a_wrong_fan_out_is_refused_at_once(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidWorkflow, match=words):
        Workflow().fan_out(**arguments)


@pytest.mark.parametrize("other", ["fetch:extra", "fetch:eu:*"])
def test_a_step_that_is_named_like_a_part_of_a_fan_out_is_told_from_it(other: str) -> None:
    flow = Workflow().fan_out("fetch", {"first": JOB}).fan_out("fetch:eu", [JOB])
    flow.add("fetch:extra", JOB)
    flow.add("one", JOB, deps=[other]).add("both", JOB, deps=["fetch:first", other])
    flow.validate()  # nobody asks for a fan-out whose parts could be confused
    flow.add("total", JOB, deps=["fetch:*", other])
    with pytest.raises(InvalidWorkflow, match="waits for fan-out 'fetch' and for step 'fetch:e"):
        flow.validate()
