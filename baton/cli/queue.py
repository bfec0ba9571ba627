"""``baton queue``: queues as they stand, and what is said about them."""

import getpass
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, TypeVar

import anyio
import typer
from rich.text import Text

from baton.cli import table
from baton.cli.options import Dsn, Json, Schema
from baton.client import Client, Queues
from baton.errors import InvalidQueue
from baton.queues import QueueProcess, QueueStatus
from baton.settings import load

R = TypeVar("R")

LIMITS = ("global_limit", "rate_limit", "partition_by", "ageing")
SHOWN_JOBS = 5

Name = Annotated[str, typer.Argument(metavar="QUEUE", help="The queue.")]
NodeName = Annotated[
    str | None,
    typer.Option(
        "--node", envvar="BATON_QUEUE_NODE", help="Only in the processes of this name. [all]"
    ),
]


def list_(dsn: Dsn = None, schema: Schema = None, *, as_json: Json = False) -> None:
    """List every queue that is limited, served, or has jobs that wait."""
    queues = _run(dsn, schema, lambda client: client.list())
    if as_json:
        print(json.dumps([asdict(queue) for queue in queues], default=_as_json))
        return
    rows = table.listing(
        *("queue", "available", "scheduled", "retryable", "executing", "processes", "slots"),
        *("state", "limits"),
        flexible={"queue", "state", "limits"},
    )
    for queue in queues:
        counts = (queue.counts.get(state, 0) for state in ("available", "scheduled", "retryable"))
        rows.add_row(
            table.cell(queue.name),
            *(Text(str(count)) for count in counts),
            Text(str(queue.counts.get("executing", 0))),
            Text(str(queue.processes)),
            Text(str(queue.slots)),
            table.cell(_state(queue)),
            table.cell(_limits(queue)),
        )
    table.show(rows)


def check(name: Name, dsn: Dsn = None, schema: Schema = None, *, as_json: Json = False) -> None:
    """Show the processes that serve a queue, and the jobs that they run."""
    processes = _run(dsn, schema, lambda client: client.check(name))
    if as_json:
        print(json.dumps([asdict(process) for process in processes], default=_as_json))
        return
    rows = table.listing("node", "slots", "state", "running", "jobs", flexible={"node", "jobs"})
    for process in processes:
        rows.add_row(
            table.cell(process.node),
            Text(str(process.slots)),
            Text(_process_state(process)),
            Text(str(len(process.running))),
            table.cell(_ids(process.running)),
        )
    table.show(rows)


def pause(
    name: Name,
    node: NodeName = None,
    by: Annotated[
        str | None,
        typer.Option(envvar="BATON_QUEUE_BY", help="Who pauses it. [the name of the user]"),
    ] = None,
    dsn: Dsn = None,
    schema: Schema = None,
) -> None:
    """Start nothing of a queue; what runs ends."""
    _run(dsn, schema, lambda client: client.pause(name, node=node, by=by or _user()))


def resume(name: Name, node: NodeName = None, dsn: Dsn = None, schema: Schema = None) -> None:
    """Start jobs of a paused queue again."""
    _run(dsn, schema, lambda client: client.resume(name, node=node))


def scale(
    name: Name,
    slots: Annotated[int, typer.Argument(help="How many of its jobs each process runs at once.")],
    node: NodeName = None,
    dsn: Dsn = None,
    schema: Schema = None,
) -> None:
    """Change how many jobs of a queue each process runs at once."""
    _run(dsn, schema, lambda client: client.scale(name, slots, node=node))


def stop(name: Name, node: NodeName = None, dsn: Dsn = None, schema: Schema = None) -> None:
    """Serve a queue no longer; what runs ends."""
    _run(dsn, schema, lambda client: client.stop(name, node=node))


