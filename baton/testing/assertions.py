"""What is enqueued: looked for, asserted and refuted."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Unpack

from anyio import current_time, sleep

from baton.jobs import Job
from baton.store.rows import to_job
from baton.testing.expecting import Criteria, Expected, report
from baton.testing.targets import WHERE, Reader, Target, Where
from baton.testing.threads import run_beside
from baton.workers import WorkerName

LOOKED_AT = 10_000  # jobs, the newest
FIRST_PAUSE, LONGEST_PAUSE = 0.01, 0.1  # seconds between two looks


class Look(Criteria, Where, total=False):
    """What a job must fit, and where it is looked for."""


async def all_enqueued(worker: WorkerName | None = None, **look: Unpack[Look]) -> list[Job]:
    """Return the waiting jobs that fit, in the order in which they were inserted.

    Args:
        worker: their worker, or its name.
        look: what they must fit, as `Criteria` has it, and which database to look at, as `Where`
            has it.

    Raises:
        InvalidFilter: a criterion is unknown, or can't be used.
        DatabaseError: the database refused or is away.
    """
    question = _Question(worker, look)
    async with question.target.reader() as read:
        return await question.fitting(read)


async def assert_enqueued(
    worker: WorkerName | None = None,
    *,
    count: int | None = None,
    timeout: float | None = None,
    **look: Unpack[Look],
) -> list[Job]:
    """Assert that jobs wait that fit, and return them in the order of their insertion.

    Args:
        worker: their worker, or its name.
        count: exactly how many; by default one or more.
        timeout: seconds to wait for them.
        look: as for `all_enqueued`.

    Raises:
        AssertionError: there are none, or not as many; it says what is enqueued, and how it
            differs.
        InvalidFilter: a criterion is unknown, or can't be used.
        DatabaseError: the database refused or is away.
    """
    __tracebackhide__ = True
    question = _Question(worker, look)
    async with question.target.reader() as read:
        problem, jobs = await question.expect(read, count, timeout)
    if problem is not None:
        raise AssertionError(problem)
    return jobs


async def refute_enqueued(
    worker: WorkerName | None = None, *, timeout: float | None = None, **look: Unpack[Look]
) -> None:
    """Assert that no job waits that fits.

    Args:
        worker: its worker, or its name.
        timeout: seconds for which none must come either.
        look: as for `all_enqueued`.

    Raises:
        AssertionError: there is one; it says what is enqueued.
        InvalidFilter: a criterion is unknown, or can't be used.
        DatabaseError: the database refused or is away.
    """
    __tracebackhide__ = True
    question = _Question(worker, look)
    async with question.target.reader() as read:
        problem = await question.refute(read, timeout)
    if problem is not None:
        raise AssertionError(problem)


def all_enqueued_sync(worker: WorkerName | None = None, **look: Unpack[Look]) -> list[Job]:
    """Do what `all_enqueued` does, without an event loop."""
    question = _Question(worker, look)

    async def ask() -> list[Job]:
        async with _reading(question.target, own) as read:
            return await question.fitting(read)

    own = question.target.sync_reader()
    return run_beside(ask())


def assert_enqueued_sync(
    worker: WorkerName | None = None,
    *,
    count: int | None = None,
    timeout: float | None = None,
    **look: Unpack[Look],
) -> list[Job]:
    """Do what `assert_enqueued` does, without an event loop."""
    __tracebackhide__ = True
    question = _Question(worker, look)

    async def ask() -> tuple[str | None, list[Job]]:
        async with _reading(question.target, own) as read:
            return await question.expect(read, count, timeout)

    own = question.target.sync_reader()
    problem, jobs = run_beside(ask())
    if problem is not None:
        raise AssertionError(problem)
    return jobs


def refute_enqueued_sync(
    worker: WorkerName | None = None, *, timeout: float | None = None, **look: Unpack[Look]
) -> None:
    """Do what `refute_enqueued` does, without an event loop."""
    __tracebackhide__ = True
    question = _Question(worker, look)

    async def ask() -> str | None:
        async with _reading(question.target, own) as read:
            return await question.refute(read, timeout)

    own = question.target.sync_reader()
    problem = run_beside(ask())
    if problem is not None:
        raise AssertionError(problem)


@asynccontextmanager
async def _reading(target: Target, own: Reader | None) -> AsyncIterator[Reader]:
    if own is not None:
        yield own
    else:
        async with target.reader() as read:
            yield read


class _Question:
    def __init__(self, worker: WorkerName | None, look: Mapping[str, Any]) -> None:
        criteria = {name: value for name, value in look.items() if name not in WHERE}
        self._expected = Expected.of(worker, criteria)
        where = {name: value for name, value in look.items() if name in WHERE}
        self.target = Target.of(where)

    async def fitting(self, read: Reader) -> list[Job]:
        return self._fit(await self._enqueued(read))

    async def expect(
        self, read: Reader, count: int | None, timeout: float | None
    ) -> tuple[str | None, list[Job]]:
        def enough(jobs: Sequence[Job]) -> bool:
            return bool(jobs) if count is None else len(jobs) == count

        found = await self._wait(read, enough, timeout)
        fitting = self._fit(found)
        if enough(fitting):
            return None, fitting
        if count is None or not fitting:
            problem = "no jobs are enqueued"
        else:
            problem = f"{len(fitting)} jobs are enqueued, and not {count},"
        return report(problem, self._expected, found), fitting

    async def refute(self, read: Reader, timeout: float | None) -> str | None:
        found = await self._wait(read, bool, timeout)
        fitting = self._fit(found)
        if not fitting:
            return None
        return report(f"{len(fitting)} jobs are enqueued, and not 0,", self._expected, found)

    async def _wait(
        self, read: Reader, settled: Callable[[Sequence[Job]], bool], timeout: float | None
    ) -> list[Job]:
        deadline = current_time() + (timeout or 0)
        pause = FIRST_PAUSE
        while True:
            found = await self._enqueued(read)
            if settled(self._fit(found)) or current_time() >= deadline:
                return found
            # no notification tells of scheduled jobs, so it is looked again
            await sleep(min(pause, max(0.0, deadline - current_time())))
            pause = min(pause * 2, LONGEST_PAUSE)

    async def _enqueued(self, read: Reader) -> list[Job]:
        states = [state.value for state in self._expected.states]
        rows = await read("jobs_in_states", {"states": states, "most": LOOKED_AT})
        return [to_job(row) for row in reversed(rows)]

    def _fit(self, jobs: Sequence[Job]) -> list[Job]:
        return [job for job in jobs if not self._expected.differences(job)]
