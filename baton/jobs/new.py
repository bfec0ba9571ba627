"""Jobs that are not inserted yet."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from baton.documents import check_text
from baton.errors import (
    InvalidJob,
)
from baton.unique import Unique

PRIORITIES = range(10)
YEARS = range(1901, 9000)
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
            check_text(self.queue, "the queue")
            tags = dict.fromkeys(check_text(str(tag), "a tag").strip().lower() for tag in self.tags)
        except ValueError as error:
            raise InvalidJob(str(error)) from None
        object.__setattr__(self, "tags", tuple(tags))
        if type(self.priority) is not int or self.priority not in PRIORITIES:
            raise InvalidJob(f"priority must be from 0 to 9, not {self.priority!r}")
        if type(self.max_attempts) is not int or not 0 < self.max_attempts <= MAX_ATTEMPTS_LIMIT:
            raise InvalidJob(
                f"max_attempts must be from 1 to {MAX_ATTEMPTS_LIMIT:,}, not {self.max_attempts!r}"
            )
        if reserved := RESERVED_META & self.meta.keys():
            raise InvalidJob(f"meta must not set {', '.join(sorted(reserved))}: Baton owns them")
        check_time("scheduled_at", self.scheduled_at)
        check_time("deadline", self.deadline)
        if self.timeout is not None and not 0 < self.timeout < float("inf"):
            raise InvalidJob(f"timeout must be a number of seconds above 0, not {self.timeout!r}")
        if self.unique is not None and not isinstance(self.unique, Unique):
            raise InvalidJob(f"unique must be a Unique, not {self.unique!r}")
        if type(self.weight) is not int or not 0 < self.weight <= WEIGHT_LIMIT:
            raise InvalidJob(f"weight must be from 1 to {WEIGHT_LIMIT:,}, not {self.weight!r}")


def check_time(what: str, time: datetime | None) -> None:
    """Raise `InvalidJob` for a time without a zone, or of a year that not everybody can hold."""
    if time is None:
        return
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
    if not 0 <= number < 100 * 365 * 86_400:
        raise ValueError(f"a delay must be from 0 seconds to 100 years, not {delay!r}")
    return number
