"""A run: feeds real worker processes, looks at them meanwhile, and counts in the end."""

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import psycopg

from baton import SyncClient, Workflow
from baton.jobs import NewJob
from tests.soak import sampling
from tests.soak.flatness import BOUNDS, Figure, Point, judge

ROOT = Path(__file__).resolve().parent.parent.parent
HISTORY = 10  # seconds for which finished jobs are kept
BATCH = 2_000
BACKLOG = 10_000
FLOWS = 10  # in each batch
STEPS = 4  # of each of them
KINDS = ("soak.waits", "soak.threaded", "soak.fails_once")
ATTEMPTS = {"soak.fails_once": 2}
OPEN = """
  select count(*) from (
    select from baton.jobs
    where state in ('available', 'scheduled', 'suspended', 'executing', 'retryable')
    limit 100000
  ) as open
"""
BAD = "select count(*) from baton.jobs where state in ('discarded', 'cancelled')"
UNFINISHED = "select count(*) from baton.workflows where state <> 'completed'"


@dataclass(slots=True)
class Result:
    """What a run came to."""

    jobs: int = 0
    seconds: float = 0.0
    processes: int = 0
    expected: Counter[str] = field(default_factory=Counter)
    performed: Counter[str] = field(default_factory=Counter)
    bad: int = 0
    unfinished: int = 0
    pruned: int = 0
    autovacuums: int = 0
    exits: list[int] = field(default_factory=list)
    series: dict[str, list[Point]] = field(default_factory=dict)
    figures: list[Figure] = field(default_factory=list)

    def faults(self) -> list[str]:
        """Say what is not as it has to be; nothing when all is well."""
        found = [
            f"{each.name} grew by {each.growth:,.0f} ({each.slope:.3f} a job)"
            for each in self.figures
            if not each.flat
        ]
        if self.performed != self.expected:
            found.append(f"performed {dict(self.performed)} instead of {dict(self.expected)}")
        if self.bad or self.unfinished:
            found.append(f"{self.bad} jobs ended badly, {self.unfinished} workflows did not end")
        if any(self.exits):
            found.append(f"processes ended with {self.exits}")
        return found

    def as_dict(self) -> dict[str, Any]:
        """Return all of it for JSON."""
        plain = {each.name: getattr(self, each.name) for each in fields(self)}
        return plain | {
            "figures": [asdict(each) for each in self.figures],
            "faults": self.faults(),
        }


@contextmanager
def workers(dsn: str, directory: Path, count: int) -> Iterator[list["subprocess.Popen[bytes]"]]:
    """Real worker processes; what they log goes to a file."""
    command = [sys.executable, "-m", "baton", "worker", "--app", "tests.soak.app:registry"]
    command += ["--queues", "default=50", "--prune", f"completed={HISTORY}s"]
    command += ["--prune-workflows", f"{HISTORY}s", "--log-level", "warning"]
    env = {**os.environ, "BATON_DSN": dsn, "SOAK_DIRECTORY": str(directory)}
    env["PYTHONPATH"] = os.pathsep.join([str(ROOT), env.get("PYTHONPATH", "")])
    with (directory / "log").open("ab") as log:
        started = [
            subprocess.Popen(command, cwd=directory, env=env, stderr=log) for _ in range(count)
        ]
    try:
        yield started
    finally:
        for each in started:
            each.kill()
            each.wait()


