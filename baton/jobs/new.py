"""Jobs that are not inserted yet."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from baton.documents import QUEUE_BYTES, check_text
from baton.errors import InvalidJob
from baton.masking import described
from baton.unique import Unique

PRIORITIES = range(10)
YEARS = range(1901, 9000)
LONGEST_DELAY = 100 * 365 * 86_400  # seconds
MAX_ATTEMPTS_LIMIT = 32_767  # a smallint
WEIGHT_LIMIT = 32_767
RESERVED_META = frozenset(
    {
        "workflow_id",
        "workflow_name",
        "workflow_label",
        "workflow_debug",
        "finished_workflow",
        "context",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewJob:
    """A job that is not inserted yet; ``.new()`` of a worker makes it.

    Attributes:
        worker: the registered name of the worker.
        args: its arguments, JSON values by name.
        queue: the queue whose worker processes run it.
        priority: 0 runs first, 9 last.
        max_attempts: a failure of this attempt discards the job.
        tags: labels; trimmed, lowercased and without repetitions.
        meta: free bookkeeping, a JSON object.
        scheduled_at: not to be started before this time; it must have a time zone.
        schedule_in: the same as a delay in seconds after the insert; wins over ``scheduled_at``.
        timeout: seconds that an attempt may take; ``None`` when nothing limits it.
        deadline: from then on no attempt is started and the job is cancelled; it must have a time
            zone.
        weight: what the job counts for in the rate limit of its queue.
        unique: what makes it the same as another; ``None`` when it may be there many times.
        context: values of carried context variables, by name; the client fills them in.
        callbacks: whether its worker wants to hear that a dependency ended badly.

    Raises:
        InvalidJob: an option is out of range.
    """

    worker: str
    args: Mapping[str, Any] = field(default_factory=dict)
    queue: str = "default"
    priority: int = 0
    max_attempts: int = 20
    tags: Sequence[str] = ()
    meta: Mapping[str, Any] = field(default_factory=dict)
    scheduled_at: datetime | None = None
    schedule_in: float | None = None
    timeout: float | None = None
    deadline: datetime | None = None
    weight: int = 1
    unique: Unique | None = None
    context: Mapping[str, Any] = field(default_factory=dict)
    callbacks: bool = False

    def __post_init__(self) -> None:
        try:
            check_text(self.worker, "the worker")
            check_text(self.queue, "the queue", most=QUEUE_BYTES)
            if self.tags != ():
                if isinstance(self.tags, str | bytes):
                    raise TypeError  # noqa: TRY301  each letter would be one
                tags = (check_text(str(tag), "a tag").strip().lower() for tag in self.tags)
                object.__setattr__(self, "tags", tuple(dict.fromkeys(tags)))
        except ValueError as error:
            raise InvalidJob(str(error)) from None
        except TypeError:
            raise InvalidJob(f"tags must be a list of texts, not {self.tags!r}") from None
        _check_mapping("args", self.args)
        _check_mapping("meta", self.meta)
        if type(self.priority) is not int or self.priority not in PRIORITIES:
            raise InvalidJob(f"priority must be from 0 to 9, not {self.priority!r}")
        if type(self.max_attempts) is not int or not 0 < self.max_attempts <= MAX_ATTEMPTS_LIMIT:
            raise InvalidJob(
                f"max_attempts must be from 1 to {MAX_ATTEMPTS_LIMIT:,}, not {self.max_attempts!r}"
            )
        if self.meta and (reserved := RESERVED_META & self.meta.keys()):
            raise InvalidJob(f"meta must not set {', '.join(sorted(reserved))}: Baton owns them")
        check_time("scheduled_at", self.scheduled_at)
        check_time("deadline", self.deadline)
        _check_delay(self.schedule_in)
        _check_timeout(self.timeout)
        if self.unique is not None and not isinstance(self.unique, Unique):
            raise InvalidJob(f"unique must be a Unique, not {self.unique!r}")
        if type(self.weight) is not int or not 0 < self.weight <= WEIGHT_LIMIT:
            raise InvalidJob(f"weight must be from 1 to {WEIGHT_LIMIT:,}, not {self.weight!r}")

    def __repr__(self) -> str:
        return described(self)  # logs and tracebacks have it

    def with_args(self, args: Mapping[str, Any]) -> "NewJob":
        """Return this job with other arguments; the rest has been checked."""
        # `__init__` takes three times as long, and so does a loop over the fields
        other = object.__new__(NewJob)
        _put_args(other, args)
        _put_meta(other, dict(self.meta))  # nobody's but this job's, whatever is done to it
        _put_worker(other, self.worker)
        _put_queue(other, self.queue)
        _put_priority(other, self.priority)
        _put_max_attempts(other, self.max_attempts)
        _put_tags(other, self.tags)
        _put_scheduled_at(other, self.scheduled_at)
        _put_schedule_in(other, self.schedule_in)
        _put_timeout(other, self.timeout)
        _put_deadline(other, self.deadline)
        _put_weight(other, self.weight)
        _put_unique(other, self.unique)
        _put_context(other, self.context)
        _put_callbacks(other, self.callbacks)
        return other


def _put(name: str) -> Callable[[NewJob, Any], None]:
    """Return what sets a field of an object that is being made."""
    setter: Callable[[NewJob, Any], None] = getattr(NewJob, name).__set__
    return setter


_put_args = _put("args")
_put_meta = _put("meta")
_put_worker = _put("worker")
_put_queue = _put("queue")
_put_priority = _put("priority")
_put_max_attempts = _put("max_attempts")
_put_tags = _put("tags")
_put_scheduled_at = _put("scheduled_at")
_put_schedule_in = _put("schedule_in")
_put_timeout = _put("timeout")
_put_deadline = _put("deadline")
_put_weight = _put("weight")
_put_unique = _put("unique")
_put_context = _put("context")
_put_callbacks = _put("callbacks")


def _check_mapping(what: str, given: object) -> None:
    if type(given) is not dict and not isinstance(given, Mapping):
        raise InvalidJob(f"{what} must be a mapping of names to values, not {given!r}")


def _check_delay(delay: object) -> None:
    if delay is not None and not (
        isinstance(delay, int | float) and -LONGEST_DELAY < delay < LONGEST_DELAY
    ):
        raise InvalidJob(f"schedule_in must be at most 100 years in seconds, not {delay!r}")


def _check_timeout(timeout: object) -> None:
    if timeout is not None and not (
        isinstance(timeout, int | float) and 0 < timeout < float("inf")
    ):
        raise InvalidJob(f"timeout must be a number of seconds above 0, not {timeout!r}")


def check_time(what: str, time: datetime | None) -> None:
    """Raise `InvalidJob` for a time without a zone, or of a year that not everybody can hold."""
    if time is None:
        return
    if not isinstance(time, datetime):
        raise InvalidJob(f"{what} must be a time, not {time!r}")
    if time.tzinfo is None:
        raise InvalidJob(f"{what} must have a time zone: {time!r}")
    if time.year not in YEARS:
        raise InvalidJob(f"{what} must be from 1901 to 8999: {time!r}")


def seconds(delay: float | timedelta) -> float:
    """Return a delay in seconds.

    Raises:
        ValueError: it is negative or not finite.
    """
    number = delay.total_seconds() if isinstance(delay, timedelta) else float(delay)
    if not 0 <= number < LONGEST_DELAY:
        raise ValueError(f"a delay must be from 0 seconds to 100 years, not {delay!r}")
    return number
