"""Changes to a job that is in the table: which there are, and which its state lets be made.

An attempt that runs has read its job, so of an executing job only bookkeeping can be changed. What
has ended has no time any more; everything else can be put right before it is retried.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypedDict

from baton.definitions import DURATIONS
from baton.errors import ChangeRefused, InvalidArguments, InvalidChange
from baton.jobs import RESERVED_META, Job, NewJob, seconds
from baton.states import State
from baton.workers import Registry


class JobChanges(TypedDict, total=False):
    """What can be changed; `NewJob` says what the fields mean.

    Attributes:
        args: replaced as a whole.
        meta: replaced as a whole, but for what Baton keeps in it.
        schedule_in: seconds from now; wins over ``scheduled_at``.
        timeout: ``None`` lifts it.
        deadline: ``None`` lifts it.
    """

    args: Mapping[str, Any]
    meta: Mapping[str, Any]
    tags: Any
    priority: int
    max_attempts: int
    queue: str
    worker: str
    scheduled_at: datetime
    schedule_in: float | timedelta
    timeout: float | timedelta | None
    deadline: datetime | None
    weight: int


Change = JobChanges | Callable[[Job], JobChanges]

KNOWN = JobChanges.__annotations__.keys()
TIMES = frozenset({"scheduled_at", "schedule_in"})
BOOKKEEPING = frozenset({"meta", "tags", "priority", "max_attempts"})
NULLABLE = frozenset({"timeout", "deadline"})


@dataclass(frozen=True, slots=True)
class Changed:
    """Changes that were checked: the fields, and a job that has their new values."""

    fields: frozenset[str]
    job: NewJob
    identity: Mapping[str, Any]


def check(job: Job, change: Change, registry: Registry) -> Changed:
    """Check what is to be changed of a job.

    Args:
        job: as it stands.
        change: the new values by field, or a function that returns them, given the job.
        registry: whose workers' signatures the arguments must fit; others are not checked.

    Raises:
        InvalidChange: there is no such field.
        ChangeRefused: the job's state forbids it.
        InvalidJob: a value is out of range, or the arguments don't fit the worker.
    """
    given: Any = change(job) if callable(change) else change
    if not isinstance(given, Mapping):
        raise InvalidChange(f"changes must be a mapping of fields to values, not {given!r}")
    values: dict[str, Any] = dict(given)
    if unknown := sorted(map(str, values.keys() - KNOWN)):
        raise InvalidChange(
            f"{', '.join(unknown)} can't be changed; what can is {', '.join(sorted(KNOWN))}"
        )
    if missing := sorted(k for k, v in values.items() if v is None and k not in NULLABLE):
        raise InvalidChange(f"{', '.join(missing)} can't be None; leave out what stays as it is")
    _check_state(job, values)
    for field in DURATIONS & values.keys():
        if values[field] is not None:
            values[field] = _seconds(field, values[field])
    identity = {key: job.meta[key] for key in RESERVED_META & job.meta.keys()}
    if "meta" in values:
        values["meta"] = _own_meta(values["meta"], identity)
    worker = values.get("worker", job.worker)
    if {"args", "worker"} & values.keys() and worker in registry.names():
        values["args"] = _fitting(registry, worker, values.get("args", job.args))
    _check_attempts(job, values.get("max_attempts"))
    new = NewJob(**{"worker": worker, **values})
    return Changed(frozenset(values), new, identity)


def _check_state(job: Job, values: Mapping[str, Any]) -> None:
    forbidden: frozenset[str] = frozenset()
    if job.state is State.EXECUTING:
        forbidden = frozenset(values.keys() - BOOKKEEPING)
    elif job.state.is_final:
        forbidden = TIMES & values.keys()
    if forbidden:
        raise ChangeRefused(
            f"job {job.id} is {job.state}: its {', '.join(sorted(forbidden))} can't be changed"
        )


def _check_attempts(job: Job, most: Any) -> None:
    if type(most) is not int or job.state.is_final:
        return
    least = job.attempt if job.state is State.EXECUTING else job.attempt + 1
    if most < least:
        raise ChangeRefused(
            f"max_attempts of job {job.id} must be at least {least}, since it is {job.state} and "
            f"{job.attempt} were made"
        )


def _own_meta(meta: Any, identity: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the program says; what Baton keeps may come along as it is."""
    if not isinstance(meta, Mapping):
        raise InvalidChange(f"meta must be a mapping, not {meta!r}")
    return {
        key: value for key, value in meta.items() if key not in identity or identity[key] != value
    }


def _fitting(registry: Registry, worker: str, args: Any) -> dict[str, Any]:
    arguments = registry.find(worker).arguments
    if not isinstance(args, Mapping) or not all(isinstance(name, str) for name in args):
        raise InvalidArguments(worker, ["args is not a mapping of names to values"])
    arguments.load(args)
    return arguments.bind(**args)


def _seconds(field: str, value: Any) -> float:
    try:
        return seconds(value)
    except (TypeError, ValueError) as error:
        raise InvalidChange(f"{field}: {error}") from None
