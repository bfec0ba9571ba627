"""What has ended is forgotten: after a million jobs a process is as large as before."""

import gc
from collections import Counter
from contextvars import Context

import pytest

from baton import Job, Registry
from tests.services.test_node import all_final, running, until

pytestmark = pytest.mark.anyio

JOBS = 1_500


async def test_nothing_is_kept_of_jobs_that_ended(database: str) -> None:
    registry = Registry()

    @registry.worker()
    async def on_the_loop(_job: Job) -> None: ...

    @registry.worker()
    def in_a_thread(_job: Job) -> None: ...

    @registry.worker(max_attempts=1)
    async def fails(_job: Job) -> None:
        raise ValueError("as it is told to")

    workers = (on_the_loop, in_a_thread, fails)
    async with running(database, registry) as (_, client):

        async def perform(count: int) -> Counter[str]:
            await client.insert_all([workers[number % 3].new() for number in range(count)])
            await until(all_final(database))
            return living()

        async def has_forgotten() -> bool:
            return living()["Job"] - before["Job"] < 100

        before = await perform(30)  # what is made once is there
        await perform(JOBS)
        await until(has_forgotten)  # those of the last cycle are in hand until its answer is read
        after = living()
    grown = {name: count for name, count in (after - before).items() if count > JOBS / 4}
    assert not grown


def living() -> Counter[str]:
    gc.collect()
    kinds = ("Job", "Ack", "Claim", "Attempt", "Event", "Task", "CancelScope", "Future")
    found = Counter(type(each).__name__ for each in gc.get_objects())
    contexts = sum(type(each) is Context for each in gc.get_objects())
    return Counter({**{kind: found[kind] for kind in kinds}, "Context": contexts})
