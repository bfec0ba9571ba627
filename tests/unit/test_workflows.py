"""Graphs that can end, and what is wrong with the others."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from baton import NewJob, WaitForSignal, Workflow
from baton.errors import CyclicWorkflow, DuplicateStep, InvalidWorkflow, UnknownDependency

JOB = NewJob(worker="w")


def test_steps_follow_their_dependencies_whatever_the_order_of_add() -> None:
    flow = (
        Workflow("w")
        .add("last", JOB, deps=["left", "right"])
        .add("right", JOB, deps=["first"])
        .add("left", JOB, deps=["first", "first"])
        .add("first", JOB)
    )
    order = flow.validate()
    assert flow.step_names() == ["last", "right", "left", "first"]
    assert order[0] == "first"
    assert order[-1] == "last"
    assert flow.steps()[0].deps == ()


def test_a_circle_is_named() -> None:
    flow = Workflow().add("a", JOB, deps=["c"]).add("b", JOB, deps=["a"]).add("c", JOB, deps=["b"])
    with pytest.raises(CyclicWorkflow) as caught:
        flow.validate()
    assert set(caught.value.cycle) == {"a", "b", "c"}
    assert " -> " in str(caught.value)


def test_a_step_that_waits_for_itself_is_a_circle() -> None:
    with pytest.raises(CyclicWorkflow, match="a -> a"):
        Workflow().add("a", JOB, deps=["a"]).validate()


def test_a_missing_dependency_is_named_with_the_step_that_wants_it() -> None:
    with pytest.raises(UnknownDependency, match="step 'a' depends on 'ghost'"):
        Workflow().add("a", JOB, deps=["ghost"]).validate()


def test_a_second_step_of_the_same_name_is_refused_at_once() -> None:
    flow = Workflow().add("a", JOB)
    with pytest.raises(DuplicateStep, match="'a'"):
        flow.add("a", JOB)


def test_a_workflow_without_steps_is_refused() -> None:
    with pytest.raises(InvalidWorkflow, match="no steps"):
        Workflow().validate()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"name": "", "job": JOB}, "blank"),
        ({"name": 7, "job": JOB}, "must be a text"),
        ({"name": "a\x00", "job": JOB}, "NUL"),
        ({"name": "é" * 1_001, "job": JOB}, "'éééééééééééééééééééé'… is longer than 2000 bytes"),
        ({"name": "a", "job": "w"}, "must be given a job"),
        ({"name": "a", "job": JOB, "deps": "b"}, "must be a list of names"),
    ],
)
def test_a_wrong_step_is_refused_at_once(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidWorkflow, match=words):
        Workflow().add(**arguments)


def test_names_that_an_index_can_not_hold_are_refused_at_once() -> None:
    long = "s" * 2_001
    with pytest.raises(InvalidWorkflow, match=r"the signal 's+'… is longer than 2000 bytes"):
        Workflow().wait_for("a", long)
    with pytest.raises(InvalidWorkflow, match=r"unique of a workflow 's+'… is longer than"):
        Workflow(unique=long)
    with pytest.raises(ValueError, match=r"the signal 's+'… is longer than 2000 bytes"):
        WaitForSignal(long)


@pytest.mark.parametrize("given", ["not a uuid", 7, b"x" * 16])
def test_an_id_that_is_no_uuid_is_refused(given: Any) -> None:
    with pytest.raises(InvalidWorkflow, match="workflow_id must be a UUID"):
        Workflow(workflow_id=given)


def test_ids_are_given_or_drawn() -> None:
    given = uuid4()
    assert Workflow(workflow_id=str(given)).workflow_id == given
    assert isinstance(Workflow().workflow_id, UUID)
    assert Workflow().workflow_id != Workflow().workflow_id


def test_a_step_overrides_the_flags_of_its_workflow() -> None:
    flow = (
        Workflow(ignore_cancelled=True)
        .add("a", JOB)
        .add("b", JOB, ignore_cancelled=False, ignore_discarded=True)
    )
    flags = {step.name: (step.ignore_cancelled, step.ignore_discarded) for step in flow.steps()}
    assert flags == {"a": (True, False), "b": (False, True)}


def test_a_text_is_no_list_of_tags() -> None:
    with pytest.raises(InvalidWorkflow, match="tags must be a list of texts, not 'vip'"):
        Workflow(tags="vip")


def test_a_workflow_can_be_one_step_only() -> None:
    inner = Workflow("inner").add("a", JOB)
    with pytest.raises(InvalidWorkflow, match="'two' is a workflow that another step is too"):
        Workflow().add("one", inner).add("two", inner).validate()
    deeper = Workflow("deeper").add("one", inner)
    with pytest.raises(InvalidWorkflow, match="'one' is a workflow that another step is too"):
        Workflow().add("one", inner).add("deeper", deeper).validate()


def test_workflows_in_workflows_are_looked_at_once_however_deep_they_are() -> None:
    flow = Workflow().add("a", JOB)
    for _ in range(50):
        flow = Workflow().add("inner", flow)
    assert flow.validate() == ["inner"]


def test_a_chain_of_20_000_steps_is_validated() -> None:
    flow = Workflow().add("0", JOB)
    for index in range(1, 20_000):
        flow.add(str(index), JOB, deps=[str(index - 1)])
    assert flow.validate()[-1] == "19999"
