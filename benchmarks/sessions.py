"""One subject on its database: the program that inserts, and the worker processes."""

import json
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import psycopg

from benchmarks import server as servers
from benchmarks.board import Board
from benchmarks.server import Server
from benchmarks.subjects import Subject

ROOT = Path(__file__).resolve().parent.parent
PATIENCE = 600.0  # seconds, after which something that does not end has failed
GLANCE = 0.002  # seconds between two looks at the board, which costs nobody but this process


class Failure(Exception):
    """A subject did not do what was asked of it."""


@dataclass(frozen=True)
class Program:
    """A program that inserts."""

    process: subprocess.Popen[str]

    def ask(self, do: str, **request: Any) -> dict[str, Any]:
        """Ask it, and wait for the answer."""
        self.tell(do, **request)
        return self.hear()

    def tell(self, do: str, **request: Any) -> None:
        """Ask it; `hear` waits for the answer."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"do": do, **request}) + "\n")
        self.process.stdin.flush()

    def hear(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        answer: dict[str, Any] = json.loads(line) if line else {"error": "its program ended"}
        if "error" in answer:
            raise Failure(answer["error"])
        return answer


@dataclass
class Session:
    """A subject that is being measured.

    Attributes:
        subject: who.
        server: where.
        dsn: its own database.
        connection: for looks at it.
        can: the names of what it can do.
        facts: what else its adapter says of itself.
    """

    subject: Subject
    server: Server
    dsn: str
    command: Sequence[str]
    connection: psycopg.Connection[Any]
    driver: Program
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def can(self) -> frozenset[str]:
        return frozenset(self.facts["can"])

    def ask(self, do: str, **request: Any) -> dict[str, Any]:
        """Ask the program that inserts, and wait for the answer."""
        return self.driver.ask(do, **request)

    def seconds(self, do: str, **request: Any) -> float:
        """How long the program that inserts took for a request."""
        return float(self.ask(do, **request)["seconds"])

    @contextmanager
    def programs(self, count: int) -> Iterator[list[Program]]:
        """More programs that insert, running."""
        with ExitStack() as stack:
            started = [stack.enter_context(_program(self.command, self.dsn)) for _ in range(count)]
            for each in started:
                each.hear()  # what it is
            yield started

    def empty(self) -> None:
        servers.empty(self.connection, self.facts["tables"])

    def settle(self) -> None:
        servers.settle(self.connection, self.facts["tables"])

    def unfinished(self) -> bool:
        """Whether jobs are there that have not ended; without reading those that have."""
        [(left,)] = self.connection.execute(self.facts["unfinished"].encode()).fetchall()
        return bool(left)

    @contextmanager
    def crew(
        self, count: int = 1, *, jobs: int = 0, queues: Sequence[str] = ("default",)
    ) -> Iterator["Crew"]:
        """Worker processes that have loaded their code and wait for `go`."""
        with tempfile.TemporaryDirectory() as directory:
            crew = Crew(self, Board(Path(directory) / "board", jobs=jobs), tuple(queues))
            try:
                for _ in range(count):
                    crew.hire()
                crew.wait(lambda: crew.board.ready() == count, "its workers did not start")
                yield crew
            finally:
                crew.dismiss()


@dataclass
class Crew:
    """Worker processes, and the board on which their jobs write."""

    session: Session
    board: Board
    queues: tuple[str, ...]
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def hire(self, place: int | None = None) -> subprocess.Popen[bytes]:
        """Start one more, or one in the place of one that has ended."""
        env = {
            **_environment(self.session.dsn),
            "BENCHMARK_QUEUES": ",".join(self.queues),
            "BENCHMARK_BOARD": str(self.board.path),
            "BENCHMARK_PLACE": str(len(self.processes) if place is None else place),
        }
        process = subprocess.Popen([*self.session.command, "work"], env=env, cwd=ROOT)
        self.processes.append(process)
        return process

    def go(self) -> Self:
        self.board.go()
        return self

    def finish(self, jobs: int) -> float:
        """Wait until so many jobs have begun and nothing is left; return when that was."""
        self.wait(lambda: self.board.begun() >= jobs, f"{jobs} jobs did not begin")
        return self.settled()

    def settled(self) -> float:
        """Wait until the database has no job left; return when that was."""
        self.wait(lambda: not self.session.unfinished(), "jobs did not end")
        return time.monotonic()

    def span(self, jobs: int) -> float:
        """Seconds from the first line of the first job until the database has none left."""
        return self.finish(jobs) - self.board.began()

    def wait(self, done: Any, otherwise: str, patience: float = PATIENCE) -> None:
        limit = time.monotonic() + patience
        while not done():
            if time.monotonic() > limit or all(p.poll() is not None for p in self.processes):
                raise Failure(otherwise)
            time.sleep(GLANCE)

    def dismiss(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in self.processes:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextmanager
def session(subject: Subject, server: Server, command: Sequence[str]) -> Iterator[Session]:
    """A subject with an empty database, and its program for inserts, running."""
    dsn = server.database(subject.name)
    with (
        _program(command, dsn) as driver,
        psycopg.connect(dsn, autocommit=True) as connection,
    ):
        connection.execute("set enable_seqscan = off")
        made = Session(subject, server, dsn, command, connection, driver)
        made.facts = driver.hear()
        _prepare(made)
        yield made


@contextmanager
def _program(command: Sequence[str], dsn: str) -> Iterator[Program]:
    process = subprocess.Popen(
        [*command, "drive"],
        env=_environment(dsn),
        cwd=ROOT,
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        yield Program(process)
    finally:
        _end(process)


def _end(driver: subprocess.Popen[str]) -> None:
    try:
        driver.communicate(timeout=10)  # closes what it reads, which ends it
    except subprocess.TimeoutExpired:
        driver.kill()
        driver.communicate()


def _prepare(session: Session) -> None:
    [(found,)] = session.connection.execute(
        "select to_regclass(%s) is not null", [session.facts["tables"][0]]
    ).fetchall()
    if not found:
        session.ask("prepare")
    session.empty()


def _environment(dsn: str) -> dict[str, str]:
    return {**os.environ, "BENCHMARK_DSN": dsn, "PYTHONPATH": str(ROOT)}
