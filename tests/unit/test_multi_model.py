"""Which models the steps of a workflow call, without a database."""

from typing import Any

import pytest

from baton import Graft, Job, NewJob, Registry, Worker, Workflow
from baton.client.checks import checked_workflows
from baton.errors import (
    DuplicateStep,
    InvalidArguments,
    InvalidJob,
    InvalidWorker,
    InvalidWorkflow,
    NotAStep,
    UnknownFanOut,
)
from baton.llm import MultiModel, llm_worker
from baton.testing import perform_job_sync

JOB = NewJob(worker="w", meta={"team": "red"})
OLD, NEW = "gpt-4o-2024-05-13", "gpt-4o-2024-08-06"
registry = Registry()


@llm_worker(registry=registry)
async def ask(job: Job, question: str = "why?") -> str:
    return f"{MultiModel.model_for(job, 'gpt-4o')}: {question}"


@registry.worker()
def collect(job: Job, as_: str = "text") -> dict[str, Any]:
    return MultiModel.results(job, "answer", as_=int if as_ == "number" else None)


def metas(flow: Workflow | Graft) -> dict[str, Any]:
    return {step.name: dict(step.job.meta) for step in flow.steps()}


def asked(flow: Workflow) -> dict[str, str]:
    return {name: meta["model"] for name, meta in metas(flow).items() if "model" in meta}


@pytest.fixture
def workers(request: pytest.FixtureRequest) -> Any:
    with registry.collecting():
        yield


def test_a_model_is_chosen_for_steps_that_are_there_and_that_come_later() -> None:
    flow = Workflow().add("before", JOB)
    same = MultiModel.configure(flow, {"before": "a", "after": "b"})
    same.add("after", JOB).add("other", JOB)
    assert same is flow
    assert metas(flow) == {
        "before": {"team": "red", "model": "a"},
        "after": {"team": "red", "model": "b"},
        "other": {"team": "red"},
    }
    assert [job.meta for job in flow.jobs()] == list(metas(flow).values())


def test_a_later_choice_wins_and_all_win_over_the_meta_of_the_job() -> None:
    flow = Workflow().add("a", NewJob(worker="w", meta={"model": "own"})).add("b", JOB)
    MultiModel.configure(flow, {"a": "first", "b": "first"})
    MultiModel.configure(flow, {"b": "second"})
    assert asked(flow) == {"a": "first", "b": "second"}


def test_one_word_chooses_the_model_of_all_steps_of_a_fan_out() -> None:
    flow = MultiModel.configure(Workflow(), {"part:*": "a", "part:1": "b"})
    flow.fan_out("part", [JOB, JOB])
    assert asked(flow) == {"part:0": "a", "part:1": "b"}


def test_the_checks_before_an_insert_see_the_model_and_may_choose_another() -> None:
    checks = Registry()
    seen = []

    @checks.before_insert
    def cheaper(job: NewJob) -> NewJob:
        seen.append(job.meta["model"])
        return NewJob(worker=job.worker, meta={"model": "cheap"})

    flow = MultiModel.configure(Workflow().add("a", JOB), {"a": "dear"})
    [checked] = checked_workflows(checks, [flow])
    assert (seen, asked(checked), asked(flow)) == (["dear"], {"a": "cheap"}, {"a": "dear"})


@pytest.mark.parametrize(
    ("models", "message"),
    [
        ({"b": "m"}, "a model is chosen for step 'b', which is not a step of the workflow"),
        ({"b:*": "m"}, r"a model is chosen for step 'b:\*', which is not a step"),
        ({"wait": "m"}, "a model is chosen for step 'wait', which is a signal and calls none"),
        ({"inner": "m"}, "a model is chosen for step 'inner', which is a workflow and calls none"),
    ],
)
def test_a_step_that_can_have_no_model_is_named(models: dict[str, str], message: str) -> None:
    flow = Workflow().add("a", JOB).wait_for("wait").add("inner", Workflow().add("a", JOB))
    with pytest.raises(InvalidWorkflow, match=message):
        MultiModel.configure(flow, models).validate()


@pytest.mark.parametrize(
    ("models", "message"),
    [
        ([("a", "m")], "models must be a mapping of steps to models, not"),
        ({"a": 4}, "the model of step 'a' must be a text, not 4"),
        ({"a": " "}, "the model of step 'a' must not be blank"),
        ({7: "m"}, "the name of a step must be a text, not 7"),
    ],
)
def test_what_are_no_models_of_steps_is_refused(models: Any, message: str) -> None:
    flow = Workflow().add("a", JOB)
    with pytest.raises(InvalidWorkflow, match=message):
        MultiModel.configure(flow, models)
    assert asked(flow) == {}


