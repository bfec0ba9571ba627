"""What there is to do for a worker process, in one statement."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from baton.store.pools import Database


@dataclass(frozen=True, slots=True)
class Found:
    """What a look found; ``sql/routines/look_around.sql`` says more.

    Attributes:
        ready: queues of those that were asked about that have jobs to start.
        misplaced: whether jobs have not the partition that they ought to have.
        stage_in: seconds until the next job is due; ``None`` when there is none, as for all times.
        others_due: whether jobs of other queues are due.
        passed: how many entries of indexes were read to find out about jobs.
        time_in: seconds until the next wait, or the deadline of a workflow, is over.
        sweep_in: seconds until what a cycle left has to be finished by others.
        rescue_in: seconds until a lease is dead unless it is renewed.
        near: leases of processes of the same machine that are not heard of, with their names.
        rescued_ago: seconds since somebody looked for dead processes.
        leases: changes when leases come or go.
        said: changes when something was said about queues.
        crons: changes when something was said about cron entries.
        callbacks: whether workers are owed callbacks.
        budgets: whether attempts have ended that had reserved something of a budget.
    """

    ready: Sequence[str]
    misplaced: bool
    stage_in: float | None
    others_due: bool
    passed: int
    time_in: float | None
    sweep_in: float | None
    rescue_in: float | None
    near: Mapping[int, str]
    rescued_ago: float
    leases: str
    said: str
    crons: str
    callbacks: bool
    budgets: bool


async def look_around(
    database: Database,
    *,
    lease: int,
    queues: Collection[str],
    hungry: Collection[str],
    workers: Sequence[str],
    others: bool,
    age: float,
    silence: float,
    patience: float,
    machine: str | None,
) -> Found:
    """Look for what there is to do.

    Args:
        database: where.
        lease: of the process that asks.
        queues: that it serves.
        hungry: those of them that it could start jobs of.
        workers: that it has and that want to hear of dependencies.
        others: whether to look at the jobs of other queues too.
        age: seconds that a cycle has to finish its own work.
        silence: seconds without a renewal after which a free lock means death.
        patience: seconds without a renewal after which to look at the lock.
        machine: what the processes of this machine have in common.

    Raises:
        DatabaseError: the database refused or is away.
    """
    params = {
        "lease": lease,
        "queues": list(queues),
        "hungry": list(hungry),
        "workers": list(workers),
        "others": others,
        "age": age,
        "silence": silence,
        "patience": patience,
        "machine": machine,
    }
    [row] = await database.run("duties_look", params)
    ready, misplaced, stage_in, others_due, passed, *rest = row
    time_in, sweep_in, rescue_in, near, processes, *rest = rest
    rescued_ago, leases, said, crons, callbacks, budgets = rest
    return Found(
        ready=ready,
        misplaced=bool(misplaced),
        stage_in=_seconds(stage_in),
        others_due=others_due,
        passed=passed,
        time_in=_seconds(time_in),
        sweep_in=_seconds(sweep_in),
        rescue_in=_seconds(rescue_in),
        near=dict(zip(near or (), processes or (), strict=True)),
        rescued_ago=float(rescued_ago),
        leases=leases,
        said=said,
        crons=crons,
        callbacks=callbacks,
        budgets=budgets,
    )


def _seconds(found: float | None) -> float | None:
    return None if found is None else max(0.0, float(found))


async def bury(database: Database, leases: Sequence[int]) -> None:
    """Delete the leases of processes that are gone; their jobs are rescued at once.

    Raises:
        DatabaseError: the database refused or is away.
    """
    for lease in leases:
        await database.run("lease_release", {"lease": lease})
