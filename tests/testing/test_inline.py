"""The inline mode. No database: a default client that wanted one would fail."""

import threading
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from time import monotonic
from typing import Any

import pytest

import baton
import baton.testing
from baton import Cancel, Discard, Error, Job, NewJob, Registry, Snooze, WaitForSignal, Workflow
from baton.errors import InlineTooDeep, InvalidJob, NotFound

pytestmark = pytest.mark.anyio

Insert = Callable[..., Awaitable[Any]]


@pytest.fixture(params=["async", "sync"])
def insert(request: pytest.FixtureRequest) -> Insert:
    """Both ways to insert jobs, or a workflow, with the default client."""
    if request.param == "async":

        async def insert(what: Any) -> Any:
            if isinstance(what, Workflow):
                return await what.insert()
            return await (
                baton.insert(what) if isinstance(what, NewJob) else baton.insert_all(what)
            )

    else:

        async def insert(what: Any) -> Any:
            if isinstance(what, Workflow):
                return what.insert_sync()
            if isinstance(what, NewJob):
                return baton.insert_sync(what)
            return baton.insert_all_sync(what)

    return insert


async def test_a_job_is_performed_where_it_is_inserted(insert: Insert, registry: Registry) -> None:
    @registry.worker(tags=["x"])
    async def add(_job: Job, a: int, b: int) -> int:
        return a + b

    with baton.testing.inline() as performed:
        job = await insert(add.new(1, b=2))
    assert (job.state, job.attempt, job.args, job.tags) == (
        "completed",
        1,
        {"a": 1, "b": 2},
        ("x",),
    )
    assert job.completed_at >= job.attempted_at >= job.inserted_at
    assert [each.value for each in performed] == [3]
    assert performed[0].job == job


@pytest.mark.parametrize(
    ("returned", "state", "attempt"),
    [
        (Snooze(60), "scheduled", 0),
        (Discard("no"), "discarded", 1),
        (Cancel("no"), "cancelled", 1),
        (Error("no"), "retryable", 1),
    ],
)
async def test_the_job_comes_back_as_its_outcome_leaves_it(
    insert: Insert, registry: Registry, returned: Any, state: str, attempt: int
) -> None:
    @registry.worker()
    def decides(_job: Job) -> Any:
        return returned

    began = monotonic()
    with baton.testing.inline():
        job = await insert(decides.new())
    took = monotonic() - began
    assert (job.state, job.attempt) == (state, attempt)
    if state == "scheduled":
        assert job.meta == {"snoozed": 1}
        assert 59 < (job.scheduled_at - job.inserted_at).total_seconds() < 61 + took
    else:
        assert [(error["attempt"], error["message"]) for error in job.errors] == [(1, "no")]
    if job.state.is_final:
        assert getattr(job, f"{state}_at") is not None


async def test_errors_are_kept_in_the_job_or_raised_on_request(
    insert: Insert, registry: Registry
) -> None:
    @registry.worker(max_attempts=1)
    def fails(_job: Job) -> None:
        raise LookupError("gone")

    with baton.testing.inline() as performed:
        job = await insert(fails.new())
    assert job.state == "discarded"
    assert job.errors[0]["kind"] == "LookupError"
    assert isinstance(performed[0].error, LookupError)
    with baton.testing.inline(raise_errors=True), pytest.raises(LookupError):
        await insert(fails.new())


async def test_jobs_that_jobs_insert_are_performed_inside_them(
    insert: Insert, registry: Registry
) -> None:
    ran: list[str] = []

    @registry.worker()
    async def leaf(_job: Job, name: str) -> None:
        ran.append(name)

    @registry.worker()
    async def parent(_job: Job) -> None:
        await leaf.insert("async")
        ran.append("parent")

    @registry.worker()
    def plain_parent(_job: Job) -> None:
        leaf.insert_sync("sync")
        ran.append("plain parent")

    with baton.testing.inline():
        jobs = await insert([parent.new(), plain_parent.new()])
    assert [job.state for job in jobs] == ["completed", "completed"]
    assert ran == ["async", "parent", "sync", "plain parent"]


