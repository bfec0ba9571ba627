"""``baton sql``: SQL for people: queries to look with, and what Baton itself runs."""

from datetime import datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

import typer
from rich.text import Text

from baton.cli import table
from baton.cli.completion import complete_sql
from baton.cli.options import Dsn, Schema
from baton.cli.output import Form, Output, emit
from baton.cli.tree import duration
from baton.errors import ConfigurationError
from baton.settings import load
from baton.store import looks

_NARROW = {"id", "lease", "pid", "jobs", "age"}


def sql(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="[NAME]",
            help="A look, or a query or routine of Baton's own. [the list of looks]",
            autocompletion=complete_sql,
        ),
    ] = None,
    dsn: Dsn = None,
    schema: Schema = None,
    *,
    run: Annotated[
        bool,
        typer.Option("--run", "-r", envvar="BATON_SQL_RUN", help="Run it, and show its rows."),
    ] = False,
    output: Output = Form.TABLE,
) -> None:
    """Print the SQL of a name, written for the schema, for psql; or run a look.

    A look is a query without parameters. It is run in a transaction that can change nothing.
    """
    settings = load(dsn=dsn, schema=schema)
    if name is None:
        if run:
            raise ConfigurationError("which one is to be run? baton sql lists them")
        _list(looks.looks(settings.db_schema), output)
        return
    found = looks.read(name, settings.db_schema)
    if not run:
        print(found.text, end="")
        return
    if found.kind != "looks":
        raise ConfigurationError(
            f"{name} takes parameters; those that can be run are {', '.join(looks.names('looks'))}"
        )
    columns, rows = looks.run(
        found,
        settings.conninfo,
        settings.db_schema,
        timeout=settings.statement_timeout,
        pooled=settings.behind_pooler,
    )
    if output.is_data:
        emit(output, [dict(zip(columns, map(_plain, row), strict=True)) for row in rows])
        return
    shown = table.listing(*columns, flexible=set(columns) - _NARROW)
    for row in rows:
        shown.add_row(*(table.cell(_text(value)) for value in row))
    table.show(shown)


def _list(found: list[looks.Text], output: Form) -> None:
    if output.is_data:
        emit(output, [{"name": each.name, "summary": each.summary} for each in found])
        return
    rows = table.listing("name", "what it tells", flexible={"what it tells"})
    for each in found:
        rows.add_row(Text(each.name), table.cell(each.summary))
    table.show(rows)


def _plain(value: Any) -> Any:
    """Return a value as JSON has it."""
    if value is None or isinstance(value, bool | int | float | str | list | dict):
        return value
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    return str(value)


def _text(value: Any) -> str:
    match value:
        case None:
            return ""
        case datetime():
            return table.moment(value)
        case timedelta():
            return duration(value.total_seconds())
        case UUID():
            return str(value)
        case _:
            return str(value)
