"""Queues: what is said about them, and how they stand.

What a client asks for is made here as the name of a statement and its parameters; both kinds of
client run it.
"""

from collections.abc import Collection, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, NamedTuple

from baton import documents
from baton.errors import UnknownQueue
from baton.queues import QueueProcess, QueueStatus, Said
from baton.search import QueueSearch
from baton.store import matching
from baton.store.asking import Asking, Statement
from baton.store.door import Row
from baton.store.operations import Tell
from baton.store.pools import Database
from baton.store.rows import document

NEAR_AMONG = 10_000  # names of queues among which near ones are looked for
COUNTED = 100_000  # jobs of a queue that are counted where people look
NO_FILTER = QueueSearch()
PORTION = 10_000  # jobs that one statement looks at when a queue is divided anew


class Call(NamedTuple):
    """A file of ``sql/queries``, its parameters, and conditions for its filter."""

    name: str
    params: Mapping[str, Any]
    where: str = ""


def pause(queue: str, node: str | None, by: str | None) -> Call:
    """Start nothing of a queue."""
    return Call("queue_pause", {"queue": queue, "node": node, "by": by})


def resume(queue: str, node: str | None) -> Call:
    """Undo `pause`."""
    return Call("queue_resume", {"queue": queue, "node": node})


def scale(queue: str, slots: int, node: str | None) -> Call:
    """Set how many jobs run at once in a process; 0 stops the queue."""
    return Call("queue_scale", {"queue": queue, "slots": slots, "node": node})


def start(queue: str, slots: int | None, node: str | None) -> Call:
    """Start a queue where it does not run; one row, false when slots are needed."""
    return Call("queue_start", {"queue": queue, "slots": slots, "node": node})


def limit(queue: str, changes: Mapping[str, Any]) -> Call:
    """Set limits."""
    return Call("queue_limit", {"queue": queue, "changes": documents.encode(dict(changes))})


def divide(queue: str, progress: Tell | None) -> Asking[None]:
    """Divide the jobs of a queue anew, in portions that commit by themselves."""
    after: int | None = 0
    looked = 0
    while after is not None:
        params = {"queue": queue, "after": after, "most": PORTION}
        [(after, jobs, newest)] = yield Statement("queue_partition", params)
        looked += jobs
        if progress is not None:
            progress(1.0 if after is None else min(1.0, after / (newest or after)), looked)


def listed(
    search: QueueSearch = NO_FILTER,
    *,
    after: str | None = None,
    limit: int | None = None,
    most: int | None = None,
) -> Call:
    """Return rows for `to_status`, by name.

    Args:
        search: which queues; as many jobs are counted as it compares counts with, at least.
        after: the last one of the page before.
        limit: how many queues at most.
        most: how many jobs of each queue are counted at most, those that are available and those
            that are not due yet each; ``None`` counts all.
    """
    fits = matching.queues(search.conditions)
    most = None if most is None else max(most, search.largest + 1)
    params = {"after": after, "limit": limit, "most": most, **fits.params}
    return Call("queue_list", params, fits.sql)


def known(name: str) -> Asking[bool]:
    """Say whether anybody knows a queue."""
    [(found,)] = yield Statement("queue_known", {"queue": name})
    return bool(found)


def check_known(name: str) -> Asking[None]:
    """Check that somebody knows a queue.

    Raises:
        UnknownQueue: nobody does; it tells the names that are near.
    """
    if not (yield from known(name)):
        names = yield Statement("offer_queues", {"most": NEAR_AMONG})
        raise UnknownQueue(name, get_close_matches(name, [row[0] for row in names], n=2))


def processes(queue: str) -> Call:
    """Return rows for `to_process`."""
    return Call("queue_check", {"queue": queue})


def to_status(row: Row) -> QueueStatus:
    """Return the queue of a row of ``queue_list.sql``."""
    (name, counts, cut, process_count, slots, scaled_to, *rest) = row
    paused_at, paused_by, nodes, *limits = rest
    global_limit, rate_limit, rate_period, partition_by, ageing = limits
    return QueueStatus(
        name=name,
        counts=document(counts),
        cut=tuple(cut),
        processes=process_count,
        slots=int(slots),
        scaled_to=scaled_to,
        paused_at=paused_at,
        paused_by=paused_by,
        paused_nodes=tuple(nodes),
        global_limit=global_limit,
        rate_limit=rate_limit,
        rate_period=rate_period,
        partition_by=partition_by,
        ageing=ageing,
    )


def to_process(row: Row) -> QueueProcess:
    """Return the process of a row of ``queue_check.sql``."""
    node, lease, slots, paused, running, started_at = row
    return QueueProcess(
        node=node,
        lease=lease,
        slots=slots,
        paused=paused,
        running=tuple(running),
        started_at=started_at,
    )


async def read_said(database: Database, node: str) -> dict[str, Said]:
    """Return what was said about queues, for the processes of one name."""
    rows = await database.run("queue_settings", {"node": node})
    return {name: Said(*numbers) for name, *numbers in rows}


async def repair(database: Database, queues: Collection[str], *, most: int) -> int:
    """Find jobs of these queues without the partition they ought to have; return how many."""
    names: Sequence[str] = list(queues)
    [(repaired,)] = await database.run("queues_repair", {"queues": names, "most": most})
    return int(repaired)
