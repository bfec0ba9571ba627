"""Queues: what is said about them, and how they stand.

What a client asks for is made here as the name of a statement and its parameters; both kinds of
client run it.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from baton import documents
from baton.queues import QueueProcess, QueueStatus, Said
from baton.store.door import Row
from baton.store.pools import Database
from baton.store.rows import document

PORTION = 10_000  # jobs that one statement looks at when a queue is divided anew


class Call(NamedTuple):
    """A file of ``sql/queries`` and its parameters."""

    name: str
    params: Mapping[str, Any]


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


def partition(queue: str, after: int) -> Call:
    """Divide a portion of the jobs anew; one row, the id to go on after, or null at the end."""
    return Call("queue_partition", {"queue": queue, "after": after, "most": PORTION})


def every() -> Call:
    """Return rows for `to_status`."""
    return Call("queue_list", {})


def processes(queue: str) -> Call:
    """Return rows for `to_process`."""
    return Call("queue_check", {"queue": queue})


def to_status(row: Row) -> QueueStatus:
    """Return the queue of a row of ``queue_list.sql``."""
    (name, counts, process_count, slots, scaled_to, paused_at, paused_by, nodes, *limits) = row
    global_limit, rate_limit, rate_period, partition_by, ageing = limits
    return QueueStatus(
        name=name,
        counts=document(counts),
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
