"""Progress bars: on standard error, and only where a person looks at it."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

Tell = Callable[[float, int], None]


@contextmanager
def progress(what: str) -> Iterator[Tell]:
    """Show a bar while the block runs.

    It yields what to call with the part that is done, from 0 to 1, and with a number to show beside
    it. The bar is gone when the block ends. Where standard error is no terminal nothing is shown.
    """
    if not sys.stderr.isatty():
        yield lambda _part, _count: None
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[word]}", markup=False),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=1.0, word="")

        def tell(part: float, count: int) -> None:
            bar.update(task, completed=part, word=f"{count:,}")

        yield tell
