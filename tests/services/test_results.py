"""Results of steps: as types, stored before the end, and kept outside the database."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import anyio
import pytest
from pydantic import BaseModel, TypeAdapter

from baton import Client, Graft, Job, Registry, Workflow
from baton.errors import (
    CompletedTwice,
    DuplicateResultStore,
    InvalidResult,
    InvalidResultStore,
    JobLost,
    NotADependency,
    NotAStep,
    NotPerformed,
    ResultMismatch,
    TooLarge,
    UnknownResultStore,
)
from baton.results import KEY
from tests.services import apps
from tests.services.test_executor import make_job, make_step
from tests.services.test_node import finished, running, until
from tests.support import connection, in_turn, process, rows, value

pytestmark = pytest.mark.anyio


@pytest.fixture
def registry() -> Registry:
    return Registry()


async def run(
    database: str, registry: Registry, flow: Workflow, *, workflows: int = 1, **changes: Any
) -> dict[str, Any]:
    """Run a workflow to its end; the outcome, cause and stored result of each step."""
    async with running(database, registry, **changes) as (_, client):
        await client.insert_workflow(flow)
        await until(finished(database, workflows))
    query = "select step_name, outcome::text, cause, result from baton.workflow_steps"
    return {name: facts for name, *facts in await rows(database, query)}


# As a type


class Report(BaseModel):
    rows: int
    names: list[str] = []


def step_with(**results: Any) -> Job:
    return make_job(step=make_step(deps=tuple(results), results=results))


async def test_results_come_as_the_type_that_is_asked_for() -> None:
    job = step_with(report={"rows": 3}, many=[{"rows": 1}], number="7", nothing=None)
    assert job.result("report", as_=Report) == Report(rows=3)
    assert await job.load_result("report", as_=Report) == Report(rows=3)
    assert job.result("many", as_=list[Report]) == [Report(rows=1)]
    assert job.result("number", as_=int) == 7
    assert job.result("number", as_=TypeAdapter(int)) == 7
    assert job.result("nothing", as_=Report | None) is None
    assert job.result("report") == {"rows": 3}
    reports = step_with(a={"rows": 1}, b={"rows": 2})
    assert reports.results(as_=Report) == {"a": Report(rows=1), "b": Report(rows=2)}


async def test_a_result_of_another_type_is_a_clear_error() -> None:
    job = step_with(report={"rows": "many", "names": [5]}, nothing=None)
    with pytest.raises(ResultMismatch) as caught:
        job.result("report", as_=Report)
    assert str(caught.value) == (
        "the result of step 'report' does not fit Report: rows: Input should be a valid integer, "
        "unable to parse string as an integer; names.0: Input should be a valid string"
    )
    with pytest.raises(ResultMismatch, match="the result of step 'nothing' does not fit Report"):
        job.result("nothing", as_=Report)
    with pytest.raises(ResultMismatch, match="the result of step 'report' does not fit int"):
        job.results(as_=int)
    with pytest.raises(NotADependency):
        job.result("other", as_=Report)


# Stored before the end


@pytest.mark.parametrize("stored", [{"paid": 5}, None])
@pytest.mark.parametrize("is_async", [True, False])
async def test_a_result_that_is_stored_completes_the_next_attempt_without_the_worker(
    database: str, registry: Registry, is_async: bool, stored: Any
) -> None:
    called = []

    async def charge(job: Job) -> None:
        called.append(job.attempt)
        await job.store_result(stored)
        raise ConnectionError("lost after the charge")

    def charge_sync(job: Job) -> None:
        called.append(job.attempt)
        job.store_result_sync(stored)
        raise ConnectionError("lost after the charge")

    charges: Any = registry.worker(name="charge", backoff=lambda _job, _error: 0)(
        charge if is_async else charge_sync
    )

    @registry.worker()
    async def after(job: Job) -> Any:
        return {"read": job.result("charge")}

    flow = Workflow("w").add("charge", charges.new()).add("after", after.new(), deps=["charge"])
    ends = await run(database, registry, flow)
    assert ends["charge"] == ["completed", None, stored]
    assert ends["after"] == ["completed", None, {"read": stored}]
    assert called == [1]
    query = "select result is not null from baton.workflow_steps where step_name = 'charge'"
    assert await value(database, query)


async def test_what_the_worker_returns_replaces_what_it_stored(
    database: str, registry: Registry
) -> None:
    @registry.worker()
    async def work(job: Job, returned: Any) -> Any:
        await job.store_result("stored")
        await job.store_result("again")
        return returned

    flow = Workflow("w").add("a", work.new("returned")).add("b", work.new(None))
    ends = await run(database, registry, flow)
    assert (ends["a"][2], ends["b"][2]) == ("returned", "again")


async def test_a_result_is_stored_from_a_child_process(database: str) -> None:
    flow = Workflow("w").add("a", apps.stores_and_dies.new())
    ends = await run(database, apps.registry, flow, app="tests.services.apps:registry")
    assert ends["a"] == ["completed", None, "stored"]


async def test_a_late_result_of_a_rescued_job_is_refused(database: str) -> None:
    async with process(database) as first, process(database) as second, Client(database) as client:
        await client.insert_workflow(Workflow("w").add("a", apps.child_of_child.new()))
        [job] = await first.fetch()
        assert not await client.store_result(job, lease=second.lease, result="1")
        assert await client.store_result(job, lease=first.lease, result="1")
        await rows(database, "update baton.jobs set epoch = epoch + 1 returning id")
        assert not await client.store_result(job, lease=first.lease, result="2")
    assert await value(database, "select result from baton.workflow_steps") == 1


async def test_a_result_that_meets_a_cancel_waits_for_it_and_is_refused(database: str) -> None:
    async with process(database) as first, Client(database) as client:
        await client.insert_workflow(Workflow("w").add("a", apps.child_of_child.new()))
        [job] = await first.fetch()
        stored: list[bool] = []

        async def cancel(conn: Any) -> None:
            await client.cancel_job(job.id, conn=conn)

        async def store() -> None:
            stored.append(await client.store_result(job, lease=first.lease, result="1"))

        await in_turn(database, cancel, store)
    assert stored == [False]
    assert await value(database, "select result from baton.workflow_steps") is None


async def test_what_can_not_be_stored_is_refused(database: str, registry: Registry) -> None:
    seen: list[BaseException] = []

    @registry.worker()
    async def work(job: Job) -> None:
        for wrong in (object(), {KEY: 1}, "x" * 200):
            try:
                await job.store_result(wrong)
            except (InvalidResult, TooLarge) as error:
                seen.append(error)
        async with connection(database) as conn, conn.transaction():
            await job.complete_in(conn, "first")
            with pytest.raises(CompletedTwice):
                await job.store_result("second")

    flow = Workflow("w").add("a", work.new())
    ends = await run(database, registry, flow, max_result_bytes=100)
    assert [type(error) for error in seen] == [InvalidResult, InvalidResult, TooLarge]
    assert ends["a"] == ["completed", None, "first"]
    with pytest.raises(NotAStep):
        await make_job().store_result(1)
    with pytest.raises(NotPerformed):
        make_job(step=make_step()).store_result_sync(1)


async def test_a_job_that_was_cancelled_can_not_store(database: str, registry: Registry) -> None:
    seen: list[BaseException] = []

    @registry.worker()
    def work(job: Job) -> None:
        asyncio.run(_cancel(database, job.id))
        try:
            job.store_result_sync(1)
        except JobLost as error:
            seen.append(error)

    async with running(database, registry) as (_, client):
        await client.insert_workflow(Workflow("w").add("a", work.new()))

        async def has_seen() -> bool:
            return bool(seen)

        await until(has_seen)


async def _cancel(database: str, job_id: int) -> None:
    async with Client(database) as client:
        await client.cancel_job(job_id)


# Kept outside the database


class Files:
    """A result store in memory, and which calls it got."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}
        self.calls: list[tuple[str, str]] = []

    def put(self, job: Job, data: bytes) -> str:
        reference = f"results/{job.step_name}/{uuid4()}"
        self.kept[reference] = data
        self.calls.append(("put", str(job.step_name)))
        return reference

    def get(self, reference: str) -> bytes:
        self.calls.append(("get", reference.split("/")[1]))
        return self.kept[reference]


