"""Inserts the jobs of cron entries, each tick exactly once.

Every process offers to do it, and the row of the entry decides: whoever moves its ``last_tick_at``
inserts the job in the same transaction. Time is the database's, so clocks of machines do not
matter, and since ``last_tick_at`` only grows, a clock that is set back repeats nothing.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from time import monotonic

import structlog

from baton import crontab
from baton.crons import Cron, job_of
from baton.crontab import Crontab
from baton.errors import (
    DatabaseError,
    DatabaseUnavailable,
    InvalidJob,
    StatementConflict,
)
from baton.services.duty import Duty
from baton.store import crons as store
from baton.store.crons import Firing, Reading
from baton.store.pools import Database
from baton.workers import Registry

log = structlog.get_logger("baton.cron")

INTERVAL = 30.0  # seconds between two looks when nothing ticks and nobody has said anything
RETRY = 1.0  # seconds after which to look again at entries that somebody else held
HEAD_START = timedelta(seconds=5)  # of processes that know the worker over those that don't
TOGETHER = timedelta(seconds=30)  # between the starts of processes that one command starts


def cron(
    database: Database, registry: Registry, *, limit: int, stopping: Callable[[], bool]
) -> Duty:
    """Return the duty; it sleeps until the next tick.

    Args:
        database: where.
        registry: the program's workers and cron entries.
        limit: bytes that the arguments of a job may take.
        stopping: whether the process is about to end.
    """
    scheduler = Scheduler(database, registry, limit=limit, stopping=stopping)
    return Duty("cron", interval=INTERVAL, perform=scheduler.look)


class Scheduler:
    """Fires the entries of the database, and those that its program's code registers."""

    def __init__(
        self,
        database: Database,
        registry: Registry,
        *,
        limit: int,
        stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        self._database = database
        self._registry = registry
        self._limit = limit
        self._stopping = stopping
        self._started: datetime | None = None
        self._reboots: set[str] = set()  # entries whose @reboot this process may still owe
        self._told: set[tuple[str, str]] = set()

    async def look(self, now: datetime | None = None) -> float:
        """Fire what has ticked; return the seconds until the next look.

        Args:
            now: instead of the database's clock.
        """
        try:
            return await self._look(now)
        except DatabaseUnavailable as error:
            log.debug("cron.failed", reason=str(error))
        except DatabaseError as error:
            self._tell_once("all entries", str(error))
        return RETRY

    async def _look(self, now: datetime | None) -> float:
        asked = monotonic()
        known = [entry.name for entry in self._registry.crons]
        if self._started is None:
            await store.register(self._database, self._registry.crons, now=now)
        reading = await store.read(self._database, known, now=now)
        if self._started is None:
            self._started = reading.now
            self._reboots = {each.name for each in reading.crons if _is_reboot(each)}
            self._warn_of_taken(reading, known)
        firings = []
        wait = INTERVAL
        for entry in reading.crons:
            try:
                until = reading.now - self._head_start(entry)
                firings += self._firings(entry, until, reading)
                wait = min(wait, self._wait(entry, until))
            except Exception as error:  # one entry must not stop the others
                self._tell_once(entry.name, str(error))
        self._reboots &= {each.name for each in reading.crons if _is_reboot(each)}
        missed = await self._fire(firings) if firings else False
        return RETRY if missed else max(0.0, wait - (monotonic() - asked))

    def _firings(self, entry: Cron, until: datetime, reading: Reading) -> list[Firing]:
        times = _times(entry)
        if times.is_reboot:
            ticks = self._reboot(entry, until, reading)
            newest = ticks[-1] if ticks else None
        else:
            if entry.next_tick_at is None or entry.next_tick_at > until:
                return []
            since = entry.last_tick_at or entry.inserted_at
            ticks = crontab.due(times, since, until, entry.catch_up)
            newest = ticks[-1] if ticks else times.newest(since, until, 1)[-1]
        if newest is None:
            return []
        definition = self._registry.known(entry.worker)
        jobs = [self._registry.checked(job_of(entry, definition, tick)) for tick in ticks]
        return [Firing(cron=entry, tick=newest, jobs=jobs)]

    def _reboot(self, entry: Cron, until: datetime, reading: Reading) -> list[datetime]:
        """Tick when every living process started after the last time.

        A process that found older ones at its start keeps looking: in a rolling restart they end
        later. Once the entry has ticked after its own start, it is done with it; and so it is when
        it was started with those older ones, or else it would tick when they end before it.
        """
        started, last = self._started, entry.last_tick_at
        if entry.name not in self._reboots or started is None or until < started:
            return []
        if reading.oldest is None or self._stopping():
            return []
        if last is None or last < min(reading.oldest, started):
            return [reading.now]
        if last > started - TOGETHER:
            self._reboots.discard(entry.name)
        return []

    def _wait(self, entry: Cron, until: datetime) -> float:
        """Return the seconds from the reading to the next tick that is not due yet."""
        if _times(entry).is_reboot:
            still_waits = entry.name in self._reboots and until < (self._started or until)
            return HEAD_START.total_seconds() if still_waits else INTERVAL
        tick = entry.next_tick_at
        if tick is not None and tick <= until:
            tick = _times(entry).next(until)
        return INTERVAL if tick is None else (tick - until).total_seconds()

    async def _fire(self, firings: Sequence[Firing]) -> bool:
        """Fire, and return whether somebody else was faster with one, or holds it."""
        try:
            fired = await store.fire(self._database, firings, limit=self._limit)
        except (DatabaseUnavailable, StatementConflict):
            raise
        except (InvalidJob, DatabaseError) as error:
            if len(firings) == 1:
                self._tell_once(firings[0].cron.name, str(error))
                return False
            # one of them can't be stored: the others are not to wait for it
            return any([await self._fire([firing]) for firing in firings])
        for name, jobs in fired.items():
            self._reboots.discard(name)
            log.info("cron.fired", name=name, jobs=[job.id for job in jobs])
        return len(fired) < len(firings)

    def _head_start(self, entry: Cron) -> timedelta:
        return timedelta() if self._registry.known(entry.worker) is not None else HEAD_START

    def _warn_of_taken(self, reading: Reading, known: Sequence[str]) -> None:
        for entry in reading.crons:
            if entry.name in known and entry.source != "code":
                log.warning("cron.name_taken", name=entry.name, by="an entry of the database")

    def _tell_once(self, name: str, reason: str) -> None:
        if (name, reason) not in self._told:
            self._told.add((name, reason))
            log.error("cron.broken", name=name, reason=reason)


def _times(entry: Cron) -> Crontab:
    return crontab.parse(entry.expression, entry.timezone)


def _is_reboot(entry: Cron) -> bool:
    return entry.problem is None and _times(entry).is_reboot
