"""How many jobs, and steps of workflows, Baton gets through: one JSON line.

    python -m benchmarks.throughput [--jobs 20000] [--diamonds 1000] [--slots 100] [--dsn DSN]

insert: one `insert_all` per 10,000 jobs. drain: no-op jobs through real `baton worker` processes,
from the first claim to the last acknowledgement by the database's clock. floor: a bare psycopg
loop that claims 100 rows and marks them done, with nothing around it. steps: diamonds of 5 steps
through one process.
"""

import time
from typing import Any

import psycopg

from baton import SyncClient, Workflow
from benchmarks import harness
from benchmarks.workers import nothing, step

SPAN = """
  select extract(epoch from max(completed_at) - min(attempted_at))::float8 from baton.jobs
"""
OPEN = "select count(*) from baton.jobs where state <> 'completed'"


def insert(dsn: str, jobs: int) -> float:
    batch = 10_000
    with SyncClient(dsn) as client:
        begun = time.perf_counter()
        for start in range(0, jobs, batch):
            client.insert_all([nothing.new() for _ in range(min(batch, jobs - start))])
        return jobs / (time.perf_counter() - begun)


def drain(connection: psycopg.Connection[Any], dsn: str, count: int, slots: int) -> float:
    """Jobs per second from the first claim to the last acknowledgement."""
    with harness.workers(dsn, count=count, slots=slots):
        harness.wait_for(connection, OPEN, 0)
    row = connection.execute(SPAN).fetchone()
    jobs = connection.execute("select count(*) from baton.jobs").fetchone()
    assert row is not None
    assert jobs is not None
    return float(jobs[0] / row[0])


def floor(connection: psycopg.Connection[Any], jobs: int) -> float:
    connection.execute("drop table if exists floor")
    connection.execute("create table floor (id bigserial primary key, state text not null)")
    connection.execute("create index on floor (id) where state = 'available'")
    connection.execute(
        "insert into floor (state) select 'available' from generate_series(1, %s)", [jobs]
    )
    connection.execute("vacuum analyze floor")
    claim = """
      update floor set state = 'executing' where id = any (array(
        select id from floor where state = 'available' order by id limit 100 for update skip locked
      )) returning id
    """
    done = "update floor set state = 'completed' where id = any (%s)"
    begun = time.perf_counter()
    while ids := [row[0] for row in connection.execute(claim).fetchall()]:
        connection.execute(done, [ids])
    return jobs / (time.perf_counter() - begun)


def diamonds(connection: psycopg.Connection[Any], dsn: str, count: int, slots: int) -> float:
    """Steps per second."""
    with SyncClient(dsn) as client, psycopg.connect(dsn) as transaction:
        for _ in range(count):
            flow = Workflow("diamond").add("a", step.new())
            for name in "bcd":
                flow.add(name, step.new(), deps=["a"])
            client.insert_workflow(flow.add("e", step.new(), deps=list("bcd")), conn=transaction)
    return drain(connection, dsn, 1, slots)


def main() -> None:
    parser = harness.arguments(__doc__)
    parser.add_argument("--jobs", type=int, default=20_000)
    parser.add_argument("--diamonds", type=int, default=1_000)
    parser.add_argument("--slots", type=int, default=100)
    options = parser.parse_args()
    with (
        harness.database(options.dsn) as dsn,
        psycopg.connect(dsn, autocommit=True) as connection,
    ):
        figures = {"benchmark": "throughput", "slots": options.slots}
        figures["floor_jobs_s"] = round(floor(connection, options.jobs))
        figures["insert_jobs_s"] = round(insert(dsn, options.jobs))
        for processes in (1, 2):
            if processes > 1:
                harness.reset(connection)
                insert(dsn, options.jobs)
            connection.execute("vacuum analyze baton.jobs")
            rate = drain(connection, dsn, processes, options.slots)
            figures[f"drain_{processes}_processes_jobs_s"] = round(rate)
        harness.reset(connection)
        figures["diamond_steps_s"] = round(
            diamonds(connection, dsn, options.diamonds, options.slots)
        )
        figures["drain_to_floor"] = round(
            figures["drain_1_processes_jobs_s"] / figures["floor_jobs_s"], 2
        )
        harness.report(figures)


if __name__ == "__main__":
    main()
