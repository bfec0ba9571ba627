"""What ended in this process and is not in the database yet."""

import asyncio
from collections.abc import Callable, Sequence

import structlog

from baton.jobs import Job
from baton.outcomes import Ack
from baton.store.cycles import Cycle

log = structlog.get_logger("baton.producer")

LEISURE = 0.01  # seconds for which nobody misses an acknowledgement
MANY = 250

Ended = tuple[Job, Ack]


class Acknowledgements:
    """Keeps them until a cycle takes them, and again when it could not.

    Args:
        send: is called when those that were put off may wait no longer.
    """

    def __init__(self, send: Callable[[], None]) -> None:
        self._send = send
        self._timer: asyncio.TimerHandle | None = None  # until when all of them may wait
        self._held: list[Ended] = []  # somebody else has these jobs locked
        self._doubtful: set[tuple[int, int]] = set()
        self.new: list[Ended] = []

    def __len__(self) -> int:
        return len(self.new) + len(self._held)

    @property
    def ids(self) -> list[int]:
        """The jobs whose ends they are."""
        return [job.id for job, _ in (*self._held, *self.new)]

    @property
    def at_leisure(self) -> bool:
        """Whether all that are there were put off, and the moment has not passed."""
        return self._timer is not None

    @property
    def many(self) -> bool:
        """Whether they are worth a cycle of their own."""
        return len(self.new) >= MANY

    def add(self, job: Job, ack: Ack) -> None:
        """Take in the end of an attempt."""
        self.new.append((job, ack))

    def put_off(self) -> bool:
        """Let the newest wait for a moment; false when others can't, or when they are many."""
        if self._timer is None and len(self.new) == 1:
            self._timer = asyncio.get_running_loop().call_later(LEISURE, self._pass)
        return self._timer is not None and not self.many

    def hurry(self) -> None:
        """Let none of them wait any longer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def take(self, *, with_others: bool) -> list[Ended]:
        """Return what the next cycle is to say: all of it, or nothing yet.

        Args:
            with_others: whether the cycle has something else to say, so that they cost nothing.
        """
        if self.at_leisure and not self._held and not with_others:
            return []
        self.hurry()
        pending = [*self._held, *self.new]
        self.new, self._held = [], []
        return pending

    def keep(self, pending: Sequence[Ended]) -> None:
        """Have them back for the next cycle; whether this one said them is not known."""
        self.new[:0] = pending
        self._doubtful.update((ack.id, ack.epoch) for _, ack in pending)

    def hold(self, pending: Sequence[Ended], held: frozenset[int]) -> None:
        """Have those back whose jobs are locked; a later cycle says them."""
        self._held += [(job, ack) for job, ack in pending if ack.id in held]

    def forget(self) -> None:
        """Drop all of them: others run these jobs."""
        self.hurry()
        self.new.clear()
        self._held.clear()

    def report(self, pending: Sequence[Ended], cycle: Cycle) -> None:
        """Log what a cycle did not take as it was meant."""
        if len(cycle.accepted) == len(pending) and not self._doubtful:
            pending = [(job, ack) for job, ack in pending if ack.completed]
        for job, ack in pending:
            if ack.id in cycle.held:
                continue
            sent_before = (ack.id, ack.epoch) in self._doubtful
            self._doubtful.discard((ack.id, ack.epoch))
            facts = {"job": job.id, "worker": job.worker, "state": ack.state.value}
            if ack.id in cycle.accepted:
                if ack.completed:
                    log.warning("job.completion_rolled_back", **facts)
            # one that was sent before a connection broke was probably accepted then, and one that
            # its worker has completed is expected to be refused
            elif not sent_before and not ack.completed:
                log.warning("job.ack_refused", **facts)

    def _pass(self) -> None:
        self._timer = None
        self._send()
