"""Child processes for work that needs the CPU, or that may crash.

They stay warm: a child performs job after job. One that dies, by running out of memory or by
``os._exit``, fails its own attempt and nothing else; one whose job is cancelled is killed. The pool
is Pebble's.
"""

import asyncio
import multiprocessing
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from anyio import Semaphore, to_thread

from baton.errors import AttemptTimeout, ProcessDied
from baton.jobs import Job
from baton.outcomes import Outcome

if TYPE_CHECKING:
    from pebble import ProcessPool

    from baton.llm.meter import Capture
    from baton.llm.tally import Tally

STOP_TIME = 5.0  # seconds for killed children to be gone


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
                pool = self._opened()
                future: Any = pool.schedule(self._perform, args=[job], timeout=job.timeout)
                report: Report = await asyncio.wrap_future(future)
        except TimeoutError:
            raise AttemptTimeout(job.timeout or 0) from None
        except ProcessExpired as error:
            raise ProcessDied(error.exitcode) from None
        return report

    async def close(self) -> None:
        """Kill the children."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.stop()  # type: ignore[no-untyped-call]  # Pebble has not annotated it
            await to_thread.run_sync(pool.join, STOP_TIME)

    def _opened(self) -> "ProcessPool":
        from pebble import ProcessPool  # noqa: PLC0415

        if self._pool is None:
            # not forked: threads and connections of this process must not be in the child
            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPool(max_workers=self._count, context=context)
        return self._pool
