"""What a run has left, when all of its processes have ended."""

import time
from collections.abc import Mapping

import psycopg

from tests.chaos import history as histories
from tests.chaos import journal as journals
from tests.chaos.feeder import LIMITS, RATE
from tests.chaos.fleet import Fleet
from tests.chaos.stage import TICK, Stage

EXPECTED = frozenset({"database.trouble", "lease.lost", "lease.given_up"})
GONE = 60.0  # seconds for the server to notice that a machine has vanished
LEFT = {
    "leases": "select count(*) from baton.leases",
    "rows of workflow_releases": "select count(*) from baton.workflow_releases",
    "rows of workflow_waits of ended steps": """
      select count(*) from baton.workflow_waits as wait
      join baton.workflow_steps as step on step.job_id = wait.job_id where step.outcome is not null
        and wait.woken_at is null and wait.until < now() - interval '10 s'
    """,
    "executing jobs": "select count(*) from baton.jobs where state = 'executing'",
    "executing workflows": "select count(*) from baton.workflows where state = 'executing'",
    "unique keys of ended jobs": """
      select count(*) from baton.jobs
      where unique_key is not null and state in ('completed', 'discarded', 'cancelled')
    """,
    "prepared transactions": "select count(*) from pg_prepared_xacts",
}
SESSIONS = """
  select count(*) from pg_stat_activity
  where backend_type = 'client backend' and pid <> pg_backend_pid()
"""
ADVISORY = "select count(*) from pg_locks where locktype = 'advisory' and pid <> pg_backend_pid()"


def left_in(stage: Stage) -> dict[str, int]:
    """What is in the database when all processes have ended."""
    until = time.time() + GONE
    with stage.servers.primary.connect() as conn:

        def count(query: str) -> int:
            [(number,)] = conn.execute(query.encode()).fetchall()
            return int(number)

        while (count(SESSIONS) or count(ADVISORY)) and time.time() < until:
            time.sleep(0.1)
        left = {what: count(query) for what, query in LEFT.items()}
        return {**left, "connections": count(SESSIONS), "advisory locks": count(ADVISORY)}


def history_of(stage: Stage, left: Mapping[str, int]) -> histories.History:
    lines = journals.read(stage.place / "journals")
    faults = [
        histories.Fault(line["fault"], line["begun"], line["ended"], facts=line["facts"])
        for line in lines
        if line["kind"] == "fault"
    ]
    ticking = [line["at"] for line in lines if line["kind"] == "ticking"]
    return histories.load(
        stage.servers.dsn(),
        lines,
        faults=faults,
        limits=LIMITS,
        partitioned=frozenset({"tenants"}),
        crons=frozenset({TICK}),
        ticking=(ticking[0], ticking[-1]) if ticking else None,
        rates={"rated": RATE},
        left=left,
        log=stage.servers.log(),
        unexpected=tuple(stage.fleet.unexpected),
        complaints=tuple(_complaints(stage.fleet)),
    )


def _complaints(fleet: Fleet) -> list[str]:
    """What processes logged that no fault explains: exceptions, and errors that nobody expects."""
    found = []
    for worker in fleet.workers:
        for line in worker.lines():
            surprising = (
                line.get("level") in {"error", "critical"} and line["event"] not in EXPECTED
            )
            if surprising or "exception" in line:
                story = str(line.get("exception", ""))[-600:]
                found.append(f"worker {worker.number}: {line['event']} {line} {story}"[:1500])
        text = worker.log.read_text("utf-8", errors="replace")
        if "Traceback (most recent call last)" in "\n".join(
            line for line in text.splitlines() if not line.startswith("{")
        ):
            found.append(f"worker {worker.number} wrote a traceback, see {worker.log}")
    return found


def write_down(stage: Stage, history: histories.History) -> None:
    """Leave what helps to understand a red run beside the journals."""
    stage.kept = True
    (stage.place / "faults.json").write_text(histories.dumped(history))
    for table in (
        "chaos.moves",
        "chaos.endings",
        "chaos.effects",
        "baton.jobs",
        "baton.workflow_steps",
        "baton.workflow_edges",
        "baton.workflows",
    ):
        with (
            psycopg.connect(stage.servers.dsn()) as conn,
            (stage.place / f"{table}.csv").open("wb") as file,
            conn.cursor().copy(f"copy {table} to stdout (format csv, header)".encode()) as rows,
        ):
            for row in rows:
                file.write(row)
