"""Drains a queue in a test: the real cycles and the real executor, until nothing is left."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Unpack

from baton.errors import InvalidFilter
from baton.jobs import Job
from baton.lifespans import opened
from baton.services.transitions import tell_texts
from baton.states import State
from baton.store.pools import Database
from baton.testing.attempts import Claims, Runner, call_callbacks, clients
from baton.testing.targets import Target, Where
from baton.testing.threads import run_beside
from baton.workers import Registry, current_registry

EVERYTHING = 10_000  # jobs that are claimed at once
MOST = 1_000  # waiting steps that are looked at at once


@dataclass(frozen=True, slots=True, kw_only=True)
class Drained:
    """How many attempts came to what.

    Attributes:
        completed: it is done.
        retryable: it failed, and is to be tried again.
        discarded: it failed for the last time, or was given up.
        cancelled: it was cancelled, by its worker or because it can't be run any more.
        snoozed: its worker put it off, or waits for a signal; or a budget holds it.
        scheduled: how many of all were staged although they were scheduled for later.
    """

    completed: int = 0
    retryable: int = 0
    discarded: int = 0
    cancelled: int = 0
    snoozed: int = 0
    scheduled: int = 0

    @property
    def total(self) -> int:
        """How many attempts there were."""
        return self.completed + self.retryable + self.discarded + self.cancelled + self.snoozed


_COUNTED = {
    State.COMPLETED: "completed",
    State.RETRYABLE: "retryable",
    State.DISCARDED: "discarded",
    State.CANCELLED: "cancelled",
    State.SCHEDULED: "snoozed",
    State.SUSPENDED: "snoozed",
}


async def drain_queue(
    queue: str = "default",
    *,
    recursive: bool = True,
    with_scheduled: bool | datetime = False,
    with_limit: int | None = None,
    raise_errors: bool = False,
    registry: Registry | None = None,
    resources: Mapping[str, Any] | None = None,
    **where: Unpack[Where],
) -> Drained:
    """Perform the jobs of a queue now, in this process, and return how many came to what.

    Everything is as in a worker process: jobs are claimed under a lease, one after the other in
    the order of their priority, and each is acknowledged, which releases the steps that wait for
    it. A pause and the limits of the queue hold. What is due is staged first; what fails or is
    snoozed in a drain waits for the next one. Steps that are no jobs belong to no queue: those that
    wait for a signal that was said, or for a time that is over, go on. Workers that want to hear of
    dependencies that ended badly do so at the end.

    Args:
        queue: which queue.
        recursive: whether jobs are performed too that come while it drains: newly inserted ones,
            and released steps.
        with_scheduled: whether jobs are performed that are scheduled for later: all, or those until
            a time; sleeps, and waits for signals that have a limit, end too.
        with_limit: how many jobs are performed at most.
        raise_errors: whether to raise what a job raised, after it was acknowledged.
        registry: where workers and hooks are; by default the default registry.
        resources: what workers ask for; without them the lifespans are opened for the drain.
        where: which database, as `Where` has it.

    Raises:
        InvalidFilter: an option has no meaning.
        DatabaseError: the database refused or is away.
    """
    until = _until(with_scheduled)
    if with_limit is not None and (type(with_limit) is not int or with_limit < 1):
        raise InvalidFilter(f"with_limit must be a number from 1 on, not {with_limit!r}")
    settings = Target.of(where).committed("drain_queue").settings
    registry = registry or current_registry()
    async with (
        clients(settings, registry),
        opened(() if resources is not None else registry.lifespans) as lifespan,
        Database(settings.conninfo, settings.db_schema, size=1) as database,
        Claims.of(settings, queue) as claims,
        Runner.of(settings, registry, resources or lifespan, database) as runner,
    ):
        drain = _Drain(
            database,
            claims,
            runner,
            queue,
            everything=with_scheduled is True,
            until=until,
            raises=raise_errors,
        )
        await (drain.through(with_limit) if recursive else drain.once(with_limit))
        await call_callbacks(database, registry, claims.lease)
    if drain.error is not None:
        raise drain.error
    return Drained(**drain.counts)


def drain_queue_sync(
    queue: str = "default",
    *,
    recursive: bool = True,
    with_scheduled: bool | datetime = False,
    with_limit: int | None = None,
    raise_errors: bool = False,
    registry: Registry | None = None,
    resources: Mapping[str, Any] | None = None,
    **where: Unpack[Where],
) -> Drained:
    """Do what `drain_queue` does, without an event loop."""
    return run_beside(
        drain_queue(
            queue,
            recursive=recursive,
            with_scheduled=with_scheduled,
            with_limit=with_limit,
            raise_errors=raise_errors,
            registry=registry,
            resources=resources,
            **where,
        )
    )


@dataclass(slots=True)
class _Drain:
    database: Database
    claims: Claims
    runner: Runner
    queue: str
    everything: bool
    until: datetime | None
    raises: bool
    counts: Counter[str] = field(default_factory=Counter)
    performed: list[int] = field(default_factory=list)
    error: BaseException | None = None

    async def once(self, limit: int | None) -> None:
        """Perform what is there now."""
        await self._stage()
        for job in await self.claims.fetch(limit or EVERYTHING):
            await self._perform(job, 0)
            if self.error is not None:
                return

    async def through(self, limit: int | None) -> None:
        """Perform jobs until none is left."""
        jobs: Sequence[Job] = []
        while limit is None or len(self.performed) < limit:
            if not jobs:
                await self._stage()
                jobs = await self.claims.fetch(1)
            if not jobs:
                return
            last = limit is not None and len(self.performed) + 1 == limit
            jobs = await self._perform(jobs[0], 0 if last or self.raises else 1)
            if self.error is not None:
                return

    async def _stage(self) -> None:
        await self._advance()
        params = {
            "queue": self.queue,
            "everything": self.everything,
            "until": self.until,
            "performed": self.performed,
        }
        rows = await self.database.run("jobs_make_due", params)
        self.counts["scheduled"] += sum(early for (early,) in rows)

    async def _advance(self) -> None:
        """Do what several services of a worker process do: let steps wait, and go on."""
        while True:
            if self.everything or self.until is not None:
                params = {"everything": self.everything, "until": self.until}
                await self.database.run("waits_make_due", params)
            time = await self.database.run("time_keep", {"most": MOST, "announce": False})
            sweep = {"age": 0.0, "pause": 0.0, "most": MOST, "announce": False}
            swept = await self.database.run("releases_sweep", sweep)
            [(ended, *_, told)], [(batches, _, notices, unfinished)] = time, swept
            tell_texts([*told, *notices])
            if not (ended or batches or unfinished):
                return

    async def _perform(self, job: Job, most: int) -> Sequence[Job]:
        ack = await self.runner.perform(job)
        self.performed.append(job.id)
        if ack is None:  # a budget held it
            self.counts["snoozed"] += 1
            return []
        written, jobs = await self.claims.acknowledge(job, ack, most)
        if written is not None:
            self.counts[_COUNTED[written.state]] += 1
        if self.raises and self.runner.errors:
            self.error = self.runner.errors[-1]
        return jobs


def _until(with_scheduled: bool | datetime) -> datetime | None:
    if isinstance(with_scheduled, bool):
        return None
    if getattr(with_scheduled, "tzinfo", None) is None:
        raise InvalidFilter(
            f"with_scheduled must be true, false or a time with a time zone, not {with_scheduled!r}"
        )
    return with_scheduled