def soak(
    dsn: str,
    directory: Path,
    *,
    jobs: int,
    processes: int = 2,
    seconds: float | None = None,
    tell: Callable[[str], None] = print,
) -> Result:
    """Run jobs through worker processes and say what became of both.

    Args:
        dsn: a migrated database, in which nothing is.
        directory: an empty one, for what the processes say.
        jobs: how many.
        processes: how many worker processes.
        seconds: after which no more are inserted; ``None`` for all.
        tell: is called with a line now and then.

    Raises:
        TimeoutError: nothing happened for a minute.
    """
    result = Result(processes=processes)
    began = monotonic()
    with (
        workers(dsn, directory, processes) as started,
        SyncClient(dsn) as client,
        psycopg.connect(dsn, autocommit=True, application_name="soak") as conn,
    ):
        look = _Looking(result, conn, [each.pid for each in started], directory)
        _until(lambda: all((directory / f"{each.pid}.json").exists() for each in started))
        # little at a time, so that there are samples enough however seldom this gets its turn
        part = max(1, jobs // 40)
        backlog, batch, sampled = min(BACKLOG, 2 * part), min(BATCH, part), 0
        while result.jobs < jobs and (seconds is None or monotonic() - began < seconds):
            if _count(conn, OPEN) <= backlog:
                _insert(client, min(batch, jobs - result.jobs), result)
            if result.jobs - sampled >= part:
                look.sample()
                sampled = result.jobs
            look.now_and_then(jobs, tell)
        _until(lambda: look.now_and_then(jobs, tell) or _count(conn, OPEN) == 0, progress=look.done)
        _until(lambda: look.done() >= sum(result.expected.values()), progress=look.done)
        look.sample()
        result.bad, result.unfinished = _count(conn, BAD), _count(conn, UNFINISHED)
        result.pruned = result.jobs - _count(conn, "select count(*) from baton.jobs")
        for each in started:
            each.send_signal(signal.SIGTERM)
        result.exits = [each.wait(60) for each in started]
    for each in started:
        result.performed.update(sampling.report(each.pid, directory)["performed"])
    result.seconds = monotonic() - began
    result.figures = [
        judge(name, points, BOUNDS[name.split(" ")[0]]) for name, points in result.series.items()
    ]
    return result


def _insert(client: SyncClient, count: int, result: Result) -> None:
    flows = [_flow() for _ in range(min(FLOWS, count // 50))]
    steps = STEPS * len(flows)
    plain = [
        KINDS[number // 33 % len(KINDS)] if number % 33 == 0 else "soak.quick"
        for number in range(count - steps)
    ]
    client.insert_many(NewJob(worker=name, args={"n": n}) for n, name in enumerate(plain))
    client.insert_workflows(flows)
    made = Counter([*plain, *("soak.waits" for _ in range(steps))])
    result.jobs += made.total()
    for name, number in made.items():
        result.expected[name] += number * ATTEMPTS.get(name, 1)


def _flow() -> Workflow:
    step = NewJob(worker="soak.waits")
    return (
        Workflow("soak")
        .add("a", step)
        .add("b", step, deps=["a"])
        .add("c", step, deps=["a"])
        .add("d", step, deps=["b", "c"])
    )


class _Looking:
    """Takes samples, more seldom the longer a run is."""

    def __init__(
        self, result: Result, conn: psycopg.Connection[Any], pids: list[int], directory: Path
    ) -> None:
        self._result = result
        self._conn = conn
        self._pids = pids
        self._directory = directory
        self._sampled = 0.0
        self._told = monotonic()

    def now_and_then(self, jobs: int, tell: Callable[[str], None]) -> bool:
        """Take a sample when it is time; wait a little; return false."""
        if monotonic() - self._sampled >= min(5.0, max(0.05, jobs / 200_000)):
            self.sample()
            self._sampled = monotonic()
        if monotonic() - self._told >= 30:
            self._told = monotonic()
            tell(f"{self.done():,} of {jobs:,} jobs done")
        sleep(0.02)
        return False

    def done(self) -> int:
        """Return how many attempts have been performed."""
        said = [sampling.report(pid, self._directory)["performed"] for pid in self._pids]
        return sum(sum(each.values()) for each in said)

    def sample(self) -> None:
        """Note what everything takes."""
        seen = {pid: sampling.process(pid, self._directory) for pid in self._pids}
        done = sum(each.done for each in seen.values())
        series = self._result.series
        for number, each in enumerate(seen.values(), 1):
            for name in ("rss", "descriptors", "threads", "tasks"):
                points = series.setdefault(f"{name} of process {number}", [])
                points.append((done, getattr(each, name)))
        found = sampling.server(self._conn)
        self._result.autovacuums = found.autovacuums
        for name in ("connections", "table_bytes", "index_bytes", "dead_rows"):
            series.setdefault(name, []).append((done, getattr(found, name)))


def _count(conn: psycopg.Connection[Any], query: str) -> int:
    [(count,)] = conn.execute(query.encode()).fetchall()
    return int(count)


def _until(
    condition: Callable[[], bool], *, progress: Callable[[], int] = lambda: 0, seconds: float = 60
) -> None:
    """Wait; any progress gives it more time."""
    before, end = progress(), monotonic() + seconds
    while not condition():
        if (now := progress()) != before:
            before, end = now, monotonic() + seconds
        if monotonic() > end:
            raise TimeoutError(f"nothing came of it within {seconds:g} s")
        sleep(0.02)
