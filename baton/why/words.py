"""How times, numbers and lists are said."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

NAMED = 3
LONGEST = 300
_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def since(at: datetime, now: datetime) -> str:
    """Say since when, as in ``since 2026-11-21 08:30:00 UTC (5 min)``."""
    return f"since {stamp(at)} ({span((now - at).total_seconds())})"


def later(at: datetime, seconds: float) -> datetime:
    """Return the time so many seconds later, or the last that there is."""
    try:
        return at + timedelta(seconds=seconds)
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC)


def until(at: datetime, now: datetime) -> str:
    """Say until when."""
    return f"until {moment(at, now)}"


def moment(at: datetime, now: datetime) -> str:
    """Say when, as in ``2026-11-21 08:30:00 UTC (in 5 min)``."""
    seconds = (at - now).total_seconds()
    away = f"in {span(seconds)}" if seconds > 0 else f"{span(-seconds)} ago"
    return f"{stamp(at)} ({away})"


def stamp(at: datetime) -> str:
    """Write a time as it is in UTC, to the second."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def span(seconds: float) -> str:
    """Say how long, in the largest unit of which there are two, or one second."""
    seconds = max(0.0, seconds)
    for size, unit in _UNITS:
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.1f} s"


def number(count: int, noun: str, plural: str | None = None) -> str:
    """Say how many, as in ``1 step`` and ``1,200 steps``."""
    return f"{count:,} {noun if count == 1 else plural or f'{noun}s'}"


def names(given: Sequence[object], count: int | None = None) -> str:
    """List the first names and say how many more there are, as in ``a, b, c and 7 more``.

    Args:
        given: some names.
        count: how many there are in all; by default just those.
    """
    total = len(given) if count is None else count
    shown = [str(name) for name in given[:NAMED]]
    if more := total - len(shown):
        return f"{', '.join(shown)} and {more:,} more"
    return f"{', '.join(shown[:-1])} and {shown[-1]}" if len(shown) > 1 else "".join(shown)


def line(text: str | None) -> str:
    """Return a text on one line, cut where it is long."""
    told = " ".join((text or "").split())
    return told if len(told) <= LONGEST else f"{told[: LONGEST - 1]}…"


def by(whom: str | None) -> str:
    """Say by whom, with a space before it, if that is known."""
    return f" by {line(whom)}" if whom else ""
