"""``baton db``: an embedded PostgreSQL to try things on."""

from pathlib import Path
from typing import Annotated

import typer

from baton.embedded import Cluster, default_directory
from baton.errors import NotFound

Data = Annotated[
    Path | None,
    typer.Option("--data", envvar="BATON_DATA", help="Where its data are. [.baton/postgres]"),
]


def start(data: Data = None) -> None:
    """Start it, or find it running, and print its DSN. It goes on until it is stopped."""
    print(cluster(data).start())


def stop(data: Data = None) -> None:
    """Stop it; its data stay."""
    if not cluster(data).stop():
        raise NotFound("embedded PostgreSQL running in", cluster(data).home)


def dsn(data: Data = None) -> None:
    """Print its DSN."""
    found = cluster(data)
    if not found.is_running():
        raise NotFound("embedded PostgreSQL running in", found.home)
    print(found.dsn())


def cluster(data: Path | None) -> Cluster:
    """Return the server's directory."""
    return Cluster(default_directory() if data is None else data.expanduser().resolve())
