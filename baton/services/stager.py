"""Makes scheduled and retryable jobs available when they are due."""

from baton.services.duty import Duty
from baton.store.pools import Database

INTERVAL = 1.0  # seconds
BATCH = 5_000  # jobs


def stager(database: Database) -> Duty:
    """Return the duty; it sleeps until the next job is due, and at most a second."""

    async def stage() -> float | None:
        [(staged, next_in)] = await database.run("jobs_stage", {"most": BATCH})
        return 0.0 if staged == BATCH else next_in

    return Duty("stage", interval=INTERVAL, perform=stage)
