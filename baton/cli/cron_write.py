"""``baton cron add`` and ``baton cron edit``."""

import re
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from baton import crontab
from baton.cli import values
from baton.cli.acting import recordable
from baton.cli.cron import Deed, Name, Timezone, act, program, say
from baton.cli.job_write import Arg, Args, MaxAttempts, Meta, Priority, Queue, Tag, Timeout, Weight
from baton.cli.options import App, Dsn, Schema
from baton.cli.output import Form, Output
from baton.client import Client
from baton.crons import Cron
from baton.errors import ConfigurationError

_NUMBER = re.compile(r"-?[0-9]{1,9}")

CatchUp = Annotated[
    str | None,
    typer.Option(
        "--catch-up",
        envvar="BATON_CRON_CATCH_UP",
        help="How many missed ticks to make up for: none, latest or a number. [none]",
    ),
]


def add(
    name: Name,
    expression: Annotated[
        str, typer.Argument(metavar="EXPRESSION", help="When: '*/5 * * * *', @daily and so on.")
    ],
    worker: Annotated[str, typer.Argument(metavar="WORKER", help="The worker's name.")],
    timezone: Timezone = None,
    catch_up: CatchUp = None,
    arg: Arg = None,
    args: Args = None,
    meta: Meta = None,
    queue: Queue = None,
    priority: Priority = None,
    max_attempts: MaxAttempts = None,
    tag: Tag = None,
    timeout: Timeout = None,
    weight: Weight = None,
    app: App = None,
    dsn: Dsn = None,
    schema: Schema = None,
    *,
    paused: Annotated[
        bool,
        typer.Option("--paused", envvar="BATON_CRON_PAUSED", help="Begin when it is resumed."),
    ] = False,
    output: Output = Form.TABLE,
) -> None:
    """Add an entry, which every worker process fires.

    With --app the worker must exist, and the arguments are checked.
    """
    options = _options(meta, queue, priority, max_attempts, tag, timeout, weight)
    given = {**_document("--args", args), **values.pairs("--arg", arg or ())}
    registry = program(app)
    if registry is not None:
        registry.find(worker)
    said = {**_said(options, given), "expression": expression, "timezone": timezone}
    said |= {"worker": worker, "catch_up": catch_up, "paused": paused or None}
    entry = act(
        dsn,
        schema,
        Deed("add", name, f"added cron entry {name}", said),
        lambda client: client.crons.add(
            worker,
            expression,
            name=name,
            timezone="UTC" if timezone is None else timezone,
            catch_up=_catch_up(catch_up) or 0,
            args=given,
            paused=paused,
            **options,
        ),
        registry,
    )
    say("added", entry, output=output)


def edit(
    name: Name,
    expression: Annotated[
        str | None,
        typer.Option("--expression", "-e", envvar="BATON_CRON_EXPRESSION", help="When."),
    ] = None,
    timezone: Timezone = None,
    catch_up: CatchUp = None,
    arg: Arg = None,
    args: Args = None,
    meta: Meta = None,
    queue: Queue = None,
    priority: Priority = None,
    max_attempts: MaxAttempts = None,
    tag: Tag = None,
    timeout: Timeout = None,
    weight: Weight = None,
    app: App = None,
    dsn: Dsn = None,
    schema: Schema = None,
    *,
    output: Output = Form.TABLE,
) -> None:
    """Change an entry. What is not given stays; --arg changes one argument, --args all of them.

    "--timeout none" lifts it. When the times change, the entry begins anew. Entries that stand in
    code are changed there.
    """
    options = _options(meta, queue, priority, max_attempts, tag, timeout, weight)
    single = values.pairs("--arg", arg or ())
    whole = None if args is None else _document("--args", args)
    chosen = {"expression": expression, "timezone": timezone, "catch_up": _catch_up(catch_up)}
    changes = {key: value for key, value in chosen.items() if value is not None} | options
    if not changes and whole is None and not single:
        raise ConfigurationError("what is to be changed? give an option like --expression")

    said = dict(changes)

    async def change(client: Client) -> Cron:
        if whole is not None or single:
            before = (await client.crons.get(name)).args if whole is None else whole
            changes["args"] = {**before, **single}
        return await client.crons.edit(name, **changes)

    deed = Deed(
        "edit", name, f"changed cron entry {name}", _said(said, {**(whole or {}), **single})
    )
    say("changed", act(dsn, schema, deed, change, program(app)), output=output)


def _options(
    meta: str | None,
    queue: str | None,
    priority: int | None,
    max_attempts: int | None,
    tag: list[str] | None,
    timeout: str | None,
    weight: int | None,
) -> dict[str, Any]:
    """Return the options that were given; ``None`` for one that is to be lifted."""
    given = {
        "meta": None if meta is None else values.document("--meta", meta),
        "queue": queue,
        "priority": priority,
        "max_attempts": max_attempts,
        "tags": tag or None,
        "weight": weight,
    }
    options: dict[str, Any] = {key: value for key, value in given.items() if value is not None}
    if timeout is not None:
        lifted = timeout == values.NOTHING
        options["timeout"] = None if lifted else values.delay("--timeout", timeout)
    return options


def _said(options: Mapping[str, Any], args: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the audit log is to have: of arguments and meta only their names."""
    return {**recordable(options), "args": sorted(args)}


def _document(option: str, text: str | None) -> dict[str, Any]:
    return {} if text is None else values.document(option, text)


def _catch_up(text: str | None) -> int | None:
    if text is None:
        return None
    given: Any = int(text) if _NUMBER.fullmatch(text) else text
    return crontab.catch_up_limit(given)
