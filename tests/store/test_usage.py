"""What attempts used, written down by cycles."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import anyio
import pytest

from baton import Client, documents
from baton.jobs import Job
from baton.llm import Price, Usage
from baton.llm.meter import Meter
from baton.llm.tally import Tally
from baton.states import State
from tests.support import connection, ended, in_turn, job, process, rows, value

pytestmark = pytest.mark.anyio

ONE = Usage(model="m", input_tokens=10, output_tokens=1)


class Dime:
    def price(self, usage: Usage) -> Price | None:
        return Price(Decimal("0.1"), "dimes") if usage.model == "m" else None


METER = Meter(pricing=Dime())


def tally_of(job: Job) -> Tally:
    assert job.claim is not None
    found: Tally = job.claim.tally
    return found


async def totals(database: str) -> list[tuple[Any, ...]]:
    return await rows(
        database,
        """
        select model, calls, input_tokens, cost, state::text
        from baton.workflow_step_stats order by job_id, epoch, lease, ordinal
        """,
    )


async def test_saying_it_twice_is_saying_it_once(database: str) -> None:
    async with Client(database) as client, process(database) as worker:
        await client.insert(job())
        [claimed] = await worker.fetch()
        METER.record(claimed, [ONE, ONE])
        for _ in range(3):
            await worker.cycles.cycle(worker.lease, [], {}, used=[tally_of(claimed)])
        assert await totals(database) == [("m", 2, 20, Decimal("0.2"), None)]
        METER.record(claimed, ONE)
        tally_of(claimed).end("completed", 0.5)
        ack = ended(claimed, State.COMPLETED)
        await worker.cycles.cycle(worker.lease, [ack], {}, used=[tally_of(claimed)])
    assert await totals(database) == [("m", 3, 30, Decimal("0.3"), "completed")]


async def test_what_was_used_is_written_though_the_attempt_is_not_accepted(database: str) -> None:
    async with Client(database) as client, process(database) as worker:
        await client.insert(job())
        [claimed] = await worker.fetch()
        METER.record(claimed, ONE)
        await client.cancel_job(claimed.id)
        ack = ended(claimed, State.COMPLETED)
        cycle = await worker.cycles.cycle(worker.lease, [ack], {}, used=[tally_of(claimed)])
        assert cycle.accepted == frozenset()
    assert await totals(database) == [("m", 1, 10, Decimal("0.1"), None)]


async def test_each_claim_of_a_job_has_rows_of_its_own(database: str) -> None:
    async with Client(database) as client, process(database) as worker:
        await client.insert(job())
        for _ in range(2):
            [claimed] = await worker.fetch()
            METER.record(claimed, [ONE, Usage(model="other", input_tokens=1)])
            ack = ended(claimed, State.AVAILABLE, refund=True)
            await worker.cycles.cycle(worker.lease, [ack], {}, used=[tally_of(claimed)])
    assert (
        await totals(database)
        == [
            ("m", 1, 10, Decimal("0.1"), None),
            ("other", 1, 1, None, None),
        ]
        * 2
    )
    assert await value(database, "select max(attempt) from baton.workflow_step_stats") == 1


async def test_a_late_statement_of_a_broken_connection_takes_nothing_back(database: str) -> None:
    """It holds the row when the next cycle comes, or comes after it: the larger sums stay."""
    async with Client(database) as client, process(database) as worker:
        await client.insert(job())
        [claimed] = await worker.fetch()
        METER.record(claimed, ONE)
        early = old_rows([tally_of(claimed)])
        METER.record(claimed, ONE)
        tally_of(claimed).end("completed", 0.5)

        async def late(conn: Any) -> None:
            await conn.execute("select baton.record_usage(%s::jsonb)", [early])

        async def cycle() -> None:
            await worker.cycles.cycle(worker.lease, [], {}, used=[tally_of(claimed)])

        await in_turn(database, late, cycle)
        assert await totals(database) == [("m", 2, 20, Decimal("0.2"), "completed")]
        async with connection(database) as conn:
            await late(conn)
    assert await totals(database) == [("m", 2, 20, Decimal("0.2"), "completed")]


def old_rows(tallies: Sequence[Tally]) -> str:
    return documents.encode([row for tally in tallies for row in tally.rows()])


async def test_many_threads_record_for_one_job(database: str) -> None:
    async with Client(database) as client, process(database) as worker:
        await client.insert(job())
        [claimed] = await worker.fetch()

        def record() -> None:
            for _ in range(100):
                METER.record(claimed, ONE)

        async with anyio.create_task_group() as tasks:
            for _ in range(8):
                tasks.start_soon(anyio.to_thread.run_sync, record)
        await worker.cycles.cycle(worker.lease, [], {}, used=[tally_of(claimed)])
    assert await totals(database) == [("m", 800, 8_000, Decimal("80.0"), None)]


class Odd:
    def __init__(self, given: Any) -> None:
        self.given = given

    def price(self, usage: Usage) -> Any:
        if isinstance(self.given, Exception):
            raise self.given
        return Price(self.given, "odd\x00")


@pytest.mark.parametrize(
    ("given", "cost"),
    [
        (Decimal("NaN"), None),
        (Decimal("Infinity"), None),
        (Decimal(-1), None),
        (Decimal("1e50"), None),
        ("dear", None),
        (KeyError("m"), None),
        (Decimal("1e-400"), Decimal(0)),
        (0.25, Decimal("0.25")),
        (3, Decimal(3)),
    ],
)
async def test_a_price_that_can_not_be_is_none(database: str, given: Any, cost: Any) -> None:
    largest = Usage(model="\x00\ud800", input_tokens=2**63 - 1)
    async with Client(database) as client, process(database) as worker:
        await client.insert(job())
        [claimed] = await worker.fetch()
        found = Meter(pricing=Odd(given)).record(claimed, [largest, largest])
        await worker.cycles.cycle(worker.lease, [], {}, used=[tally_of(claimed)])
    assert found == (None if cost is None else 2 * cost)
    [(_, calls, tokens, stored, _)] = await totals(database)
    assert (calls, tokens, stored) == (2, 2**63 - 1, found)