async def test_jobs_that_insert_each_other_without_end_are_stopped(
    insert: Insert, registry: Registry
) -> None:
    @registry.worker()
    async def again(_job: Job) -> None:
        await again.with_options(schedule_in=60).insert()

    with baton.testing.inline(), pytest.raises(InlineTooDeep, match="again"):
        await insert(again.new())
    with baton.testing.inline(with_scheduled=False) as performed:
        assert (await insert(again.new())).state == "completed"
        assert (await insert(again.with_options(schedule_in=60).new())).state == "scheduled"
    assert len(performed) == 1


async def test_a_workflow_runs_in_topological_order_with_results(
    insert: Insert, registry: Registry
) -> None:
    @registry.worker()
    async def fetch(_job: Job, topic: str) -> Any:
        return {"documents": (topic, topic)}

    @registry.worker()
    def count(job: Job) -> int:
        return len(job.result("fetch")["documents"])

    @registry.worker()
    def join(job: Job) -> Any:
        assert job.step_name == "join"
        return job.results()

    flow = (
        Workflow("research")
        .add("join", join.new(), deps=["count", "fetch"])
        .add("count", count.new(), deps=["fetch"])
        .add("fetch", fetch.new(topic="x"))
    )
    with baton.testing.inline() as performed:
        jobs = await insert(flow)
    assert [job.step_name for job in jobs] == ["join", "count", "fetch"]
    assert {job.state.value for job in jobs} == {"completed"}
    assert {job.meta["workflow_label"] for job in jobs} == {"research"}
    assert [each.value for each in performed][1:] == [
        2,
        {"count": 2, "fetch": {"documents": ["x", "x"]}},
    ]


async def test_the_gate_of_a_workflow_is_the_real_one(insert: Insert, registry: Registry) -> None:
    @registry.worker()
    def step(_job: Job, outcome: str) -> Any:
        return {"discard": Discard("no"), "retry": Error("no"), "ok": None}[outcome]

    flow = (
        Workflow()
        .add("bad", step.new("discard"))
        .add("poisoned", step.new("ok"), deps=["bad"])
        .add("below", step.new("ok"), deps=["poisoned"])
        .add("lenient", step.new("ok"), deps=["bad"], ignore_discarded=True)
        .add("late", step.new("retry"))
        .add("waits", step.new("ok"), deps=["late", "lenient"])
    )
    with baton.testing.inline():
        jobs = {job.step_name: job for job in await insert(flow)}
    assert {name: job.state.value for name, job in jobs.items()} == {
        "bad": "discarded",
        "poisoned": "cancelled",
        "below": "cancelled",
        "lenient": "completed",
        "late": "retryable",
        "waits": "suspended",
    }
    assert jobs["poisoned"].errors[0]["message"] == "dependency bad was discarded"
    assert jobs["below"].errors[0]["message"] == "dependency poisoned was cancelled"


