"""Orderly ends of processes."""

from collections.abc import Iterator
from itertools import pairwise

from tests.chaos.checkers.checker import checker
from tests.chaos.history import CRASHES, Fault, History, Move

GRACE = 2.0  # seconds that the processes of a run are given
GONE = GRACE + 1  # seconds until a process is gone, whatever its jobs and the database do
BUSY = 4.0  # seconds more on a machine that has other things to do
BACK = 3.0  # seconds for a process to be itself again after a fault
EVERYWHERE = CRASHES | {"held", "backends"}  # faults that no process is spared


@checker(
    "a process that is told to end does so in time, with 0, or with 5 when it gave jobs back, and "
    "leaves no job to be rescued"
)
def sigterm_is_orderly(history: History) -> Iterator[str]:
    for fault in history.faults:
        if fault.kind != "sigterm":
            continue
        code, seconds = fault.facts["code"], float(fault.facts["seconds"])
        told = f"process {fault.facts['pid']}, told to end at {fault.begun:.3f},"
        if seconds > GONE + BUSY:
            yield f"{told} took {seconds:.1f} s"
        if code == 9:
            continue  # a job ended it on purpose
        if code not in {0, 5}:
            yield f"{told} ended with {code}"
            continue
        if _disturbed(history, fault):
            continue  # what the database did not answer in time counts as after a crash
        left = list(_left(history, fault))
        if code == 5 and not any(_given_back(claim, move) for claim, move in left):
            yield f"{told} ended with 5 and gave nothing back"
        for claim, move in left:
            if move.at > fault.begun + seconds and _rescued(history, claim):
                yield f"{told} left job {claim.job} to be rescued"


def _left(history: History, fault: Fault) -> Iterator[tuple[Move, Move]]:
    """Yield what the process had claimed when it ended, with what became of it.

    Later claims are those of another process with its number: in an hour they come round.
    """
    pid = fault.facts["pid"]
    leases = {record.lease for record in history.files if record.pid == pid and record.lease}
    for moves in history.moves_of.values():
        for claim, move in pairwise(moves):
            mine = claim.claims and claim.lease in leases and claim.at <= fault.ended
            if mine and move.at >= fault.begun:
                yield claim, move


def _given_back(claim: Move, move: Move) -> bool:
    return move.became == "available" and move.attempt == claim.attempt - 1


def _rescued(history: History, claim: Move) -> bool:
    job = history.jobs.get(claim.job)
    return job is not None and any(
        error.get("kind") == "rescued" and error.get("attempt") == claim.attempt
        for error in job.errors
    )


def _disturbed(history: History, fault: Fault) -> bool:
    """Whether another fault kept the process from the database, or from running, meanwhile."""
    mine = fault.facts["worker"]
    return any(
        other.begun <= fault.ended
        and other.ended + BACK >= fault.begun
        and (other.kind in EVERYWHERE or other.facts.get("worker", mine) == mine)
        for other in history.faults
        if other is not fault and other.kind not in {"kill", "vanish", "sigterm"}
    )
