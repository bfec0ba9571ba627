"""How long a job waits on an idle system, and a step for its dependency: one JSON line.

    python -m benchmarks.latency [--jobs 300] [--dsn DSN]

insert to start: from the call of `insert` to the first line of the job, one job every 20 ms, one
worker process. floor: from an `insert … ; notify` to a listener's claim of the row, with nothing
around it. hop: in a chain, from a parent's end to its child's start, by the database's clock.
punctuality: from the time for which a job is scheduled to its start, by the database's clock; one
job every 100 ms, 0.2 to 3 seconds ahead, so that some are found by looking and others are told.
"""

import random
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import psycopg

from baton import SyncClient, Workflow
from benchmarks import harness
from benchmarks.workers import stamp, step

PAUSE = 0.02  # seconds


def now() -> float:
    return time.clock_gettime(time.CLOCK_MONOTONIC)


def insert_to_start(connection: psycopg.Connection[Any], dsn: str, jobs: int) -> list[float]:
    with tempfile.TemporaryDirectory() as directory:
        latencies = Path(directory) / "latencies"
        with (
            harness.workers(dsn, count=1, slots=20, BENCHMARK_LATENCIES=str(latencies)),
            SyncClient(dsn) as client,
        ):
            warm_up(connection, client)
            latencies.write_text("")
            for _ in range(jobs):
                client.insert(stamp.new(sent=now()))
                time.sleep(PAUSE)
            harness.wait_for(
                connection, "select count(*) from baton.jobs where state <> 'completed'", 0
            )
        return [float(line) for line in latencies.read_text().split()]


def warm_up(connection: psycopg.Connection[Any], client: SyncClient) -> None:
    for _ in range(20):
        client.insert(stamp.new(sent=now()))
        harness.wait_for(
            connection, "select count(*) from baton.jobs where state <> 'completed'", 0
        )


def hops(connection: psycopg.Connection[Any], dsn: str, steps: int) -> list[float]:
    flow = Workflow("chain").add("0", step.new())
    for index in range(1, steps):
        flow.add(str(index), step.new(), deps=[str(index - 1)])
    with harness.workers(dsn, count=1, slots=20), SyncClient(dsn) as client:
        client.insert_workflow(flow)
        harness.wait_for(connection, "select count(*) from baton.workflow_completions", 1)
    rows = connection.execute(
        """
        select extract(epoch from child.attempted_at - parent.completed_at)::float8
        from baton.workflow_edges as edge
        join baton.jobs as parent on parent.id = edge.parent_id
        join baton.jobs as child on child.id = edge.child_id
        """
    )
    return [row[0] for row in rows]


def punctuality(connection: psycopg.Connection[Any], dsn: str, jobs: int) -> list[float]:
    with harness.workers(dsn, count=1, slots=20), SyncClient(dsn) as client:
        warm_up(connection, client)
        for _ in range(jobs):
            ahead = random.uniform(0.2, 3.0)  # noqa: S311
            client.insert(step.with_options(schedule_in=ahead).new())
            time.sleep(PAUSE * 5)
        harness.wait_for(
            connection, "select count(*) from baton.jobs where state <> 'completed'", 0
        )
    rows = connection.execute(
        """
        select extract(epoch from attempted_at - scheduled_at)::float8 from baton.jobs
        where worker = %s
        """,
        [step.new().worker],
    )
    return [row[0] for row in rows]


def floor(dsn: str, jobs: int) -> list[float]:
    samples: list[float] = []
    with (
        psycopg.connect(dsn, autocommit=True) as listener,
        psycopg.connect(dsn, autocommit=True) as claimer,
        psycopg.connect(dsn, autocommit=True) as inserter,
    ):
        inserter.execute("create table floor_latency (id bigserial primary key, sent float8)")
        listener.execute("listen floor_latency")

        def work() -> None:
            for _ in listener.notifies():
                rows = claimer.execute("delete from floor_latency returning sent").fetchall()
                samples.extend(now() - row[0] for row in rows)
                if len(samples) >= jobs:
                    return

        thread = threading.Thread(target=work)
        thread.start()
        for _ in range(jobs):
            inserter.execute(
                """
                with inserted as (insert into floor_latency (sent) values (%s) returning id)
                select pg_notify('floor_latency', '') from inserted
                """,
                [now()],
            )
            time.sleep(PAUSE)
        thread.join()
    return samples


def main() -> None:
    parser = harness.arguments(__doc__)
    parser.add_argument("--jobs", type=int, default=300)
    options = parser.parse_args()
    with (
        harness.database(options.dsn) as dsn,
        psycopg.connect(dsn, autocommit=True) as connection,
    ):
        figures: dict[str, Any] = {"benchmark": "latency"}
        figures["floor"] = harness.percentiles(floor(dsn, options.jobs))
        figures["insert_to_start"] = harness.percentiles(
            insert_to_start(connection, dsn, options.jobs)
        )
        harness.reset(connection)
        figures["hop"] = harness.percentiles(hops(connection, dsn, options.jobs))
        harness.reset(connection)
        figures["punctuality"] = harness.percentiles(punctuality(connection, dsn, options.jobs))
        figures["insert_to_start_to_floor"] = round(
            figures["insert_to_start"]["p50_ms"] / figures["floor"]["p50_ms"], 2
        )
        harness.report(figures)


if __name__ == "__main__":
    main()
