"""What a test expects to be enqueued, how a job differs from it, and how a test is told."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypedDict

from pydantic_core import PydanticSerializationError, to_jsonable_python

from baton.errors import InvalidFilter
from baton.jobs import Job, seconds
from baton.states import State
from baton.unique import WAITING
from baton.workers import WorkerFunction, WorkerName, current_registry, resolve

SHOWN = 20  # jobs in a message
WIDTH = 200  # characters of a value in a message


class Criteria(TypedDict, total=False):
    """What a job must fit, all of it.

    Attributes:
        args: it has these arguments, and perhaps others; mappings inside are compared likewise.
        queue: its queue.
        tags: it has these tags, and perhaps others.
        meta: it has these values, and perhaps others.
        priority: its priority.
        scheduled_at: it is scheduled for this time, give or take ``delta``.
        delta: seconds or a timedelta; a second by default.
        state: its state, or one of these; by default any in which it waits: available, scheduled,
            suspended or retryable.
    """

    args: Mapping[str, Any]
    queue: str
    tags: Sequence[str]
    meta: Mapping[str, Any]
    priority: int
    scheduled_at: datetime
    delta: float | timedelta
    state: State | str | Sequence[State | str]


KNOWN = Criteria.__annotations__.keys()


@dataclass(frozen=True, slots=True)
class Expected:
    """Checked criteria."""

    given: Mapping[str, Any]
    states: tuple[State, ...] = WAITING

    @classmethod
    def of(cls, worker: WorkerName | None, criteria: Mapping[str, Any]) -> "Expected":
        """Check criteria.

        Raises:
            InvalidFilter: one is unknown, or can't be used.
        """
        if unknown := sorted(criteria.keys() - KNOWN):
            raise InvalidFilter(
                f"{', '.join(unknown)} is no criterion; there are worker, {', '.join(KNOWN)}"
            )
        given = dict(criteria)
        if worker is not None:
            given = {"worker": _name(worker), **given}
        for name in ("args", "meta"):
            if name in given:
                given[name] = _json(name, given[name])
        if isinstance(given.get("tags"), str):
            raise InvalidFilter(f"tags must be a list of tags, not {given['tags']!r}")
        at = given.get("scheduled_at")
        if at is not None and (not isinstance(at, datetime) or at.tzinfo is None):
            raise InvalidFilter(f"scheduled_at must be a time with a time zone, not {at!r}")
        states = given.pop("state", None)
        return cls(given, WAITING if states is None else _states(states))

    def differences(self, job: Job) -> list[str]:
        """Say where a job differs; an empty list says that it fits."""
        found = [
            f"{name} is {getattr(job, name)}, not {self.given[name]}"
            for name in ("worker", "queue", "priority")
            if name in self.given and getattr(job, name) != self.given[name]
        ]
        found += _differences("args", job.args, self.given.get("args", {}))
        found += _differences("meta", job.meta, self.given.get("meta", {}))
        wanted = [str(tag).strip().lower() for tag in self.given.get("tags", ())]
        found += [f"it is not tagged {tag}" for tag in wanted if tag not in job.tags]
        at = self.given.get("scheduled_at")
        if at is not None:
            off = abs((job.scheduled_at - at).total_seconds())
            if off > seconds(self.given.get("delta", 1.0)):
                found.append(f"scheduled_at is {off:g} s away from {at.isoformat()}")
        return found

    def __str__(self) -> str:
        words = [f"{name}={_short(value)}" for name, value in self.given.items()]
        if self.states != WAITING:
            words.append(f"state={','.join(self.states)}")
        return " ".join(words)


def report(problem: str, expected: Expected, jobs: Sequence[Job]) -> str:
    """Write what went wrong, and under it what is enqueued."""
    about = f" that fit {expected}" if str(expected) else ""
    if not jobs:
        return f"{problem}{about}; nothing is"
    lines = [f"{problem}{about}; enqueued {'is' if len(jobs) == 1 else 'are'}"]
    for job in jobs[-SHOWN:]:
        differences = "; ".join(expected.differences(job))
        lines.append(f"  {describe(job)}{f'  <- {differences}' if differences else ''}")
    if len(jobs) > SHOWN:
        lines.append(f"  and {len(jobs) - SHOWN:,} older ones")
    return "\n".join(lines)


def describe(job: Job, now: datetime | None = None) -> str:
    """Write a job on one line."""
    words = [f"#{job.id} {job.state.value} {job.worker} queue={job.queue} args={_short(job.args)}"]
    if job.meta:
        words.append(f"meta={_short(job.meta)}")
    if job.tags:
        words.append(f"tags={','.join(job.tags)}")
    if job.priority:
        words.append(f"priority={job.priority}")
    if job.state in {State.SCHEDULED, State.RETRYABLE}:
        due = (job.scheduled_at - (now or datetime.now(UTC))).total_seconds()
        words.append(f"due in {timedelta(seconds=round(due))}" if due > 0 else "due")
    if job.errors:
        words.append(f"error={_short(job.errors[-1].get('message'))}")
    return " ".join(words)


def _differences(path: str, found: Any, wanted: Any) -> Iterator[str]:
    if isinstance(wanted, Mapping) and isinstance(found, Mapping):
        for key, value in wanted.items():
            if key in found:
                yield from _differences(f"{path}.{key}", found[key], value)
            else:
                yield f"{path}.{key} is missing"
    elif found != wanted or isinstance(found, bool) is not isinstance(wanted, bool):
        yield f"{path} is {_short(found)}, not {_short(wanted)}"


def _name(worker: WorkerName) -> str:
    if isinstance(worker, str):
        return worker  # of a worker that this program need not know
    if isinstance(worker, WorkerFunction):
        return worker.name
    return resolve(worker, current_registry())[0].name


def _json(name: str, value: Any) -> Any:
    if not isinstance(value, Mapping):
        raise InvalidFilter(f"{name} must be a mapping, not {value!r}")
    try:
        return to_jsonable_python(dict(value))
    except PydanticSerializationError as error:
        raise InvalidFilter(f"{name}: {error}") from None


def _states(given: Any) -> tuple[State, ...]:
    try:
        return tuple(State(each) for each in ([given] if isinstance(given, str) else given))
    except (ValueError, TypeError):
        raise InvalidFilter(f"state must be of {', '.join(State)}, not {given!r}") from None


def _short(value: Any) -> str:
    text = str(value) if isinstance(value, str) else repr(value)
    return text if len(text) <= WIDTH else f"{text[:WIDTH]}…"
