"""``baton migrate``: makes the schema, and brings it from one version to another."""

import shlex
import sys
from collections.abc import Iterable
from typing import Annotated

import typer

from baton.cli.frame import ExitCode
from baton.cli.options import Dsn, Schema
from baton.errors import ConfigurationError
from baton.settings import Settings, load
from baton.store import grants, migrations


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
            help="Print the SQL instead, for an empty database or of --grant; needs no database.",
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
    grant: Annotated[
        str | None,
        typer.Option(
            "--grant",
            metavar="ROLE",
            envvar="BATON_MIGRATE_GRANT",
            help="Let this role do what --as says, and nothing else; migrate nothing.",
        ),
    ] = None,
    as_: Annotated[
        str,
        typer.Option(
            "--as",
            metavar="|".join(grants.ACCESSES),
            envvar="BATON_MIGRATE_AS",
            help="Run jobs and steer them; insert and look; or look.",
        ),
    ] = "worker",
    revoke: Annotated[
        str | None,
        typer.Option(
            "--revoke",
            metavar="ROLE",
            envvar="BATON_MIGRATE_REVOKE",
            help="Take back what --grant gave.",
        ),
    ] = None,
) -> None:
    """Bring the schema to the newest version. Safe to run again, and by several at once."""
    if check + sql + down > 1:
        raise ConfigurationError("--check, --sql and --down exclude each other")
    settings = load(dsn=dsn, schema=schema)
    if grant is not None or revoke is not None:
        if check or down or to is not None or (grant is not None and revoke is not None):
            raise ConfigurationError(
                "--grant and --revoke exclude each other and all else but --sql, --dsn and --schema"
            )
        if grant is not None:
            _grant(settings, grant, _access(as_), dry=sql)
        elif revoke is not None:
            _grant(settings, revoke, None, dry=sql)
    elif sql:
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
        option = (
            "" if settings.db_schema == "baton" else f" --schema {shlex.quote(settings.db_schema)}"
        )
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


def _access(word: str) -> grants.Access:
    for access in grants.ACCESSES:
        if word == access:
            return access
    raise ConfigurationError(f"--as {word}: it is one of {', '.join(grants.ACCESSES)}")


def _grant(settings: Settings, role: str, access: grants.Access | None, *, dry: bool) -> None:
    schema = settings.db_schema
    if dry:
        print(grants.script(role, access, schema=schema), end="")
        return
    granted = grants.grant(settings.conninfo, role, access, schema=schema)
    if access is None:
        print(f"role {role} may do nothing in schema {schema}")
    else:
        print(f"role {role} may do in schema {schema} what a {access} needs")
    for note in granted.notes:
        _say(f"note: {note}")


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
