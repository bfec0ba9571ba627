"""Jobs: what was promised of them, their claims, their attempts and their ends."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from tests.chaos.checkers.checker import RETRIES, checker
from tests.chaos.history import FINAL, History, Move

DONE = frozenset({"ok", "graft", "garbage"})  # what a plain job returns is nobody's business
FAILED = frozenset({"raised", "error", "garbage", "graft"})


@checker("every acknowledged insert is there, whole and once")
def acknowledged_inserts_are_there(history: History) -> Iterator[str]:
    tokens = Counter(job.token for job in history.jobs.values())
    names: Mapping[str, set[str]] = _names(history)
    for insert in history.inserts:
        if not insert.acknowledged:
            continue
        for token, job in _pairs(insert.tokens, insert.ids, copied=insert.copied):
            expected = 1 if insert.copied or job is not None else 0
            if tokens[token] != expected:
                yield f"token {token} is there {tokens[token]} times and not {expected} times"
        for job in insert.ids:
            if job is not None and job not in history.jobs:
                yield f"job {job} was acknowledged and is gone"
        if insert.workflow is not None:
            missing = set(insert.steps) - names.get(insert.workflow, set())
            if missing:
                yield f"workflow {insert.workflow} was acknowledged and lacks {sorted(missing)}"


@checker("everything that was inserted has ended")
def everything_ended(history: History) -> Iterator[str]:
    for job in history.jobs.values():
        if job.state not in FINAL:
            yield f"job {job.id} of {job.queue} has not ended: it is {job.state}"


def _names(history: History) -> Mapping[str, set[str]]:
    names: dict[str, set[str]] = defaultdict(set)
    for step in history.steps.values():
        names[step.workflow].add(step.name)
    return names


def _pairs(
    tokens: Sequence[str], ids: Sequence[int | None], *, copied: bool
) -> Iterator[tuple[str, int | None]]:
    return zip(tokens, [None] * len(tokens) if copied else ids, strict=False)


@checker("an insert whose answer was lost has happened whole, or not at all")
def unsure_inserts_are_whole_or_nothing(history: History) -> Iterator[str]:
    tokens = Counter(job.token for job in history.jobs.values())
    names = _names(history)
    for insert in history.inserts:
        if insert.acknowledged:
            continue
        counts = {tokens[token] for token in insert.tokens}
        if not counts <= {0} and not counts <= {1}:
            yield f"of tokens {list(insert.tokens)} some are there {sorted(counts)} times"
        if insert.workflow is not None and (there := names.get(insert.workflow)):
            missing = set(insert.steps) - there
            if missing:
                yield f"workflow {insert.workflow} is there and lacks {sorted(missing)}"


@checker(
    "a job leaves its claim once, under the epoch of that claim, and its row has the last epoch"
)
def one_finish_a_claim(history: History) -> Iterator[str]:
    for job, moves in history.moves_of.items():
        for before, move in pairwise(moves):
            if move.was != before.became or (
                move.was_epoch is not None and move.was_epoch != before.epoch
            ):
                yield (
                    f"job {job} became {before.became} (epoch {before.epoch}) and then left "
                    f"{move.was} (epoch {move.was_epoch})"
                )
            if before.claims and move.epoch != before.epoch and move.became is not None:
                yield f"job {job} left claim {before.epoch} with epoch {move.epoch}"
        row = history.jobs.get(job)
        if row is not None and (moves[-1].became, moves[-1].epoch) != (row.state, row.epoch):
            yield f"job {job} is {row.state} (epoch {row.epoch}), its last move says otherwise"


@checker("a final row never changes, unless somebody asked for a retry or skipped the step")
def final_rows_never_change(history: History) -> Iterator[str]:
    for move in history.moves:
        if move.was not in FINAL or move.became == move.was:
            continue
        asked = [s for s in history.steered(move.job, *RETRIES) if s.at <= move.at]
        if not asked:
            yield f"job {move.job} was {move.was} and became {move.became} at {move.at:.3f}"


@checker(
    "what was accepted as the end of an attempt is what that attempt came to, after it came to it"
)
def accepted_finishes_were_performed(history: History) -> Iterator[str]:
    for move in history.moves:
        if move.was != "executing" or move.became not in FINAL:
            continue
        if history.steered(move.job, "skip", "cancel_job", "cancel_flow"):
            continue
        job = history.jobs.get(move.job)
        errors = [] if job is None else [error.get("kind") for error in job.errors]
        if move.became == "discarded" and "rescued" in errors:
            continue
        said = history.ends_of.get((move.job, move.was_epoch or 0), [])
        if not any(end.at <= move.at + 0.001 and _fits(end, move) for end in said):
            told = [f"{end.kind} {end.outcome} {end.at - move.at:+.3f} s" for end in said]
            yield (
                f"job {move.job} was {move.became} at {move.at:.3f} under epoch {move.was_epoch}, "
                f"whose attempt said {told or 'nothing'}"
            )


def _fits(end: Any, move: Move) -> bool:
    if end.kind != "end":
        return move.became == "completed"
    outcomes = {
        "completed": DONE,
        "discarded": FAILED | {"discard"},
        "cancelled": frozenset({"cancel"}),
    }
    return end.outcome in outcomes[str(move.became)]


@checker("epochs and attempts only grow; an attempt is given back only by what does not count")
def attempts_only_grow(history: History) -> Iterator[str]:
    for job, moves in history.moves_of.items():
        for before, move in pairwise(moves):
            if move.became is None:
                continue
            if (move.epoch or 0) < (before.epoch or 0):
                yield f"the epoch of job {job} went from {before.epoch} to {move.epoch}"
            if move.claims and (move.epoch or 0) <= (before.epoch or 0):
                yield f"claim {move.epoch} of job {job} came after claim {before.epoch}"
            if move.claims and move.attempt != before.attempt + 1:
                yield f"job {job} went from attempt {before.attempt} to {move.attempt}"
            given_back = move.was == "executing" and move.became in {
                "scheduled",
                "suspended",
                "available",
            }
            lowest = before.attempt - 1 if given_back else before.attempt
            if move.attempt < lowest and not history.steered(job, *RETRIES):
                yield f"job {job} went back from attempt {before.attempt} to {move.attempt}"


@checker("starts of a job that follow each other have growing epochs, unless the server crashed")
def starts_have_growing_epochs(history: History) -> Iterator[str]:
    for job, starts in history.starts_of.items():
        for first, second in pairwise(starts):
            if second.epoch <= first.epoch and not history.crashed(first.at - 3, second.at):
                yield f"job {job} started under claim {first.epoch} and then {second.epoch}"


@checker("a job is executed at most max_attempts times, and once more for each recorded crash")
def executions_are_bounded(history: History) -> Iterator[str]:
    for job, starts in history.starts_of.items():
        row = history.jobs.get(job)
        if row is None:
            continue
        free = len(_given_back(history, job) & {start.epoch for start in starts})
        again = len(history.steered(job, *RETRIES))
        crashes = sum(error.get("kind") == "rescued" for error in row.errors)
        crashes += history.crashes_in(starts[0].at, starts[-1].at)
        if len(starts) > row.max_attempts * (1 + again) + free + crashes:
            yield (
                f"job {job} was executed {len(starts)} times: max_attempts {row.max_attempts}, "
                f"{free} given back, {crashes} crashes, {again} retries"
            )


def _given_back(history: History, job: int) -> set[int | None]:
    """Return the claims of a job whose attempts do not count: snoozed, waiting, or given back.

    A process that is killed gives nothing back, and its jobs bear the error of their rescue.
    """
    return {
        claim.epoch
        for claim, move in pairwise(history.moves_of.get(job, ()))
        if claim.claims
        and move.became in {"scheduled", "suspended", "available"}
        and move.attempt == claim.attempt - 1
    }


@checker("every start that a process wrote down is a claim in the database, or its server crashed")
def starts_were_claimed(history: History) -> Iterator[str]:
    for record in history.files:
        if record.kind != "start" or (record.job, record.epoch) in history.claimed:
            continue
        # a claim does not wait for the disk, so a crash may take it back
        if not history.crashed(record.at - 2, record.at + 2):
            yield f"job {record.job} started under claim {record.epoch}, which was never made"


@checker("what processes wrote into the database is what they wrote into their files")
def both_records_agree(history: History) -> Iterator[str]:
    files = {(record.kind, record.job, record.epoch, record.pid) for record in history.files}
    for record in history.records:
        if (record.kind, record.job, record.epoch, record.pid) not in files:
            yield f"the {record.kind} of job {record.job} by process {record.pid} is in no file"