def test_a_job_learns_its_model_or_the_default() -> None:
    assert perform_job_sync(ask, {"question": "x"}, registry=registry) == "gpt-4o: x"
    chosen = perform_job_sync(ask.with_options(meta={"model": "mine"}).new(), registry=registry)
    assert chosen == "mine: why?"


@pytest.mark.parametrize("found", [4, "", {"name": "gpt"}])
def test_a_model_that_is_no_name_is_an_error(found: object) -> None:
    own = Registry()

    @own.worker()
    def read(job: Job) -> str:
        return MultiModel.model_for(job, "gpt")

    with pytest.raises(InvalidJob, match=r"meta\[.model.\] of job 1 must be the name of a model"):
        perform_job_sync(read.with_options(meta={"model": found}).new(), registry=own)


def test_a_step_is_added_for_each_model_and_one_for_the_synthesis() -> None:
    flow = MultiModel.fan_out(
        Workflow().add("sources", JOB),
        "answer",
        ask.with_options(meta={"team": "red"}, priority=3),
        ["anthropic/claude-sonnet-4-5", "gpt-4.1"],
        args={"question": "how?"},
        deps=["sources"],
        synthesize_with=collect,
        synthesize_model="gpt-5",
        ignore_discarded=True,
    )
    _, claude, gpt, synthesis = flow.steps()
    assert (claude.name, gpt.name) == ("answer:anthropic-claude-sonnet-4-5", "answer:gpt-4.1")
    assert claude.job.meta == {"team": "red", "model": "anthropic/claude-sonnet-4-5"}
    assert (gpt.job.args, gpt.job.priority, gpt.job.queue) == ({"question": "how?"}, 3, "llm")
    assert claude.deps == gpt.deps == ("sources",)
    assert (synthesis.name, synthesis.job.worker) == ("answer_synthesis", collect.name)
    assert synthesis.deps == (claude.name, gpt.name)
    assert (synthesis.ignore_discarded, claude.ignore_discarded) == (True, False)
    assert synthesis.job.meta["model"] == "gpt-5"


def test_jobs_and_names_of_workers_are_taken_as_well() -> None:
    with registry.collecting():
        flow = MultiModel.fan_out(Workflow(), "a", ask.new("what?"), ["m"])
        MultiModel.fan_out(flow, "b", ask.name, ["m"], synthesize_with=collect.new(as_="number"))
    assert [step.job.args for step in flow.steps()] == [
        {"question": "what?"},
        {},
        {"as_": "number"},
    ]


def test_a_class_is_a_worker_too() -> None:
    with Registry().collecting():

        class Ask(Worker):
            def perform(self, job: Job, question: str) -> str:
                return question

    flow = MultiModel.fan_out(Workflow(), "a", Ask, ["m"], args={"question": "x"})
    assert [step.job.args for step in flow.steps()] == [{"question": "x"}]


@pytest.mark.parametrize(
    "models",
    [
        [OLD, NEW, "gpt-4o"],
        ["openai/gpt-4o", "openai:gpt-4o", "OpenAI/GPT-4o", "openai-gpt-4o"],
        ["模型", "型模", "model", "-"],
    ],
)
def test_models_that_look_alike_have_steps_of_their_own(models: list[str]) -> None:
    flow = MultiModel.fan_out(Workflow(), "a", JOB, models)
    back = MultiModel.fan_out(Workflow(), "a", JOB, reversed(models))
    assert list(asked(flow).values()) == models
    assert asked(flow) == asked(back)
    assert asked(flow).get(f"a:{models[-1]}", models[-1]) == models[-1]


def test_a_name_that_is_simple_already_stays_as_it_is() -> None:
    flow = MultiModel.fan_out(Workflow(), "a", JOB, [OLD, NEW, "openai/gpt-4o", "openai-gpt-4o"])
    first, second, odd, plain = flow.step_names()
    assert (first, second, plain) == (f"a:{OLD}", f"a:{NEW}", "a:openai-gpt-4o")
    assert odd.startswith("a:openai-gpt-4o-")


def test_results_are_by_model_in_their_order() -> None:
    flow = MultiModel.fan_out(
        Workflow(), "answer", JOB, ["z/1", "a/1", "m"], synthesize_with=JOB, ignore_discarded=True
    )
    meta = metas(flow)["answer_synthesis"]
    found = {"answer:m": "3", "answer:z-1": "1", "answer:a-1": None}
    work = collect.with_options(meta=meta)
    results: Any = perform_job_sync(work.new(), results=found, registry=registry)
    assert list(results.items()) == [("z/1", "1"), ("a/1", None), ("m", "3")]
    numbers = {"answer:m": 3, "answer:z-1": 1}
    fitting = perform_job_sync(work.new(as_="number"), results=numbers, registry=registry)
    assert fitting == {"z/1": 1, "m": 3}


