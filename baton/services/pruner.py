"""Deletes finished jobs as rules say, and the workflows that are left without jobs."""

from collections.abc import Sequence
from time import monotonic

import structlog

from baton import documents
from baton.pruning import PruneRule
from baton.services.duty import Duty
from baton.store.pools import Database
from baton.telemetry import Telemetry

log = structlog.get_logger("baton.pruner")

INTERVAL = 30.0  # seconds between two passes through the table
PAUSE = 0.1  # seconds between two portions of a pass, at least


def pruner(
    database: Database, rules: Sequence[PruneRule], *, limit: int, interval: float = INTERVAL
) -> Duty:
    """Return the duty; one process at a time does it.

    Args:
        database: where.
        rules: which jobs are deleted; the first that matches a job decides.
        limit: how many jobs a statement looks at, and so deletes at most.
        interval: seconds between two passes through the table.
    """
    params = {
        "rules": encode(rules),
        "pause": PAUSE / 2,
        "rest": interval * 0.8,
        "most": limit,
    }

    async def prune() -> float | None:
        began = monotonic()
        [(_, pruned, unfinished)] = await database.run("jobs_prune", params)
        if pruned:
            log.info("jobs.pruned", **pruned)
            Telemetry.execute(
                "baton.plugin.pruned",
                {"count": sum(pruned.values())},
                {"plugin": "prune", **pruned},
            )
        # at most half of the time, so that a slow disk is left to the queue
        return max(PAUSE, monotonic() - began) if unfinished else None

    return Duty("prune", interval=interval, perform=prune)


def workflow_pruner(
    database: Database,
    *,
    age: float | None,
    log_age: float | None,
    stat_age: float | None = None,
    limit: int,
    interval: float,
) -> Duty:
    """Return the duty; one process at a time does it.

    Args:
        database: where.
        age: seconds after its end from which a workflow without jobs is deleted; ``None``: none is.
        log_age: seconds after which logs of debugging are deleted; ``None``: none are.
        stat_age: seconds after which is deleted what was recorded of the use of language models.
        limit: how many rows of each table a statement deletes at most.
        interval: seconds between two passes through the workflows.
    """
    params = {
        "age": age,
        "log_age": log_age,
        "stat_age": stat_age,
        "pause": PAUSE / 2,
        "rest": interval * 0.8,
        "most": limit,
    }

    async def prune() -> float | None:
        began = monotonic()
        [(pruned, unfinished)] = await database.run("workflows_prune", params)
        if pruned:
            log.info("workflows.pruned", **pruned)
            Telemetry.execute(
                "baton.plugin.pruned",
                {"count": sum(pruned.values())},
                {"plugin": "workflow prune", **pruned},
            )
        return max(PAUSE, monotonic() - began) if unfinished else None

    return Duty("workflow prune", interval=interval, perform=prune)


def encode(rules: Sequence[PruneRule]) -> str:
    """Return rules as the database reads them."""
    return documents.encode(
        [
            {
                "states": [state.value for state in rule.states],
                "queue": rule.queue,
                "worker": rule.worker,
                "older_than": rule.older_than,
                "keep": rule.keep,
            }
            for rule in rules
        ]
    )
