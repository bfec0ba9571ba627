"""The part of a client that controls queues: ``client.queues``."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from baton.errors import InvalidQueue
from baton.filters import check_limit, search_of
from baton.queues import (
    KEEP,
    Keep,
    QueueProcess,
    QueueStatus,
    check_name,
    check_node,
    check_slots,
    limit_changes,
)
from baton.search import QueueSearch
from baton.store import queues as store
from baton.store.asking import answer, answer_sync
from baton.store.operations import Tell
from baton.store.pools import Database, SyncDatabase


class Queues:
    """Controls queues in all processes, or in those of one name; what is said outlives restarts.

    Every method raises `InvalidQueue` when something can't be said, and `DatabaseError` when the
    database refuses or is away.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def pause(self, name: str, *, node: str | None = None, by: str | None = None) -> None:
        """Start nothing of a queue from now on; what runs ends, and is acknowledged.

        Once this has returned no process starts anything.

        Args:
            name: the queue.
            node: only in the processes of this name.
            by: who pauses it, for people who wonder.
        """
        await self._database.run(*_pause(name, node, by))

    async def resume(self, name: str, *, node: str | None = None) -> None:
        """Undo `pause`; without ``node`` also the pauses in single processes.

        A queue that is paused in all processes stays so when one of them is resumed.
        """
        await self._database.run(*_resume(name, node))

    async def scale(self, name: str, slots: int, *, node: str | None = None) -> None:
        """Run so many jobs of a queue at once in each process that serves it.

        Without ``node`` this replaces what single processes were told.
        """
        await self._database.run(*_scale(name, slots, node))

    async def stop(self, name: str, *, node: str | None = None) -> None:
        """Serve a queue no longer; what runs ends, and is acknowledged."""
        await self._database.run(*_stop(name, node))

    async def start(self, name: str, slots: int | None = None, *, node: str | None = None) -> None:
        """Serve a queue where it is not served; where it is, nothing changes.

        Args:
            name: the queue.
            slots: how many jobs run at once in each process; by default as many as the process was
                started with, and then processes that were started without the queue stay without.
            node: only in the processes of this name.
        """
        _check_started(await self._database.run(*_start(name, slots, node)), name)

    async def limit(
        self,
        name: str,
        *,
        global_limit: int | Keep | None = KEEP,
        rate_limit: int | Keep | None = KEEP,
        rate_period: float | timedelta | Keep | None = KEEP,
        partition_by: str | Keep | None = KEEP,
        ageing: float | timedelta | Keep | None = KEEP,
        progress: Tell | None = None,
    ) -> None:
        """Limit a queue in all processes together; what is not mentioned stays, ``None`` clears.

        Args:
            name: the queue.
            global_limit: how many jobs run at once.
            rate_limit: how much weight starts within ``rate_period``; a job weighs 1 by default.
            rate_period: in seconds.
            partition_by: ``worker``, ``args.<name>`` or ``meta.<name>``: jobs with different values
                take turns, and the limits hold for each value alone.
            ageing: seconds of waiting that count for one step of priority.
            progress: is called now and then while the jobs are divided anew, with the part of the
                table that was gone through, from 0 to 1, and how many jobs that were.
        """
        changes = limit_changes(
            global_limit=global_limit,
            rate_limit=rate_limit,
            rate_period=rate_period,
            partition_by=partition_by,
            ageing=ageing,
        )
        await self._database.run(*store.limit(check_name(name), changes))
        if "partition_by" in changes:
            await answer(self._database, store.divide(name, progress))

    async def list(
        self,
        where: str | QueueSearch = "",
        *,
        after: str | None = None,
        limit: int | None = None,
        count: int | None = None,
    ) -> list[QueueStatus]:
        """Return the known queues that fit, by name: limited, served, or with jobs that wait.

        Args:
            where: a filter, such as ``state:paused available:1000..``.
            after: the last one of the page before.
            limit: how many at most; all of them by default.
            count: how many jobs of each queue are counted at most, those that are available and
                those that are not due yet each; ``QueueStatus.cut`` says where there are more. All
                are by default, which takes as long as many jobs wait.

        Raises:
            InvalidFilter: the filter, or a number, can't be used.
        """
        call = _listed(where, after, limit, count)
        return [store.to_status(row) for row in await self._database.run(*call)]

    async def check_known(self, name: str) -> None:
        """Check that a queue is known, before something is said about it by mistake.

        Raises:
            UnknownQueue: nothing was said about it, no process serves it, and no job waits or runs
                in it; `near` has names that may be meant.
        """
        await answer(self._database, store.check_known(check_name(name)))

    async def check(self, name: str) -> Sequence[QueueProcess]:
        """Return the processes that serve a queue, with the jobs of it that they run."""
        rows = await self._database.run(*store.processes(check_name(name)))
        return [store.to_process(row) for row in rows]


