"""Following a workflow: scripted statuses in, what a terminal or a log file gets out."""

import io
import itertools
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import anyio
import pytest
from rich.console import Console

from baton.cli.live import follow
from baton.states import State
from baton.status import Node, WorkflowStatus
from baton.trees import WorkflowTree

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ID = UUID("01890000-0000-7000-8000-000000000001")
HIDE_CURSOR, SHOW_CURSOR = "\x1b[?25l", "\x1b[?25h"


def status(state: str = "executing", **steps: State | tuple[State, int | None]) -> WorkflowStatus:
    """Make a status of steps in a chain, each given as its state, or its state and attempt."""
    pairs = {
        name: given if isinstance(given, tuple) else (given, 1) for name, given in steps.items()
    }
    names = list(pairs)
    nodes = [
        Node(
            step_name=name,
            state=found,
            deps=names[:number][-1:],
            result=None,
            error="boom" if found in {State.RETRYABLE, State.DISCARDED} else None,
            duration=0.5,
            worker="app.work",
            queue="default",
            attempt=attempt,
            started_at=None,
            finished_at=None,
            inserted_at=NOW,
            job_id=number,
        )
        for number, (name, (found, attempt)) in enumerate(pairs.items())
    ]
    return WorkflowStatus(
        id=ID,
        name="nightly",
        state=state,
        inserted_at=NOW,
        finished_at=None,
        counts=Counter(node.state for node in nodes),
        nodes=nodes,
    )


class Script:
    """Polls a script of statuses; the last one is repeated, and exceptions are raised."""

    def __init__(self, *statuses: WorkflowStatus | BaseException) -> None:
        self._statuses = itertools.chain(statuses, itertools.repeat(statuses[-1]))
        self.polls = 0
        self.drawn = anyio.Event()

    async def __call__(self) -> WorkflowTree:
        self.polls += 1
        if self.polls > 2:
            self.drawn.set()
        found = next(self._statuses)
        if isinstance(found, BaseException):
            raise found
        return WorkflowTree.of(found)


def console(*, terminal: bool, height: int = 24, **options: object) -> Console:
    return Console(file=io.StringIO(), force_terminal=terminal, width=100, height=height, **options)


def written(to: Console) -> str:
    return to.file.getvalue()


def run(script: Script, to: Console) -> WorkflowStatus:
    async def main() -> WorkflowStatus:
        with anyio.fail_after(120):
            return (await follow(script, to, pause=anyio.lowlevel.checkpoint)).status

    return anyio.run(main)


def facts(lines: Iterable[str]) -> list[str]:
    """Strip the seconds, which must be there, from lines."""
    stripped = []
    for line in lines:
        seconds, _, rest = line.partition("s  ")
        assert float(seconds) >= 0
        stripped.append(rest)
    return stripped


DONE, RUNS, WAITS = State.COMPLETED, State.EXECUTING, State.SUSPENDED
RUN = (
    status(fetch=(State.AVAILABLE, 0), brief=(WAITS, 0)),
    status(fetch=RUNS, brief=(WAITS, 0)),
    status(fetch=RUNS, brief=(WAITS, 0)),
    status(fetch=DONE, brief=RUNS),
    status("completed", fetch=DONE, brief=DONE),
)


def test_without_a_terminal_each_change_is_one_plain_line() -> None:
    to = console(terminal=False)
    assert run(Script(*RUN), to).state == "completed"
    head, *changes = written(to).splitlines()
    assert head == f"workflow nightly {ID} executing: 1 available, 1 suspended"
    assert facts(changes) == [
        "executing  fetch  0.50 s",
        "completed  fetch  0.50 s",
        "executing  brief  0.50 s  after fetch",
        "completed  brief  0.50 s  after fetch",
        f"workflow nightly {ID} completed: 2 completed",
    ]


def test_a_step_that_fails_and_runs_again_is_told_each_time() -> None:
    to = console(terminal=False)
    script = Script(
        status(fetch=RUNS),
        status(fetch=State.RETRYABLE),
        status(fetch=State.RETRYABLE),
        status(fetch=(State.RETRYABLE, 2)),
        status(fetch=(RUNS, 3)),
        status("failed", fetch=(State.DISCARDED, 3)),
    )
    assert run(script, to).failed_steps == ["fetch"]
    states = [line.split()[0] for line in facts(written(to).splitlines()[1:])]
    assert states == ["executing", "retryable", "retryable", "executing", "discarded", "workflow"]


