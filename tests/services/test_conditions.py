"""Conditions: asked by worker processes, before the worker, on a real database."""

import threading
from typing import Any

import pytest

from baton import Client, Job, Registry, Snooze, Worker, Workflow
from baton.errors import DuplicateCondition, InvalidCondition, InvalidWorkflow, UnknownCondition
from tests.services import apps
from tests.services.test_node import finished, running, until
from tests.support import rows, states, value

pytestmark = pytest.mark.anyio


@pytest.fixture
def registry() -> Registry:
    return Registry()


async def run(database: str, registry: Registry, flow: Workflow, **changes: Any) -> dict[str, Any]:
    """Run a workflow to its end; what became of each step, and why."""
    async with running(database, registry, **changes) as (_, client):
        await client.insert_workflow(flow)
        await until(finished(database))
    query = """
      select step_name, outcome::text, skipped, cause from baton.workflow_steps
      where workflow_id = %s
    """
    found = await rows(database, query, flow.workflow_id)
    return {name: (outcome, skipped, cause) for name, outcome, skipped, cause in found}


RAN = ("completed", False, None)


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize(("count", "runs"), [(5, True), (1, False)])
async def test_a_condition_decides_over_the_results_of_dependencies(
    database: str, registry: Registry, is_async: bool, count: int, runs: bool
) -> None:
    called: list[str | None] = []
    asked_in: list[int] = []

    @registry.worker()
    async def fetch(_job: Job, count: int) -> int:
        return count

    @registry.worker()
    async def work(job: Job) -> None:
        called.append(job.step_name)

    if is_async:

        @registry.condition(name="is_large")
        async def is_large(job: Job) -> bool:
            return int(job.result("fetch")) > job.context["limit"]

        large: Any = is_large
    else:

        @registry.condition(name="is_large")
        def is_large_too(job: Job) -> bool:
            asked_in.append(threading.get_ident())
            return int(job.result("fetch")) > job.context["limit"]

        large = is_large_too

    flow = (
        Workflow("w", context={"limit": 3})
        .add("fetch", fetch.new(count=count))
        .add("shrink", work.new(), deps=["fetch"], when=large)
        .add("below", work.new(), deps=["shrink"])
        .add("anyway", work.new(), deps=["shrink"], ignore_skipped=True)
        .add("always", work.new(), deps=["below"], run_on="done")
    )
    ends = await run(database, registry, flow)
    if runs:
        assert set(ends.values()) == {RAN}
        assert sorted(map(str, called)) == ["always", "anyway", "below", "shrink"]
    else:
        assert ends == {
            "fetch": RAN,
            "shrink": ("completed", True, "condition is_large said no"),
            "below": ("completed", True, "dependency shrink was skipped"),
            "anyway": RAN,
            "always": RAN,
        }
        assert sorted(map(str, called)) == ["always", "anyway"]
    assert threading.get_ident() not in asked_in
    query = "select state::text from baton.workflows"
    assert await value(database, query) == "completed"


async def test_a_condition_of_a_first_step_sees_the_context(
    database: str, registry: Registry
) -> None:
    @registry.condition()
    def wanted(job: Job) -> bool:
        return bool(job.context["wanted"])

    @registry.worker()
    async def work(_job: Job) -> None: ...

    flow = Workflow("w", context={"wanted": False}).add("only", work.new(), when="wanted")
    assert (await run(database, registry, flow))["only"][1]


