"""Takes jobs away from processes that died."""

import structlog

from baton.services.duty import Duty
from baton.services.transitions import tell_texts
from baton.store.pools import Database
from baton.telemetry import Telemetry

log = structlog.get_logger("baton.rescuer")

INTERVAL = 1.0  # seconds
SILENCE = 2.0  # seconds without a renewal after which a free advisory lock means death
BATCH = 1_000  # jobs


def rescuer(database: Database, *, announce: bool = True) -> Duty:
    """Return the duty; one process at a time does it, at most once a second.

    Args:
        database: where.
        announce: whether to publish what becomes of steps.
    """
    params = {"silence": SILENCE, "pause": INTERVAL * 0.8, "most": BATCH, "announce": announce}

    async def rescue() -> float | None:
        [(leases, rescued, discarded, notices)] = await database.run("jobs_rescue", params)
        if leases:
            log.warning("leases.expired", leases=leases)
        if rescued or discarded:
            log.warning("jobs.rescued", rescued=rescued, discarded=discarded)
            Telemetry.execute(
                "baton.plugin.rescued",
                {"count": len(rescued), "discarded": len(discarded)},
                {"plugin": "rescue", "ids": rescued, "discarded_ids": discarded, "leases": leases},
            )
        tell_texts(notices)
        return 0.0 if len(rescued) + len(discarded) == BATCH else None

    return Duty("rescue", interval=INTERVAL, perform=rescue)
