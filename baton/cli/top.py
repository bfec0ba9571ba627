"""``baton top``: queues, running jobs, the slowest workers and the newest failures, live."""

import asyncio
import os
import sys
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Annotated, Any

import anyio
import typer
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from baton.cli import table
from baton.cli.options import Dsn, Schema
from baton.cli.output import Form, Output, emit
from baton.cli.tree import LOOKS, duration, inert
from baton.client import Client
from baton.errors import DatabaseUnavailable
from baton.overview import Overview
from baton.settings import Settings, load
from baton.states import State

LEAST = 3  # lines of each part, however low the terminal is
_HEADS = 9  # lines that are no rows: the title, and a blank, a head and a name for each part
_QUIT = set(b"qQ")
_ESCAPE = b"\x1b"


def top(
    every: Annotated[
        float,
        typer.Option("--every", envvar="BATON_TOP_EVERY", min=0.2, max=3_600, help="Seconds."),
    ] = 2.0,
    most: Annotated[
        int,
        typer.Option(
            "--limit", "-n", envvar="BATON_LIMIT", min=1, max=1_000, help="How many of each."
        ),
    ] = 10,
    dsn: Dsn = None,
    schema: Schema = None,
    *,
    once: Annotated[
        bool, typer.Option("--once", envvar="BATON_TOP_ONCE", help="Look once, and end.")
    ] = False,
    output: Output = Form.TABLE,
) -> None:
    """Show how everything goes, live: press q to end.

    Where nobody looks at it, it looks once; "-o jsonl" writes a line for each look until it is
    interrupted. What ended per minute is counted in a sample of jobs.
    """
    settings = load(dsn=dsn, schema=schema)
    console = table.console()
    if output is Form.JSONL and not once:
        anyio.run(_stream, settings, most, every)
    elif output.is_data:
        emit(output, as_json(anyio.run(_look, settings, most)))
    elif once or not console.is_terminal or console.is_dumb_terminal:
        table.show(render(anyio.run(_look, settings, most), most))
    else:
        anyio.run(_live, settings, console, most, every)


async def _look(settings: Settings, most: int) -> Overview:
    async with Client(settings=settings) as client:
        return await client.overview(most=most)


async def _stream(settings: Settings, most: int, every: float) -> None:
    async with Client(settings=settings) as client:
        while True:
            emit(Form.JSONL, as_json(await client.overview(most=most)))
            sys.stdout.flush()
            await anyio.sleep(every)


async def _live(settings: Settings, console: Console, most: int, every: float) -> None:
    quitting = anyio.Event()
    async with Client(settings=settings) as client, anyio.create_task_group() as tasks:
        with (
            _keys(quitting),
            Live(console=console, screen=True, auto_refresh=False) as live,
        ):

            async def draw() -> None:
                last: RenderableType = Text("looking …")
                while True:
                    try:
                        shown = await client.overview(most=most)
                        last = render(shown, max(LEAST, min(most, (console.height - _HEADS) // 4)))
                        live.update(last, refresh=True)
                    except DatabaseUnavailable as error:
                        told = Text(f"the database is away: {inert(str(error))}", "bold red")
                        live.update(Group(told, last), refresh=True)
                    await anyio.sleep(every)

            tasks.start_soon(draw)
            await quitting.wait()
            tasks.cancel_scope.cancel()


@contextmanager
def _keys(quitting: anyio.Event) -> Iterator[None]:
    """Hear single keys while the block runs; q sets the event."""
    if not sys.stdin.isatty():
        yield
        return
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    loop = asyncio.get_running_loop()

    def read() -> None:
        # all at once: an arrow is several characters, of which the first is that of the escape key
        keys = os.read(descriptor, 64)
        if not keys or keys == _ESCAPE or _QUIT & set(keys):
            quitting.set()

    tty.setcbreak(descriptor)
    loop.add_reader(descriptor, read)
    try:
        yield
    finally:
        loop.remove_reader(descriptor)
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def render(shown: Overview, most: int) -> RenderableType:
    """Return an overview as tables with so many rows each."""
    completed = sum(each.completed for each in shown.rates)
    failed = sum(each.failed for each in shown.rates)
    title = Text(f"{table.moment(shown.now)}  ", "bold")
    title.append(
        f"{shown.processes} process{'' if shown.processes == 1 else 'es'}, "
        f"{_rate(completed, shown)} completed and {_rate(failed, shown)} failed a minute",
        "default",
    )
    parts: list[RenderableType] = [title]
    for name, rows in (
        ("queues", _queues(shown, most)),
        ("running for longest", _running(shown, most)),
        ("slowest", _slowest(shown, most)),
        ("newest failures", _failures(shown, most)),
    ):
        if rows.row_count:
            parts += [Text(""), Text(name, "bold cyan"), rows]
    return Group(*parts)


def _rate(count: int, shown: Overview) -> str:
    return f"{count * 60 / shown.seconds:,.0f}"


def _queues(shown: Overview, most: int) -> Table:
    rows = table.listing(
        *("queue", "executing", "slots", "available", "retryable", "scheduled", "done/min"),
        *("failed/min", "state"),
        flexible={"queue", "state"},
    )
    busiest = sorted(shown.queues, key=lambda each: -sum(each.counts.values()))[:most]
    for queue in busiest:
        completed, failed = shown.ended(queue.name)
        counts = [queue.counts.get(each, 0) for each in ("available", "retryable", "scheduled")]
        rows.add_row(
            table.cell(queue.name),
            Text(f"{queue.counts.get('executing', 0):,}"),
            Text(f"{queue.slots:,}"),
            *(Text(f"{count:,}") for count in counts),
            Text(_rate(completed, shown)),
            Text(_rate(failed, shown), "red" if failed else ""),
            Text("paused" if queue.is_paused else "" if queue.processes else "not served"),
        )
    return rows


def _running(shown: Overview, most: int) -> Table:
    rows = table.listing("job", "for", "worker", "step", "process", flexible={"worker", "step"})
    for each in shown.running[:most]:
        step = f"{each.workflow or ''} {each.step}".strip() if each.step else ""
        rows.add_row(
            Text(str(each.id)),
            Text(duration(each.seconds)),
            table.cell(each.worker),
            table.cell(step),
            table.cell(each.node),
        )
    return rows


def _slowest(shown: Overview, most: int) -> Table:
    rows = table.listing("worker", "queue", "median", "p95", "done", flexible={"worker", "queue"})
    for each in shown.slowest(most):
        rows.add_row(
            table.cell(each.worker),
            table.cell(each.queue),
            Text(duration(each.median)),
            Text(duration(each.p95)),
            Text(f"{each.completed:,}"),
        )
    return rows


def _failures(shown: Overview, most: int) -> Table:
    rows = table.listing("job", "at", "state", "worker", "error", flexible={"worker", "error"})
    for each in shown.failures[:most]:
        said = " ".join(f"{each.kind}: {each.message}".split())
        rows.add_row(
            Text(str(each.id)),
            Text(table.moment(each.at)),
            Text(each.state, LOOKS[State(each.state)].style),
            table.cell(each.worker),
            table.cell(said[:200]),
        )
    return rows


def as_json(shown: Overview) -> dict[str, Any]:
    """Return an overview as JSON values, with times as they are."""
    return asdict(shown)
