"""What was used of language models, added up."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from baton.errors import InvalidFilter


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Sums over attempts.

    Attributes:
        attempts: how many: those of LLM workers, and those of others that recorded a usage.
        calls: how many calls they recorded.
        input_tokens: sent, cached ones included.
        output_tokens: received, those of the reasoning included.
        cached_tokens: of the input, those that were read from a cache.
        cache_write_tokens: of the input, those that were written to a cache.
        reasoning_tokens: of the output, those that were spent on reasoning.
        cost: in US dollars, of the calls that have a price; ``None`` when none has.
        failed_cost: what of it was spent in attempts that did not complete.
        unpriced_calls: calls without a price, which the cost lacks.
        duration: seconds that the attempts took.
    """

    attempts: int
    calls: int
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    cache_write_tokens: int
    reasoning_tokens: int
    cost: Decimal | None
    failed_cost: Decimal | None
    unpriced_calls: int
    duration: float

    @property
    def total_tokens(self) -> int:
        """Tokens sent and received."""
        return self.input_tokens + self.output_tokens

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON values; costs are texts, to the last figure."""
        return {field.name: _plain(getattr(self, field.name)) for field in fields(self)}


@dataclass(frozen=True, slots=True, kw_only=True)
class StepFigures(Figures):
    """What a step used; one that is a sub-workflow, all that this used.

    Attributes:
        step_name: its name.
        workers: who performed it.
        models: which models answered.
    """

    step_name: str
    workers: Sequence[str]
    models: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFigures(Figures):
    """What a model was used for.

    An attempt that called several models counts for each of them, and its duration for the first.

    Attributes:
        model: as its provider calls it; ``None`` where nobody said.
        provider: who is paid, where that was said.
    """

    model: str | None
    provider: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowFigures(Figures):
    """What a workflow used, its sub-workflows left out.

    Attributes:
        workflow_id: which one.
        name: its name, if it has one and is there still.
    """

    workflow_id: UUID
    name: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerFigures(Figures):
    """What a worker used.

    Attributes:
        worker: its registered name.
    """

    worker: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DayFigures(Figures):
    """What was used on a day.

    Attributes:
        day: which one.
    """

    day: date


def check_period(since: datetime | None, until: datetime | None) -> None:
    """Raise `InvalidFilter` for times without a zone, or in the wrong order."""
    for name, time in (("since", since), ("until", until)):
        if time is not None and time.tzinfo is None:
            raise InvalidFilter(f"{name} must be a time with a time zone, not {time!r}")
    if since is not None and until is not None and since > until:
        raise InvalidFilter(f"since {since} is later than until {until}")


def check_timezone(name: str) -> str:
    """Return the name of a time zone, or raise `InvalidFilter`."""
    try:
        ZoneInfo(name)
    except (ValueError, TypeError, OSError, KeyError):
        raise InvalidFilter(f"{name!r} is no time zone, like Europe/Berlin") from None
    return name


def _plain(value: Any) -> Any:
    match value:
        case Decimal():
            return format(value, "f")
        case UUID():
            return str(value)
        case date():
            return value.isoformat()
        case _:
            return value