class SyncQueues:
    """Does what `Queues` does, for programs without an event loop."""

    def __init__(self, database: SyncDatabase) -> None:
        self._database = database

    def pause(self, name: str, *, node: str | None = None, by: str | None = None) -> None:
        """Do what `Queues.pause` does."""
        self._database.run(*_pause(name, node, by))

    def resume(self, name: str, *, node: str | None = None) -> None:
        """Do what `Queues.resume` does."""
        self._database.run(*_resume(name, node))

    def scale(self, name: str, slots: int, *, node: str | None = None) -> None:
        """Do what `Queues.scale` does."""
        self._database.run(*_scale(name, slots, node))

    def stop(self, name: str, *, node: str | None = None) -> None:
        """Do what `Queues.stop` does."""
        self._database.run(*_stop(name, node))

    def start(self, name: str, slots: int | None = None, *, node: str | None = None) -> None:
        """Do what `Queues.start` does."""
        _check_started(self._database.run(*_start(name, slots, node)), name)

    def limit(
        self,
        name: str,
        *,
        global_limit: int | Keep | None = KEEP,
        rate_limit: int | Keep | None = KEEP,
        rate_period: float | timedelta | Keep | None = KEEP,
        partition_by: str | Keep | None = KEEP,
        ageing: float | timedelta | Keep | None = KEEP,
        progress: Tell | None = None,
    ) -> None:
        """Do what `Queues.limit` does."""
        changes = limit_changes(
            global_limit=global_limit,
            rate_limit=rate_limit,
            rate_period=rate_period,
            partition_by=partition_by,
            ageing=ageing,
        )
        self._database.run(*store.limit(check_name(name), changes))
        if "partition_by" in changes:
            answer_sync(self._database, store.divide(name, progress))

    def list(
        self,
        where: str | QueueSearch = "",
        *,
        after: str | None = None,
        limit: int | None = None,
        count: int | None = None,
    ) -> list[QueueStatus]:
        """Do what `Queues.list` does."""
        call = _listed(where, after, limit, count)
        return [store.to_status(row) for row in self._database.run(*call)]

    def check_known(self, name: str) -> None:
        """Do what `Queues.check_known` does."""
        answer_sync(self._database, store.check_known(check_name(name)))

    def check(self, name: str) -> Sequence[QueueProcess]:
        """Do what `Queues.check` does."""
        rows = self._database.run(*store.processes(check_name(name)))
        return [store.to_process(row) for row in rows]


def _listed(
    where: str | QueueSearch, after: str | None, limit: int | None, count: int | None
) -> store.Call:
    return store.listed(
        search_of(QueueSearch, where),
        after=after,
        limit=None if limit is None else check_limit(limit),
        most=None if count is None else check_limit(count, "count"),
    )


def _pause(name: str, node: str | None, by: str | None) -> store.Call:
    by = None if by is None else check_name(by, "by")
    return store.pause(check_name(name), check_node(node), by)


def _resume(name: str, node: str | None) -> store.Call:
    return store.resume(check_name(name), check_node(node))


def _scale(name: str, slots: int, node: str | None) -> store.Call:
    return store.scale(check_name(name), check_slots(slots), check_node(node))


def _stop(name: str, node: str | None) -> store.Call:
    return store.scale(check_name(name), 0, check_node(node))


def _start(name: str, slots: int | None, node: str | None) -> store.Call:
    slots = None if slots is None else check_slots(slots)
    return store.start(check_name(name), slots, check_node(node))


def _check_started(rows: Any, name: str) -> None:
    [(started,)] = rows
    if not started:
        raise InvalidQueue(
            f"{name!r} is stopped in all processes; say how many slots it has in this one"
        )
