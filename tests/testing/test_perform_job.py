"""`perform_job`: one job with the rules of a worker process, without a database."""

import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime
from typing import Any

import anyio
import pytest
from pydantic import BaseModel

from baton import (
    Cancel,
    Discard,
    Error,
    Job,
    Registry,
    Snooze,
    Waited,
    WaitForSignal,
    Worker,
    resource,
)
from baton.errors import (
    AttemptTimeout,
    ConditionFailed,
    InvalidArguments,
    InvalidJob,
    InvalidResult,
    MissingResource,
    NotAStep,
    UnknownCondition,
    UnknownWorker,
)
from baton.testing import Skipped, perform_job, perform_job_sync

pytestmark = pytest.mark.anyio

Run = Callable[..., Awaitable[Any]]


@pytest.fixture(params=["async", "sync"])
def run(request: pytest.FixtureRequest) -> Run:
    """Both forms under one name."""
    if request.param == "async":
        return perform_job

    async def run(*args: Any, **options: Any) -> Any:
        return perform_job_sync(*args, **options)

    return run


class Order(BaseModel):
    number: int
    day: date


async def test_a_coroutine_gets_its_arguments_and_its_value_comes_back(
    run: Run, registry: Registry
) -> None:
    @registry.worker(queue="mail")
    async def send(job: Job, order: Order, copies: int = 1) -> tuple[str, int, Order, int]:
        return job.queue, job.attempt, order, copies

    order = Order(number=7, day=date(2026, 11, 21))
    assert await run(send, {"order": order}, attempt=3) == ("mail", 3, order, 1)
    assert await run(send.new(order=order, copies=2)) == ("mail", 1, order, 2)
    assert await run(send.name, {"order": {"number": 7, "day": "2026-11-21"}}) == (
        "mail",
        1,
        order,
        1,
    )


async def test_52_arguments_have_been_json_when_the_worker_gets_them(
    run: Run, registry: Registry
) -> None:
    @registry.worker()
    def echo(_job: Job, value: Any) -> Any:
        return value

    assert await run(echo, {"value": (1, {2: "x"})}) == [1, {"2": "x"}]


async def test_52_arguments_that_are_not_json_are_refused(run: Run, registry: Registry) -> None:
    @registry.worker()
    def echo(_job: Job, value: Any) -> Any:
        raise AssertionError(value)

    for wrong in (object(), {1, 2}, float("nan"), "\x00"):
        with pytest.raises(InvalidArguments, match="value"):
            await run(echo, {"value": wrong})


async def test_arguments_that_do_not_fit_the_signature_are_refused(
    run: Run, registry: Registry
) -> None:
    @registry.worker()
    def count(_job: Job, number: int) -> int:
        return number

    with pytest.raises(InvalidArguments, match="number"):
        await run(count, {"number": "many"})
    with pytest.raises(InvalidArguments, match="number"):
        await run(count)
    with pytest.raises(InvalidArguments, match="its arguments already"):
        await run(count.new(number=1), {"number": 2})
    with pytest.raises(InvalidJob, match="priority"):
        await run(count, {"number": 1}, priority=10)
    with pytest.raises(InvalidJob, match="attempt"):
        await run(count, {"number": 1}, attempt=0)
    with pytest.raises(UnknownWorker, match="nobody"):
        await run("nobody", {})


async def test_what_the_worker_raises_is_raised(run: Run, registry: Registry) -> None:
    @registry.worker()
    async def fails(_job: Job) -> None:
        raise LookupError("gone")

    @registry.worker()
    def fails_too(_job: Job) -> None:
        raise KeyError("gone")

    with pytest.raises(LookupError, match="gone"):
        await run(fails)
    with pytest.raises(KeyError, match="gone"):
        await run(fails_too)


@pytest.mark.parametrize("outcome", [Snooze(5), Discard("no"), Cancel("no"), Error("no")])
async def test_an_outcome_that_the_worker_returns_comes_back(
    run: Run, registry: Registry, outcome: Any
) -> None:
    @registry.worker()
    def decides(_job: Job) -> Any:
        return outcome

    assert await run(decides) is outcome


async def test_classes_are_workers_too(run: Run, registry: Registry) -> None:
    class Send(Worker, queue="mail"):
        async def perform(self, job: Job, to: str) -> str:
            return f"{job.queue} to {to}"

    assert await run(Send, {"to": "a@b"}) == "mail to a@b"


