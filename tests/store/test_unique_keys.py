"""A unique key goes with the states that hold it, so that no transition can meet the index."""

from typing import Any

import pytest

from baton import Client
from baton.jobs import Job
from baton.states import State
from tests.support import connection, ended, job, process, value

pytestmark = pytest.mark.anyio


async def keyed(database: str, *states: str) -> Job:
    """A job that waits and excludes others while in these states."""
    async with Client(database) as client, connection(database) as conn:
        inserted = await client.insert(job())
        await conn.execute(
            "update baton.jobs set unique_key = 'k', unique_states = %s::baton.job_state[]",
            [list(states)],
        )
    return inserted


async def key(database: str) -> str | None:
    found = await value(database, "select unique_key from baton.jobs")
    return None if found is None else str(found)


async def test_a_claim_gives_up_a_key_that_does_not_hold_while_executing(database: str) -> None:
    await keyed(database, "available", "scheduled")
    async with process(database) as worker:
        await worker.fetch()
    assert await key(database) is None


@pytest.mark.parametrize(
    ("state", "facts"),
    [
        (State.COMPLETED, {}),
        (State.DISCARDED, {}),
        (State.CANCELLED, {}),
        (State.RETRYABLE, {"delay": 0.0}),
        (State.SCHEDULED, {"delay": 0.0, "refund": True}),
    ],
)
async def test_an_end_gives_up_a_key_unless_its_state_holds_it(
    database: str, state: State, facts: dict[str, Any]
) -> None:
    await keyed(database, "available", "executing", "scheduled")
    async with process(database) as worker:
        [claimed] = await worker.fetch()
        assert await key(database) == "k"
        await worker.acknowledge(ended(claimed, state, **facts))
        assert await key(database) == ("k" if state is State.SCHEDULED else None)
