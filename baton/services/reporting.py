"""What is said of an attempt: logs and telemetry."""

from collections.abc import Sequence
from contextvars import Context, ContextVar
from logging import DEBUG, INFO
from typing import Any

import structlog
from structlog.contextvars import bind_contextvars

from baton.jobs import Job
from baton.outcomes import (
    Ack,
    Cancel,
    Closed,
    Completed,
    Discard,
    Failure,
    GiveBack,
    Held,
    Outcome,
    Skipped,
    Snooze,
    Success,
    WaitForSignal,
)
from baton.services.stopping import Stop
from baton.services.transitions import queue_time, tell_start
from baton.states import State
from baton.telemetry import Telemetry
from baton.verbosity import writes

log = structlog.get_logger("baton.job")


def _variables(*names: str) -> Sequence[ContextVar[Any]]:
    """Return the context variables of structlog that stand for these; to set them is cheaper."""
    context = Context()
    found: list[ContextVar[Any]] = []
    for name in names:
        before = {*context}
        context.run(bind_contextvars, **{name: None})
        found += {*context} - before
    return found


_JOB, _WORKER, _QUEUE, _ATTEMPT = _variables("job", "worker", "queue", "attempt")


def bind(job: Job) -> None:
    """Bind the facts of a job to everything that is logged in the present context."""
    _JOB.set(job.id)
    _WORKER.set(job.worker)
    _QUEUE.set(job.queue)
    _ATTEMPT.set(job.attempt)
    if (step := job.step) is not None:
        workflow = step.workflow_label or str(step.workflow_id)
        bind_contextvars(workflow=workflow, step=step.name)


def announce_start(job: Job) -> None:
    """Tell that an attempt begins."""
    if writes(DEBUG):
        log.debug("job.started")
    if Telemetry.wants("baton.job.start"):
        Telemetry.execute("baton.job.start", {"queue_time": queue_time(job)}, {"job": job})
    tell_start(job)


def report(
    job: Job, outcome: Outcome, ack: Ack | None, duration: float, stopped: Stop | None
) -> None:
    """Tell what an attempt came to after so many seconds, and why it was stopped, if it was."""
    event = "baton.job.exception" if isinstance(outcome, Failure) else "baton.job.stop"
    if Telemetry.wants(event):
        metadata: dict[str, Any] = {"job": job, "state": _state(ack)}
        if isinstance(outcome, Failure):
            metadata |= {
                "kind": outcome.kind,
                "message": outcome.message,
                "traceback": outcome.traceback,
                "error": outcome.error,
            }
        Telemetry.execute(event, {"duration": duration, "queue_time": queue_time(job)}, metadata)
    if writes(INFO) or not isinstance(outcome, Success):
        _log(job, outcome, round(duration * 1000, 1), stopped)
    if not isinstance(outcome, Completed):
        return
    match outcome:
        case Completed(Failure(kind, message)) if kind != "CompletionRolledBack":
            # if the transaction was committed, nothing else remembers it
            log.warning("job.failed_after_completion", kind=kind, error=message[:500])


def _state(ack: Ack | None) -> str | None:
    if ack is None:
        return None
    return State.COMPLETED.value if ack.completed else ack.state.value


def _log(  # noqa: C901, PLR0912  one case for each
    job: Job, outcome: Outcome, duration_ms: float, stopped: Stop | None
) -> None:
    facts = {"duration_ms": duration_ms}
    match outcome:
        case _ if stopped is Stop.ABANDON:
            log.warning("job.abandoned", **facts)
        case _ if stopped is Stop.REVOKED:
            log.info("job.revoked", **facts)
        case Failure(kind, message):
            last = job.attempt >= job.max_attempts
            event = "job.discarded" if last else "job.failed"
            log.warning(event, kind=kind, error=message[:500], **facts)
        case Success() | Completed():
            log.info("job.completed", **facts)
        case Snooze(delay):
            log.info("job.snoozed", delay=delay, **facts)
        case WaitForSignal(signal, timeout):
            log.info("job.waiting", signal=signal, timeout=timeout, **facts)
        case Skipped(cause):
            log.info("job.skipped", cause=cause, **facts)
        case Closed(cause):
            log.info("job.snoozed", cause=cause, **facts)
        case Discard(reason):
            log.warning("job.discarded", error=str(reason)[:500], **facts)
        case Cancel(reason):
            log.info("job.cancelled", error=str(reason)[:500], **facts)
        case Held("cancelled", reason):
            log.info("job.cancelled", error=reason, **facts)
        case Held(_, reason):
            log.info("job.held", reason=reason, **facts)
        case GiveBack():
            log.info("job.given_back", **facts)
