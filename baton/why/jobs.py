"""What is said of one job, or of the step that it is."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from baton.states import State
from baton.why import budgets, queues, words
from baton.why.answers import Fact, Reason, Verdict, Why
from baton.why.facts import Dependency, JobFacts, QueueFacts, StepFacts, WaitFacts

_TIMED_OUT = {
    "completed": "when it goes on without it",
    "discarded": "when it is discarded",
    "cancelled": "when it is cancelled",
    "resume": "when it runs on",
}


def explain_job(job: JobFacts, queue: QueueFacts | None = None, because: Why | None = None) -> Why:
    """Say why a job is as it is.

    Args:
        job: the job.
        queue: its queue, when that decides.
        because: the answer for what it waits for, or ended because of.
    """
    verdict = _verdict(job, queue, because)
    return Why(
        subject=job.subject,
        reason=verdict.reason,
        told=verdict.told,
        evidence=(*verdict.facts, *_aside(job)),
        because=because,
    )


def _verdict(job: JobFacts, queue: QueueFacts | None, because: Why | None) -> Verdict:
    if job.state is None:
        return Verdict(Reason.DELETED, "has no job any more: it was deleted, and nothing runs it")
    state = State(job.state)
    if state.is_final:
        return _ended(job, state, because)
    if state is State.EXECUTING:
        return _executing(job)
    if job.hold is not None and (
        state is State.SUSPENDED or (job.scheduled_at or job.now) > job.now
    ):
        return budgets.held(job, job.hold)
    if job.step is not None and job.step.parked_at is not None:
        return _parked(job, job.step)
    if job.step is not None and job.step.unmet_count:
        return _gated(job, job.step)
    if state is State.SUSPENDED:
        return _suspended(job)
    return _startable(job, state, queue)


def _ended(job: JobFacts, state: State, because: Why | None) -> Verdict:
    at = "" if job.ended_at is None else f" at {words.moment(job.ended_at, job.now)}"
    facts = [_at("ended", "ended", job.ended_at, job)] if job.ended_at else []
    own = job.step.cause if job.step else None
    # a job that completed in the end may have failed before, and that is no reason
    cause = own if state is State.COMPLETED else own or job.error
    if cause:
        facts.append(Fact("cause", words.line(cause), {"cause": cause}))
    if state is State.COMPLETED and not (job.step and job.step.skipped):
        told = f"completed{at}: {words.line(cause)}" if cause else f"completed{at}"
        return Verdict(Reason.COMPLETED, told, facts)
    reason = Reason.SKIPPED if state is State.COMPLETED else Reason(state.value)
    told = f"was {reason.value}{at}"
    if reason is Reason.DISCARDED and job.attempt:
        tries = f"attempt {job.attempt} of {job.max_attempts}"
        told += f" after {tries}"
        facts.append(Fact("attempt", tries, _attempts(job)))
    if because is not None:
        return Verdict(reason, f"{told} because of {because.subject}", facts)
    return Verdict(reason, f"{told}: {words.line(cause)}" if cause else told, facts)


def _executing(job: JobFacts) -> Verdict:
    at = job.attempted_at or job.now
    tries = f"attempt {job.attempt} of {job.max_attempts}"
    process = job.process
    node = "a process that is gone" if process is None else words.line(process.node)
    facts = [
        Fact("process", f"runs on {node}", {"node": node, "since": at}),
        Fact("attempt", tries, _attempts(job)),
    ]
    if process is None or not process.alive:
        heard = None if process is None else process.renewed_at
        last = f", last heard of at {words.moment(heard, job.now)}" if heard else ""
        told = f"was executed by {node}{last}, which is dead: it is about to be given to another"
        return Verdict(Reason.LOST, told, facts)
    if job.timeout is not None:
        end = words.later(at, job.timeout)
        facts.append(_at("timeout", "the attempt is ended", end, job))
    since = words.since(at, job.now)
    return Verdict(Reason.EXECUTING, f"has been executing {since} on {node}, {tries}", facts)


def _parked(job: JobFacts, step: StepFacts) -> Verdict:
    since = step.parked_at or job.now
    facts = [_at("waiting", "began to wait", since, job)]
    if step.kind == "workflow":
        value = {"workflow_id": step.subworkflow_id}
        facts.append(Fact("subworkflow", f"is workflow {step.subworkflow_id}", value))
        return Verdict(Reason.SUBWORKFLOW, "waits for the workflow that it is", facts)
    if job.wait is None:
        return Verdict(Reason.MOMENT, "has waited long enough and is about to go on", facts)
    return _waiting(job, job.wait, facts)


def _waiting(job: JobFacts, wait: WaitFacts, facts: Sequence[Fact]) -> Verdict:
    over = wait.until is not None and wait.until <= job.now
    if wait.until is not None:
        facts = [*facts, _at("until", _TIMED_OUT[wait.on_timeout][5:], wait.until, job)]
    if wait.signal is None:
        if over or wait.until is None:
            return Verdict(Reason.MOMENT, "has slept long enough and is about to go on", facts)
        return Verdict(Reason.SLEEP, f"sleeps {words.until(wait.until, job.now)}", facts)
    if wait.question is not None:
        return _asking(job, wait, facts, over=over)
    signal = words.line(wait.signal)
    if wait.sent_at is not None:
        facts = [*facts, _at("signal", f"signal {signal} came", wait.sent_at, job)]
        told = f"waited for signal {signal}, which came, and is about to go on"
        return Verdict(Reason.MOMENT, told, facts)
    facts = [*facts, Fact("signal", f"signal {signal} has not come", {"signal": wait.signal})]
    if over:
        told = f"waited for signal {signal}, which did not come in time, and is about to go on"
        return Verdict(Reason.MOMENT, told, facts)
    told = f"waits for signal {signal}"
    if wait.until is not None:
        told += f" {words.until(wait.until, job.now)}, {_TIMED_OUT[wait.on_timeout]}"
    return Verdict(Reason.SIGNAL, told, facts)


def _asking(job: JobFacts, wait: WaitFacts, facts: Sequence[Fact], *, over: bool) -> Verdict:
    whom = f" of {words.line(wait.asks)}" if wait.asks else ""
    question = words.line(wait.question)
    asked = {"question": wait.question, "asks": wait.asks}
    facts = [*facts, Fact("approval", f'asks{whom[3:]}: "{question}"', asked)]
    if wait.sent_at is not None:
        facts = [*facts, _at("answer", "was answered", wait.sent_at, job)]
        return Verdict(
            Reason.MOMENT, "asked for approval, was answered, and is about to go on", facts
        )
    if over:
        told = "asked for approval, which nobody gave in time, and is about to go on"
        return Verdict(Reason.MOMENT, told, facts)
    told = f'waits for the approval{whom}: "{question}"'
    if wait.until is not None:
        told += f" {words.until(wait.until, job.now)}, {_TIMED_OUT[wait.on_timeout]}"
    return Verdict(Reason.APPROVAL, told, facts)


def _gated(job: JobFacts, step: StepFacts) -> Verdict:
    facts = [_dependency(each) for each in step.unmet]
    if more := step.unmet_count - len(step.unmet):
        facts.append(Fact("dependencies", f"{more:,} more are not done", {"count": more}))
    bad = [each for each in step.unmet if each.poisons]
    if bad:
        told = f"can never run and is about to be cancelled: {_stand(bad[0])}"
        return Verdict(Reason.HOPELESS, told, facts)
    shown = [f"{words.line(each.name)} ({each.state})" for each in step.unmet]
    told = f"waits for {words.names(shown, step.unmet_count)}"
    if step.run_on != "completed":
        told += " to end"
    if job.state != State.SUSPENDED and job.scheduled_at is not None:
        # started by hand before its time, it looks and snoozes
        told += f", and looks again at {words.moment(job.scheduled_at, job.now)}"
    return Verdict(Reason.DEPENDENCY, told, facts)


def _suspended(job: JobFacts) -> Verdict:
    if job.step is None:
        told = "is suspended though it is no step of a workflow; retry it to have it run"
        return Verdict(Reason.SUSPENDED, told)
    return Verdict(Reason.MOMENT, "waits for nothing any more and is about to start")


def _startable(job: JobFacts, state: State, queue: QueueFacts | None) -> Verdict:
    due = job.scheduled_at or job.now
    if job.deadline is not None and job.deadline <= job.now:
        told = (
            f"is past its deadline of {words.stamp(job.deadline)} and is cancelled instead of "
            f"started"
        )
        return Verdict(Reason.DEADLINE, told, [*_failure(job)])
    hold = None if queue is None else queues.hold(queue, job.now)
    held = [] if hold is None else [*hold.facts]
    if state is not State.AVAILABLE and due > job.now:
        facts = [_at("due", "is due", due, job), *_failure(job), *held]
        if state is State.SCHEDULED:
            told = f"is scheduled for {words.moment(due, job.now)}"
            return Verdict(Reason.SCHEDULED, told, facts)
        return Verdict(Reason.RETRY, _retries(job, f"at {words.moment(due, job.now)}"), facts)
    if hold is not None:
        return Verdict(hold.reason, hold.told, [*held, *_failure(job)])
    if state is State.RETRYABLE:
        return Verdict(Reason.MOMENT, _retries(job, "any moment"), [*_failure(job)])
    if state is State.SCHEDULED or queue is None:
        return Verdict(Reason.MOMENT, "is due and about to start", [*_failure(job)])
    turn = queues.turn(queue)
    return Verdict(turn.reason, turn.told, [*turn.facts, *_failure(job)])


def _retries(job: JobFacts, when: str) -> str:
    told = f"runs again {when}, after attempt {job.attempt} of {job.max_attempts} failed"
    return f"{told}: {words.line(job.error)}" if job.error else told


def _failure(job: JobFacts) -> Iterator[Fact]:
    if job.error:
        yield Fact("error", words.line(job.error), {"message": job.error})
    if job.attempt:
        tries = f"{words.number(job.attempt, 'attempt')} of {job.max_attempts} made"
        yield Fact("attempt", tries, _attempts(job))


def _aside(job: JobFacts) -> Iterator[Fact]:
    """Tell what holds whatever the verdict is."""
    if job.state is not None and State(job.state).is_final:
        return
    if job.deadline is not None:
        yield _at("deadline", "no attempt is started any more", job.deadline, job)
    if job.step is not None and job.step.condition:
        name = words.line(job.step.condition)
        yield Fact("condition", f"is skipped if {name} says no", {"condition": job.step.condition})


def _dependency(each: Dependency) -> Fact:
    values = {"name": each.name, "job_id": each.job_id, "state": each.state}
    return Fact("dependency", _stand(each), values)


def _stand(each: Dependency) -> str:
    verb = "was" if each.state in {"cancelled", "discarded"} else "is"
    return f"dependency {words.line(each.name)} {verb} {each.state}"


def _attempts(job: JobFacts) -> dict[str, int | None]:
    return {"attempt": job.attempt, "max_attempts": job.max_attempts}


def _at(kind: str, text: str, at: datetime, job: JobFacts) -> Fact:
    return Fact(kind, f"{text} at {words.moment(at, job.now)}", {"at": at})
