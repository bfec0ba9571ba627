"""Finishes what a crash left of a cycle, and what people did to workflows."""

import structlog

from baton.services.duty import Duty
from baton.services.transitions import tell_texts
from baton.store.pools import Database
from baton.telemetry import Telemetry

log = structlog.get_logger("baton.sweeper")

INTERVAL = 1.0  # seconds
AGE = 1.0  # seconds that a cycle has to finish its own work
PAUSE = 0.01  # seconds between two sweeps, at least
BATCH = 100  # rows of workflow_releases


def sweeper(database: Database, *, announce: bool = True, interval: float = INTERVAL) -> Duty:
    """Return the duty; one process at a time does it.

    Args:
        database: where.
        announce: whether to publish what becomes of steps.
        interval: seconds between two runs when nobody calls.
    """
    params = {"age": AGE, "pause": PAUSE, "most": BATCH, "announce": announce}

    async def sweep() -> float | None:
        [(swept, released, notices, unfinished)] = await database.run("releases_sweep", params)
        if swept:
            log.info("releases.swept", batches=swept, released=released)
            Telemetry.execute(
                "baton.plugin.sweep",
                {"swept": swept, "released": released, "found": 0},
                {"plugin": "sweep"},
            )
        tell_texts(notices)
        return 0.0 if unfinished else None

    return Duty("sweep", interval=interval, perform=sweep)
