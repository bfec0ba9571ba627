"""Following a workflow in a terminal until it is finished."""

from collections.abc import Awaitable, Callable, Iterator

import anyio
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from baton.cli import tree
from baton.states import State
from baton.status import Node, WorkflowStatus

BAR_WIDTH = 30
_LINES_BESIDE_STEPS = 4  # the title, what is hidden, the bar, and the cursor
_AT_REST = {State.SUSPENDED, State.AVAILABLE, State.SCHEDULED}


async def follow(
    poll: Callable[[], Awaitable[WorkflowStatus]],
    console: Console,
    *,
    interval: float = 0.1,
) -> WorkflowStatus:
    """Show a workflow until it is finished, and return how it stands then.

    A terminal gets a tree of the steps with a progress bar, redrawn in place and fitted to its
    height. Anything else, or one that knows only ASCII, gets one plain line for each change of a
    step, with the seconds since the start. Being cancelled, or interrupted, leaves the last picture
    and the cursor as it was.

    Args:
        poll: reads the workflow; what it raises ends the following and is raised on.
        console: where to show it.
        interval: seconds between two polls.
    """
    started = anyio.current_time()
    status = await poll()
    if not console.is_terminal or console.is_dumb_terminal or console.options.ascii_only:
        return await _print_changes(poll, console, status, interval, started)
    view = _View(console, started)
    # refreshed by hand: a thread of its own would draw between two polls what is drawn already
    with Live(view.draw(status), console=console, auto_refresh=False) as live:
        while not status.is_finished:
            await anyio.sleep(interval)
            status = await poll()
            live.update(view.draw(status), refresh=True)
    return status


class _View:
    """Draws a workflow for a terminal."""

    def __init__(self, console: Console, started: float) -> None:
        self._console = console
        self._started = started

    def draw(self, status: WorkflowStatus) -> RenderableType:
        limit = max(1, self._console.height - _LINES_BESIDE_STEPS)
        return Group(tree.render(status, limit=limit), self._progress(status))

    def _progress(self, status: WorkflowStatus) -> Table:
        total = sum(status.counts.values())
        ended = sum(count for state, count in status.counts.items() if state.is_final)
        elapsed = tree.duration(anyio.current_time() - self._started)
        grid = Table.grid(padding=(0, 1))
        # `total` is at least 1: a bar of nothing would pulse
        bar = ProgressBar(max(1, total), ended, width=min(BAR_WIDTH, self._console.width // 3))
        fact = Text(f"{ended:,} of {total:,} steps  {elapsed}", no_wrap=True, overflow="ellipsis")
        grid.add_row(bar, fact, Text(tree.tally(status), "dim", no_wrap=True, overflow="ellipsis"))
        return grid


async def _print_changes(
    poll: Callable[[], Awaitable[WorkflowStatus]],
    console: Console,
    status: WorkflowStatus,
    interval: float,
    started: float,
) -> WorkflowStatus:
    changes = _Changes()
    _say(console, tree.headline(status))
    while True:
        elapsed = anyio.current_time() - started
        for node in changes.among(status):
            _say(console, f"{elapsed:8.2f}s  {tree.line(node)}")
        if status.is_finished:
            _say(console, f"{elapsed:8.2f}s  {tree.headline(status)}")
            return status
        await anyio.sleep(interval)
        status = await poll()


def _say(console: Console, line: str) -> None:
    encoding = console.encoding
    console.out(line.encode(encoding, "backslashreplace").decode(encoding), highlight=False)


class _Changes:
    """Remembers how the steps stood, so that each change is told once."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[State, int]] = {}

    def among(self, status: WorkflowStatus) -> Iterator[Node]:
        """Yield the steps that changed; of new ones, only those that have begun."""
        for node in status.nodes:
            if self._is_news(node):
                yield node

    def _is_news(self, node: Node) -> bool:
        before = self._seen.get(node.step_name)
        # a pruned job no longer tells its attempt, which changes nothing
        attempt = (before[1] if before else 0) if node.attempt is None else node.attempt
        now = self._seen[node.step_name] = (node.state, attempt)
        return node.state not in _AT_REST if before is None else now != before
