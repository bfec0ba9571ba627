"""What an attempt came to, and what that makes of its job. Decisions only; nothing is written here.

A worker returns `Snooze`, `WaitForSignal`, `Discard`, `Cancel` or `Error`, a value, or nothing, or
raises. `interpret` turns that into an outcome, and `settle` turns an outcome into the
acknowledgement that the next cycle sends to the database.
"""

import random
import traceback
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from typing import Any

from baton import documents
from baton.errors import (
    AttemptFailed,
    CompletionRolledBack,
    InvalidResult,
    NothingToWaitFor,
    TooLarge,
)
from baton.frozen import frozen
from baton.jobs import Job, seconds
from baton.results import check_unreserved
from baton.states import State

MESSAGE_LIMIT = 4_000  # characters
TRACEBACK_LIMIT = 16_000  # characters


class Snooze:
    """Returned by a worker: run this again later, and don't count the attempt.

    Args:
        delay: seconds, or a timedelta; not negative.
    """

    __match_args__ = ("delay",)

    def __init__(self, delay: float | timedelta) -> None:
        self.delay = seconds(delay)

    def __repr__(self) -> str:
        return f"Snooze({self.delay:g})"


class WaitForSignal:
    """Returned by the worker of a step: run this again when the signal has come.

    Meanwhile no worker is kept busy, and the attempt is not counted. ``job.waited`` of the next one
    says what came of it.

    Args:
        signal: which signal; one that was said before counts.
        timeout: how long it is waited for, in seconds or as a timedelta; ``None`` without limit.

    Raises:
        ValueError: the signal is blank or too long, or the timeout negative.
    """

    __match_args__ = ("signal", "timeout")

    def __init__(self, signal: str, timeout: float | timedelta | None = None) -> None:
        self.signal = documents.check_text(signal, "the signal", most=documents.NAME_BYTES)
        self.timeout = None if timeout is None else seconds(timeout)

    def __repr__(self) -> str:
        limit = "" if self.timeout is None else f", timeout={self.timeout:g}"
        return f"WaitForSignal({self.signal!r}{limit})"


@dataclass(frozen=True, slots=True)
class Discard:
    """Returned by a worker: give up now, whatever attempts are left.

    A reason that is an exception is recorded like one that was raised.
    """

    reason: object = "discarded by its worker"


@dataclass(frozen=True, slots=True)
class Cancel:
    """Returned by a worker: the job is not wanted any more."""

    reason: object = "cancelled by its worker"


@dataclass(frozen=True, slots=True)
class Error:
    """Returned by a worker: the attempt failed; the same as raising."""

    reason: object


@dataclass(frozen=True, slots=True)
class Success:
    """The worker returned; ``result`` is what there is to store, as JSON."""

    result: str | None = None


@dataclass(frozen=True, slots=True)
class Grafting:
    """The worker returned steps to add; that happens before the attempt is acknowledged.

    Attributes:
        plan: the steps, as ``graft_steps.sql`` reads them.
        result: what there is to store besides, as JSON.
    """

    plan: str = field(repr=False)
    result: str | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """The attempt failed.

    Attributes:
        kind: the exception's class, or ``error``.
        message: what it said.
        traceback: where it came from.
        error: the exception itself, where it is still at hand.
        retry_in: seconds until the next attempt; ``None`` for the general formula.
    """

    kind: str
    message: str
    traceback: str | None = None
    error: BaseException | None = field(default=None, repr=False, compare=False)
    retry_in: float | None = None

    def __str__(self) -> str:
        return self.message


@dataclass(frozen=True, slots=True)
class Closed:
    """The step was started before its gate opened; it waits on, and the attempt is not counted."""

    cause: str


@dataclass(frozen=True, slots=True)
class Skipped:
    """The condition of the step said no: it counts as completed without having run."""

    cause: str


@dataclass(frozen=True, slots=True)
class Held:
    """A budget kept the attempt from starting; the database has seen to its job already."""

    verdict: str
    reason: str


@dataclass(frozen=True, slots=True)
class GiveBack:
    """The process stops before the job is done; others run it, and the attempt is not counted."""


@dataclass(frozen=True, slots=True)
class Completed:
    """The worker completed the job in a transaction of its own.

    Attributes:
        otherwise: what the attempt came to if that transaction was rolled back.
        release: which row of ``workflow_releases`` it left if it was committed.
    """

    otherwise: "Outcome"
    release: int | None = None


Outcome = (
    Success
    | Grafting
    | Failure
    | Snooze
    | WaitForSignal
    | Discard
    | Cancel
    | Closed
    | Skipped
    | Held
    | GiveBack
    | Completed
)
_SUCCESSES = (Success, Grafting)
_NOTHING = Success()


@frozen(frozen=True, slots=True, kw_only=True)
class Ack:
    """What the next cycle writes about one attempt.

    Attributes:
        id: the job.
        epoch: the claim that this attempt belongs to.
        state: the job's next state.
        delay: seconds until a scheduled or retryable job is due.
        refund: whether the attempt is given back.
        error: what to append to the job's errors, as JSON.
        result: what to store as the step's result, as JSON.
        step: whether the job is a step of a workflow.
        note: what else is to be known, as JSON: that the step was skipped and why, or what it waits
            for.
        completed: whether the worker completed the job in a transaction of its own: the rest then
            holds only if that was rolled back.
        release: which row of ``workflow_releases`` that transaction left.
        waits: whether to wait for who has the job locked; not when that may be its worker, in a
            transaction of its own.
        duration: seconds that the attempt took, for telemetry; it is not written.
    """

    id: int
    epoch: int
    state: State
    delay: float = 0.0
    refund: bool = False
    error: str | None = field(default=None, repr=False)
    result: str | None = field(default=None, repr=False)
    step: bool = False
    note: str | None = field(default=None, repr=False)
    completed: bool = False
    release: int | None = None
    waits: bool = True
    duration: float = field(default=0.0, compare=False)

    @property
    def plain(self) -> bool:
        """Whether it says no more than that the job completed, and what the step returned."""
        return (
            self.state is State.COMPLETED
            and (self.step or self.result is None)
            and self.error is None
            and self.note is None
            and self.waits
            and not self.completed
        )


