"""Finishes what a crash left between the two halves of a cycle."""

import structlog

from baton.services.duty import Duty
from baton.store.pools import Database

log = structlog.get_logger("baton.sweeper")

INTERVAL = 1.0  # seconds
AGE = 1.0  # seconds that a cycle has to finish its own work
BATCH = 100  # rows of workflow_releases


def sweeper(database: Database) -> Duty:
    """Return the duty; one process at a time does it, at most once a second."""
    params = {"age": AGE, "pause": INTERVAL * 0.8, "most": BATCH}

    async def sweep() -> float | None:
        [(swept, released)] = await database.run("releases_sweep", params)
        if swept:
            log.info("releases.swept", batches=swept, released=released)
        return None

    return Duty("sweep", interval=INTERVAL, perform=sweep)
