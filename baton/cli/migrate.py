"""``baton migrate``: makes and changes the schema."""

import sys
from typing import Annotated

import typer

from baton.cli.frame import ExitCode
from baton.cli.options import Dsn, Schema
from baton.errors import ConfigurationError
from baton.settings import load
from baton.store import migrations


def migrate(
    dsn: Dsn = None,
    schema: Schema = None,
    to: Annotated[
        int | None,
        typer.Option(
            envvar="BATON_MIGRATE_TO", help="Stop at this version; with --down, go back to it."
        ),
    ] = None,
    *,
    check: Annotated[
        bool,
        typer.Option(
            "--check", envvar="BATON_MIGRATE_CHECK", help="Change nothing; exit 1 when behind."
        ),
    ] = False,
    sql: Annotated[
        bool,
        typer.Option(
            "--sql", envvar="BATON_MIGRATE_SQL", help="Print the SQL for an empty database."
        ),
    ] = False,
    down: Annotated[
        bool,
        typer.Option("--down", envvar="BATON_MIGRATE_DOWN", help="Take migrations back."),
    ] = False,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", envvar="BATON_YES", help="Don't ask before --down.")
    ] = False,
) -> None:
    """Bring the schema to the newest version. It is safe to run at any time, and at once."""
    if check + sql + down > 1:
        raise ConfigurationError("--check, --sql and --down exclude each other")
    settings = load(dsn=dsn, schema=schema)
    name = settings.db_schema
    if sql:
        print(migrations.script(schema=name, to=to), end="")
    elif check:
        _check(settings.conninfo, name)
    elif down:
        _confirm(settings.conninfo, name, yes=yes)
        _report(migrations.down(settings.conninfo, schema=name, to=to or 0), "took back", name)
    else:
        _report(migrations.migrate(settings.conninfo, schema=name, to=to), "applied", name)


def _check(dsn: str, schema: str) -> None:
    behind = migrations.pending(dsn, schema=schema)
    if behind:
        print(f"schema {schema} is behind: {', '.join(behind)}; run: baton migrate")
        raise typer.Exit(ExitCode.FAILED)
    print(f"schema {schema} is up to date at {migrations.known()}")


def _confirm(dsn: str, schema: str, *, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise ConfigurationError("--down deletes jobs and workflows; confirm it with --yes")
    jobs = migrations.count_jobs(dsn, schema=schema)
    question = f"Delete Baton's tables in schema {schema}, with {jobs:,} jobs?"
    if not typer.confirm(question, err=True):
        raise typer.Exit(ExitCode.FAILED)


def _report(names: list[str], done: str, schema: str) -> None:
    for name in names:
        print(f"{done} {name}")
    if not names:
        print(f"schema {schema} is up to date at {migrations.known()}")
