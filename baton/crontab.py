"""Cron expressions: what they mean, and when they tick.

The meaning is cronsim's, which follows Debian's cron, daylight saving included. An entry whose
minute or hour begins with a star ticks by elapsed time: twice in the hour that autumn repeats, and
not at all in the hour that spring leaves out. One that names its minutes and hours ticks once a
day: in the first of the two hours, and, where the hour is left out, at the first minute after it.
See https://github.com/cuu508/cronsim and crontab(5) of Debian.
"""

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import Final, Literal
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from baton.errors import InvalidCron

CatchUp = Literal["none", "latest"] | int

REBOOT: Final = "@reboot"
NICKNAMES: Final[Mapping[str, str]] = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
CATCH_UP_LIMIT: Final = 10_000
ON_TIME: Final = timedelta(minutes=1)  # after its tick, for which an entry is not late

_LENGTH_LIMIT = 500
_FIELDS = ("second", "minute", "hour", "day-of-month", "month", "day-of-week")
_VALUES = {
    "second": "0 to 59",
    "minute": "0 to 59",
    "hour": "0 to 23",
    "day-of-month": "1 to 31 as far as the month goes, L or LW",
    "month": "1 to 12 or JAN to DEC",
    "day-of-week": "0 to 7 or SUN to SAT, where 0 and 7 are Sunday",
}
# what some systems have besides the zones: copies that count leap seconds, and their own choice
_NOT_ZONES = ("posix/", "right/", "posixrules", "localtime", "Factory")


@dataclass(frozen=True, slots=True)
class Crontab:
    """An expression in a time zone; use `parse` to make one.

    Attributes:
        expression: five fields, six of which the first is the second, or a nickname.
        timezone: the IANA name of the zone in which it is read.
    """

    expression: str
    timezone: str
    _pattern: str = field(repr=False)
    _zone: tzinfo = field(repr=False)

    @property
    def is_reboot(self) -> bool:
        """Whether it is ``@reboot``, which has no times."""
        return self.expression == REBOOT

    def ticks(self, after: datetime, until: datetime) -> Iterator[datetime]:
        """Yield the ticks later than ``after`` and not later than ``until``, in UTC, in order."""
        for tick in self._from(after):
            if tick > until:
                return
            yield tick

    def newest(self, after: datetime, until: datetime, count: int) -> list[datetime]:
        """Return the last ``count`` of `ticks`, without going through all of them."""
        width = ON_TIME
        while True:
            # forwards and from ever earlier: backwards cronsim means other times around a change
            start = after if width >= until - after else until - width
            found = deque(self.ticks(start, until), maxlen=count)
            if len(found) == count or start == after:
                return list(found)
            width *= 2

    def next(self, after: datetime) -> datetime | None:
        """Return the first tick later than ``after``, in UTC; ``None`` when there is none."""
        return next(self._from(after), None)

    def _from(self, after: datetime) -> Iterator[datetime]:
        if self.is_reboot:
            return
        after = after.astimezone(UTC)
        try:
            for local in CronSim(self._pattern, after.astimezone(self._zone)):
                # compared in UTC: within a zone Python compares what clocks show. In the repeated
                # hour cronsim starts from the first of the two, and so before `after`.
                tick = local.astimezone(UTC)
                if tick > after:
                    after = tick
                    yield tick
        except OverflowError:  # the year 10000
            return


def parse(expression: str, timezone: str = "UTC") -> Crontab:
    """Read an expression.

    Args:
        expression: in the syntax of Debian's cron, which has names, lists, ranges and steps, with
            ``L``, ``LW`` and ``#`` for the last and the n-th days; six fields when the first is the
            second; or one of ``@hourly``, ``@daily``, ``@midnight``, ``@weekly``, ``@monthly``,
            ``@yearly``, ``@annually`` and ``@reboot``.
        timezone: an IANA name, like ``Europe/Berlin``.

    Raises:
        InvalidCron: one of them can't be read, or the expression never ticks.
    """
    if not isinstance(expression, str):
        raise InvalidCron(f"a cron expression must be a text, not {expression!r}")
    if not isinstance(timezone, str):
        raise InvalidCron(f"a time zone must be a text, not {timezone!r}")
    return _parsed(" ".join(expression.split()), timezone)


@lru_cache(maxsize=4096)
def _parsed(text: str, timezone: str) -> Crontab:
    zone = _zone(timezone)
    if text.startswith("@"):
        text = text.lower()
        if text != REBOOT and text not in NICKNAMES:
            known = ", ".join([*NICKNAMES, REBOOT])
            raise InvalidCron(f"cron expression {text!r}: the nicknames are {known}")
    crontab = Crontab(text, timezone, NICKNAMES.get(text, text), zone)
    if not crontab.is_reboot:
        _check(crontab)
    return crontab


@lru_cache(maxsize=16_384)
def next_tick(expression: str, timezone: str, after: datetime) -> datetime | None:
    """Return the first tick later than ``after``; remembered, because schedulers ask often.

    Raises:
        InvalidCron: as `parse` does.
    """
    return parse(expression, timezone).next(after)


def catch_up_limit(given: CatchUp) -> int:
    """Return how many missed ticks are made up for: 0 for ``none``, 1 for ``latest``.

    Raises:
        InvalidCron: it is neither, nor a number that is allowed.
    """
    if isinstance(given, str) and given in {"none", "latest"}:
        return int(given == "latest")
    if type(given) is not int or not 0 <= given <= CATCH_UP_LIMIT:
        raise InvalidCron(
            f"catch_up must be none, latest, or a number from 0 to {CATCH_UP_LIMIT:,}, "
            f"not {given!r}"
        )
    return given


def due(crontab: Crontab, since: datetime, now: datetime, catch_up: int) -> list[datetime]:
    """Return the ticks after ``since`` for which there is to be a job.

    These are the ticks of the last minute, or the newest ``catch_up`` ones when that is more.
    """
    on_time = list(crontab.ticks(max(since, now - ON_TIME), now))
    if len(on_time) >= catch_up:
        return on_time
    return crontab.newest(since, now, catch_up)


def _check(crontab: Crontab) -> None:
    expression, words = crontab.expression, crontab.expression.split()
    said = f"cron expression {expression!r}"
    if len(expression) > _LENGTH_LIMIT:
        raise InvalidCron(f"a cron expression has at most {_LENGTH_LIMIT} characters")
    if not expression.startswith("@") and len(words) not in {5, 6}:
        raise InvalidCron(
            f"{said}: it has {len(words)} fields and needs five: minute, hour, day of the month, "
            f"month, day of the week"
        )
    try:
        first = crontab.next(datetime(2024, 1, 1, tzinfo=UTC))
    except CronSimError as error:
        wrong = next((name for name in _FIELDS if str(error).endswith(name)), None)
        if wrong is None:
            raise InvalidCron(f"{said}: {error}") from None
        word = dict(zip(_FIELDS[-len(words) :], words, strict=True))[wrong]
        raise InvalidCron(
            f"{said}: its {wrong} can't be {word!r}; it takes {_VALUES[wrong]}, and lists, ranges "
            f"and steps of them"
        ) from None
    if first is None:
        raise InvalidCron(f"{said}: no day ever fits it")


def _zone(name: str) -> tzinfo:
    if name in {"UTC", "Etc/UTC"}:
        return UTC
    try:
        if not name.startswith(_NOT_ZONES):
            return ZoneInfo(name)
    except (ValueError, OSError, LookupError):
        pass
    raise InvalidCron(
        f"there is no time zone {name!r}; it is an IANA name, like Europe/Berlin"
    ) from None
