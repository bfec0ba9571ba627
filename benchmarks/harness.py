"""What the benchmarks share: a server, worker processes, and the floor to compare with."""

import argparse
import json
import os
import platform
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from baton.embedded import EmbeddedServer
from baton.store.migrations import migrate

ROOT = Path(__file__).resolve().parent.parent


def arguments(description: str | None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--dsn", help="an empty database; by default an embedded server is started")
    return parser


@contextmanager
def database(dsn: str | None) -> Iterator[str]:
    """A migrated database, durable as PostgreSQL is by default."""
    if dsn is not None:
        migrate(dsn)
        yield dsn
        return
    with EmbeddedServer.start() as server:
        migrate(server.dsn())
        yield server.dsn()


@contextmanager
def workers(dsn: str, *, count: int, slots: int, **environment: str) -> Iterator[None]:
    """Running worker processes, started when the block begins and stopped when it ends."""
    command = [
        sys.executable,
        "-c",
        "from baton.cli import main; main()",
        "worker",
        "--app=benchmarks.workers",
        f"--queues=default={slots}",
        "--log-level=error",
    ]
    env = {**os.environ, **environment, "BATON_DSN": dsn}
    processes = [subprocess.Popen(command, env=env, cwd=ROOT) for _ in range(count)]
    try:
        yield
    finally:
        for process in processes:
            process.send_signal(signal.SIGTERM)
        for process in processes:
            process.wait(30)


def wait_for(connection: psycopg.Connection[Any], query: str, expected: object) -> None:
    while True:
        found = connection.execute(query.encode()).fetchone()
        if found is not None and found[0] == expected:
            return
        time.sleep(0.01)


def reset(connection: psycopg.Connection[Any]) -> None:
    connection.execute(
        """
        truncate baton.jobs, baton.workflows, baton.workflow_steps, baton.workflow_edges,
          baton.workflow_releases, baton.workflow_completions, baton.workflow_waits,
          baton.workflow_signals, baton.workflow_progress
        """
    )
    connection.execute("vacuum analyze baton.jobs")


def percentiles(samples: Sequence[float]) -> dict[str, float]:
    """Milliseconds."""
    cuts = statistics.quantiles(samples, n=100)
    return {"p50_ms": round(cuts[49] * 1000, 2), "p99_ms": round(cuts[98] * 1000, 2)}


def report(figures: dict[str, Any]) -> None:
    """One line of JSON on standard output."""
    machine = {"cores": os.cpu_count(), "python": platform.python_version()}
    print(json.dumps({**figures, **machine}))
