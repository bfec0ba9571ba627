"""Which commands there are."""

import platform
from typing import Annotated

import typer

from baton import __version__
from baton.cli import db, demo, job, migrate, psql, worker, workflow
from baton.cli.frame import frame, guarded

app = typer.Typer(
    name="baton",
    help="A job queue with DAG workflows that lives in PostgreSQL alone.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"baton {__version__} (Python {platform.python_version()})")
        raise typer.Exit


@app.callback()
def root(
    *,
    debug: Annotated[
        bool, typer.Option(envvar="BATON_DEBUG", help="Show tracebacks of errors.")
    ] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Take the options before the command."""
    del version
    frame.debug = debug


def _group(name: str, explanation: str) -> typer.Typer:
    group = typer.Typer(help=explanation, no_args_is_help=True, rich_markup_mode=None)
    app.add_typer(group, name=name)
    return group


app.command()(guarded(migrate.migrate))
app.command()(guarded(worker.worker))

workflows = _group("workflow", "Look at workflows.")
workflows.command("list")(guarded(workflow.list_))
workflows.command("show")(guarded(workflow.show))

jobs = _group("job", "Look at jobs.")
jobs.command("list")(guarded(job.list_))
jobs.command("show")(guarded(job.show))

app.command(
    context_settings={
        "allow_extra_args": True,
        "ignore_unknown_options": True,
        "allow_interspersed_args": False,
    }
)(guarded(psql.psql))
app.command()(guarded(demo.demo))

servers = _group("db", "Run an embedded PostgreSQL to try things on.")
servers.command("start")(guarded(db.start))
servers.command("stop")(guarded(db.stop))
servers.command("dsn")(guarded(db.dsn))


@app.command()
def version() -> None:
    """Print the version."""
    _version(wanted=True)
