"""What a user's program puts around its jobs, checked by mypy --strict and pyright, never run."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, assert_type

import baton
from baton import Job, NewJob, Registry, Telemetry, Unique, Worker, resource, worker

registry = Registry()
tenant: ContextVar[str] = ContextVar("tenant")
baton.carry(tenant)


class Pool:
    async def query(self, text: str) -> int:
        return len(text)


@baton.lifespan
@asynccontextmanager
async def pools() -> AsyncGenerator[dict[str, Pool]]:
    yield {"db": Pool()}


@baton.middleware
async def measured(job: Job, call_next: Any) -> Any:
    return await call_next(job)


@baton.before_insert
def stamped(job: NewJob) -> NewJob:
    return replace(job, meta={**job.meta, "release": "1"})


def patience(job: Job, error: BaseException) -> timedelta:
    return timedelta(seconds=job.attempt)


@worker(
    backoff=patience,
    executor="process",
    timeout=timedelta(minutes=5),
    weight=2,
    unique=Unique(keys=["user"], period=timedelta(hours=1), on_conflict="skip"),
)
def crunch(job: Job, user: int) -> float:
    return user / 2


@worker(backoff=lambda job, error: 5.0 * job.attempt)
async def count(job: Job, word: str, db: Pool = resource("db")) -> int:
    return await db.query(word)


@worker(executor="gpu")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
def misspelt(job: Job) -> None: ...


@registry.worker(queue="mail", timeout=3)
async def send(job: Job, to: str) -> None: ...


class Report(Worker, timeout=60, executor="process"):
    def perform(self, job: Job, month: str) -> str:
        return month

    def backoff(self, job: Job, error: BaseException) -> float:
        return 1.0


def handler(event: str, measurements: Any, metadata: Any) -> None: ...


async def main() -> None:
    assert_type(count.new(word="x"), NewJob)
    assert_type(await send.insert(to="x"), Job)
    later = crunch.with_options(deadline=datetime.now(UTC), timeout=5)
    assert_type((await later.insert(user=1)).conflict, bool)
    later.new(user="x")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Telemetry.attach("mine", ["baton.job.*"], handler)
    Telemetry.attach("mine", "baton.job.stop", print)
