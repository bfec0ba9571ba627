"""``baton cron``: jobs that are inserted again and again."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar
from zoneinfo import ZoneInfo

import anyio
import typer
from rich.text import Text

from baton import crontab
from baton.cli import table
from baton.cli.acting import acting, speaker
from baton.cli.completion import complete_cron
from baton.cli.filtering import CronFilter, joined
from baton.cli.job import job_json
from baton.cli.options import App, Dsn, Limit, Schema
from baton.cli.output import Form, Output, emit
from baton.cli.paging import page
from baton.cli.tree import inert
from baton.client import Client
from baton.crons import Cron
from baton.errors import NotFound
from baton.loading import load_registry
from baton.settings import load
from baton.workers import Registry

R = TypeVar("R")

Name = Annotated[
    str, typer.Argument(metavar="NAME", help="The name of the entry.", autocompletion=complete_cron)
]
Timezone = Annotated[
    str | None,
    typer.Option(
        "--timezone",
        "-z",
        envvar="BATON_CRON_TIMEZONE",
        help="Where the expression is read, like Europe/Berlin. [UTC]",
    ),
]


def list_(
    words: CronFilter = None,
    dsn: Dsn = None,
    schema: Schema = None,
    after: Annotated[
        str | None,
        typer.Option(envvar="BATON_CRON_AFTER", help="Only names behind this one: the next page."),
    ] = None,
    limit: Limit = 1_000,
    *,
    output: Output = Form.TABLE,
) -> None:
    """List the entries by name, with their last and next ticks."""
    found = ask(
        dsn,
        schema,
        lambda client: client.crons.list(joined(words), after=after, limit=limit + 1),
    )
    entries = page(found, limit, lambda entry: entry.name, output)
    if output.is_data:
        emit(output, [_as_json(entry) for entry in entries])
        return
    columns = ("name", "expression", "timezone", "worker", "source", "state", "last", "next")
    rows = table.listing(*columns, flexible={"name", "worker", "expression"})
    for entry in entries:
        rows.add_row(
            table.cell(entry.name),
            table.cell(entry.expression),
            table.cell(entry.timezone),
            table.cell(entry.worker),
            Text(entry.source),
            _state(entry),
            Text("" if entry.last_tick_at is None else table.moment(entry.last_tick_at)),
            Text(_next(entry)),
        )
    table.show(rows)


def remove(name: Name, dsn: Dsn = None, schema: Schema = None) -> None:
    """Remove an entry; jobs that it has inserted stay.

    One that stands in code comes back with the next worker process; pause it instead.
    """
    settled = f"removed cron entry {name}"
    act(dsn, schema, Deed("remove", name, settled), lambda client: client.crons.remove(name))
    print(f"removed {inert(name)}")


def pause(
    name: Name,
    by: Annotated[
        str | None, typer.Option(envvar="BATON_BY", help="Who pauses it. [your user name]")
    ] = None,
    dsn: Dsn = None,
    schema: Schema = None,
    *,
    output: Output = Form.TABLE,
) -> None:
    """Insert nothing for an entry until it is resumed."""
    who = speaker() if by is None else by
    deed = Deed("pause", name, f"cron entry {name} inserts nothing any more", {"by": by})
    entry = act(dsn, schema, deed, lambda client: client.crons.pause(name, by=who))
    say("paused", entry, output=output)


def resume(
    name: Name, dsn: Dsn = None, schema: Schema = None, *, output: Output = Form.TABLE
) -> None:
    """Go on with a paused entry; the ticks of the pause are skipped."""
    deed = Deed("resume", name, f"cron entry {name} goes on")
    entry = act(dsn, schema, deed, lambda client: client.crons.resume(name))
    say("resumed", entry, output=output)


def run(
    name: Name,
    app: App = None,
    dsn: Dsn = None,
    schema: Schema = None,
    *,
    output: Output = Form.TABLE,
) -> None:
    """Insert a job of an entry now, paused or not.

    With --app, a job of an entry that people added gets the worker's own options.
    """
    deed = Deed("run", name, lambda job: f"inserted job {job.id} of cron entry {name}")
    job = act(dsn, schema, deed, lambda client: client.crons.run_now(name), program(app))
    if output.is_data:
        emit(output, job_json(job))
    else:
        print(f"inserted job {job.id} in queue {job.queue}")


def next_(
    entry: Annotated[
        str, typer.Argument(metavar="NAME|EXPRESSION", help="An entry, or an expression to try.")
    ],
    timezone: Timezone = None,
    count: Annotated[
        int, typer.Option("--count", "-n", envvar="BATON_CRON_COUNT", min=1, max=1000)
    ] = 5,
    dsn: Dsn = None,
    schema: Schema = None,
    *,
    output: Output = Form.TABLE,
) -> None:
    """Show when an entry, or an expression, ticks next.

    Five or six words are an expression unless an entry has that name.
    """
    after = datetime.now(UTC)
    found = None if _is_expression(entry) else _entry(entry, dsn, schema)
    if found is None:
        times = crontab.parse(entry, "UTC" if timezone is None else timezone)
    else:
        times = crontab.parse(found.expression, timezone or found.timezone)
        after = max(after, found.last_tick_at or found.inserted_at)
    zone = ZoneInfo(times.timezone)
    ticks: list[datetime] = []
    while len(ticks) < count and (tick := times.next(after)) is not None:
        ticks.append(tick.astimezone(zone))
        after = tick
    if output.is_data:
        emit(output, [tick.isoformat() for tick in ticks])
        return
    for tick in ticks:
        print(f"{tick:%a %Y-%m-%d %H:%M:%S %Z}")
    if not ticks:
        print("when the first worker process starts" if times.is_reboot else "never again")


def _is_expression(given: str) -> bool:
    return given.startswith("@") or (len(given.split()) > 1 and "*" in given)


def _entry(name: str, dsn: str | None, schema: str | None) -> Cron | None:
    """Return the entry of a name; ``None``: there is none, and it may be an expression."""
    try:
        return ask(dsn, schema, lambda client: client.crons.get(name))
    except NotFound:
        if len(name.split()) not in {5, 6}:
            raise
        return None


def program(app: str | None) -> Registry | None:
    """Return the workers of the program that --app or the settings name."""
    named = load(app=app).app
    return None if named is None else load_registry(named)


def ask(
    dsn: str | None,
    schema: str | None,
    question: Callable[[Client], Awaitable[R]],
    registry: Registry | None = None,
) -> R:
    """Ask a client."""
    settings = load(dsn=dsn, schema=schema)

    async def answer() -> R:
        async with Client(settings=settings, registry=registry) as client:
            return await question(client)

    return anyio.run(answer)


@dataclass(frozen=True, slots=True)
class Deed:
    """What is done to an entry, for the audit log; ``told`` is, or says, what it came to."""

    action: str
    name: str
    told: str | Callable[[Any], str]
    details: Mapping[str, Any] = field(default_factory=dict)


def act(
    dsn: str | None,
    schema: str | None,
    deed: Deed,
    question: Callable[[Client], Awaitable[R]],
    registry: Registry | None = None,
) -> R:
    """Do what `ask` does, and have it in the audit log."""

    async def answer(client: Client) -> R:
        async with acting(client, deed.action, "cron", deed.name, **deed.details) as record:
            done = await question(client)
            record.message = deed.told if isinstance(deed.told, str) else deed.told(done)
            return done

    return ask(dsn, schema, answer, registry)


def _state(entry: Cron) -> Text:
    if entry.problem is not None:
        return Text("broken", "red")
    if entry.paused_at is not None:
        return table.cell(f"paused by {entry.paused_by}" if entry.paused_by else "paused")
    return Text("running", "green")


def _next(entry: Cron) -> str:
    if entry.paused_at is not None or entry.next_tick_at is None:
        return ""
    return table.moment(entry.next_tick_at)


def say(participle: str, entry: Cron, *, output: Form) -> None:
    """Tell what was done to an entry."""
    if output.is_data:
        emit(output, _as_json(entry))
        return
    line = f"{participle} {inert(entry.name)}: {entry.expression} {entry.timezone}"
    after = _next(entry)
    print(f"{line}, next {after}" if after else line)


def _as_json(entry: Cron) -> dict[str, Any]:
    facts = asdict(entry)
    return {k: v.isoformat() if isinstance(v, datetime) else v for k, v in facts.items()}
