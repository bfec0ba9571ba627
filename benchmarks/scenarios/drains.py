"""S3, S6, S9 and the crowd: how fast jobs that do nothing get through."""

import math
import time
from collections.abc import Iterator

import psycopg
from psycopg import IsolationLevel

from benchmarks.figures import Row
from benchmarks.processes import cpu
from benchmarks.scenarios.sizes import Sizes
from benchmarks.sessions import Crew, Session

DRAINS = {
    1: Row("S3", "drain, one process", "jobs/s", more_is_better=True),
    2: Row("S3", "drain, two processes", "jobs/s", more_is_better=True),
}
PLAIN = Row("S6", "drain, nothing else in the table", "jobs/s", more_is_better=True)
BEHIND = Row("S6", "drain behind finished jobs", "jobs/s", more_is_better=True)
BEHIND_RATIO = Row("S6", "of its own speed without them", "ratio", more_is_better=True)
FREE = Row("S9", "drain", "jobs/s", more_is_better=True)
HELD = Row("S9", "drain beside an open transaction", "jobs/s", more_is_better=True)
HELD_RATIO = Row("S9", "of its own speed without it", "ratio", more_is_better=True)
FEW = Row("crowd", "drain, two processes that wait for jobs", "jobs/s", more_is_better=True)
MANY = Row("crowd", "drain, many processes that wait for jobs", "jobs/s", more_is_better=True)
MANY_RATIO = Row("crowd", "of the speed of two", "ratio", more_is_better=True)

REST_LIMIT = 120  # seconds


def run(session: Session, jobs: int, processes: int = 1) -> float:
    """Jobs per second, from the first line of the first job until the database has none left."""
    with session.crew(processes) as crew:
        session.ask("bulk", jobs=jobs)
        session.settle()
        return jobs / crew.go().span(jobs)


def drain(session: Session, sizes: Sizes) -> Iterator[tuple[Row, float]]:
    for processes, row in DRAINS.items():
        session.empty()
        yield row, run(session, sizes.drain, processes)


def history(session: Session, sizes: Sizes) -> Iterator[tuple[Row, float]]:
    session.empty()
    plain = run(session, sizes.drain)
    session.empty()
    session.connection.execute(session.facts["history"].encode(), {"jobs": sizes.history})
    behind = run(session, sizes.drain)
    session.empty()
    yield PLAIN, plain
    yield BEHIND, behind
    yield BEHIND_RATIO, behind / plain


def held(session: Session, sizes: Sizes) -> Iterator[tuple[Row, float]]:
    """The transaction has a snapshot from before the first job, so that no row version can go."""
    session.empty()
    free = run(session, sizes.held)
    session.empty()
    with psycopg.connect(session.dsn) as holder:
        holder.isolation_level = IsolationLevel.REPEATABLE_READ
        holder.execute("select pg_current_xact_id()")
        beside = run(session, sizes.held)
    yield FREE, free
    yield HELD, beside
    yield HELD_RATIO, beside / free


def crowd(session: Session, sizes: Sizes) -> Iterator[tuple[Row, float]]:
    """All are there before the jobs are, since a start takes the time of thousands of jobs."""
    few = _awaited(session, sizes, 2)
    many = _awaited(session, sizes, sizes.crowd)
    yield FEW, few
    yield MANY, many
    yield MANY_RATIO, many / few


def _awaited(session: Session, sizes: Sizes, count: int) -> float:
    session.empty()
    with session.crew(count) as crew:
        crew.go()
        _come_to_rest(crew, sizes.calm)
        session.ask("copied", jobs=sizes.held)
        return sizes.held / crew.span(sizes.held)


def _come_to_rest(crew: Crew, calm: float) -> None:
    """Wait until they use next to no CPU any more: fifty need half a minute of two to start."""
    before = -math.inf
    for _ in range(REST_LIMIT):
        used = sum(cpu(process.pid) for process in crew.processes)
        if used - before < 0.01 * len(crew.processes):
            break
        before = used
        time.sleep(1)
    time.sleep(calm)
