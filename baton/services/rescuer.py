"""Takes jobs away from processes that died."""

from typing import Protocol

import structlog

from baton.services.duty import Duty
from baton.services.transitions import tell_texts
from baton.store.pools import Database
from baton.telemetry import Telemetry

log = structlog.get_logger("baton.rescuer")

INTERVAL = 1.0  # seconds
PAUSE = 0.05  # seconds between two runs, whoever does them
AGAIN = 2 * PAUSE  # seconds until a run that was refused, or had too much to do, is tried again
SILENCE = 2.0  # seconds without a renewal after which a free advisory lock means death
BATCH = 1_000  # jobs


class Lease(Protocol):
    """The lease of the process that looks; `LeaseKeeper` keeps one."""

    @property
    def lease(self) -> int: ...
    def back_for(self) -> float: ...


def rescuer(
    database: Database,
    lease: Lease,
    *,
    announce: bool = True,
    interval: float = INTERVAL,
) -> Duty:
    """Return the duty; one process at a time does it.

    Args:
        database: where.
        lease: of this process, which does not take itself for dead. Nor does it take the silence of
            others for death when it has only just come back itself: what cut it off, such as a
            standby that took the primary's place, has probably cut them off as well.
        announce: whether to publish what becomes of steps.
        interval: seconds between two runs when nobody calls.
    """
    always = {"pause": PAUSE, "most": BATCH, "announce": announce}

    async def rescue() -> float | None:
        silence = SILENCE if lease.back_for() >= SILENCE else None
        params = {**always, "silence": silence, "own": lease.lease}
        [(leases, rescued, discarded, notices)] = await database.run("jobs_rescue", params)
        if leases is None:
            # somebody ran just now, and may have looked before what this run was called for
            return AGAIN
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
        return AGAIN if len(rescued) + len(discarded) == BATCH else None

    return Duty("rescue", interval=interval, perform=rescue)
