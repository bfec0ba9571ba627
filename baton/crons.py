"""Cron entries: which job is to be inserted again and again, and when."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final, Protocol, TypedDict

from baton import crontab
from baton.crontab import CatchUp
from baton.documents import check_text, encode
from baton.errors import DuplicateCron, InvalidArguments, InvalidCron, InvalidJob
from baton.jobs import NewJob, seconds

OPTIONS: Final = ("queue", "priority", "max_attempts", "tags", "meta", "timeout", "weight")


class CronOptions(TypedDict, total=False):
    """Options of the jobs of an entry, over those of the worker; `NewJob` says what they mean.

    ``None`` counts as not given.
    """

    queue: str | None
    priority: int | None
    max_attempts: int | None
    tags: Sequence[str] | None
    meta: Mapping[str, Any] | None
    timeout: float | timedelta | None
    weight: int | None


class Maker(Protocol):
    """What this module needs of a worker's definition."""

    @property
    def name(self) -> str: ...
    @property
    def defaults(self) -> Any: ...
    def new(self, options: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> NewJob: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCron:
    """A cron entry that is not in the database yet.

    Attributes:
        name: identifies it.
        expression: when it ticks, in cron syntax.
        timezone: the IANA name of the zone in which the expression is read.
        worker: the registered name of the worker.
        args: the arguments of its jobs.
        options: the options of its jobs.
        catch_up: how many ticks that nobody was there for are made up for.
    """

    name: str
    expression: str
    timezone: str = "UTC"
    worker: str
    args: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    catch_up: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Cron:
    """A row of the table ``crons``, as it was when it was read.

    Attributes:
        name: identifies it.
        source: ``code`` when a program's code registers it, ``database`` when people added it.
        expression: when it ticks, in cron syntax.
        timezone: the zone in which the expression is read.
        worker: the worker of its jobs.
        args: the arguments of its jobs.
        options: the options of its jobs.
        catch_up: how many ticks that nobody was there for are made up for.
        paused_at: since when it inserts nothing; ``None`` when it runs.
        paused_by: who paused it.
        last_tick_at: up to when its ticks were dealt with: mostly its last tick.
        next_tick_at: its next tick; ``None`` when it has none, like ``@reboot``.
        problem: why the row can't be used, when somebody edited it so.
    """

    name: str
    source: str
    expression: str
    timezone: str
    worker: str
    args: Mapping[str, Any]
    options: Mapping[str, Any]
    catch_up: int
    paused_at: datetime | None
    paused_by: str | None
    last_tick_at: datetime | None
    inserted_at: datetime
    updated_at: datetime
    next_tick_at: datetime | None = None
    problem: str | None = None


def entry(
    worker: str,
    expression: str,
    *,
    name: str | None = None,
    timezone: str = "UTC",
    catch_up: CatchUp = "none",
    args: Mapping[str, Any] | None = None,
    options: Mapping[str, Any] | None = None,
) -> NewCron:
    """Check an entry whose worker this program may not know.

    Raises:
        InvalidCron: something of it can't be.
    """
    crontab.parse(expression, timezone)
    name = checked_name(worker if name is None else name)
    chosen = checked_options(options or {})
    args = _arguments(args)
    try:
        NewJob(worker=worker, args=args, **chosen)
    except InvalidJob as error:
        raise InvalidCron(f"cron entry {name!r}: {error}") from None
    _check_storable(name, args=args, options=chosen)
    return NewCron(
        name=name,
        expression=" ".join(expression.split()),
        timezone=timezone,
        worker=worker,
        args=args,
        options=chosen,
        catch_up=crontab.catch_up_limit(catch_up),
    )


def entry_of(maker: Maker, expression: str, **given: Any) -> NewCron:
    """Check an entry of a known worker: its arguments fit the signature, and are JSON.

    Takes and raises what `entry` does.
    """
    args = _arguments(given.pop("args", None))
    made = entry(maker.name, expression, **given)
    try:
        job = maker.new(made.options, (), args)
    except InvalidArguments as error:
        raise InvalidCron(
            f"cron entry {made.name!r}: {error}; cron_args of the worker, or args of the entry, "
            f"give arguments to its jobs"
        ) from None
    except InvalidJob as error:
        raise InvalidCron(f"cron entry {made.name!r}: {error}") from None
    return replace(made, args=job.args)


def with_defaults(made: NewCron, maker: Maker) -> NewCron:
    """Write the options of the worker into an entry, so that everybody makes the same job of it."""
    job = maker.new(made.options, (), made.args)
    options = {option: getattr(job, option) for option in OPTIONS}
    options |= {"tags": list(job.tags), "meta": _meta(made.options, maker)}
    options = {name: value for name, value in options.items() if value is not None}
    _check_storable(made.name, options=options)
    return replace(made, options=options)


def checked_name(name: str) -> str:
    """Return the name of an entry.

    Raises:
        InvalidCron: it can't be one.
    """
    try:
        return check_text(name, "the name of a cron entry")
    except ValueError as error:
        raise InvalidCron(str(error)) from None


def checked_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that are given, durations in seconds.

    Raises:
        InvalidCron: one can't be set by an entry.
    """
    if unknown := sorted(options.keys() - set(OPTIONS)):
        raise InvalidCron(
            f"a cron entry can't set {', '.join(unknown)}; it can set {', '.join(OPTIONS)}"
        )
    chosen = {name: value for name, value in options.items() if value is not None}
    if "timeout" in chosen:
        try:
            chosen["timeout"] = seconds(chosen["timeout"])
        except (TypeError, ValueError) as error:
            raise InvalidCron(f"timeout: {error}") from None
    if "tags" in chosen:
        chosen["tags"] = list(chosen["tags"])
    return chosen


def job_of(cron: Cron | NewCron, maker: Maker | None, tick: datetime) -> NewJob:
    """Make the job of a tick.

    Args:
        cron: the entry.
        maker: its worker, when this program knows it; its options hold where the entry has none.
        tick: when the entry ticked, in UTC.

    Raises:
        InvalidJob: the entry can't be made a job of, mostly because its worker has changed.
    """
    try:
        options = checked_options(cron.options)
        meta = _meta(options, maker)
        if maker is None:
            job = NewJob(worker=cron.worker, args=cron.args, **options)
        else:
            job = maker.new(options, (), cron.args)
    except (InvalidCron, TypeError, ValueError, AttributeError) as error:  # edited by hand
        raise InvalidJob(f"the options can't be used: {error}") from None
    identity = {
        "cron": True,
        "cron_name": cron.name,
        "cron_expression": cron.expression,
        "cron_timezone": cron.timezone,
        "cron_tick": tick.isoformat(),
    }
    return replace(job, meta={**meta, **identity}, scheduled_at=tick, schedule_in=None)


def _arguments(given: Mapping[str, Any] | None) -> dict[str, Any]:
    if not isinstance(given, Mapping | None):
        raise InvalidCron(f"the arguments of a cron entry must have names, not be {given!r}")
    return dict(given or {})


def _check_storable(name: str, **documents: Mapping[str, Any]) -> None:
    for what, value in documents.items():
        try:
            encode(dict(value))
        except (TypeError, ValueError) as error:
            raise InvalidCron(
                f"the {what} of cron entry {name!r} can't be stored: {error}"
            ) from None


def _meta(options: Mapping[str, Any], maker: Maker | None) -> dict[str, Any]:
    own = maker.defaults.get("meta", {}) if maker is not None else {}
    return {**own, **options.get("meta", {})}


class Schedules:
    """The cron entries of a registry."""

    def __init__(self) -> None:
        super().__init__()
        self._crons: dict[str, NewCron] = {}

    @property
    def crons(self) -> tuple[NewCron, ...]:
        """The entries that the program's code registers."""
        return tuple(self._crons.values())

    def _schedule(self, made: NewCron, *, again: bool = False) -> None:
        present = self._crons.get(made.name)
        if (
            present is not None
            and present != made
            and not (again and present.worker == made.worker)
        ):
            raise DuplicateCron(made.name)
        self._crons[made.name] = made
