"""Effects, and what is left when all is over."""

from collections import Counter
from collections.abc import Iterator

from tests.chaos.checkers.checker import checker
from tests.chaos.history import History

MISTAKES = frozenset(
    {
        "AttributeError",
        "ImportError",
        "KeyError",
        "LookupError",
        "NameError",
        "NotAStep",
        "TypeError",
    }
)
BAD_WORDS = ("deadlock detected", "invalid page", "could not read block", "TRAP:")


@checker("what complete_in commits with a job is there exactly when the job was completed so")
def effects_are_exactly_once(history: History) -> Iterator[str]:
    said = {(record.job, record.epoch) for record in history.files if record.kind == "completing"}
    done = {
        (move.job, move.was_epoch or 0)
        for move in history.moves
        if move.was == "executing"
        and move.became == "completed"
        and (move.job, move.was_epoch) in said
    }
    effects = Counter(history.effects)
    children = Counter(
        job.token for job in history.jobs.values() if job.token and "/child/" in job.token
    )
    for claim, count in effects.items():
        if count != 1 or claim not in done:
            yield f"claim {claim} left {count} effects, and completed: {claim in done}"
    for job, epoch in done:
        if history.steered(job, "skip"):
            continue
        if effects[job, epoch] != 1:
            yield f"job {job} was completed under claim {epoch} without its effect"
        if children[f"{job}/child/{epoch}"] != 1:
            yield f"job {job} was completed without the job that it inserts"
    for token in children:
        job, _, epoch = str(token).split("/")
        if (int(job), int(epoch)) not in done:
            yield f"the job {token} is there, and its parent was not completed"


@checker("what complete_in has committed is there for good, once its commit was answered")
def acknowledged_effects_are_there(history: History) -> Iterator[str]:
    there = frozenset(history.effects)
    completed = {
        (move.job, move.was_epoch)
        for move in history.moves
        if move.was == "executing" and move.became == "completed"
    }
    for record in history.files:
        claim = (record.job, record.epoch)
        if record.kind == "effect" and not (claim in there and claim in completed):
            yield (
                f"the commit of job {record.job} under claim {record.epoch} was answered at "
                f"{record.at:.3f}; effect: {claim in there}, completed: {claim in completed}"
            )


@checker("no connection, lock, lease or promise is left when all processes have ended")
def nothing_is_left(history: History) -> Iterator[str]:
    for what, count in history.left.items():
        if count:
            yield f"{count} {what}"


@checker("the server's log shows no deadlock and no damage")
def the_log_is_clean(history: History) -> Iterator[str]:
    for line in history.log.splitlines():
        if any(word in line for word in BAD_WORDS):
            yield line
        if "PANIC" in line and not any(fault.kind == "disk_full" for fault in history.faults):
            yield line


@checker("no attempt fails by a mistake of the program that it runs")
def attempts_do_what_they_are_told(history: History) -> Iterator[str]:
    mistakes = Counter(record.error for record in history.files if record.error in MISTAKES)
    for error, count in mistakes.items():
        yield f"{count} attempts raised {error}"


@checker("no process ends by itself, and none logs an error that it does not expect")
def processes_survive(history: History) -> Iterator[str]:
    yield from history.unexpected
    yield from history.complaints
