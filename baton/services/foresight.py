"""How far ahead of its free slots a process claims jobs, and where it looks for the next.

A process whose jobs are short would spend its time waiting for cycles, so it claims what it will
have done when the next cycle is over. One whose jobs are long claims nothing ahead: others could
run it.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from time import monotonic

from baton.jobs import Job
from baton.services.lanes import Pace
from baton.store.cycles import Range

SHORT = 0.05  # seconds in which what waits should have found a slot
MOST_AHEAD = 1_000
SLOWING = 0.8
FULL_LOOK = 1.0  # seconds
LAST_PRIORITY = 9


class Foresight:
    """What a producer knows of its queues from cycle to cycle."""

    def __init__(self) -> None:
        self._ahead: Counter[str] = Counter()
        self._unsafe: set[str] = set()
        self._marks: dict[str, dict[int, tuple[float, int]]] = {}
        self._left: set[str] = set()
        self._looked_at = 0.0

    def left(self) -> set[str]:
        """Return the queues of which fetches got all that they asked for, since the last call."""
        left, self._left = self._left, set()
        return left

    def ahead(self, queues: Mapping[str, int], paces: Mapping[str, Pace]) -> dict[str, int]:
        """Return how many jobs of each queue may wait for a slot.

        That is twice what ended since the last cycle, or a little less than the time before, since
        cycles differ; unless it would take the slots too long.

        Args:
            queues: the slots of each queue.
            paces: how the queues went since then.
        """
        found = {
            queue: min(
                max(2 * pace.ended, int(self._ahead[queue] * SLOWING)),
                MOST_AHEAD,
                _startable(queues.get(queue, 0), pace),
            )
            for queue, pace in paces.items()
            if queue not in self._unsafe
        }
        self._ahead.update(found)
        return found

    def ranges(self, queues: Mapping[str, int]) -> list[Range]:
        """Return where to look for the next jobs of these queues."""
        if monotonic() - self._looked_at > FULL_LOOK:
            # what was retried, staged or given back may stand before the marks
            self._marks.clear()
            self._looked_at = monotonic()
        return [part for queue in queues for part in self._parts(queue)]

    def learn(self, asked: Mapping[str, int], jobs: Sequence[Job]) -> None:
        """Take in what a fetch has brought.

        Args:
            asked: how many jobs of each queue it could have brought.
            jobs: what it brought, in order.
        """
        found = Counter(job.queue for job in jobs)
        for queue in asked:
            if found[queue] < asked[queue]:
                self._marks.pop(queue, None)
                self._left.discard(queue)
            else:
                self._left.add(queue)
        # no last attempt is claimed ahead of a slot, so asking for more would only lock them
        self._unsafe = {job.queue for job in jobs if job.attempt >= job.max_attempts}
        last = {(job.queue, job.priority): job for job in jobs}
        for (queue, priority), job in last.items():
            if found[queue] == asked.get(queue):
                place = (job.scheduled_at.timestamp(), job.id)
                self._marks.setdefault(queue, {})[priority] = place

    def _parts(self, queue: str) -> list[Range]:
        parts = []
        begin = 0
        for priority, (time, job_id) in sorted(self._marks.get(queue, {}).items()):
            if begin < priority:
                parts.append(Range(queue, begin, top=priority - 1))
            parts.append(Range(queue, priority, time, job_id, priority))
            begin = priority + 1
        if begin <= LAST_PRIORITY:
            parts.append(Range(queue, begin))
        return parts


def _startable(slots: int, pace: Pace) -> int:
    """Return how many jobs can find a slot in a short time."""
    mean = pace.seconds / pace.ended
    return MOST_AHEAD if mean == 0 else int(min(SHORT * slots / mean, MOST_AHEAD))