async def test_a_job_that_can_not_be_stored_keeps_all_from_running(
    insert: Insert, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BATON_MAX_ARGS_BYTES", "100")

    @registry.worker()
    def store(_job: Job, text: str) -> None: ...

    with baton.testing.inline() as performed, pytest.raises(InvalidJob):
        await insert([store.new("small"), store.new("x" * 100)])
    assert performed == []


async def test_hooks_and_carried_context_apply(insert: Insert, registry: Registry) -> None:
    tenant: ContextVar[str] = ContextVar("tenant")
    registry.carry(tenant)

    @registry.worker()
    def which(_job: Job) -> str:
        return tenant.get()

    tenant.set("acme")
    with baton.testing.inline() as performed:
        job = await insert(which.new())
    assert job.meta == {"context": {"tenant": "acme"}}
    assert performed[0].value == "acme"


async def test_blocks_nest_and_the_default_client_comes_back(registry: Registry) -> None:
    @registry.worker()
    def work(_job: Job) -> None: ...

    before = baton.ambient.ambient.client
    with baton.testing.inline() as outer:
        with baton.testing.inline() as inner:
            await work.insert()
        await work.insert()
        await work.insert()
    assert (len(outer), len(inner)) == (2, 1)
    assert baton.ambient.ambient.client is before


async def test_nothing_is_kept_that_could_be_changed(registry: Registry) -> None:
    @registry.worker()
    def work(_job: Job) -> None: ...

    with baton.testing.inline():
        job = await work.insert()
        assert not await baton.cancel_job(job.id)
        assert not await baton.retry_job(job.id)
        assert not await baton.delete_job(job.id)
        with pytest.raises(NotFound):
            await baton.update_job(job.id, {"priority": 1})


def test_plain_functions_run_in_the_thread_of_a_test_without_an_event_loop(
    registry: Registry,
) -> None:
    seen: list[int] = []

    @registry.worker()
    def inner(_job: Job) -> None:
        seen.append(threading.get_ident())

    @registry.worker()
    def outer(_job: Job) -> None:
        inner.insert_sync()

    with baton.testing.inline(raise_errors=True):
        outer.insert_sync()
    assert seen == [threading.get_ident()]


async def test_policies_and_conditions_decide_which_steps_run(
    insert: Insert, registry: Registry
) -> None:
    @registry.condition()
    async def wanted(job: Job) -> bool:
        return job.result("first") == "x" and bool(job.context["wanted"])

    @registry.worker()
    def step(_job: Job, what: Any = None) -> Any:
        return what

    def flow(*, wanted_too: bool) -> Workflow:
        return (
            Workflow("w", context={"wanted": wanted_too}, priority=3, tags=["all"])
            .add("first", step.new("x"))
            .add("clean_up", step.new(), deps=["first"], run_on="failed")
            .add("notify", step.new(), deps=["first", "clean_up"], run_on="done")
            .add("maybe", step.new(), deps=["first"], when=wanted)
            .add("below", step.new(), deps=["maybe"])
            .add("anyway", step.new(), deps=["maybe"], ignore_skipped=True)
        )

    async def names(what: Workflow) -> set[str | None]:
        with baton.testing.inline() as performed:
            jobs = await insert(what)
        assert {(job.priority, job.tags) for job in jobs} == {(3, ("all",))}
        return {each.job.step_name for each in performed if each.job.state == "completed"}

    good = await names(flow(wanted_too=True))
    assert good == {"first", "notify", "maybe", "below", "anyway"}
    # the attempt of a skipped step ends like that of one that has run
    skipped = await names(flow(wanted_too=False))
    assert skipped == {"first", "notify", "maybe", "anyway"}


async def test_a_failure_runs_the_steps_that_wait_for_one(
    insert: Insert, registry: Registry
) -> None:
    @registry.worker()
    def fails(_job: Job) -> Discard:
        return Discard("no")

    @registry.worker()
    def works(_job: Job) -> None: ...

    with baton.testing.inline():
        jobs = await insert(
            Workflow("w")
            .add("fails", fails.new())
            .add("clean_up", works.new(), deps=["fails"], run_on="failed")
            .add("after", works.new(), deps=["fails"])
            .add("last", works.new(), deps=["fails", "after"], run_on="done")
        )
    assert {job.step_name: job.state.value for job in jobs} == {
        "fails": "discarded",
        "clean_up": "completed",
        "after": "cancelled",
        "last": "completed",
    }


async def test_sub_workflows_run_in_place_and_signals_are_waited_for(
    insert: Insert, registry: Registry
) -> None:
    @registry.worker()
    def give(_job: Job, number: int) -> int:
        return number

    @registry.worker()
    def read(job: Job) -> Any:
        return job.results()

    inner = Workflow("inner").add("a", give.new(1)).add("b", give.new(2), deps=["a"])
    flow = (
        Workflow("w")
        .add("inner", inner)
        .sleep("night", 3600, deps=["inner"])
        .add("read", read.new(), deps=["inner", "night"])
        .wait_for("approved", deps=["read"])
        .add("after", read.new(), deps=["approved"])
    )
    with baton.testing.inline() as performed:
        jobs = await insert(flow)
    assert {job.step_name: job.state.value for job in jobs} == {
        "inner": "completed",
        "night": "completed",
        "read": "completed",
        "approved": "suspended",
        "after": "suspended",
    }
    assert performed[-1].value == {"inner": {"b": 2}, "night": None}


async def test_what_is_said_in_an_inline_block_is_heard_and_time_is_over_at_once(
    insert: Insert, registry: Registry
) -> None:
    said: list[bool] = []

    @registry.worker()
    async def say(job: Job) -> None:
        said.append(await Workflow.signal(str(job.workflow_id), "told", {"by": "ann"}))
        said.append(Workflow.signal_sync(job.workflow_id or "", "told", {"by": "bob"}))

    @registry.worker()
    def read(job: Job) -> Any:
        return job.results()

    flow = (
        Workflow("w")
        .add("say", say.new())
        .wait_for("told", deps=["say"])
        .wait_for("approved")
        .wait_for("late", timeout=5, on_timeout="cancelled")
        .wait_for("whatever", timeout=5, on_timeout="completed")
        .add("read", read.new(), deps=["told", "approved", "whatever"])
        .add("never", read.new(), deps=["late"])
    )
    with baton.testing.inline(signals={"approved": 7}) as performed:
        jobs = {job.step_name: job for job in await insert(flow)}
        with pytest.raises(NotFound, match="is being performed"):
            await Workflow.signal(flow.workflow_id, "told")
    assert said == [True, False]
    assert performed[-1].value == {"told": {"by": "ann"}, "approved": 7, "whatever": None}
    assert jobs["late"].errors[-1]["message"] == "signal late did not come within 5 s"
    assert (jobs["late"].state, jobs["never"].state) == ("cancelled", "cancelled")


async def test_a_worker_that_waits_for_a_signal_is_called_again_inline(
    insert: Insert, registry: Registry
) -> None:
    @registry.worker()
    def publish(job: Job, signal: str, timeout: float | None = None) -> Any:
        if job.waited is None:
            return WaitForSignal(signal, timeout)
        return job.waited.payload

    flow = (
        Workflow("w")
        .add("a", publish.new("approved"))
        .add("b", publish.new("late", 60))
        .add("c", publish.new("never"))
    )
    with baton.testing.inline(signals={"approved": 7}) as performed:
        jobs = await insert(flow)
    assert [job.state for job in jobs] == ["completed", "completed", "suspended"]
    assert [each.value for each in performed[1:4:2]] == [7, None]


async def test_stored_results_and_result_stores_hold_inline(
    insert: Insert, registry: Registry
) -> None:
    kept: dict[str, bytes] = {}

    @registry.result_store(threshold=10)
    class Files:
        def put(self, job: Job, data: bytes) -> str:
            kept[str(job.step_name)] = data
            return str(job.step_name)

        async def get(self, reference: str) -> bytes:
            return kept[reference]

    @registry.worker()
    async def stores(job: Job) -> None:
        await job.store_result({"a": 1})

    @registry.worker()
    def large(_job: Job) -> str:
        return "x" * 20

    @registry.worker()
    async def reads(job: Job) -> Any:
        return job.results()

    flow = Workflow("w").add("stores", stores.new()).add("large", large.new())
    flow.add("reads", reads.new(), deps=["stores", "large"])
    with baton.testing.inline(raise_errors=True) as performed:
        await insert(flow)
    assert [each.stored for each in performed] == [{"a": 1}, None, None]
    assert performed[-1].value == {"stores": {"a": 1}, "large": "x" * 20}
    assert list(kept) == ["large", "reads"]


async def test_workers_hear_of_dependencies_that_ended_badly(
    insert: Insert, registry: Registry
) -> None:
    heard: list[tuple[str, ...]] = []

    def hear(reason: str, job: Job) -> None:
        heard.append((str(job.step_name), reason, str(job.result("good"))))

    async def raises(reason: str, _job: Job) -> None:
        raise ValueError(reason)

    @registry.worker()
    def good(_job: Job, outcome: str | None = None) -> Any:
        return Discard("no") if outcome else "ok"

    listens = registry.worker(name="listens", on_dep_discarded=hear)(good)
    noisy = registry.worker(name="noisy", on_dep_cancelled=raises)(good)
    flow = (
        Workflow("w")
        .add("good", good.new())
        .add("bad", good.new("discarded"))
        .add("after", listens.new(), deps=["bad", "good"])
        .add("last", noisy.new(), deps=["after"])
    )
    with baton.testing.inline():
        await insert(flow)
    assert heard == [("after", "dependency bad was discarded", "ok")]
    with pytest.raises(ValueError, match="dependency after was cancelled"):
        with baton.testing.inline(raise_errors=True):
            await insert(flow)