class AsyncFiles(Files):
    """The same with coroutines, which need a loop of their own."""

    async def put(self, job: Job, data: bytes) -> str:  # type: ignore[override]
        await asyncio.sleep(0)
        return super().put(job, data)

    async def get(self, reference: str) -> bytes:  # type: ignore[override]
        await asyncio.sleep(0)
        return super().get(reference)


@pytest.fixture(params=[Files, AsyncFiles])
def files(request: pytest.FixtureRequest, registry: Registry) -> Files:
    store: Files = request.param()
    registry.result_store(threshold=100)(store)
    return store


LARGE = {"text": "x" * 100, "rows": 3}


def step(registry: Registry, name: str, function: Callable[..., Any]) -> Any:
    return registry.worker(name=name)(function).new()


async def test_large_results_are_kept_elsewhere_and_read_as_if_they_were_not(
    database: str, registry: Registry, files: Files
) -> None:
    class Large(BaseModel):
        rows: int

    async def large(_job: Job) -> Any:
        return LARGE

    def in_thread(job: Job) -> Any:
        return job.result("large")["rows"], job.result("large", as_=Large).rows

    async def in_coroutine(job: Job) -> Any:
        return (await job.load_result("large", as_=Large)).rows, job.result("large")["rows"]

    async def everything(job: Job) -> Any:
        return sorted(job.results())

    async def unread(job: Job) -> Any:
        return job.result("in_thread")

    flow = (
        Workflow("w")
        .add("large", step(registry, "large", large))
        .add("in_thread", step(registry, "in_thread", in_thread), deps=["large"])
        .add("in_coroutine", step(registry, "in_coroutine", in_coroutine), deps=["large"])
        .add("everything", step(registry, "everything", everything), deps=["large"])
        .add("unread", step(registry, "unread", unread), deps=["large", "in_thread"])
    )
    ends = await run(database, registry, flow, max_result_bytes=50)
    assert all(end[:2] == ["completed", None] for end in ends.values())
    [reference] = files.kept
    size = len(files.kept[reference])
    facts = {"store": "default", "reference": reference, "bytes": size}
    assert ends["large"][2] == {KEY: facts}
    assert (ends["in_thread"][2], ends["in_coroutine"][2]) == ([3, 3], [3, 3])
    assert ends["unread"][2] == [3, 3]
    # once for each of three attempts that read it, and not for the one that did not
    assert sorted(files.calls) == [("get", "large")] * 3 + [("put", "large")]


