"""Which jobs an operation is about, and which workflows a list is of."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypedDict, TypeVar
from uuid import UUID

from baton import documents
from baton.errors import InvalidFilter
from baton.search import JobSearch, Search, WorkflowSearch
from baton.search.conditions import Condition
from baton.search.values import WORKFLOW_STATES
from baton.states import State

T = TypeVar("T")
S = TypeVar("S", bound=Search)
LARGEST_ID = 2**63 - 1
Place = tuple[datetime, UUID] | UUID | str


class JobFilter(TypedDict, total=False):
    """Criteria that a job must fit all of; at least one is needed.

    Attributes:
        ids: is one of these.
        state: is in this state, or in one of these.
        queue: is of this queue.
        worker: is of this worker.
        tags: has all of these tags.
        args: has these arguments, and perhaps others.
        meta: has these values, and perhaps others; ``{"workflow_id": …}`` are the steps of one.
        inserted_after: was inserted then or later; it must have a time zone.
        inserted_before: was inserted before; it must have a time zone.
        where: fits this filter, such as ``state:retryable worker:Send* args.user_id:42 since:1h``.
        among: is one of these, which somebody was shown before; unlike ``ids``, they don't say
            which states are meant.
    """

    ids: Iterable[int]
    state: State | str | Sequence[State | str]
    queue: str
    worker: str
    tags: Sequence[str]
    args: Mapping[str, Any]
    meta: Mapping[str, Any]
    inserted_after: datetime
    inserted_before: datetime
    where: str | JobSearch
    among: Iterable[int]


KNOWN = JobFilter.__annotations__.keys()


@dataclass(frozen=True, slots=True, kw_only=True)
class Criteria:
    """A checked `JobFilter`; ``None`` stands for what was not asked for."""

    ids: tuple[int, ...] | None = None
    states: tuple[State, ...] | None = None
    queue: str | None = None
    worker: str | None = None
    tags: tuple[str, ...] | None = None
    args: str | None = None
    meta: str | None = None
    inserted_after: datetime | None = None
    inserted_before: datetime | None = None
    where: tuple[Condition, ...] = ()
    among: frozenset[int] | None = None

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> "Criteria":
        """Check criteria.

        Raises:
            InvalidFilter: there is none, or one that can't be used.
        """
        if not given:
            raise InvalidFilter(f"at least one criterion is needed: {', '.join(KNOWN)}")
        if unknown := sorted(given.keys() - KNOWN):
            raise InvalidFilter(
                f"{', '.join(unknown)} is no criterion; there are {', '.join(KNOWN)}"
            )
        # one that is None by mistake would let the others reach further than was meant
        if missing := sorted(name for name, value in given.items() if value is None):
            raise InvalidFilter(f"{', '.join(missing)} is None; leave it out")
        search = search_of(JobSearch, given.get("where", ""))
        if "where" in given and search.is_empty:
            raise InvalidFilter("the filter is empty, and would fit every job; say which are meant")
        return cls(
            ids=_both(_ids(given["ids"]) if "ids" in given else None, search.ids),
            states=_both(read_states(given["state"]) if "state" in given else None, search.states),
            where=search.conditions,
            queue=_text("queue", given.get("queue")),
            worker=_text("worker", given.get("worker")),
            tags=_tags(given["tags"]) if "tags" in given else None,
            args=_document("args", given.get("args")),
            meta=_document("meta", given.get("meta")),
            inserted_after=_time("inserted_after", given.get("inserted_after")),
            inserted_before=_time("inserted_before", given.get("inserted_before")),
            among=frozenset(_ids(given["among"])) if "among" in given else None,
        )

    @property
    def is_list(self) -> bool:
        """Whether ids, and perhaps states, are all that was asked for."""
        return (
            self.ids is not None
            and not self.where
            and not any(
                value is not None
                for value in (
                    self.queue,
                    self.worker,
                    self.tags,
                    self.args,
                    self.meta,
                    self.inserted_after,
                    self.inserted_before,
                    self.among,
                )
            )
        )


class WorkflowFilter(TypedDict, total=False):
    """Criteria that a workflow must fit all of; ``None`` is none.

    Attributes:
        state: ``executing``, ``completed`` or ``failed``.
        name: has this name.
        tags: has all of these tags.
        inserted_after: was inserted then or later; it must have a time zone.
        inserted_before: was inserted before; it must have a time zone.
        parent: is a step of the workflow with this id, which may be its beginning.
        template: was made from this template.
        where: fits this filter, such as ``state:failed name:research* since:1d``.
    """

    state: str | None
    name: str | None
    tags: Sequence[str] | None
    inserted_after: datetime | None
    inserted_before: datetime | None
    parent: UUID | str | None
    template: str | None
    where: str | WorkflowSearch | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowPage:
    """A checked `WorkflowFilter`, and which page of what fits, the newest first.

    Attributes:
        before: the last one of the page before: its id, or ``(inserted_at, id)``.
        limit: how many at most.
    """

    state: str | None = None
    name: str | None = None
    tags: tuple[str, ...] | None = None
    inserted_after: datetime | None = None
    inserted_before: datetime | None = None
    parent: UUID | str | None = None
    template: str | None = None
    where: tuple[Condition, ...] = ()
    before: Place | None = None
    limit: int = 50

    @classmethod
    def of(
        cls,
        given: Mapping[str, Any],
        *,
        before: Place | None = None,
        limit: int = 50,
    ) -> "WorkflowPage":
        """Check criteria.

        Raises:
            InvalidFilter: one can't be used.
        """
        if unknown := sorted(given.keys() - WorkflowFilter.__annotations__.keys()):
            known = ", ".join(WorkflowFilter.__annotations__)
            raise InvalidFilter(f"{', '.join(unknown)} is no criterion; there are {known}")
        state, tags = given.get("state"), given.get("tags")
        if state is not None and state not in WORKFLOW_STATES:
            raise InvalidFilter(f"state must be {', '.join(WORKFLOW_STATES)}, not {state!r}")
        if isinstance(before, tuple):
            _time("before", before[0])
        return cls(
            state=state,
            name=_text("name", given.get("name")),
            tags=None if tags is None else _tags(tags),
            inserted_after=_time("inserted_after", given.get("inserted_after")),
            inserted_before=_time("inserted_before", given.get("inserted_before")),
            parent=given.get("parent"),
            template=_text("template", given.get("template")),
            where=search_of(WorkflowSearch, given.get("where") or "").conditions,
            before=before,
            limit=check_limit(limit),
        )


def check_limit(limit: int, what: str = "limit") -> int:
    """Return how many are wanted at most.

    Raises:
        InvalidFilter: it is no number above 0.
    """
    if type(limit) is not int or not 0 < limit <= LARGEST_ID:
        raise InvalidFilter(f"{what} must be a whole number above 0, not {limit!r}")
    return limit


def search_of(kind: type[S], given: Any) -> S:
    """Return a filter that is given as a text, or was read already.

    Args:
        kind: which list it is for, such as `baton.search.JobSearch`.
        given: the filter.

    Raises:
        InvalidFilter: it is something else, or a word can't be understood.
    """
    if isinstance(given, kind):
        return given
    if not isinstance(given, str):
        raise InvalidFilter(f"where must be a filter like {kind.example}, not {given!r}")
    return kind.parse(given)


def _both(first: tuple[T, ...] | None, second: tuple[T, ...] | None) -> tuple[T, ...] | None:
    """Return what is in both; ``None`` is everything."""
    if first is None or second is None:
        return second if first is None else first
    return tuple(each for each in first if each in set(second))


def _ids(given: Any) -> tuple[int, ...]:
    if isinstance(given, int | str):
        raise InvalidFilter(f"ids must be a list of numbers, not {given!r}")
    ids = set(given)
    if wrong := [each for each in ids if type(each) is not int]:
        raise InvalidFilter(f"an id must be a number, not {wrong[0]!r}")
    # no job has another one
    return tuple(sorted(each for each in ids if 0 < each <= LARGEST_ID))


def read_states(given: Any) -> tuple[State, ...]:
    """Return the states that are given, one or several.

    Raises:
        InvalidFilter: there is no such state.
    """
    try:
        return tuple(State(each) for each in ([given] if isinstance(given, str) else given))
    except (ValueError, TypeError):
        raise InvalidFilter(f"state must be of {', '.join(State)}, not {given!r}") from None


def _text(name: str, given: Any) -> str | None:
    try:
        return None if given is None else documents.check_text(given, name)
    except ValueError as error:
        raise InvalidFilter(str(error)) from None


def _tags(given: Any) -> tuple[str, ...]:
    if isinstance(given, str) or not given:
        raise InvalidFilter(f"tags must be a list of tags, not {given!r}")
    # as a job has them
    return tuple((_text("a tag", str(tag)) or "").strip().lower() for tag in given)


def _document(name: str, given: Any) -> str | None:
    if given is None:
        return None
    if not isinstance(given, Mapping):
        raise InvalidFilter(f"{name} must be a mapping, not {given!r}")
    try:
        return documents.encode(dict(given))
    except ValueError as error:
        raise InvalidFilter(f"{name}: {error}") from None


def _time(name: str, given: Any) -> datetime | None:
    if given is not None and (not isinstance(given, datetime) or given.tzinfo is None):
        raise InvalidFilter(f"{name} must be a time with a time zone, not {given!r}")
    return given
