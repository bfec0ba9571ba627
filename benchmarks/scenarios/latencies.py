"""S4 and S5: how long a job waits, and what that costs; and whether scheduled jobs are on time."""

from collections.abc import Iterator

from benchmarks import processes
from benchmarks.figures import Row, percentile
from benchmarks.scenarios.sizes import Sizes
from benchmarks.sessions import Crew, Session

IDLE = (
    Row("S4", "idle: insert to start, p50", "ms"),
    Row("S4", "idle: insert to start, p99", "ms"),
)
LOADED = (
    Row("S5", "loaded: insert to start, p50", "ms"),
    Row("S5", "loaded: insert to start, p99", "ms"),
)
WORKER_CPU = Row("S5", "CPU of the worker, per 1,000 jobs", "s")
SERVER_CPU = Row("S5", "CPU of PostgreSQL, per 1,000 jobs", "s")
BOTH_CPU = Row("S5", "CPU of both, per 1,000 jobs", "s")
LATE = (
    Row("punctuality", "time to start, p50", "ms"),
    Row("punctuality", "time to start, p99", "ms"),
)

WARM_UP = 50  # jobs that are not counted


def paced(session: Session, crew: Crew, jobs: int, gap: float) -> list[float]:
    """How late each of them was, in milliseconds, from the call of the insert to its first line."""
    session.ask("paced", jobs=jobs, gap=gap)
    crew.wait(lambda: all(crew.board.runs()[:jobs]), f"{jobs} jobs did not begin")
    crew.settled()
    return [late * 1000 for late in crew.board.values()[:jobs]]


def idle(session: Session, sizes: Sizes) -> Iterator[tuple[Row, float]]:
    with session.crew(jobs=max(WARM_UP, sizes.idle_jobs)) as crew:
        crew.go()
        paced(session, crew, WARM_UP, sizes.idle_gap)
        crew.board.forget()
        late = paced(session, crew, sizes.idle_jobs, sizes.idle_gap)
    yield IDLE[0], percentile(late, 50)
    yield IDLE[1], percentile(late, 99)


def loaded(session: Session, sizes: Sizes) -> Iterator[tuple[Row, float]]:
    jobs = sizes.loaded_jobs
    with session.crew(jobs=jobs) as crew:
        crew.go()
        paced(session, crew, WARM_UP, sizes.loaded_gap)
        crew.board.forget()
        [worker] = crew.processes
        before = processes.cpu(worker.pid), session.server.cpu()
        late = paced(session, crew, jobs, sizes.loaded_gap)
        used = processes.cpu(worker.pid) - before[0], session.server.cpu() - before[1]
    yield LOADED[0], percentile(late, 50)
    yield LOADED[1], percentile(late, 99)
    yield WORKER_CPU, used[0] / jobs * 1000
    yield SERVER_CPU, used[1] / jobs * 1000
    yield BOTH_CPU, sum(used) / jobs * 1000


def punctuality(session: Session, sizes: Sizes) -> Iterator[tuple[Row, float]]:
    """By the database's clock, from the time for which a job is scheduled to its claim."""
    with session.crew(jobs=sizes.scheduled) as crew:
        crew.go()
        paced(session, crew, min(WARM_UP, sizes.scheduled), sizes.idle_gap)
        session.empty()
        session.ask("ahead", jobs=sizes.scheduled, gap=0.1)
        crew.settled()
        rows = session.connection.execute(
            "select extract(epoch from attempted_at - scheduled_at)::float8 from baton.jobs"
        ).fetchall()
    late = [row[0] * 1000 for row in rows]
    yield LATE[0], percentile(late, 50)
    yield LATE[1], percentile(late, 99)