async def test_results_of_sub_workflows_and_stored_ones_are_found_too(
    database: str, registry: Registry, files: Files
) -> None:
    async def large(job: Job) -> None:
        await job.store_result(LARGE)

    def large_sync(job: Job) -> None:
        job.store_result_sync(LARGE)

    async def completes(job: Job) -> None:
        async with connection(database) as conn, conn.transaction():
            await job.complete_in(conn, LARGE)

    async def read(job: Job) -> Any:
        return {name: part["rows"] for name, part in job.result("inner").items()}

    inner = (
        Workflow("inner")
        .add("large", step(registry, "large", large))
        .add("large_sync", step(registry, "large_sync", large_sync))
        .add("completes", step(registry, "completes", completes))
    )
    flow = (
        Workflow("w").add("inner", inner).add("read", step(registry, "read", read), deps=["inner"])
    )
    ends = await run(database, registry, flow, workflows=2)
    assert ends["read"] == ["completed", None, {"large": 3, "large_sync": 3, "completes": 3}]
    assert len(files.kept) == 3


async def test_a_condition_reads_what_is_kept_elsewhere(
    database: str, registry: Registry, files: Files
) -> None:
    @registry.condition()
    def is_large(job: Job) -> bool:
        return bool(job.result("large")["rows"] > 5)

    async def large(_job: Job) -> Any:
        return LARGE

    flow = (
        Workflow("w")
        .add("large", step(registry, "large", large))
        .add("after", step(registry, "after", large), deps=["large"], when=is_large)
    )
    async with running(database, registry) as (_, client):
        await client.insert_workflow(flow)
        await until(finished(database))
    query = "select skipped from baton.workflow_steps where step_name = 'after'"
    assert await value(database, query)


