"""The worker processes of a run: real ones, which are killed and started again."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.chaos.proxy import Link

ROOT = Path(__file__).resolve().parents[2]
QUEUES = ("default=12", "narrow=6", "rated=8", "tenants=6", "cron=2", "slow=10")
TTL = 3.0  # seconds, the shortest that there is
GRACE = 2.0  # seconds
# what Baton sets for its own sessions, so that the server notices when a machine is gone
WATCHED = "-c tcp_keepalives_idle=5 -c tcp_keepalives_interval=2 -c tcp_keepalives_count=3"


@dataclass
class Worker:
    """A place for a worker process, which outlives the processes in it.

    Attributes:
        number: which place.
        link: its way to the database; ``None`` in a network namespace, which has one of its own.
        dsn: its address of the database.
        namespace: the network namespace, if it is in one.
        process: that runs now.
        busy: whether a fault has it in hand.
        wanted: whether it is to be started again when it ends.
        begun: when each of its processes was started.
        offset: where the log of the present one begins.
    """

    number: int
    link: Link | None
    dsn: str
    log: Path
    namespace: str | None = None
    process: subprocess.Popen[bytes] | None = None
    busy: bool = False
    wanted: bool = True
    begun: list[float] = field(default_factory=list)
    offset: int = 0

    @property
    def pid(self) -> int:
        return self.process.pid if self.process is not None else 0

    def is_alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def signal(self, number: signal.Signals) -> None:
        if self.is_alive():
            assert self.process is not None
            self.process.send_signal(number)

    async def ended(self) -> int:
        assert self.process is not None
        return await asyncio.to_thread(self.process.wait)

    async def ready(self) -> None:
        """Wait until its process works."""
        while not self.is_ready():
            await asyncio.sleep(0.05)

    def is_ready(self) -> bool:
        """Whether its process works, and has for a moment."""
        if not self.is_alive():
            return False
        with self.log.open("rb") as log:
            log.seek(self.offset)
            return b'"worker.started"' in log.read()

    def lines(self) -> list[dict[str, Any]]:
        """What its processes have logged."""
        found = []
        for line in self.log.read_text("utf-8", errors="replace").splitlines():
            if line.startswith("{"):
                try:
                    found.append(json.loads(line))
                except ValueError:
                    continue
        return found


class Fleet:
    """Keeps the processes running, except those that a fault has in hand.

    A process that ends though nobody killed it is a finding, unless it said that there is no
    database when it was started.

    Attributes:
        unexpected: what ended by itself.
    """

    def __init__(self, workers: Sequence[Worker], *, journals: Path, root: Path = ROOT) -> None:
        self.workers = workers
        self._journals = journals
        self._root = root
        self.unexpected: list[str] = []

    def start(self, worker: Worker) -> None:
        """Start a process in a place."""
        words = [sys.executable, "-m", "baton", "worker"]
        for queue in QUEUES:
            words += ["--queues", queue]
        words += ["--lease-ttl", str(TTL), "--grace", str(GRACE), "--log-format", "json"]
        if worker.namespace is not None:
            words = ["ip", "netns", "exec", worker.namespace, *words]
        with worker.log.open("ab") as log:
            worker.offset = log.tell()
            worker.process = subprocess.Popen(
                words,
                cwd=self._root,
                env=self._environment(worker),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
            )
        worker.begun.append(time.time())

    def _environment(self, worker: Worker) -> Mapping[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("BATON_", "PG"))}
        return {
            **kept,
            "BATON_DSN": worker.dsn,
            "BATON_APP": "tests.chaos.app",
            "BATON_CHILD_PROCESSES": "1",
            "BATON_SWEEP_INTERVAL": "5",
            "BATON_STATEMENT_TIMEOUT": "10",
            "CHAOS_DSN": f"{worker.dsn} options='{WATCHED}'",
            "CHAOS_JOURNALS": str(self._journals),
            "PYTHONPATH": str(self._root),
        }

    async def keep(self) -> None:
        """Start again what ended, until cancelled."""
        while True:
            for worker in self.workers:
                if worker.wanted and not worker.busy and not worker.is_alive():
                    self._note(worker)
                    self.start(worker)
            await asyncio.sleep(0.2)

    def _note(self, worker: Worker) -> None:
        if worker.process is None:
            return
        code = worker.process.returncode
        # 4: no database at the start; 9: a job that ends its process on purpose
        if code not in {4, 9}:
            self.unexpected.append(f"worker {worker.number} (pid {worker.pid}) ended with {code}")

    async def stop(self) -> list[float]:
        """End all in an orderly way; return how long each took, in seconds."""
        for worker in self.workers:
            worker.wanted = False
        return list(await asyncio.gather(*(self._stop(worker) for worker in self.workers)))

    async def _stop(self, worker: Worker) -> float:
        if not worker.is_alive():
            return 0.0
        begun, ready = time.time(), worker.is_ready()
        worker.signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(90):
                code = await worker.ended()
        except TimeoutError:
            self.unexpected.append(f"worker {worker.number} did not end on SIGTERM")
            worker.signal(signal.SIGKILL)
            await worker.ended()
        else:
            # it ends at once as long as it has not begun to work
            young = code == -signal.SIGTERM and not ready
            if code not in {0, 5} and not young:
                self.unexpected.append(f"worker {worker.number} ended with {code} on SIGTERM")
        return time.time() - begun

    def kill(self) -> None:
        """Leave nothing behind, whatever has happened."""
        for worker in self.workers:
            worker.wanted = False
            worker.signal(signal.SIGCONT)
            worker.signal(signal.SIGKILL)
            if worker.process is not None:
                worker.process.wait()
