"""How lists and trees are printed: whole where a program reads, fitted where a person does."""

import io
import sys
from collections.abc import Collection
from datetime import datetime

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from baton.cli.tree import inert

WIDEST = 100_000


def console() -> Console:
    """Return the console of standard output, which escapes what its encoding lacks."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    return Console(highlight=False)


def listing(*columns: str, flexible: Collection[str] = ()) -> Table:
    """Return an empty table, each of whose rows is one line.

    Args:
        columns: their heads.
        flexible: those that give way where the terminal is too narrow; their cells are `cell`.
    """
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        # rich narrows the columns that could wrap before all others
        table.add_column(column, no_wrap=column not in flexible)
    return table


def cell(text: str) -> Text:
    """Return a text that somebody wrote as a cell: inert, and cut rather than wrapped."""
    return Text(inert(text), no_wrap=True, overflow="ellipsis")


def show(renderable: RenderableType) -> None:
    """Print on standard output; only a terminal makes it cut what is wide."""
    out = console()
    if not out.is_terminal:
        out.width = max(1, Console(width=WIDEST).measure(renderable).maximum)
    out.print(renderable)


def moment(at: datetime) -> str:
    """Write a time as people on this machine read it."""
    return f"{at.astimezone():%Y-%m-%d %H:%M:%S}"