async def test_what_a_store_does_wrong_fails_the_attempt(database: str, registry: Registry) -> None:
    class Broken:
        def put(self, job: Job, data: bytes) -> Any:
            if job.step_name == "raises":
                raise OSError("disk full")
            return {"blank": "", "number": 5}.get(str(job.step_name), "reference")

        def get(self, reference: str) -> Any:
            return "text" if threading.active_count() else b""

    registry.result_store(threshold=10)(Broken)

    @registry.worker(max_attempts=1)
    async def large(_job: Job) -> Any:
        return LARGE

    @registry.worker(max_attempts=1)
    async def read(job: Job) -> Any:
        return job.result("good")

    flow = Workflow("w")
    for name in ("raises", "blank", "number", "good"):
        flow.add(name, large.new())
    flow.add("read", read.new(), deps=["good"])
    ends = await run(database, registry, flow)
    assert ends["raises"][1] == "disk full"
    assert "the reference that result store 'default' gave must not be blank" in ends["blank"][1]
    assert "must be a text, not 5" in ends["number"][1]
    assert "result store 'default' gave str for 'reference', not bytes" in ends["read"][1]


async def test_a_store_that_this_process_did_not_register_is_named() -> None:
    facts = {"store": "s3", "reference": "bucket/7", "bytes": 100}
    job = step_with(large={KEY: facts}, small=1)
    assert job.result("small") == 1
    message = "kept in result store 's3' as 'bucket/7'; this process has registered: none"
    with pytest.raises(UnknownResultStore, match=message):
        job.result("large")
    with pytest.raises(UnknownResultStore):
        await job.load_result("large")


async def test_of_several_stores_the_last_takes_new_results_and_all_are_read(
    database: str, registry: Registry
) -> None:
    class Old(Files): ...

    old, new = Old(), Files()
    registry.result_store(threshold=10, name="old")(old)

    async def large(_job: Job) -> Any:
        return LARGE

    async def read(job: Job) -> Any:
        return sum(part["rows"] for part in job.results().values())

    first = step(registry, "first", large)
    flow = Workflow("w").add("first", first)
    await run(database, registry, flow)
    registry.result_store(threshold=10, name="new")(new)
    await rows(database, "delete from baton.workflow_completions returning 1")
    flow = Workflow("w").add("one", first).add("read", step(registry, "read", read), deps=["one"])
    async with running(database, registry) as (_, client):
        await client.insert_workflow(flow)
        await until(finished(database))
    assert (len(old.kept), len(new.kept)) == (1, 1)


def test_what_can_not_be_a_result_store_is_refused(registry: Registry) -> None:
    wrong: Any = object()
    with pytest.raises(InvalidResultStore, match="has put\\(job, data\\) and get\\(reference\\)"):
        registry.result_store()(wrong)
    with pytest.raises(InvalidResultStore, match="number of bytes, not -1"):
        registry.result_store(threshold=-1)(Files)
    with pytest.raises(InvalidResultStore, match="blank"):
        registry.result_store(name="")(Files)
    registry.result_store()(Files)
    with pytest.raises(DuplicateResultStore, match="named 'default' is registered already"):
        registry.result_store()(AsyncFiles)


async def test_reading_in_a_coroutine_does_not_block_while_a_store_fetches(
    database: str, registry: Registry
) -> None:
    may_fetch = threading.Event()

    class Slow(Files):
        def get(self, reference: str) -> bytes:
            assert may_fetch.wait(60)
            return super().get(reference)

    registry.result_store(threshold=10)(Slow())

    async def large(_job: Job) -> Any:
        return LARGE

    async def read(job: Job) -> Any:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(anyio.to_thread.run_sync, may_fetch.set)
            return (await job.load_result("large"))["rows"]

    flow = (
        Workflow("w")
        .add("large", step(registry, "large", large))
        .add("read", step(registry, "read", read), deps=["large"])
    )
    assert (await run(database, registry, flow))["read"][2] == 3


async def test_results_of_grafts_are_kept_elsewhere_too(
    database: str, registry: Registry, files: Files
) -> None:
    async def large(_job: Job) -> Any:
        return LARGE

    child = step(registry, "child", large)

    async def parent(_job: Job) -> Any:
        return Graft(result=LARGE).add("child", child)

    async def read(job: Job) -> Any:
        return [job.result("parent")["rows"], job.grafted("parent")["child"]["rows"]]

    flow = (
        Workflow("w")
        .add("parent", step(registry, "parent", parent))
        .add("read", step(registry, "read", read), deps=["parent"])
    )
    assert (await run(database, registry, flow))["read"] == ["completed", None, [3, 3]]
    assert len(files.kept) == 2
