"""The workers of a run: they do what their arguments say, and write down that they did.

Every start and end of an attempt goes to the journal of the process, and from there to the table
``chaos.records``. Effects that have to be exactly one are written by the job itself, in the
transaction that completes it.
"""

import asyncio
import os
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import anyio
import psycopg

import baton
from baton import Cancel, Discard, Error, Graft, Job, Snooze, WaitForSignal, worker
from tests.chaos.journal import Journal

DSN = os.environ.get("CHAOS_DSN", "")
JOURNALS = Path(os.environ.get("CHAOS_JOURNALS", "."))

Args = dict[str, Any]


class Recorder:
    """Writes to the journal at once, and to the database as soon as that can be had."""

    def __init__(self) -> None:
        self._journal: Journal | None = None
        self._pending: list[tuple[Any, ...]] = []
        self._called = asyncio.Event()

    def write(self, kind: str, job: Job, **facts: Any) -> None:
        if self._journal is None:
            self._journal = Journal(JOURNALS, "worker")
        lease = job.claim.lease if job.claim is not None else 0
        at = self._journal.write(
            kind, job=job.id, epoch=job.epoch, attempt=job.attempt, lease=lease, **facts
        )
        self._pending.append(
            (kind, job.id, job.epoch, job.attempt, lease, os.getpid(), at, facts.get("outcome"))
        )
        self._called.set()

    async def run(self) -> None:
        """Carry what was written to the database, until cancelled."""
        while True:
            await self._called.wait()
            await asyncio.sleep(0.1)  # a portion, not a statement a record
            with suppress(psycopg.Error, OSError, TimeoutError):
                async with asyncio.timeout(5):
                    await self.flush()

    async def flush(self) -> None:
        self._called.clear()
        portion = self._pending[:5_000]
        async with await psycopg.AsyncConnection.connect(DSN, connect_timeout=3) as conn:
            await conn.execute("set local synchronous_commit = off")
            async with conn.cursor().copy(
                "copy chaos.records (kind, job, epoch, attempt, lease, pid, at, outcome) from stdin"
            ) as copy:
                for row in portion:
                    await copy.write_row(row)
        del self._pending[: len(portion)]


recorder = Recorder()


@baton.lifespan
@asynccontextmanager
async def recording() -> AsyncGenerator[dict[str, Any]]:
    task = asyncio.create_task(recorder.run())
    try:
        yield {}
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        with suppress(psycopg.Error, OSError, TimeoutError):
            async with asyncio.timeout(2):
                await recorder.flush()


@baton.middleware
async def recorded(job: Job, call_next: Callable[[Job], Awaitable[Any]]) -> Any:
    recorder.write("start", job, queue=job.queue)
    try:
        value = await call_next(job)
    except anyio.get_cancelled_exc_class():
        recorder.write("end", job, outcome="stopped")
        raise
    except BaseException as error:
        recorder.write("end", job, outcome="raised", error=type(error).__name__)
        raise
    recorder.write("end", job, outcome=outcome_of(value))
    return value


def outcome_of(value: Any) -> str:
    match value:
        case Snooze():
            return "snooze"
        case WaitForSignal():
            return "wait"
        case Discard():
            return "discard"
        case Cancel():
            return "cancel"
        case Error():
            return "error"
        case Graft():
            return "graft"
        case None | dict():
            return "ok"
    return "garbage"


def soon(job: Job, error: BaseException) -> float:
    """A failed attempt is tried again within the run."""
    return 0.2 * job.attempt


def result_of(job: Job) -> Args:
    return {"epoch": job.epoch, "pid": os.getpid()}


def word_of(job: Job, plan: Sequence[str]) -> str:
    """What this attempt is to do; what gives the attempt back does so once."""
    waited = job.step is not None and job.step.waited is not None
    again = waited or int(job.meta.get("snoozed", 0)) > 0
    words = [word for word in plan if not again or word not in {"snooze", "wait"}] or ["ok"]
    return words[min(job.attempt, len(words)) - 1]


async def do(job: Job, word: str, args: Args) -> Any:  # noqa: C901, PLR0912  a case for each
    match word:
        case "ok":
            return result_of(job)
        case "raise":
            raise RuntimeError("on purpose")
        case "exit":
            raise SystemExit(3)
        case "error":
            return Error("on purpose \0 with a NUL")
        case "garbage":
            return object()
        case "snooze":
            return Snooze(0.3)
        case "discard":
            return Discard("on purpose")
        case "cancel":
            return Cancel("on purpose")
        case "wait":
            return WaitForSignal("go on", timeout=4)
        case "die":
            os._exit(9)
        case "graft":
            return grafted(job, args)
        case "graft_on":
            await job.graft(Graft().add(f"{job.step_name} side", work.new(token=f"{job.id}/side")))
            return result_of(job)
        case "exact" | "rolled_back" | "exact_then_raise":
            return await exactly(job, word)
        case _:
            raise LookupError(word)


def grafted(job: Job, args: Args) -> Graft:
    token = args["token"]
    jobs = [work.new(token=f"{token}/{index}") for index in range(int(args.get("count", 3)))]
    graft = Graft(result=result_of(job)).fan_out(f"{job.step_name} more", jobs)
    return graft.add(
        f"{job.step_name} sum", work.new(token=f"{token}/sum"), deps=[f"{job.step_name} more:*"]
    )


async def exactly(job: Job, word: str) -> Args:
    """Write an effect, insert a job and complete this one, in one transaction."""
    async with await psycopg.AsyncConnection.connect(DSN, connect_timeout=3) as conn:
        await conn.execute(
            "insert into chaos.effects (job, epoch, pid) values (%s, %s, %s)",
            [job.id, job.epoch, os.getpid()],
        )
        await baton.insert(work.new(token=f"{job.id}/child/{job.epoch}"), conn=conn)
        recorder.write("completing", job)
        await job.complete_in(conn, result_of(job))
        if word == "rolled_back" and job.attempt == 1:
            raise RuntimeError("rolled back on purpose")
    recorder.write("effect", job)
    if word == "exact_then_raise":
        raise RuntimeError("after its completion")
    return result_of(job)


@worker(name="chaos.work", max_attempts=4, backoff=soon)
async def work(
    job: Job, token: str, plan: Sequence[str] = ("ok",), seconds: float = 0.0, count: int = 3
) -> Any:
    if seconds:
        await anyio.sleep(seconds)
    return await do(job, word_of(job, plan), {"token": token, "count": count})


@worker(name="chaos.thread", max_attempts=4, backoff=soon)
def thread(job: Job, token: str, plan: Sequence[str] = ("ok",), seconds: float = 0.0) -> Any:
    time.sleep(seconds)
    return anyio.run(do, job, word_of(job, plan), {"token": token})


@worker(name="chaos.child", max_attempts=4, backoff=soon, executor="process")
def child(job: Job, token: str, plan: Sequence[str] = ("ok",), seconds: float = 0.0) -> Any:
    time.sleep(seconds)
    if word_of(job, plan) == "die":
        os._exit(9)
    return result_of(job)


@worker(name="chaos.tick", cron="*/2 * * * * *", queue="cron", max_attempts=20, backoff=soon)
async def tick(job: Job) -> None:
    """One for each second second, whatever happens."""


@worker(name="chaos.finished", max_attempts=20, backoff=soon)
async def finished(job: Job, token: str) -> None:
    """What a workflow has inserted when it ends."""
