"""``baton queue``: queues as they stand, and what is said about them."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import anyio
import typer

from baton.cli.acting import acting, speaker
from baton.cli.options import Dsn, Schema
from baton.cli.progress import progress
from baton.cli.queue_look import Name
from baton.client import Client, Queues
from baton.errors import InvalidQueue, UnknownQueue
from baton.settings import load

LIMITS = ("global_limit", "rate_limit", "partition_by", "ageing")

NodeName = Annotated[
    str | None,
    typer.Option(
        "--node", envvar="BATON_QUEUE_NODE", help="Only in the processes of this name. [all]"
    ),
]
New = Annotated[
    bool,
    typer.Option(
        "--new", envvar="BATON_QUEUE_NEW", help="It is meant, although nobody knows it yet."
    ),
]


def pause(
    name: Name,
    node: NodeName = None,
    by: Annotated[
        str | None,
        typer.Option(envvar="BATON_QUEUE_BY", help="Who pauses it. [the name of the user]"),
    ] = None,
    dsn: Dsn = None,
    schema: Schema = None,
    *,
    new: New = False,
) -> None:
    """Start nothing of a queue; what runs ends."""
    who = by or speaker()
    deed = _Deed(
        new, "pause", name, f"queue {name} starts nothing any more", {"node": node, "by": by}
    )
    _act(dsn, schema, deed, lambda client: client.pause(name, node=node, by=who))


def resume(
    name: Name,
    node: NodeName = None,
    dsn: Dsn = None,
    schema: Schema = None,
    *,
    new: New = False,
) -> None:
    """Start jobs of a paused queue again."""
    deed = _Deed(new, "resume", name, f"queue {name} goes on", {"node": node})
    _act(dsn, schema, deed, lambda client: client.resume(name, node=node))


def scale(
    name: Name,
    slots: Annotated[int, typer.Argument(help="How many of its jobs each process runs at once.")],
    node: NodeName = None,
    dsn: Dsn = None,
    schema: Schema = None,
    *,
    new: New = False,
) -> None:
    """Change how many jobs of a queue each process runs at once."""
    told = f"each process runs {slots:,} jobs of queue {name} at once"
    deed = _Deed(new, "scale", name, told, {"slots": slots, "node": node})
    _act(dsn, schema, deed, lambda client: client.scale(name, slots, node=node))


def stop(
    name: Name,
    node: NodeName = None,
    dsn: Dsn = None,
    schema: Schema = None,
    *,
    new: New = False,
) -> None:
    """Serve a queue no longer; what runs ends."""
    deed = _Deed(new, "stop", name, f"queue {name} is served no longer", {"node": node})
    _act(dsn, schema, deed, lambda client: client.stop(name, node=node))


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
    *,
    new: New = False,
) -> None:
    """Serve a queue where it is not served."""
    deed = _Deed(new, "start", name, f"queue {name} is served", {"slots": slots, "node": node})
    _act(dsn, schema, deed, lambda client: client.start(name, slots, node=node))


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
    *,
    new: New = False,
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
    cleared = [option for option, value in changes.items() if value is None]
    said = {option: value for option, value in changes.items() if value is not None}
    deed = _Deed(new, "limit", name, f"queue {name} is limited so", {**said, "clear": cleared})
    with progress("dividing jobs") as tell:
        _act(dsn, schema, deed, lambda client: client.limit(name, progress=tell, **changes))


@dataclass(frozen=True, slots=True)
class _Deed:
    """What is done to a queue, for the audit log; ``told`` is what it comes to.

    One that nobody knows must be meant to be ``new``.
    """

    new: bool
    action: str
    name: str
    told: str
    details: Mapping[str, Any]


def _act(
    dsn: str | None, schema: str | None, deed: _Deed, call: Callable[[Queues], Awaitable[object]]
) -> None:
    settings = load(dsn=dsn, schema=schema)

    async def act() -> None:
        async with Client(settings=settings) as client:
            if not deed.new:
                await _check_known(client.queues, deed.name)
            async with acting(client, deed.action, "queue", deed.name, **deed.details) as record:
                await call(client.queues)
                record.message = deed.told

    anyio.run(act)


async def _check_known(queues: Queues, name: str) -> None:
    try:
        await queues.check_known(name)
    except UnknownQueue as error:
        raise UnknownQueue(name, error.near, "say --new if it is meant") from None
