"""S10 to S12: worker processes that have nothing to do, go on for long, or are killed."""

import statistics
import subprocess
import time
from collections.abc import Iterator, Sequence

from benchmarks import processes
from benchmarks import server as servers
from benchmarks.figures import Row
from benchmarks.scenarios.sizes import Sizes
from benchmarks.sessions import ROOT, Session

STATEMENTS = Row("S10", "idle: statements per process", "1/s")
IDLE_CPU = Row("S10", "idle: CPU of a process", "%")
IDLE_SERVER = Row("S10", "idle: CPU of PostgreSQL, all processes", "%")
AT_START = Row("S11", "memory of a worker, early", "MB")
AFTER = Row("S11", "memory of a worker, after all jobs", "MB")
START = Row("S11", "baton --help", "ms")
BARE = Row("S11", "python -c pass", "ms")
RECOVERY = Row("S12", "kill -9 at 30 %: until all are done", "s")
TWICE = Row("S12", "jobs that ran twice", "jobs")
NEVER = Row("S12", "jobs that never began", "jobs")

SETTLE = 10.0  # seconds after the start that are not counted
MEMORY_BATCH = 50_000  # jobs


def idle(session: Session, sizes: Sizes) -> Iterator[tuple[Row, float]]:
    queues = ("default", *(f"queue{number}" for number in range(1, sizes.queues)))
    counted = servers.count_statements(session.connection)
    with session.crew(sizes.processes, queues=queues) as crew:
        crew.go()
        time.sleep(min(SETTLE, 2 * sizes.idle_time))
        pids = [process.pid for process in crew.processes]
        calls = servers.statements(session.connection) if counted else 0
        server = session.server.cpu()
        workers = sum(processes.cpu(pid) for pid in pids)
        began = time.monotonic()
        time.sleep(sizes.idle_time)
        workers = sum(processes.cpu(pid) for pid in pids) - workers
        elapsed = time.monotonic() - began
        server = session.server.cpu() - server
        calls = servers.statements(session.connection) - calls if counted else 0
    if counted:
        yield STATEMENTS, calls / elapsed / len(pids)
    yield IDLE_CPU, workers / elapsed / len(pids) * 100
    yield IDLE_SERVER, server / elapsed * 100


def memory(session: Session, sizes: Sizes) -> Iterator[tuple[Row, float]]:
    batch = min(MEMORY_BATCH, sizes.memory // 4)
    with session.crew() as crew:
        crew.go()
        [worker] = crew.processes
        for done in range(0, sizes.memory, batch):
            session.ask("bulk", jobs=batch)
            crew.finish(done + batch)
            if done == batch:  # the second batch: every table and every cache has been there
                early = processes.memory(worker.pid)
        late = processes.memory(worker.pid)
    yield AT_START, early
    yield AFTER, late
    yield START, _start([session.command[0], "-m", "baton", "--help"], sizes.starts)
    yield BARE, _start([session.command[0], "-c", "pass"], sizes.starts)


def _start(command: Sequence[str], times: int) -> float:
    """Milliseconds that a command takes, the median."""
    took = []
    for _ in range(times):
        began = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=ROOT)
        took.append(time.perf_counter() - began)
    return statistics.median(took) * 1000


def kill(session: Session, sizes: Sizes) -> Iterator[tuple[Row, float]]:
    """A worker process is killed, and a new one is started at once."""
    jobs = sizes.killed
    with session.crew(jobs=jobs) as crew:
        session.ask("marks", jobs=jobs)
        session.settle()
        crew.go()
        crew.wait(lambda: crew.board.begun() >= 0.3 * jobs, "30 % did not begin")
        crew.processes[0].kill()
        killed = time.monotonic()
        crew.processes[0].wait()
        crew.hire(place=0)
        while time.monotonic() < killed + sizes.patience:
            if all(crew.board.runs()) and not session.unfinished():
                break
            time.sleep(0.02)
        yield RECOVERY, time.monotonic() - killed
        yield TWICE, float(sum(runs > 1 for runs in crew.board.runs()))
        yield NEVER, float(sum(not runs for runs in crew.board.runs()))