def test_a_job_that_is_pruned_meanwhile_is_no_change() -> None:
    to = console(terminal=False)
    pruned = status(fetch=(DONE, None), brief=RUNS)
    run(Script(RUN[3], pruned, RUN[4]), to)
    assert written(to).count("completed  fetch") == 1


def test_a_finished_workflow_is_told_in_one_poll() -> None:
    for terminal in (False, True):
        script, to = Script(RUN[-1]), console(terminal=terminal)
        assert run(script, to).state == "completed"
        assert script.polls == 1
        assert "brief" in written(to)


def test_plain_lines_are_plain_and_long_ones_are_not_broken() -> None:
    to = console(terminal=False, color_system=None)
    name = "[red]\x1b[2J\n" * 10
    run(Script(status("completed", **{name: DONE}, brief=DONE)), to)
    assert len(written(to).splitlines()) == 4
    assert written(to).replace("\n", "").isprintable()


def test_a_terminal_gets_the_tree_and_a_bar_redrawn_until_the_end() -> None:
    to = console(terminal=True)
    run(Script(*RUN), to)
    output = written(to)
    assert "▶" in output
    assert "0 of 2 steps" in output
    assert "1 of 2 steps" in output
    last = output.rpartition("0 of 2 steps")[2].rpartition("2 of 2 steps")[0]
    assert last.rindex("brief") > last.rindex("fetch")


def test_the_cursor_comes_back_at_the_end() -> None:
    to = console(terminal=True)
    run(Script(*RUN), to)
    assert written(to).rindex(SHOW_CURSOR) > written(to).rindex(HIDE_CURSOR)


def test_a_tall_workflow_is_fitted_to_the_terminal() -> None:
    steps = {f"s{number}": DONE for number in range(2000)}
    to = console(terminal=True, height=12)
    run(Script(status(**steps, last=RUNS), status("completed", **steps, last=DONE)), to)
    drawings = written(to).split("nightly")[1:]
    assert "last" in drawings[0]
    assert max(drawing.count("\n") for drawing in drawings) <= 12
    assert "more steps" in drawings[-1]


def test_a_dumb_terminal_gets_plain_lines() -> None:
    to = Console(file=io.StringIO(), force_terminal=True, _environ={"TERM": "dumb"}, width=100)
    run(Script(*RUN), to)
    assert HIDE_CURSOR not in written(to)
    assert "completed  brief" in written(to)


def test_a_terminal_that_knows_only_ascii_gets_plain_lines() -> None:
    file = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    run(Script(status("completed", größe=DONE)), Console(file=file, force_terminal=True, width=100))
    file.flush()
    assert b"completed  gr\\xf6\\xdfe" in file.buffer.getvalue()


@pytest.mark.parametrize("terminal", [True, False])
def test_an_error_of_the_poll_is_raised_and_the_terminal_restored(terminal: bool) -> None:
    to = console(terminal=terminal)
    with pytest.raises(OSError, match="gone"):
        run(Script(RUN[0], RUN[1], OSError("the database is gone")), to)
    assert written(to).count(HIDE_CURSOR) == written(to).count(SHOW_CURSOR) == int(terminal)


def test_an_error_of_the_first_poll_leaves_the_terminal_alone() -> None:
    to = console(terminal=True)
    with pytest.raises(OSError, match="gone"):
        run(Script(OSError("the database is gone")), to)
    assert written(to) == ""


def test_an_interrupt_restores_the_terminal() -> None:
    to = console(terminal=True)
    with pytest.raises(KeyboardInterrupt):
        run(Script(RUN[0], RUN[1], KeyboardInterrupt()), to)
    assert written(to).rindex(SHOW_CURSOR) > written(to).rindex(HIDE_CURSOR)


def test_being_cancelled_restores_the_terminal() -> None:
    to = console(terminal=True)
    script = Script(RUN[1])

    async def main() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(lambda: follow(script, to, pause=anyio.lowlevel.checkpoint))
            await script.drawn.wait()
            group.cancel_scope.cancel()

    anyio.run(main)
    assert written(to).rindex(SHOW_CURSOR) > written(to).rindex(HIDE_CURSOR)


def test_a_workflow_without_steps_can_be_followed() -> None:
    for terminal in (False, True):
        to = console(terminal=terminal)
        found = run(Script(replace(status(), state="completed")), to)
        assert found.is_finished
        assert "no steps" in written(to)
