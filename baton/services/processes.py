"""Child processes for work that needs the CPU, or that may crash.

They stay warm: a child performs job after job. One that dies, by running out of memory or by
``os._exit``, fails its own attempt and nothing else; one whose job is cancelled is killed. The pool
is Pebble's.
"""

import asyncio
import os
import signal
from collections.abc import Callable, Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing.context import SpawnContext, SpawnProcess
from typing import TYPE_CHECKING, Any

import structlog
from anyio import CancelScope, Semaphore, to_thread

from baton.errors import AttemptTimeout, ProcessDied
from baton.jobs import Job
from baton.outcomes import Outcome

if TYPE_CHECKING:
    from pebble import ProcessPool

    from baton.llm.meter import Capture
    from baton.llm.tally import Tally

log = structlog.get_logger("baton.job")

STOP_TIME = 5.0  # seconds for killed children to be gone


class Child(SpawnProcess):
    """A child that is killed at once where it is to be ended: it takes no notice of SIGTERM."""

    def terminate(self) -> None:
        self.kill()


class Children(SpawnContext):
    """Makes them; not forked: threads and connections of this process must not be in a child."""

    Process = Child


def leave_signals_to_parent() -> None:
    """Let a SIGTERM that every process of a service gets, as from systemd, not end a job.

    What the job has forked itself ends of it, and what it has started knows nothing of this.
    """
    own = os.getpid()

    def terminated(number: int, _frame: object) -> None:
        if os.getpid() != own:
            os._exit(128 + number)

    signal.signal(signal.SIGTERM, terminated)


@dataclass(frozen=True, slots=True)
class Report:
    """What a child says of an attempt.

    Attributes:
        outcome: what it came to.
        tally: what it used of language models.
        captures: what was captured of it.
    """

    outcome: Outcome
    tally: "Tally | None" = None
    captures: "Sequence[Capture]" = ()


class Processes:
    """Performs jobs in child processes; the first job starts the first child.

    Args:
        count: how many children at most.
        perform: called in a child with the job; it and what it returns must be picklable.
    """

    def __init__(self, count: int, perform: Callable[[Job], Report]) -> None:
        self._count = count
        self._perform = perform
        self._pool: ProcessPool | None = None
        # what the pool was given begins, also when it was cancelled while it waited for a child
        self._free = Semaphore(count)

    async def perform(self, job: Job) -> Report:
        """Perform a job in a child; cancelling it kills the child, and so does its timeout.

        Raises:
            ProcessDied: the child died of it.
            AttemptTimeout: it took longer than it may, from when a child was free for it.
        """
        from pebble import ProcessExpired  # noqa: PLC0415  few programs need it

        try:
            async with self._free:
                try:
                    return await self._in_pool(job)
                except BrokenProcessPool:  # before the job began
                    return await self._in_pool(job)
        except TimeoutError:
            raise AttemptTimeout(job.timeout or 0) from None
        except ProcessExpired as error:
            raise ProcessDied(error.exitcode) from None
        except BrokenProcessPool:
            raise ProcessDied(None) from None

    async def _in_pool(self, job: Job) -> Report:
        pool = await self._opened()
        try:
            future: Any = pool.schedule(self._perform, args=[job], timeout=job.timeout)
        except RuntimeError as error:  # it has just broken
            raise BrokenProcessPool(str(error)) from None
        report: Report = await asyncio.wrap_future(future)
        return report

    async def close(self) -> None:
        """Kill the children."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.stop()  # type: ignore[no-untyped-call]  # Pebble has not annotated it
            await to_thread.run_sync(pool.join, STOP_TIME)

    async def _opened(self) -> "ProcessPool":
        from pebble import ProcessPool  # noqa: PLC0415

        if self._pool is not None and not self._pool.active:
            # a child died while none had anything to do, which Pebble takes for the end
            log.warning("children.replaced")
            with CancelScope(shield=True):
                await self.close()
        if self._pool is None:
            self._pool = ProcessPool(
                max_workers=self._count, context=Children(), initializer=leave_signals_to_parent
            )
        return self._pool
