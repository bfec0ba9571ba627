"""Large workflows: one of many steps, inserted whole and run; one JSON line.

    python -m benchmarks.workflows [--steps 100000] [--width 1000] [--slots 100] [--dsn DSN]

layers: one workflow whose steps stand in layers of `width`; each depends on three of the layer
before. insert is one statement; run is from the first claim to the last acknowledgement of one real
`baton worker` process, by the database's clock. plain: as many jobs without a workflow, run in the
same way. progress: a look at its counts when it has ended, and the counting of its rows.
"""

import asyncio
import time
from typing import Any

import psycopg

from baton import Client, SyncClient, Workflow
from benchmarks import harness
from benchmarks.throughput import OPEN, SPAN, insert
from benchmarks.workers import step


def layers(steps: int, width: int) -> Workflow:
    flow = Workflow("layers")
    for number in range(steps):
        layer, place = divmod(number, width)
        deps = {f"{layer - 1}.{(place * 7 + each) % width}" for each in range(3)} if layer else ()
        flow.add(f"{layer}.{place}", step.new(), deps=deps)
    return flow


def run(connection: psycopg.Connection[Any], dsn: str, steps: int, slots: int) -> float:
    with harness.workers(dsn, count=1, slots=slots):
        harness.wait_for(connection, OPEN, 0)
    row = connection.execute(SPAN).fetchone()
    assert row is not None
    return steps / float(row[0])


async def look(dsn: str, flow: Workflow) -> dict[str, float]:
    """Milliseconds of a look at the progress, best of five."""
    async with Client(dsn) as client:
        took = []
        for _ in range(5):
            begun = time.perf_counter()
            await client.progress(flow.workflow_id)
            took.append(time.perf_counter() - begun)
    with psycopg.connect(dsn) as connection:
        begun = time.perf_counter()
        connection.execute(
            "select outcome, count(*) from baton.workflow_steps where workflow_id = %s group by 1",
            [flow.workflow_id],
        )
        counted = time.perf_counter() - begun
    return {
        "progress_ms": round(min(took) * 1000, 2),
        "counting_rows_ms": round(counted * 1000, 2),
    }


def main() -> None:
    parser = harness.arguments(__doc__)
    parser.add_argument("--steps", type=int, default=100_000)
    parser.add_argument("--width", type=int, default=1_000)
    parser.add_argument("--slots", type=int, default=100)
    options = parser.parse_args()
    with (
        harness.database(options.dsn) as dsn,
        psycopg.connect(dsn, autocommit=True) as connection,
    ):
        figures: dict[str, Any] = {"benchmark": "workflows", "steps": options.steps}
        insert(dsn, options.steps)
        figures["plain_jobs_s"] = round(run(connection, dsn, options.steps, options.slots))
        harness.reset(connection)
        flow = layers(options.steps, options.width)
        begun = time.perf_counter()
        with SyncClient(dsn) as client:
            client.insert_workflow(flow)
        figures["insert_s"] = round(time.perf_counter() - begun, 1)
        connection.execute("vacuum analyze")
        figures["steps_s"] = round(run(connection, dsn, options.steps, options.slots))
        figures |= asyncio.run(look(dsn, flow))
        figures["steps_to_plain"] = round(figures["steps_s"] / figures["plain_jobs_s"], 2)
        harness.report(figures)


if __name__ == "__main__":
    main()
