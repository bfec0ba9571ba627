"""``baton db``: an embedded PostgreSQL to try things on."""

from pathlib import Path
from typing import Annotated

import typer

from baton.embedded import EmbeddedServer
from baton.errors import NotFound

Data = Annotated[
    Path,
    typer.Option("--data", envvar="BATON_DATA", help="Where its data are."),
]
DEFAULT = Path(".baton/postgres")


def start(data: Data = DEFAULT) -> None:
    """Start it, or find it running, and print its DSN. It goes on until it is stopped."""
    print(EmbeddedServer.launch(data).dsn())


def stop(data: Data = DEFAULT) -> None:
    """Stop it; its data stay."""
    _running(data).stop()


def dsn(data: Data = DEFAULT) -> None:
    """Print its DSN."""
    print(_running(data).dsn())


def _running(data: Path) -> EmbeddedServer:
    server = EmbeddedServer.find(data)
    if server is None:
        raise NotFound("embedded PostgreSQL running in", data)
    return server