def start(
    name: Name,
    slots: Annotated[
        int | None,
        typer.Option(
            envvar="BATON_QUEUE_SLOTS",
            help="How many of its jobs a process runs at once. [as it was started]",
        ),
    ] = None,
    node: NodeName = None,
    dsn: Dsn = None,
    schema: Schema = None,
) -> None:
    """Serve a queue where it is not served."""
    _run(dsn, schema, lambda client: client.start(name, slots, node=node))


def limit(
    name: Name,
    global_limit: Annotated[
        int | None,
        typer.Option(
            envvar="BATON_QUEUE_GLOBAL_LIMIT", help="Jobs at once in all processes together."
        ),
    ] = None,
    rate_limit: Annotated[
        int | None,
        typer.Option(
            envvar="BATON_QUEUE_RATE_LIMIT", help="Jobs, or weight, started within the period."
        ),
    ] = None,
    rate_period: Annotated[
        float | None, typer.Option(envvar="BATON_QUEUE_RATE_PERIOD", help="The period in seconds.")
    ] = None,
    partition_by: Annotated[
        str | None,
        typer.Option(
            envvar="BATON_QUEUE_PARTITION_BY",
            help="What divides the jobs: worker, args.<name> or meta.<name>.",
        ),
    ] = None,
    ageing: Annotated[
        float | None,
        typer.Option(
            envvar="BATON_QUEUE_AGEING",
            help="Seconds of waiting that count for one step of priority.",
        ),
    ] = None,
    clear: Annotated[
        list[str] | None,
        typer.Option(
            envvar="BATON_QUEUE_CLEAR",
            help=f"A limit to clear: {', '.join(LIMITS)}. May be repeated.",
        ),
    ] = None,
    dsn: Dsn = None,
    schema: Schema = None,
) -> None:
    """Limit a queue in all processes together; what is not named stays."""
    given: dict[str, Any] = {
        "global_limit": global_limit,
        "rate_limit": rate_limit,
        "rate_period": rate_period,
        "partition_by": partition_by,
        "ageing": ageing,
    }
    changes = {option: value for option, value in given.items() if value is not None}
    for word in clear or ():
        option = word.strip().replace("-", "_")
        if option not in LIMITS:
            raise InvalidQueue(f"--clear {word}: it is one of {', '.join(LIMITS)}")
        if option in changes:
            raise InvalidQueue(f"--clear {word}: the same limit is given as well")
        changes[option] = None
    _run(dsn, schema, lambda client: client.limit(name, **changes))


def _run(dsn: str | None, schema: str | None, call: Callable[[Queues], Awaitable[R]]) -> R:
    settings = load(dsn=dsn, schema=schema)

    async def run() -> R:
        async with Client(settings=settings) as client:
            return await call(client.queues)

    return anyio.run(run)


def _user() -> str | None:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container's user without a name
        return None


def _state(queue: QueueStatus) -> str:
    words = []
    if queue.is_paused:
        words.append(f"paused by {queue.paused_by}" if queue.paused_by else "paused")
    elif queue.paused_nodes:
        words.append(f"paused in {', '.join(queue.paused_nodes)}")
    if queue.scaled_to == 0:
        words.append("stopped")
    return ", ".join(words) or ("running" if queue.processes else "not served")


def _limits(queue: QueueStatus) -> str:
    words = []
    if queue.global_limit is not None:
        words.append(f"{queue.global_limit} at once")
    if queue.rate_limit is not None:
        words.append(f"{queue.rate_limit} in {queue.rate_period:g} s")
    if queue.partition_by is not None:
        words.append(f"by {queue.partition_by}")
    if queue.ageing is not None:
        words.append(f"ageing {queue.ageing:g} s")
    return ", ".join(words)


def _process_state(process: QueueProcess) -> str:
    if process.paused:
        return "paused"
    return "running" if process.slots else "stopped"


def _ids(ids: Sequence[int]) -> str:
    shown = " ".join(map(str, ids[:SHOWN_JOBS]))
    return f"{shown} …" if len(ids) > SHOWN_JOBS else shown


def _as_json(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{value!r} is not JSON")
