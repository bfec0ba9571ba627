"""``baton queue list`` and ``check``, and the processes that serve them."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict
from typing import Annotated, TypeVar

import anyio
import typer
from rich.text import Text

from baton.cli import table
from baton.cli.completion import complete_queue
from baton.cli.filtering import ProcessFilter, QueueFilter, joined
from baton.cli.options import Dsn, Limit, Schema
from baton.cli.output import Form, Output, emit
from baton.cli.paging import page
from baton.client import Client, Queues
from baton.queues import QueueProcess, QueueStatus, WorkerProcess
from baton.settings import load
from baton.store.queues import COUNTED

R = TypeVar("R")

WAITING = ("available", "scheduled", "retryable")
SHOWN_JOBS = 5

Name = Annotated[
    str, typer.Argument(metavar="QUEUE", help="The queue.", autocompletion=complete_queue)
]


def list_(
    words: QueueFilter = None,
    dsn: Dsn = None,
    schema: Schema = None,
    after: Annotated[
        str | None,
        typer.Option(envvar="BATON_QUEUE_AFTER", help="Only names behind this one: the next page."),
    ] = None,
    limit: Limit = 1_000,
    *,
    exact: Annotated[
        bool,
        typer.Option(
            "--exact",
            envvar="BATON_QUEUE_EXACT",
            help=f"Count on where more than {COUNTED:,} jobs wait.",
        ),
    ] = False,
    output: Output = Form.TABLE,
) -> None:
    """List queues that are limited, served, or have jobs that wait.

    Where more than 100,000 jobs of a queue wait, that many are counted, and shown as 100,000+.
    """
    count = None if exact else COUNTED
    found = _run(
        dsn,
        schema,
        lambda queues: queues.list(joined(words), after=after, limit=limit + 1, count=count),
    )
    queues = page(found, limit, lambda queue: queue.name, output)
    if output.is_data:
        emit(output, [asdict(queue) for queue in queues])
        return
    rows = table.listing(
        *("queue", *WAITING, "executing", "processes", "slots", "state", "limits"),
        flexible={"queue", "state", "limits"},
    )
    for queue in queues:
        rows.add_row(
            table.cell(queue.name),
            *(Text(queue.counted(state)) for state in WAITING),
            Text(queue.counted("executing")),
            Text(str(queue.processes)),
            Text(str(queue.slots)),
            table.cell(_state(queue)),
            table.cell(_limits(queue)),
        )
    table.show(rows)


def check(
    name: Name, dsn: Dsn = None, schema: Schema = None, *, output: Output = Form.TABLE
) -> None:
    """Show the processes that serve a queue, and the jobs that they run."""
    processes = _run(dsn, schema, lambda client: client.check(name))
    if output.is_data:
        emit(output, [asdict(process) for process in processes])
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


def processes(
    words: ProcessFilter = None,
    dsn: Dsn = None,
    schema: Schema = None,
    after: Annotated[
        int | None,
        typer.Option(
            envvar="BATON_PROCESS_AFTER", help="Only leases behind this one: the next page."
        ),
    ] = None,
    limit: Limit = 1_000,
    *,
    output: Output = Form.TABLE,
) -> None:
    """List the worker processes that hold a lease, the oldest first."""
    settings = load(dsn=dsn, schema=schema)

    async def fetch() -> list[WorkerProcess]:
        async with Client(settings=settings) as client:
            return await client.processes(joined(words), after=after, limit=limit + 1)

    found = page(anyio.run(fetch), limit, lambda process: process.lease, output)
    if output.is_data:
        emit(output, [asdict(process) for process in found])
        return
    rows = table.listing(
        *("lease", "node", "state", "executing", "started", "heard of", "queues"),
        flexible={"node", "queues"},
    )
    for process in found:
        served = " ".join(f"{name}={slots}" for name, slots in process.queues.items())
        rows.add_row(
            Text(str(process.lease)),
            table.cell(process.node),
            Text("alive") if process.alive else Text("lost", "red"),
            Text(str(process.executing)),
            Text(table.moment(process.started_at)),
            Text(table.moment(process.renewed_at)),
            table.cell(served),
        )
    table.show(rows)


def _run(dsn: str | None, schema: str | None, call: Callable[[Queues], Awaitable[R]]) -> R:
    settings = load(dsn=dsn, schema=schema)

    async def run() -> R:
        async with Client(settings=settings) as client:
            return await call(client.queues)

    return anyio.run(run)


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
