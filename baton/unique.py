"""Unique jobs: which jobs count as the same, for how long, and what an insert of one more does."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal, get_args

from baton.documents import check_text
from baton.errors import InvalidJob
from baton.states import State

OnConflict = Literal["skip", "replace", "reschedule"]

FIELDS = frozenset({"worker", "queue", "args", "meta"})
REPLACEABLE = frozenset(
    {"args", "meta", "tags", "priority", "max_attempts", "scheduled_at", "timeout", "deadline"}
)
WAITING = (State.SUSPENDED, State.AVAILABLE, State.SCHEDULED, State.RETRYABLE)
INCOMPLETE = (*WAITING, State.EXECUTING)
SHORTEST, LONGEST = 1e-6, 100 * 365 * 86_400  # seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Unique:
    """Makes a job unique: while one like it is there, an insert gives that one back.

    A job excludes others for as long as it is in one of ``states``, from its insert on: once it has
    left them it never excludes another again, also when it is retried. Jobs are compared when
    they are inserted; those that differ in ``fields`` or ``keys`` are never the same.

    Attributes:
        fields: what must be equal: any of ``worker``, ``queue``, ``args`` and ``meta``.
        keys: compare only these keys of ``args`` and ``meta``; by default all.
        period: seconds after its insert for which a job excludes others; ``None`` for as long as it
            is in one of ``states``.
        states: in which a job excludes others; by default every state before the end, and with
            ``reschedule`` every state before the start.
        on_conflict: ``skip`` leaves the job that is there as it is; ``replace`` gives it the new
            values of the fields in ``replace``; ``reschedule`` gives it the new time, which is also
            known as debouncing. A job that has started is left as it is.
        replace: the fields that ``replace`` replaces.

    Raises:
        InvalidJob: an option has no meaning.
    """

    fields: Sequence[str] = ("worker", "queue", "args")
    keys: Sequence[str] = ()
    period: float | timedelta | None = None
    states: Sequence[State | str] = ()
    on_conflict: OnConflict = "skip"
    replace: Sequence[str] = ()

    def __post_init__(self) -> None:
        fields = _names("unique fields", self.fields, FIELDS)
        if not fields:
            raise InvalidJob("unique fields must name at least one field")
        keys = _names("unique keys", self.keys)
        if keys and not {"args", "meta"} & set(fields):
            raise InvalidJob("unique keys are those of args and meta, and fields names neither")
        replace = _names("replace", self.replace, REPLACEABLE)
        if self.on_conflict not in get_args(OnConflict):
            raise InvalidJob(
                f"on_conflict must be skip, replace or reschedule, not {self.on_conflict!r}"
            )
        if bool(replace) != (self.on_conflict == "replace"):
            raise InvalidJob('replace and on_conflict="replace" go together')
        default = WAITING if self.on_conflict == "reschedule" else INCOMPLETE
        states = tuple(map(State, _names("unique states", self.states, frozenset(State))))
        object.__setattr__(self, "fields", fields)
        object.__setattr__(self, "keys", keys)
        object.__setattr__(self, "replace", replace)
        object.__setattr__(self, "states", states or default)
        if self.period is not None:
            object.__setattr__(self, "period", _seconds(self.period))

    def options(self) -> dict[str, Any]:
        """Return everything as JSON values, the form in which the SQL functions take it."""
        return {
            "fields": list(self.fields),
            "keys": list(self.keys),
            "period": self.period,
            "states": list(self.states),
            "on_conflict": self.on_conflict,
            "replace": list(self.replace),
        }


def _names(what: str, names: Sequence[str], known: frozenset[str] | None = None) -> tuple[str, ...]:
    if isinstance(names, str) or not all(isinstance(name, str) for name in names):
        raise InvalidJob(f"{what} must be a list of names, not {names!r}")
    if known is not None and not set(names) <= known:
        raise InvalidJob(f"{what} must be of {', '.join(sorted(known))}, not {names!r}")
    try:
        return tuple(dict.fromkeys(check_text(name, f"one of {what}") for name in names))
    except ValueError as error:
        raise InvalidJob(str(error)) from None


def _seconds(period: float | timedelta) -> float:
    try:
        number = period.total_seconds() if isinstance(period, timedelta) else float(period)
    except (TypeError, ValueError):
        number = 0.0
    if not SHORTEST <= number <= LONGEST:
        raise InvalidJob(
            f"period must be a number of seconds above 0 and at most 100 years, not {period!r}"
        )
    return number