def test_whatever_waits_for_the_models_knows_them_whichever_was_added_first() -> None:
    flow = Workflow().add("early", JOB, deps=["a:*", "b:*"]).add("none", JOB)
    MultiModel.fan_out(flow, "a", JOB, ["X/1"])
    MultiModel.fan_out(flow, "b", JOB, ["Y"])
    flow.add("one", NewJob(worker="w", meta={"models": "mine"}), deps=["a:x-1"])
    flow.wait_for("signal", deps=["a:*"])
    knows = {name: meta.get("models") for name, meta in metas(flow).items()}
    assert knows["early"] == {"a": {"x-1": "X/1"}, "b": {"y": "Y"}}
    assert knows["one"] == {"a": {"x-1": "X/1"}}
    assert knows["none"] is knows["signal"] is knows["a:x-1"] is None


def test_results_of_a_fan_out_that_is_not_waited_for_are_an_error() -> None:
    work = collect.with_options(meta={"models": {"other": {"m": "m"}}})
    with pytest.raises(UnknownFanOut, match=r"'answer:\*' as .* makes it; it waits for 'other'"):
        perform_job_sync(work.new(), results={}, registry=registry)
    with pytest.raises(UnknownFanOut, match="it waits for none"):
        perform_job_sync(collect.new(), results={}, registry=registry)
    with pytest.raises(NotAStep):
        perform_job_sync(collect.new(), registry=registry)


def test_a_graft_can_ask_several_models() -> None:
    graft = MultiModel.fan_out(Graft(), "a", JOB, ["m"], synthesize_with=JOB)
    MultiModel.configure(graft, {"a_synthesis": "s"})
    assert metas(graft)["a_synthesis"] == {
        "team": "red",
        "model": "s",
        "models": {"a": {"m": "m"}},
    }


def test_models_survive_the_portable_form(workers: None) -> None:
    flow = MultiModel.fan_out(
        Workflow(), "a", ask, ["X/1"], synthesize_with=collect, synthesize_model="s"
    )
    again = Workflow.from_json(flow.to_json())
    assert metas(again) == metas(flow)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"models": []}, "fan-out 'a' has no models"),
        ({"models": "gpt"}, "models of fan-out 'a' must be a list of names, not 'gpt'"),
        ({"models": None}, "models of fan-out 'a' must be a list of names, not None"),
        ({"models": ["m", 4]}, "a model of fan-out 'a' must be a text, not 4"),
        ({"models": ["m", " "]}, "a model of fan-out 'a' must not be blank"),
        ({"models": ["m", "n", "m"]}, "fan-out 'a' has the model 'm' twice"),
        ({"args": {"x": 1}}, "the job of 'w' has its arguments already"),
        ({"worker": ask, "args": ["x"]}, "args of .* must be a mapping, not"),
        ({"synthesize_model": "m"}, "has a synthesize_model, but nothing to synthesize_with"),
        ({"synthesize_with": JOB, "synthesize_model": ""}, "synthesize_model must not be blank"),
        ({"base": "x:*"}, "the name of a step must not end in"),
        ({"deps": "x"}, "must be a list of names"),
    ],
)
def test_a_fan_out_that_makes_no_sense_adds_nothing(change: dict[str, Any], message: str) -> None:
    flow = Workflow()
    given: dict[str, Any] = {"base": "a", "worker": JOB, "models": ["m"], **change}
    with pytest.raises(InvalidWorkflow, match=message):
        MultiModel.fan_out(flow, **given)
    assert flow.step_names() == []
    assert flow.models.asked == {}


def test_a_worker_that_is_none_and_arguments_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InvalidWorker, match="is neither a worker nor the name of one"):
        MultiModel.fan_out(Workflow(), "a", 4, ["m"])  # type: ignore[arg-type]
    with pytest.raises(InvalidArguments, match="answer"):
        MultiModel.fan_out(Workflow(), "a", ask, ["m"], args={"answer": 1})


def test_names_that_are_taken_are_refused() -> None:
    flow = MultiModel.fan_out(Workflow(), "a", JOB, ["m"], synthesize_with=JOB)
    with pytest.raises(DuplicateStep, match=r"a:\*"):
        MultiModel.fan_out(flow, "a", JOB, ["n"])
    with pytest.raises(DuplicateStep, match="b_synthesis"):
        MultiModel.fan_out(flow.add("b_synthesis", JOB), "b", JOB, ["n"], synthesize_with=JOB)


def test_the_model_of_a_step_over_models_is_not_chosen_again() -> None:
    flow = MultiModel.fan_out(Workflow(), "a", JOB, ["m"])
    with pytest.raises(InvalidWorkflow, match="the model of step 'a:m' is that of its fan-out"):
        MultiModel.configure(flow, {"a:*": "n"}).validate()
