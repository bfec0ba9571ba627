"""Finds the steps that nobody is going to see to: the net under everything that moves workflows."""

from time import monotonic

import structlog

from baton.services.duty import Duty
from baton.store.pools import Database
from baton.telemetry import Telemetry

log = structlog.get_logger("baton.sweeper")

INTERVAL = 60.0  # seconds between two passes through the open steps
PAUSE = 0.1  # seconds between two portions of a pass, at least
AGE = 10.0  # seconds that everything has to be seen to as a matter of course
BATCH = 10_000  # steps and dependencies


def slow_sweeper(database: Database, *, interval: float = INTERVAL) -> Duty:
    """Return the duty; one process at a time does it.

    Args:
        database: where.
        interval: seconds between two passes through the open steps of all workflows.
    """
    params = {"pause": PAUSE / 2, "rest": interval * 0.8, "age": AGE, "most": BATCH}

    async def sweep() -> float | None:
        began = monotonic()
        [(_, findings, unfinished)] = await database.run("steps_sweep", params)
        if findings:
            # on a healthy system there are none
            log.warning("steps.found_stuck", **findings)
            Telemetry.execute(
                "baton.plugin.sweep",
                {"swept": 0, "released": 0, "found": sum(findings.values())},
                {"plugin": "slow sweep", **findings},
            )
        # at most half of the time, so that a slow disk is left to the queue
        return max(PAUSE, monotonic() - began) if unfinished else None

    return Duty("slow sweep", interval=interval, perform=sweep)
