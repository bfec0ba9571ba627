"""Inserts that meet go together; each has its own end, whatever becomes of the others."""

import asyncio
from collections.abc import Sequence

import anyio
import pytest

from baton.client.coalescing import Coalescer
from baton.errors import BatonError, DatabaseUnavailable, InvalidData

pytestmark = pytest.mark.anyio


class Table:
    """Takes texts in statements that wait until they are let go."""

    def __init__(self) -> None:
        self.statements: list[list[str]] = []
        self.begun = asyncio.Event()
        self.go = asyncio.Event()
        self.error: Exception | None = None

    async def insert(self, jobs: Sequence[str]) -> list[str]:
        self.statements.append(list(jobs))
        self.begun.set()
        await self.go.wait()
        if self.error is not None:
            raise self.error
        if "bad" in jobs:
            raise InvalidData("bad")
        return [job.upper() for job in jobs]


async def begun(
    table: Table, coalescer: Coalescer[str, str], *jobs: str
) -> list[asyncio.Task[str]]:
    """Insert the first, and the others while its statement is under way."""
    first = asyncio.create_task(coalescer.insert(jobs[0]))
    await table.begun.wait()
    others = [asyncio.create_task(coalescer.insert(job)) for job in jobs[1:]]
    await anyio.lowlevel.checkpoint()
    return [first, *others]


async def test_a_job_that_comes_alone_is_inserted_at_once() -> None:
    table = Table()
    table.go.set()
    coalescer = Coalescer(table.insert)
    assert [await coalescer.insert("a"), await coalescer.insert("b")] == ["A", "B"]
    assert table.statements == [["a"], ["b"]]


async def test_what_comes_during_a_statement_goes_together_in_the_next() -> None:
    table = Table()
    tasks = await begun(table, Coalescer(table.insert), "a", "b", "c", "d")
    table.go.set()
    assert await asyncio.gather(*tasks) == ["A", "B", "C", "D"]
    assert table.statements == [["a"], ["b", "c", "d"]]


async def test_those_who_were_answered_together_go_together_again() -> None:
    statements: list[int] = []

    async def insert_all(jobs: Sequence[str]) -> Sequence[str]:
        statements.append(len(jobs))
        await anyio.lowlevel.checkpoint()
        return jobs

    async def insert(name: str) -> None:
        for number in range(5):
            await coalescer.insert(f"{name}{number}")

    coalescer = Coalescer(insert_all)
    await asyncio.gather(*map(insert, "abc"))
    assert statements == [1, 3, 3, 3, 3, 2]


async def test_the_error_of_one_job_is_not_that_of_others() -> None:
    table = Table()
    tasks = await begun(table, Coalescer(table.insert), "a", "b", "bad", "c")
    table.go.set()
    ends = await asyncio.gather(*tasks, return_exceptions=True)
    assert [each for each in ends if isinstance(each, str)] == ["A", "B", "C"]
    assert isinstance(ends[2], InvalidData)


async def test_a_database_that_is_away_is_asked_once_for_all() -> None:
    table = Table()
    table.error = DatabaseUnavailable("away")
    tasks = await begun(table, Coalescer(table.insert), "a", "b", "c")
    table.go.set()
    ends = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(each) for each in ends] == [DatabaseUnavailable] * 3
    assert table.statements == [["a"], ["b", "c"]]


async def test_who_is_cancelled_takes_nobody_along() -> None:
    table = Table()
    leader, follower, other = await begun(table, Coalescer(table.insert), "a", "b", "c")
    leader.cancel()
    follower.cancel()
    table.go.set()
    assert await other == "C"
    assert leader.cancelled()
    assert follower.cancelled()
    assert table.statements == [["a"], ["c"]]


async def test_who_is_cancelled_during_the_common_statement_takes_nobody_along() -> None:
    table = Table()
    first, follower, other = await begun(table, Coalescer(table.insert), "a", "b", "c")
    table.begun.clear()
    first.cancel()  # its end begins the common statement
    await table.begun.wait()
    follower.cancel()
    table.go.set()
    assert await other == "C"
    assert follower.cancelled()


async def test_after_an_error_the_next_job_is_inserted() -> None:
    table = Table()
    table.go.set()
    coalescer = Coalescer(table.insert)
    with pytest.raises(BatonError):
        await coalescer.insert("bad")
    assert await coalescer.insert("a") == "A"


def test_a_loop_that_ended_in_the_middle_of_an_insert_does_not_hold_up_the_next() -> None:
    async def leave(coalescer: Coalescer[str, str]) -> None:
        left.append(asyncio.create_task(coalescer.insert("a")))
        await anyio.lowlevel.checkpoint()

    async def insert(jobs: Sequence[str]) -> list[str]:
        if jobs == ["a"]:
            await asyncio.Event().wait()
        return list(jobs)

    left: list[asyncio.Task[str]] = []
    coalescer = Coalescer(insert)
    asyncio.run(leave(coalescer))
    assert asyncio.run(coalescer.insert("b")) == "b"
    assert left[0].cancelled()
