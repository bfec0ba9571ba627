"""What a process and the database take right now."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

QUERY = """
  select
    (select count(*) from pg_stat_activity
     where datname = current_database() and application_name like 'baton%'
       and backend_type = 'client backend'),
    sum(pg_table_size(stat.relid))::bigint,
    sum(pg_indexes_size(stat.relid))::bigint,
    sum(stat.n_dead_tup)::bigint,
    sum(stat.n_live_tup)::bigint,
    sum(stat.autovacuum_count)::bigint
  from pg_stat_user_tables as stat
"""


@dataclass(frozen=True, slots=True)
class Process:
    """What a worker process takes."""

    rss: int
    descriptors: int
    threads: int
    tasks: int
    performed: dict[str, int]

    @property
    def done(self) -> int:
        """How many attempts it performed."""
        return sum(self.performed.values())


@dataclass(frozen=True, slots=True)
class Server:
    """What the database takes."""

    connections: int
    table_bytes: int
    index_bytes: int
    dead_rows: int
    live_rows: int
    autovacuums: int


def process(pid: int, directory: Path) -> Process:
    """Look at a worker process.

    Raises:
        OSError: it is not there.
    """
    status = dict(
        line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines()
    )
    said = report(pid, directory)
    return Process(
        rss=int(status["VmRSS"].split()[0]) * 1024,
        descriptors=len(list(Path(f"/proc/{pid}/fd").iterdir())),
        threads=int(status["Threads"]),
        tasks=int(said["tasks"]),
        performed=said["performed"],
    )


def report(pid: int, directory: Path) -> dict[str, Any]:
    """Return what a process said of itself last."""
    found: dict[str, Any] = json.loads((directory / f"{pid}.json").read_text())
    return found


def server(conn: psycopg.Connection[Any]) -> Server:
    """Look at the database."""
    row = conn.execute(QUERY).fetchone()
    assert row is not None
    return Server(*(int(each or 0) for each in row))
