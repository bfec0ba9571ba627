"""Following a workflow in a terminal until it is finished."""

from collections.abc import Awaitable, Callable, Iterator

import anyio
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from baton.cli import branches
from baton.cli import tree as words
from baton.states import State
from baton.status import Node
from baton.trees import WorkflowTree

BAR_WIDTH = 30
_LINES_BESIDE_STEPS = 4  # the title, what is hidden, the bar, and the cursor
_AT_REST = {State.SUSPENDED, State.AVAILABLE, State.SCHEDULED}


async def _ten_times_a_second() -> None:
    await anyio.sleep(0.1)


async def follow(
    poll: Callable[[], Awaitable[WorkflowTree]],
    console: Console,
    *,
    pause: Callable[[], Awaitable[None]] = _ten_times_a_second,
) -> WorkflowTree:
    """Show a workflow until it is finished, and return how it stands then.

    A terminal gets a tree of the steps with a progress bar, redrawn in place and fitted to its
    height. Anything else, or one that knows only ASCII, gets one plain line for each change of a
    step, with the seconds since the start. Being cancelled, or interrupted, leaves the last picture
    and the cursor as it was.

    Args:
        poll: reads the workflow; what it raises ends the following and is raised on.
        console: where to show it.
        pause: waits between two polls.
    """
    started = anyio.current_time()
    tree = await poll()
    if not console.is_terminal or console.is_dumb_terminal or console.options.ascii_only:
        return await _print_changes(poll, console, tree, pause, started)
    view = _View(console, started)
    # refreshed by hand: a thread of its own would draw between two polls what is drawn already
    with Live(view.draw(tree), console=console, auto_refresh=False) as live:
        while not tree.status.is_finished:
            await pause()
            tree = await poll()
            live.update(view.draw(tree), refresh=True)
    return tree


class _View:
    """Draws a workflow for a terminal."""

    def __init__(self, console: Console, started: float) -> None:
        self._console = console
        self._started = started

    def draw(self, tree: WorkflowTree) -> RenderableType:
        limit = max(1, self._console.height - _LINES_BESIDE_STEPS)
        return Group(branches.render(tree, limit=limit, together=True), self._progress(tree))

    def _progress(self, tree: WorkflowTree) -> Table:
        nodes = [node for _, node in tree.walk()]
        total, ended = len(nodes), sum(node.state.is_final for node in nodes)
        elapsed = words.duration(anyio.current_time() - self._started)
        grid = Table.grid(padding=(0, 1))
        # `total` is at least 1: a bar of nothing would pulse
        bar = ProgressBar(max(1, total), ended, width=min(BAR_WIDTH, self._console.width // 3))
        fact = Text(f"{ended:,} of {total:,} steps  {elapsed}", no_wrap=True, overflow="ellipsis")
        told = words.tally_of(nodes) or "no steps"
        grid.add_row(bar, fact, Text(told, "dim", no_wrap=True, overflow="ellipsis"))
        return grid


async def _print_changes(
    poll: Callable[[], Awaitable[WorkflowTree]],
    console: Console,
    tree: WorkflowTree,
    pause: Callable[[], Awaitable[None]],
    started: float,
) -> WorkflowTree:
    changes = _Changes()
    _say(console, words.headline(tree.status))
    while True:
        elapsed = anyio.current_time() - started
        for line in changes.among(tree):
            _say(console, f"{elapsed:8.2f}s  {line}")
        if tree.status.is_finished:
            _say(console, f"{elapsed:8.2f}s  {words.headline(tree.status)}")
            return tree
        await pause()
        tree = await poll()


def _say(console: Console, line: str) -> None:
    encoding = console.encoding
    console.out(line.encode(encoding, "backslashreplace").decode(encoding), highlight=False)


class _Changes:
    """Remembers how the steps stood, so that each change is told once."""

    def __init__(self) -> None:
        self._seen: dict[int, tuple[str, int]] = {}

    def among(self, tree: WorkflowTree) -> Iterator[str]:
        """Say how the steps stand that changed; of new ones, only those that have begun."""
        adders = tree.adders()
        for path, node in tree.walk():
            if self._is_news(node):
                yield words.line(node, path=path, adders=adders)

    def _is_news(self, node: Node) -> bool:
        before = self._seen.get(node.job_id)
        # a pruned job no longer tells its attempt, which changes nothing
        attempt = (before[1] if before else 0) if node.attempt is None else node.attempt
        now = self._seen[node.job_id] = (node.word, attempt)
        return now[0] not in _AT_REST if before is None else now != before
