"""``baton migrate``: makes the schema, and brings it from one version to another."""

import sys
from collections.abc import Iterable
from typing import Annotated

import typer

from baton.cli.frame import ExitCode
from baton.cli.options import Dsn, Schema
from baton.errors import ConfigurationError
from baton.settings import Settings, load
from baton.store import migrations


def migrate(
    dsn: Dsn = None,
    schema: Schema = None,
    to: Annotated[
        int | None,
        typer.Option(
            envvar="BATON_MIGRATE_TO",
            min=0,
            help="The version to stop at. [the newest; with --down, 0]",
        ),
    ] = None,
    *,
    check: Annotated[
        bool,
        typer.Option(
            "--check",
            envvar="BATON_MIGRATE_CHECK",
            help="Change nothing, print what is missing, and exit with 1 when something is.",
        ),
    ] = False,
    sql: Annotated[
        bool,
        typer.Option(
            "--sql",
            envvar="BATON_MIGRATE_SQL",
            help="Print the SQL for an empty database; needs none.",
        ),
    ] = False,
    down: Annotated[
        bool,
        typer.Option(
            "--down",
            envvar="BATON_MIGRATE_DOWN",
            help="Take migrations back, all of them unless --to says where to stop.",
        ),
    ] = False,
    yes: Annotated[
        bool,
        typer.Option("--yes", "-y", envvar="BATON_YES", help="Do not ask before --down."),
    ] = False,
) -> None:
    """Bring the schema to the newest version. Safe to run again, and by several at once."""
    if check + sql + down > 1:
        raise ConfigurationError("--check, --sql and --down exclude each other")
    settings = load(dsn=dsn, schema=schema)
    if sql:
        print(migrations.script(schema=settings.db_schema, to=to), end="")
    elif check:
        _check(settings, to)
    elif down:
        _down(settings, to or 0, yes=yes)
    else:
        _up(settings, to)


def _up(settings: Settings, to: int | None) -> None:
    applied = migrations.migrate(settings.conninfo, schema=settings.db_schema, to=to)
    _print("applied", applied)
    if not applied:
        print(_up_to_date(settings, to))


def _check(settings: Settings, to: int | None) -> None:
    missing = migrations.pending(settings.conninfo, schema=settings.db_schema, to=to)
    _print("pending", missing)
    if missing:
        option = "" if settings.db_schema == "baton" else f" --schema {settings.db_schema}"
        _say(f"schema {settings.db_schema} is behind; run: baton migrate{option}")
        raise typer.Exit(ExitCode.FAILED)
    print(_up_to_date(settings, to))


def _down(settings: Settings, to: int, *, yes: bool) -> None:
    schema = settings.db_schema
    if not yes:
        _confirm(settings, to)
    undone = migrations.down(settings.conninfo, schema=schema, to=to)
    _print("took back", undone.names)
    if not undone.names:
        _say(f"schema {schema} has nothing to take back")
    if undone.notice:
        _say(undone.notice)


def _confirm(settings: Settings, to: int) -> None:
    """Ask whether what would be lost may be lost."""
    if not sys.stdin.isatty():
        raise ConfigurationError(
            "--down deletes jobs and workflows and there is no terminal to ask on; add --yes"
        )
    losses = migrations.losses(settings.conninfo, schema=settings.db_schema, to=to)
    if not losses.names:
        return
    _say(f"This takes back {', '.join(losses.names)} in schema {settings.db_schema}.")
    if to == 0:
        _say(f"{losses.jobs:,} jobs and {losses.workflows:,} workflows will be lost.")
    if losses.processes:
        _say(f"{losses.processes:,} worker processes are alive; stop them first.")
    # not typer's question: it writes to standard output too
    print("Go on? [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        raise typer.Exit(ExitCode.FAILED)


def _up_to_date(settings: Settings, to: int | None) -> str:
    return (
        f"schema {settings.db_schema} is up to date at {migrations.known() if to is None else to}"
    )


def _print(what: str, names: Iterable[str]) -> None:
    for name in names:
        print(f"{what} {name}")


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr)
