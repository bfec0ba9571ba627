"""What is said of a whole workflow: what holds it up most."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from baton.status import Progress
from baton.why import words
from baton.why.answers import Fact, Reason, Why
from baton.why.facts import Bunch, WorkflowFacts

# Of the steps that could move by themselves, those hold a workflow up most that nothing but a
# person or a new process will move, then those that wait for a signal, then for a time, then for
# room, and last those that go on.
_WEIGHTS: Sequence[frozenset[Reason]] = (
    frozenset(
        {
            Reason.DELETED,
            Reason.SUSPENDED,
            Reason.PAUSED,
            Reason.STOPPED,
            Reason.UNSERVED,
            Reason.BUDGET,
        }
    ),
    frozenset({Reason.SIGNAL, Reason.APPROVAL}),
    frozenset({Reason.RETRY, Reason.SCHEDULED, Reason.SLEEP, Reason.DEPENDENCY}),
    frozenset({Reason.GLOBAL_LIMIT, Reason.RATE_LIMIT, Reason.BUSY}),
)
_WEIGHT: Mapping[Reason, int] = {
    reason: place for place, reasons in enumerate(_WEIGHTS) for reason in reasons
}


@dataclass(frozen=True, slots=True)
class Held:
    """Steps that have something in common, and why the one that stands for them waits."""

    bunch: Bunch
    why: Why


def explain_workflow(
    flow: WorkflowFacts,
    progress: Progress,
    held: Sequence[Held] = (),
    failure: Why | None = None,
) -> Why:
    """Say why a workflow is as it is.

    Args:
        flow: the workflow.
        progress: how far it is.
        held: the steps that could move by themselves, in bunches.
        failure: the answer for the step that failed first.
    """
    facts = [_progress(progress)]
    if failure is not None and progress.failed:
        facts.append(_failures(progress, failure))
    if flow.state != "executing":
        return _finished(flow, progress, failure, facts)
    if flow.deadline is not None:
        text = f"is cancelled at {words.moment(flow.deadline, flow.now)}"
        facts.append(Fact("deadline", text, {"at": flow.deadline}))
    facts += _bunches(held)
    if flow.looked_at and flow.looked_at < progress.total:
        text = f"{flow.looked_at:,} of the steps were looked at"
        facts.append(Fact("looked_at", text, {"steps": flow.looked_at}))
    return _executing(flow, progress, held, facts)


def heaviest(held: Sequence[Held]) -> Held | None:
    """Return what holds a workflow up most."""
    return min(held, key=_weight, default=None)


def _finished(
    flow: WorkflowFacts, progress: Progress, failure: Why | None, facts: Sequence[Fact]
) -> Why:
    at = "" if flow.finished_at is None else f" at {words.moment(flow.finished_at, flow.now)}"
    if flow.state == "completed":
        told, reason, failure = f"completed{at}", Reason.COMPLETED, None
        if progress.skipped:
            told += f", {words.number(progress.skipped, 'step')} skipped"
    else:
        told, reason = f"failed{at}", Reason.FAILED
        if counted := _bad(progress):
            told += f", {counted}"
        if failure is not None:
            told += ", the first of them"
    return Why(
        subject=flow.subject, reason=reason, told=told, evidence=tuple(facts), because=failure
    )


def _executing(
    flow: WorkflowFacts,
    progress: Progress,
    held: Sequence[Held],
    facts: Sequence[Fact],
) -> Why:
    done = f"is executing, {progress.done:,} of {words.number(progress.total, 'step')} done"
    if progress.failed:
        done += f" ({_bad(progress)})"
    main = heaviest(held)
    if main is None:
        next_ = "go on" if progress.open else "be finished"
        told, reason, because = f"{done}, and is about to {next_}", Reason.MOMENT, None
    else:
        goes_on = main.why.root.reason is Reason.EXECUTING
        verb = "waits for" if goes_on else "is held up by"
        told, reason = f"{done}, and {verb} {_named(main.bunch)}", main.why.reason
        because = main.why
    return Why(
        subject=flow.subject, reason=reason, told=told, evidence=tuple(facts), because=because
    )


def _weight(held: Held) -> tuple[int, int]:
    return _WEIGHT.get(held.why.root.reason, len(_WEIGHTS)), -held.bunch.steps


def _named(bunch: Bunch) -> str:
    if bunch.steps == 1:
        return "one step"
    names = [words.line(name) for name in bunch.names]
    return f"{words.number(bunch.steps, 'step')} ({words.names(names, bunch.steps)})"


def _bad(progress: Progress) -> str:
    said = [
        f"{words.number(count, 'step')} {word}"
        for count, word in ((progress.discarded, "discarded"), (progress.cancelled, "cancelled"))
        if count
    ]
    return " and ".join(said)


def _progress(progress: Progress) -> Fact:
    text = f"{progress.done:,} of {words.number(progress.total, 'step')} done"
    return Fact(
        "progress",
        text,
        {
            "total": progress.total,
            "completed": progress.completed,
            "skipped": progress.skipped,
            "discarded": progress.discarded,
            "cancelled": progress.cancelled,
            "open": progress.open,
        },
    )


def _failures(progress: Progress, failure: Why) -> Fact:
    values = {"discarded": progress.discarded, "cancelled": progress.cancelled}
    return Fact("failed", f"{_bad(progress)}; first {failure.sentence}", values)


def _bunches(held: Sequence[Held]) -> Iterator[Fact]:
    for each in sorted(held, key=_weight):
        names = [words.line(name) for name in each.bunch.names]
        listed = words.names(names, each.bunch.steps)
        text = f"{words.number(each.bunch.steps, 'step')} ({listed}): {each.why.sentence}"
        values = {"reason": each.why.reason.value, "count": each.bunch.steps, "names": names}
        yield Fact("steps", text, values)
