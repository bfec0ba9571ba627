"""A clock for scheduled jobs. It does not go on by itself: it brings the times of jobs nearer."""

from datetime import timedelta
from typing import TypedDict, Unpack

from baton.errors import InvalidFilter
from baton.testing.targets import Reader, Target, Where
from baton.testing.threads import run_beside

BATCH = 5_000  # jobs
LONGEST = timedelta(days=36_500)


class Duration(TypedDict, total=False):
    """A time, in any of these units."""

    days: float
    hours: float
    minutes: float
    seconds: float
    weeks: float


class Span(Duration, Where, total=False):
    """How far, and in which database."""


class Clock:
    """Lets time pass for the jobs of a database.

    The times and the deadlines of everything that waits come nearer, whatever its queue, and what
    is due then becomes available. Python's clock and PostgreSQL's are not touched, and nor is what
    runs or has ended, a period of `Unique`, a rate limit, or cron.
    """

    async def advance(self, by: timedelta | None = None, /, **span: Unpack[Span]) -> int:
        """Let time pass, as in ``await clock.advance(hours=1)``; return how many jobs became due.

        Args:
            by: how much, unless it is given in units.
            span: ``days``, ``hours``, ``minutes``, ``seconds``, and which database, as `Where` has
                it.

        Raises:
            InvalidFilter: it is nothing, negative, or more than 100 years.
            DatabaseError: the database refused or is away.
        """
        seconds, target = _plan(by, span)
        async with target.reader() as read:
            return await _advance(read, seconds)

    def advance_sync(self, by: timedelta | None = None, /, **span: Unpack[Span]) -> int:
        """Do what `advance` does, without an event loop."""
        seconds, target = _plan(by, span)
        own = target.sync_reader()

        async def go() -> int:
            if own is not None:
                return await _advance(own, seconds)
            async with target.reader() as read:
                return await _advance(read, seconds)

        return run_beside(go())


clock = Clock()


def _plan(by: timedelta | None, span: Span) -> tuple[float, Target]:
    units = {name: value for name, value in span.items() if name in Duration.__annotations__}
    where = {name: value for name, value in span.items() if name not in units}
    try:
        amount = timedelta(**units) + (by or timedelta())  # type: ignore[arg-type]
    except (TypeError, OverflowError) as error:
        raise InvalidFilter(f"a time can't be {units or by!r}: {error}") from None
    if not timedelta() < amount <= LONGEST:
        raise InvalidFilter(f"the clock goes forward, by up to 100 years, not by {amount}")
    return amount.total_seconds(), Target.of(where)


async def _advance(read: Reader, seconds: float) -> int:
    await read("jobs_travel", {"seconds": seconds})
    count = 0
    next_in = 0.0
    while next_in == 0:  # a portion was too small
        [(staged, next_in)] = await read("jobs_stage_all", {"most": BATCH})
        count += staged
    return count
