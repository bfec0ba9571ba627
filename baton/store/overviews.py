"""How everything goes right now, in statements that cost the same however many jobs there are."""

from collections.abc import Sequence
from typing import Any

from baton.overview import Failure, Overview, Rate, Running
from baton.states import State
from baton.store.asking import Asking, Statement
from baton.store.door import Row
from baton.store.queues import COUNTED, listed, to_status

_JOB = ("queue", "worker", "attempt", "max_attempts")
_RUNNING = ("id", *_JOB, "workflow", "step", "node", "seconds")
_FAILURE = ("id", "state", *_JOB, "kind", "message", "at")
SAMPLE = 10_000
SECONDS = 60.0


def overview(most: int) -> Asking[Overview]:
    """Return how everything goes, with so many running jobs and failures at most."""
    [(now, processes)] = yield Statement("overview_totals", {})
    queues = yield Statement(*listed(most=COUNTED))
    rates = yield Statement("overview_recent", {"most": SAMPLE, "seconds": SECONDS})
    running = yield Statement("overview_running", {"most": most})
    failures = yield Statement("overview_failures", {"most": most})
    return Overview(
        now=now,
        processes=processes,
        seconds=SECONDS,
        queues=[to_status(row) for row in queues],
        rates=[
            Rate(queue=queue, worker=worker, completed=done, failed=bad, median=median, p95=p95)
            for queue, worker, done, bad, median, p95 in rates
        ],
        running=[Running(**_named(_RUNNING, row)) for row in running],
        failures=[Failure(**{**_named(_FAILURE, row), "state": State(row[1])}) for row in failures],
    )


def _named(names: Sequence[str], row: Row) -> dict[str, Any]:
    return dict(zip(names, row, strict=True))
