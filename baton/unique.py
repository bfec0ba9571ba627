"""Unique jobs: which jobs count as the same, for how long, and what an insert of one more does."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal, get_args

from baton.errors import InvalidJob
from baton.states import State

OnConflict = Literal["skip", "replace", "reschedule"]

FIELDS = frozenset({"worker", "queue", "args", "meta"})
REPLACEABLE = frozenset(
    {"args", "meta", "tags", "priority", "max_attempts", "scheduled_at", "timeout", "deadline"}
)
WAITING = (State.SUSPENDED, State.AVAILABLE, State.SCHEDULED, State.RETRYABLE)
INCOMPLETE = (*WAITING, State.EXECUTING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unique:
    """Makes a job unique: while one like it is there, an insert gives that one back.

    A job stays unique for as long as it is in one of ``states``; once it has left them it never
    excludes another again, also when it is retried.

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
        _check_names("unique fields", self.fields, FIELDS)
        if not self.fields:
            raise InvalidJob("unique fields must name at least one field")
        if isinstance(self.keys, str) or not all(isinstance(key, str) for key in self.keys):
            raise InvalidJob(f"unique keys must be a list of names, not {self.keys!r}")
        if self.on_conflict not in get_args(OnConflict):
            raise InvalidJob(
                f"on_conflict must be skip, replace or reschedule, not {self.on_conflict!r}"
            )
        _check_names("replace", self.replace, REPLACEABLE)
        if bool(self.replace) != (self.on_conflict == "replace"):
            raise InvalidJob('replace and on_conflict="replace" go together')
        _check_names("unique states", self.states, frozenset(State))
        default = WAITING if self.on_conflict == "reschedule" else INCOMPLETE
        states = tuple(dict.fromkeys(State(state) for state in self.states)) or default
        object.__setattr__(self, "states", states)
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


def _check_names(what: str, names: Sequence[str], known: frozenset[str]) -> None:
    if isinstance(names, str) or not set(names) <= known:
        raise InvalidJob(f"{what} must be of {', '.join(sorted(known))}, not {names!r}")


def _seconds(period: float | timedelta) -> float:
    number = period.total_seconds() if isinstance(period, timedelta) else float(period)
    if not 0 < number < float("inf"):
        raise InvalidJob(f"period must be a number of seconds above 0, not {period!r}")
    return number
