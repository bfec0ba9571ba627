"""Operations on whole workflows: cancel, retry, and skip a step; written once for both clients."""

from collections.abc import Iterable, Sequence
from uuid import UUID

from baton import documents
from baton.errors import NotFound, NothingToRetry, StepCompleted, UnknownSteps
from baton.outcomes import MESSAGE_LIMIT
from baton.states import State
from baton.steering import RetriedStep, Retry, RetryChoice, near
from baton.store import looking
from baton.store.asking import Asking, Statement
from baton.store.operations import BATCH

LOOK = 100_000  # open steps that are looked up at a time
KNOWN = 10_000  # names of a workflow that are compared with one that it does not have


def cancel(given: UUID | str, reason: str | None, *, dry_run: bool, portions: bool) -> Asking[int]:
    """Cancel every open step of a workflow; return how many.

    Args:
        given: which one.
        reason: what their errors say.
        dry_run: only count them.
        portions: whether each statement commits by itself, so that many steps take several.

    Raises:
        NotFound: there is none.
    """
    found = yield from looking.workflow_id(given)
    told = None if reason is None else documents.storable(reason, MESSAGE_LIMIT)
    if dry_run:
        [(there, ids)] = yield Statement("workflow_open", {"id": found, "most": None})
        if not there:
            raise NotFound("workflow", given)
        return len(ids)
    count = 0
    while portions:
        [(_, ids)] = yield Statement("workflow_open", {"id": found, "most": LOOK})
        if len(ids) <= BATCH:
            break
        for start in range(0, len(ids), BATCH):
            batch = {"ids": ids[start : start + BATCH], "reason": told, "states": None}
            [(done,)] = yield Statement("jobs_cancel", batch)
            count += done
    [(rest,)] = yield Statement("workflow_cancel", {"id": found, "reason": told})
    if rest is None:
        raise NotFound("workflow", given)
    return count + int(rest)


def retry(given: UUID | str, choice: RetryChoice, *, dry_run: bool) -> Asking[Retry]:
    """Run steps of a workflow again; return which.

    Args:
        given: which one.
        choice: which of its steps.
        dry_run: only say which.

    Raises:
        NotFound: there is none.
        UnknownSteps: it has no steps of these names.
        NothingToRetry: no step would run again.
    """
    found = yield from looking.workflow_id(given)
    yield from check_names(found, given, choice.names or ())
    params = {
        "id": found,
        "names": None if choice.names is None else list(choice.names),
        "everything": choice.everything,
    }
    rows = yield Statement("workflow_retry_plan" if dry_run else "workflow_retry", params)
    steps: dict[str, list[RetriedStep]] = {"again": [], "removed": [], "gone": []}
    for verdict, workflow_id, name, job_id, was in rows:
        steps[verdict].append(
            RetriedStep(workflow_id=workflow_id, step_name=name, job_id=job_id, was=State(was))
        )
    if not steps["again"]:
        raise NothingToRetry(found, [step.step_name for step in steps["gone"]])
    return Retry(
        workflow_id=found,
        steps=steps["again"],
        removed=steps["removed"],
        gone=steps["gone"],
    )


def skip(
    given: UUID | str, name: str, result: str | None, reason: str | None, *, dry_run: bool
) -> Asking[State]:
    """Let a step count as completed; return the state that it was in.

    Args:
        given: which workflow.
        name: which step of it.
        result: what it returned, as JSON.
        reason: why, for people who wonder.
        dry_run: only say the state.

    Raises:
        NotFound: there is no such workflow.
        UnknownSteps: it has no such step.
        StepCompleted: the step has completed.
    """
    found = yield from looking.workflow_id(given)
    was: str | None
    [was] = yield from check_names(found, given, [name])
    if not dry_run:
        params = {
            "id": found,
            "name": name,
            "result": result,
            "reason": None if reason is None else documents.storable(reason, MESSAGE_LIMIT),
        }
        [(was,)] = yield Statement("step_skip", params)
    if was is None or was == State.COMPLETED:
        raise StepCompleted(name)
    return State(was)


def check_names(found: UUID, given: UUID | str, names: Sequence[str]) -> Asking[list[str]]:
    """Return the states of steps."""
    names = [documents.storable(name, len(name)) for name in names]
    rows = yield Statement("steps_named", {"id": found, "names": names})
    if not rows:
        raise NotFound("workflow", given)
    states = {name: state for _, name, state in rows}
    if unknown := _missing(names, states):
        known = yield Statement("workflow_step_names", {"id": found, "limit": KNOWN})
        raise UnknownSteps(unknown, found, near(unknown, [name for (name,) in known]))
    return [states[name] for name in names]


def _missing(names: Iterable[str], states: Iterable[str]) -> list[str]:
    there = set(states)
    return [name for name in dict.fromkeys(names) if name not in there]
