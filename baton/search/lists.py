"""What filters of the shorter lists ask for; words that they share mean the same in each."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

from baton.search import values
from baton.search.conditions import Condition, read
from baton.search.searches import JobSearch, Search, WorkflowSearch


@dataclass(frozen=True, slots=True)
class QueueSearch(Search):
    """Which queues are meant, such as ``state:paused available:1000..``.

    A word without a field is a part of the name.
    """

    fields = {  # noqa: RUF012
        "queue": values.text,
        "state": values.OneOf(("running", "paused", "stopped", "unserved")),
        "available": values.between,
        "scheduled": values.between,
        "retryable": values.between,
        "executing": values.between,
        "processes": values.between,
        "slots": values.between,
    }
    example = "state:paused"

    @property
    def largest(self) -> int:
        """The largest number that it compares counts with."""
        ends = (
            end
            for each in self.conditions
            for value in each.values
            if isinstance(value, values.Between)
            for end in (value.low, value.high)
        )
        return max((end for end in ends if end is not None), default=0)


@dataclass(frozen=True, slots=True)
class ProcessSearch(Search):
    """Which worker processes are meant, such as ``state:lost queue:mail``.

    A word without a field is a part of the name.
    """

    fields = {  # noqa: RUF012
        "node": values.text,
        "queue": values.text,
        "state": values.OneOf(("alive", "lost")),
        "executing": values.between,
        "since": values.moment,
        "until": values.moment,
    }
    example = "state:lost"


@dataclass(frozen=True, slots=True)
class CronSearch(Search):
    """Which cron entries are meant, such as ``state:paused worker:reports.*``.

    A word without a field is a part of the name or of the worker's.
    """

    fields = {  # noqa: RUF012
        "name": values.text,
        "state": values.OneOf(("running", "paused")),
        "source": values.OneOf(("code", "database")),
        "queue": values.text,
        "worker": values.text,
        "timezone": values.text,
        "since": values.moment,
        "until": values.moment,
        "args": values.scalar,
    }
    example = "state:paused"


@dataclass(frozen=True, slots=True)
class ApprovalSearch(Search):
    """Which questions are meant, such as ``asks:ada workflow:release* until:1d``.

    A word without a field is a part of the question, or of the name of the step or the workflow, or
    what the id of the workflow begins with.
    """

    fields = {  # noqa: RUF012
        "workflow": values.named,
        "step": values.text,
        "asks": values.text,
        "queue": values.text,
        "since": values.moment,
        "until": values.moment,
    }
    example = "asks:ada"
    free = WorkflowSearch.free


@dataclass(frozen=True, slots=True)
class ErrorSearch(Search):
    """Which errors are meant, such as ``queue:mail kind:TimeoutError since:1h``.

    A word without a field is a part of the kind or the message.

    Attributes:
        text: the filter as it was given.
        conditions: what must hold for the jobs whose errors are looked at.
        groups: what must hold for a group of them.
    """

    fields = {  # noqa: RUF012
        "fingerprint": values.text,
        "jobs": values.between,
        "state": values.OneOf(("discarded", "retryable", "scheduled")),
        "kind": values.text,
        "queue": values.text,
        "worker": values.text,
        "tag": values.tag,
        "workflow": values.named,
        "step": values.text,
        "since": values.moment,
        "until": values.moment,
        "args": values.scalar,
        "meta": values.scalar,
    }
    example = "kind:TimeoutError"

    groups: tuple[Condition, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a filter.

        Raises:
            InvalidSearch: a word can't be understood; it says which and where.
        """
        found = read(text, cls.fields, cls.free)
        of_groups = tuple(each for each in found if each.field in {"fingerprint", "jobs"})
        return cls(text, tuple(each for each in found if each not in of_groups), of_groups)

    def within(self, other: Self) -> Self:
        """Return what fits both; the text stays."""
        return replace(
            self,
            conditions=(*self.conditions, *other.conditions),
            groups=(*self.groups, *other.groups),
        )

    @property
    def is_empty(self) -> bool:
        """Whether it asks for nothing, which everything fits."""
        return not self.conditions and not self.groups


@dataclass(frozen=True, slots=True)
class AuditSearch(Search):
    """Which records of the audit log are meant, such as ``actor:ada* action:cancel since:1d``.

    A word without a field is a part of who did it, of what it was done to, or of what it came to.
    """

    fields = {  # noqa: RUF012
        "actor": values.text,
        "source": values.text,
        "action": values.text,
        "kind": values.text,
        "subject": values.text,
        "outcome": values.text,
        "since": values.moment,
        "until": values.moment,
    }
    example = "actor:ada"


LISTS: Mapping[str, type[Search]] = {
    "jobs": JobSearch,
    "workflows": WorkflowSearch,
    "approvals": ApprovalSearch,
    "queues": QueueSearch,
    "workers": ProcessSearch,
    "crons": CronSearch,
    "errors": ErrorSearch,
    "audit": AuditSearch,
}