async def test_a_step_reads_the_results_that_it_is_given(run: Run, registry: Registry) -> None:
    @registry.worker()
    def join(job: Job) -> Any:
        return job.results()

    given = {"fetch": {"documents": ("x",)}, "count": None, "order": Order(number=1, day=date.min)}
    assert await run(join, results=given) == {
        "fetch": {"documents": ["x"]},
        "count": None,
        "order": {"number": 1, "day": "0001-01-01"},
    }
    with pytest.raises(NotAStep):
        await run(join)
    with pytest.raises(InvalidResult, match="fetch"):
        await run(join, results={"fetch": object()})


async def test_a_result_that_a_step_could_not_store_is_an_error(
    run: Run, registry: Registry
) -> None:
    @registry.worker()
    def returns(_job: Job) -> object:
        return object()

    assert await run(returns) is not None
    with pytest.raises(InvalidResult):
        await run(returns, results={})


async def test_timeouts_and_deadlines_hold(run: Run, registry: Registry) -> None:
    @registry.worker(timeout=0.01)
    async def hangs(_job: Job) -> None:
        await anyio.sleep_forever()

    with pytest.raises(AttemptTimeout):
        await run(hangs)
    late = await run(hangs, deadline=datetime(2020, 1, 1, tzinfo=UTC))
    assert isinstance(late, Cancel)
    assert "deadline" in str(late.reason)


async def test_middleware_is_around_it_and_checks_before_an_insert_come_first(
    run: Run, registry: Registry
) -> None:
    @registry.middleware
    async def twice(job: Job, call_next: Any) -> Any:
        return await call_next(job) * 2

    @registry.before_insert
    def refuse(job: Any) -> Any:
        if job.priority == 9:
            raise PermissionError("not that late")
        return job

    @registry.worker()
    def one(_job: Job) -> int:
        return 1

    assert await run(one) == 2
    with pytest.raises(PermissionError):
        await run(one, priority=9)


async def test_resources_are_given_or_opened(run: Run, registry: Registry) -> None:
    opened: list[str] = []

    @registry.worker()
    def ask(_job: Job, db: Any = resource("db")) -> Any:
        return db

    with pytest.raises(MissingResource):
        await run(ask)

    @registry.lifespan
    @asynccontextmanager
    async def lifespan() -> AsyncIterator[dict[str, str]]:
        opened.append("db")
        yield {"db": "real"}
        opened.append("closed")

    assert await run(ask, resources={"db": "fake"}) == "fake"
    assert opened == []
    assert await run(ask) == "real"
    assert opened == ["db", "closed"]


def test_a_plain_function_runs_in_the_thread_of_a_test_without_an_event_loop(
    registry: Registry,
) -> None:
    @registry.worker()
    def where(_job: Job) -> Any:
        return threading.get_ident()

    assert perform_job_sync(where) == threading.get_ident()


async def test_a_registry_of_ones_own_is_named(run: Run) -> None:
    own = Registry()

    @own.worker(name="mine")
    def mine(_job: Job) -> str:
        return "mine"

    assert await run("mine", registry=own) == "mine"
    assert await run(mine) == "mine"


async def test_a_step_gets_its_context_and_its_condition_is_asked_first(
    run: Run, registry: Registry
) -> None:
    @registry.condition()
    def is_large(job: Job) -> bool:
        return bool(job.result("fetch") > job.context["limit"])

    @registry.worker()
    def work(job: Job) -> Any:
        return job.context["limit"]

    given: dict[str, Any] = {"context": {"limit": 3}, "condition": is_large}
    assert await run(work, results={"fetch": 5}, **given) == 3
    assert await run(work, results={"fetch": 1}, **given) == Skipped("condition is_large said no")
    assert await run(work, context={"limit": 4}) == 4
    with pytest.raises(UnknownCondition, match="no condition named 'other'"):
        await run(work, condition="other")
    with pytest.raises(ConditionFailed, match="condition is_large raised NotADependency"):
        await run(work, condition="is_large")
    with pytest.raises(NotAStep):
        await run(work)


async def test_a_step_says_what_it_waits_for_and_is_told_what_came(
    run: Run, registry: Registry
) -> None:
    @registry.worker()
    def publish(job: Job) -> Any:
        if job.waited is None:
            return WaitForSignal("approved", timeout=60)
        return job.waited.payload if job.waited.arrived else "late"

    waits = await run(publish, results={})
    assert isinstance(waits, WaitForSignal)
    assert (waits.signal, waits.timeout) == ("approved", 60)
    assert await run(publish, waited=Waited("approved", arrived=True, payload=7)) == 7
    assert await run(publish, waited=Waited("approved")) == "late"


async def test_a_step_stores_its_result_before_it_ends(run: Run, registry: Registry) -> None:
    @registry.worker()
    def work(job: Job) -> str:
        job.store_result_sync({"a": 1})
        return "returned"

    assert await run(work, results={}) == "returned"
    with pytest.raises(NotAStep):
        await run(work)