def interpret(value: Any, *, stores: bool, limit: int | None) -> Outcome:
    """Turn what a worker returned into an outcome.

    Args:
        value: what it returned.
        stores: whether a value is stored; only steps of workflows have a place for it.
        limit: the largest result in bytes of JSON; ``None`` where a keeper decides.
    """
    if value is None:
        return _NOTHING
    match value:
        case WaitForSignal(signal, _) if not stores:
            return failure(NothingToWaitFor(signal))
        case Discard(BaseException() | Failure()):
            return value
        case Discard(reason) | Cancel(reason):
            return replace(value, reason=str(reason))  # one that can't be read fails the attempt
        case WaitForSignal() | Snooze() | Skipped() | Held():
            return value
        case Error(reason):
            return Failure("error", str(reason), error=AttemptFailed(str(reason)))
        case _ if not stores:
            return _NOTHING
        case _:
            try:
                return Success(encode_result(value, limit))
            except Exception as error:
                return failure(error)


def concluded(job: Job, outcome: Outcome) -> Outcome:
    """Return the outcome of an attempt, minding that its worker may have completed the job."""
    if job.claim is None or not job.claim.completed or isinstance(outcome, Completed):
        return outcome
    if isinstance(outcome, Success | Grafting):
        outcome = failure(CompletionRolledBack())
    return Completed(outcome, job.claim.release)


def encode_result(value: Any, limit: int | None) -> str:
    """Write down what a step returned, as JSON of at most so many bytes, if limited.

    Raises:
        InvalidResult: it is neither JSON nor a pydantic model, or can't be stored.
        TooLarge: it is larger.
    """
    try:
        text = documents.encode(value, default=documents.dump_model)
    except ValueError as error:
        raise InvalidResult(str(error)) from None
    check_unreserved(text)
    if limit is not None and (size := len(text.encode())) > limit:
        raise TooLarge("the results of a step", size, limit, "max_result_bytes")
    return text


def failure(error: BaseException) -> Failure:
    """Describe an exception; one whose own methods raise is described by its class."""
    try:
        message = str(error) or type(error).__qualname__
    except BaseException:
        message = f"a {type(error).__qualname__} whose message can't be read"
    try:
        story = "".join(traceback.format_exception(error))
    except BaseException:
        story = None
    return Failure(type(error).__qualname__, message, story, error)


def backoff(attempt: int) -> float:
    """Return the delay in seconds before the next attempt: 15 + 2^attempt and up to 10 % more.

    The formula is Oban's; the jitter keeps jobs that failed together from coming back together.
    """
    base = 15.0 + (1 << min(attempt, 20))
    return base * random.uniform(1.0, 1.1)  # noqa: S311


def settle(job: Job, outcome: Outcome, duration: float = 0.0) -> Ack:  # noqa: C901  a case for each
    """Decide what an outcome makes of its job.

    Args:
        job: as it was claimed.
        outcome: what the attempt came to.
        duration: seconds that it took.
    """
    step = job.step is not None
    if isinstance(outcome, _SUCCESSES):  # before what all others need: almost all are
        return Ack(
            id=job.id,
            epoch=job.epoch,
            state=State.COMPLETED,
            result=outcome.result,
            step=step,
            duration=duration,
        )
    ack = partial(Ack, id=job.id, epoch=job.epoch, step=step, duration=duration)
    match outcome:
        case Snooze(delay):
            return ack(state=State.SCHEDULED, delay=delay, refund=True)
        case WaitForSignal(signal, timeout):
            note = documents.encode({"signal": signal, "seconds": timeout})
            return ack(state=State.SUSPENDED, refund=True, note=note)
        case Closed():
            return ack(state=State.SUSPENDED, refund=True)
        case Skipped(cause):
            note = documents.encode({"skipped": True, "cause": cause})
            return ack(state=State.COMPLETED, note=note)
        case GiveBack() | Held():
            return ack(state=State.AVAILABLE, refund=True)
        case Completed(otherwise, release):
            return replace(
                settle(job, otherwise, duration), completed=True, release=release, waits=False
            )
        case Discard(BaseException() | Failure() as given):
            failed = given if isinstance(given, Failure) else failure(given)
            why = _error(failed.kind, failed.message, failed.traceback)
            return ack(state=State.DISCARDED, error=why)
        case Discard(reason):
            return ack(state=State.DISCARDED, error=_error("discard", str(reason)))
        case Cancel(reason):
            return ack(state=State.CANCELLED, error=_error("cancel", str(reason)))
        case Failure(kind, message, story) if job.attempt >= job.max_attempts:
            return ack(state=State.DISCARDED, error=_error(kind, message, story))
        case Failure(kind, message, story, _, retry_in):
            delay = backoff(job.attempt) if retry_in is None else retry_in
            return ack(state=State.RETRYABLE, delay=delay, error=_error(kind, message, story))


def _error(kind: str, message: str, story: str | None = None) -> str:
    entry = {"kind": kind, "message": documents.storable(message, MESSAGE_LIMIT)}
    if story is not None:
        entry["traceback"] = documents.storable(story, TRACEBACK_LIMIT)
    return documents.encode(entry)
