"""A user's program, checked by mypy --strict and pyright and never run.

Each ignored line must be an error: both checkers are told to complain about an ignore without need.
"""

from datetime import timedelta
from typing import Any, assert_type

from pydantic import BaseModel, TypeAdapter

from baton import (
    Client,
    Job,
    NewJob,
    Query,
    Snooze,
    SyncClient,
    Unique,
    Why,
    Worker,
    Workflow,
    condition,
    insert,
    result_store,
    worker,
)
from baton.testing import (
    all_enqueued_sync,
    assert_enqueued,
    clock,
    drain_queue,
    inline,
    manual,
    perform_job,
    perform_job_sync,
)


@worker(queue="default", max_attempts=3)
async def fetch(job: Job, topic: str, *, limit: int = 10) -> dict[str, Any]:
    return {"documents": [topic] * limit, "attempt": job.attempt}


@worker()
def summarize(job: Job) -> dict[str, Any] | Snooze:
    documents = job.result("fetch")["documents"]
    return {"summary": documents[0]} if documents else Snooze(timedelta(minutes=1))


@worker()
def plain(job: Job, text: str) -> int:
    return len(text)


@worker()
async def count(job: Job, text: str) -> int:
    return len(text)


@worker(que="mail")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue, reportUntypedFunctionDecorator]
def misspelt(job: Job) -> None: ...


@worker()  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
def jobless(text: str) -> None: ...


class Send(Worker, queue="mail"):
    async def perform(self, job: Job, to: str) -> None: ...


async def main(job: Job) -> None:
    # callable as before
    assert_type(await fetch(job, "x", limit=3), dict[str, Any])
    assert_type(plain(job, "x"), int)

    # .new() has the function's own parameters, without the job
    assert_type(fetch.new("x", limit=3), NewJob)
    assert_type(fetch.with_options(priority=1).new(topic="x"), NewJob)
    fetch.new(topic=5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    fetch.new()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    fetch.new(topic="x", other=1)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    plain.new(text=b"")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    fetch.with_options(priority="high")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]

    once = Unique(keys=["topic"], period=timedelta(hours=1), states=["available", "executing"])
    assert_type(fetch.with_options(unique=once).new(topic="x"), NewJob)
    assert_type((await fetch.with_options(unique=None).insert(topic="x")).conflict, bool)
    Unique(on_conflict="ignore")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    fetch.with_options(unique=True)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]

    assert_type(await fetch.insert(topic="x"), Job)
    await fetch.insert(topic=5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    assert_type(await insert(Send.new(to="a@b")), Job)
    assert_type(plain.insert_sync("x"), Job)

    flow = (
        Workflow("research")
        .add("fetch", fetch.new(topic="x"))
        .add("summarize", summarize.new(), deps=["fetch"])
    )
    async with Client() as client:
        await client.insert_workflow(flow)
        assert_type((await client.get_workflow(flow.workflow_id)).state, str)
    assert_type((await Query.progress(flow.workflow_id)).fraction, float)
    assert_type((await Query.why(flow.workflow_id, "fetch")).because, Why | None)
    await Query.list_workflows(color="red")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    with SyncClient() as sync_client:
        assert_type(sync_client.insert(plain.new("x")), Job)


async def tests(job: Job) -> None:
    # what a worker returns comes back, with its type, async or not
    assert_type(await perform_job(count, {"text": "x"}, attempt=2), int)
    assert_type(await perform_job(plain, {"text": "x"}, priority=1), int)
    assert_type(perform_job_sync(count, results={"a": 1}), int)
    assert_type(perform_job_sync(plain), int)
    await perform_job(fetch.new("x"), resources={"db": object()})
    await perform_job(Send, {"to": "a@b"})
    await perform_job(fetch, {}, attempts=2)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]

    with inline(raise_errors=True) as performed:
        assert_type([each.job for each in performed], list[Job])
    with manual("postgresql://localhost/test"):
        assert_type(await assert_enqueued(fetch, args={"topic": "x"}, count=1), list[Job])
        assert_type(all_enqueued_sync(tags=["x"], dsn="postgresql://"), list[Job])
        await assert_enqueued(Send, arg={})  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
        assert_type((await drain_queue(with_scheduled=True)).completed, int)
        assert_type(await clock.advance(hours=1), int)


@condition()
def is_large(job: Job) -> bool:
    return bool(job.result("fetch")["documents"])


@condition(name="is_new")
async def is_new(job: Job) -> bool:
    return bool(job.context["new"])


@condition()  # type: ignore[type-var]  # pyright: ignore[reportArgumentType]
def is_text(job: Job) -> str:
    return "yes"


async def conditions(job: Job) -> None:
    assert_type(is_large(job), bool)
    assert_type(await is_new(job), bool)
    Workflow().add("a", plain.new("x"), when=is_large).add("b", plain.new("x"), when="is_new")
    Workflow().add("a", plain.new("x"), when=5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await perform_job(plain, {"text": "x"}, condition=is_large, context={"new": True})


class Report(BaseModel):
    rows: int


@result_store(threshold=1_000)
class Files:
    async def put(self, job: Job, data: bytes) -> str:
        return "reference"

    def get(self, reference: str) -> bytes:
        return b""


@result_store()  # pyright: ignore[reportArgumentType, reportUntypedClassDecorator]
class NoStore:  # type: ignore[type-var]
    def put(self, job: Job, data: bytes) -> int:
        return 1


async def results(job: Job) -> None:
    assert_type(job.result("fetch", as_=Report), Report)
    assert_type(job.result("fetch", as_=list[Report]), list[Report])
    assert_type(job.result("fetch", as_=TypeAdapter(int)), int)
    assert_type(await job.load_result("fetch", as_=Report), Report)
    assert_type(job.results(as_=Report), dict[str, Report])
    assert_type(job.results(), dict[str, Any])
    await job.store_result({"a": 1})
    assert_type(Files(), Files)


@worker(on_dep_cancelled=lambda reason, job: reason.upper() + job.worker)
async def listens(job: Job) -> None: ...


@worker(on_dep_discarded=len)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
async def mishears(job: Job) -> None: ...