@pytest.mark.parametrize("step", ["wanted", "unwanted"])
async def test_conditions_are_asked_in_child_processes(database: str, step: str) -> None:
    flow = Workflow("w", context={"wanted": step == "wanted"}).add(
        "only", apps.pid.new(), when=apps.is_wanted
    )
    ends = await run(database, apps.registry, flow, app="tests.services.apps:registry")
    assert ends["only"][1] == (step == "unwanted")


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda _job: "yes", "condition odd must return True or False, not 'yes'"),
        (lambda job: job.result("nothing"), "condition odd raised NotADependency: 'nothing' is"),
        (None, "no condition named 'odd'; this process knows none"),
    ],
)
async def test_a_condition_without_an_answer_fails_the_attempt(
    database: str, registry: Registry, answer: Any, message: str
) -> None:
    called = []

    @registry.worker(max_attempts=1)
    async def work(_job: Job) -> None:
        called.append(True)

    if answer is not None:
        registry.condition(name="odd")(answer)
    ends = await run(database, registry, Workflow("w").add("only", work.new(), when="odd"))
    outcome, skipped, cause = ends["only"]
    assert (outcome, skipped, called) == ("discarded", False, [])
    assert cause.startswith(message)


async def test_a_condition_is_asked_at_each_attempt_and_not_when_a_result_is_stored(
    database: str, registry: Registry
) -> None:
    asked = []

    @registry.condition()
    async def wanted(job: Job) -> bool:
        asked.append(job.attempt)
        return True

    @registry.worker()
    async def naps(_job: Job) -> Snooze | None:
        return Snooze(0) if len(asked) == 1 else None

    @registry.worker()
    async def never(_job: Job) -> None:
        raise AssertionError("called")

    flow = (
        Workflow("w")
        .add("naps", naps.new(), when=wanted)
        .add("stored", never.new(), deps=["naps"], when="unknown")
    )
    async with Client(database) as client:
        await client.insert_workflow(flow)
    query = "update baton.workflow_steps set result = '1' where step_name = 'stored' returning 1"
    await rows(database, query)
    async with running(database, registry):
        await until(finished(database))
    assert len(asked) == 2
    assert await states(database) == {"naps": "completed", "stored": "completed"}


async def test_conditions_of_the_class_form(database: str, registry: Registry) -> None:
    with registry.collecting():

        class Never(Worker):
            def perform(self, job: Job) -> None:
                raise AssertionError("called")

    @registry.condition()
    def no(_job: Job) -> bool:
        return False

    ends = await run(database, registry, Workflow("w").add("only", Never.new(), when=no))
    assert ends["only"] == ("completed", True, "condition no said no")


def test_what_can_not_be_a_condition_is_refused(registry: Registry) -> None:
    class Callable:
        def __call__(self, job: Job) -> bool:
            return True

    wrong: list[Any] = [Callable(), lambda: True, lambda a, b: True, Callable]
    for each in wrong:
        with pytest.raises(InvalidCondition):
            registry.condition(name="x")(each)
    with pytest.raises(InvalidCondition, match="blank"):
        registry.condition(name=" ")(lambda _job: True)
    registry.condition(name="x")(lambda _job: True)
    with pytest.raises(DuplicateCondition, match="named 'x' is registered already"):
        registry.condition(name="x")(lambda _job: False)
    with pytest.raises(UnknownCondition, match="no condition named 'y'; this process knows x"):
        registry.find_condition("y")


def test_what_can_not_have_a_condition_is_refused(registry: Registry) -> None:
    job = apps.pid.new()
    inner = Workflow("inner").add("a", job)
    with pytest.raises(InvalidWorkflow, match="put when= on a step that it depends on"):
        Workflow("w").add("inner", inner, when="x")
    wrong: Any = 5
    with pytest.raises(InvalidWorkflow, match="must be a condition, as @condition"):
        Workflow("w").add("a", job, when=wrong)
    with pytest.raises(InvalidWorkflow, match="must not be blank"):
        Workflow("w").add("a", job, when="")


def test_a_condition_can_be_called_as_before(registry: Registry) -> None:
    @registry.condition()
    def yes(_job: Job) -> bool:
        """Says yes."""
        return True

    job: Any = None
    assert yes(job)
    assert (yes.name, yes.__doc__, repr(yes)) == ("yes", "Says yes.", "<condition yes>")
