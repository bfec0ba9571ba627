"""How a workflow is shown: every step once, state by word and icon, hostile names as plain text."""

import io
import json
from collections import Counter
from datetime import UTC, datetime
from uuid import UUID

import pytest
from rich.console import Console

from baton.cli import branches, tree
from baton.states import State
from baton.status import Node, WorkflowStatus
from baton.trees import WorkflowTree

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ID = UUID("01890000-0000-7000-8000-000000000001")


def node(name: str, *deps: str, state: State = State.COMPLETED, **facts: object) -> Node:
    given = {
        "result": None,
        "error": None,
        "duration": None,
        "worker": "app.work",
        "queue": "default",
        "attempt": 1,
        "started_at": None,
        "finished_at": None,
        "inserted_at": NOW,
        "job_id": 1,
    }
    return Node(step_name=name, state=state, deps=deps, **{**given, **facts})


def status(*nodes: Node, name: str | None = "nightly", state: str = "executing") -> WorkflowStatus:
    return WorkflowStatus(
        id=ID,
        name=name,
        state=state,
        inserted_at=NOW,
        finished_at=None,
        counts=Counter(one.state for one in nodes),
        nodes=nodes,
    )


def shown(given: WorkflowStatus, *, width: int = 120, **options: object) -> str:
    console = Console(file=io.StringIO(), width=width, color_system=None)
    console.print(branches.render(WorkflowTree.of(given), **options))
    return console.file.getvalue()


DIAMOND = status(
    node("fetch", duration=0.612),
    node("summarize", "fetch", state=State.EXECUTING, duration=72.4, attempt=2),
    node("keywords", "fetch", state=State.RETRYABLE, error="KeyError: 'x'\n  at line 3"),
    node("brief", "summarize", "keywords", state=State.SUSPENDED, attempt=0),
)


def test_a_diamond_is_a_tree_with_each_step_once() -> None:
    assert [row.rstrip() for row in shown(DIAMOND).splitlines()] == [
        "nightly  executing  01890000-0000-7000-8000-000000000001",
        "└── ✓ fetch  completed  0.61 s",
        "    ├── ▶ summarize  executing  1 min 12 s  attempt 2",
        "    └── ↻ keywords  retryable",
        "        KeyError: 'x' at line 3",
        "        └── · brief  suspended  (also after summarize)",
    ]


def test_a_step_stands_under_the_deepest_of_its_dependencies() -> None:
    rows = shown(
        status(node("a"), node("b", "a"), node("c", "b"), node("d", "c", "a"))
    ).splitlines()
    assert rows[-1].startswith(" " * 12 + "└── ✓ d")
    assert rows[-1].endswith("(also after a)")


@pytest.mark.parametrize("state", State)
def test_every_state_is_named_and_has_an_icon_of_its_own(state: State) -> None:
    row = shown(status(node("step", state=state))).splitlines()[1]
    assert f"{tree.LOOKS[state].icon} step  {state.value}" in row
    assert len({look.icon for look in tree.LOOKS.values()}) == len(State)


HOSTILE = "[red]bold[/red]\x1b[2J\r\n\u202e[/]"


def test_hostile_names_and_errors_are_inert() -> None:
    bad = status(
        node("a"),
        node(HOSTILE, "a", state=State.DISCARDED, error=HOSTILE),
        node("c", HOSTILE, "a"),
        name=HOSTILE,
        state=HOSTILE,
    )
    everything = shown(bad) + "\n".join(tree.lines(WorkflowTree.of(bad)))
    assert "[red]bold[/red]\\x1b[2J\\r\\n\\u202e[/]" in everything
    assert everything.replace("\n", "").isprintable()
    assert len(list(tree.lines(WorkflowTree.of(bad)))) == 4


def test_very_long_names_and_errors_are_cut() -> None:
    long = status(node("x" * 5000, state=State.DISCARDED, error="y" * 100_000), name="z" * 5000)
    assert max(map(len, tree.lines(WorkflowTree.of(long)))) < 500
    assert max(map(len, shown(long, width=80).splitlines())) <= 80


def test_an_error_is_shown_only_while_it_matters() -> None:
    recovered = status(node("step", error="it failed once", attempt=2))
    assert "failed once" not in shown(recovered)
    assert "failed once" not in "\n".join(tree.lines(WorkflowTree.of(recovered)))


def test_plain_lines_say_everything_a_reader_needs() -> None:
    assert list(tree.lines(WorkflowTree.of(DIAMOND))) == [
        f"workflow nightly {ID} executing: 1 suspended, 1 executing, 1 retryable, 1 completed",
        "  completed  fetch  0.61 s",
        "  executing  summarize  1 min 12 s  attempt 2  after fetch",
        "  retryable  keywords  after fetch  error: KeyError: 'x' at line 3",
        "  suspended  brief  after summarize, keywords",
    ]


def test_json_holds_every_fact_as_plain_values() -> None:
    given = status(node("a", result={"rows": 3}, started_at=NOW), node("b", "a"), name=None)
    found = json.loads(json.dumps(tree.as_json(WorkflowTree.of(given))))
    assert found["id"] == str(ID)
    assert found["name"] is None
    assert found["counts"] == {"completed": 2}
    assert found["steps"][0]["result"] == {"rows": 3}
    assert found["steps"][0]["started_at"] == NOW.isoformat()
    assert found["steps"][1]["deps"] == ["a"]


def test_a_workflow_without_nodes_is_shown() -> None:
    assert shown(status(name=None)).startswith("(no name)  executing")
    assert next(tree.lines(WorkflowTree.of(status()))).endswith("no steps")


def test_a_fan_in_names_a_few_dependencies_and_counts_the_rest() -> None:
    leaves = [node(f"leaf{number}") for number in range(1000)]
    joined = status(*leaves, node("join", *(leaf.step_name for leaf in leaves)))
    assert "(also after leaf0, leaf1, leaf2 and 996 more)" in shown(joined)
    assert "after leaf0, leaf1, leaf2 and 997 more" in list(tree.lines(WorkflowTree.of(joined)))[-1]


def test_a_chain_of_5000_steps_is_shown_whole_and_not_too_deep() -> None:
    chain = [node("s0"), *(node(f"s{n}", f"s{n - 1}") for n in range(1, 5000))]
    rows = shown(status(*chain)).splitlines()
    assert len(rows) == 5001
    assert rows[-1].strip().endswith("✓ s4999  completed  (after s4998)")
    assert max(map(len, rows)) < 100


def test_10000_steps_are_shown_once_each() -> None:
    wide = [node("root"), *(node(f"s{n}", "root") for n in range(9_999))]
    assert len(shown(status(*wide)).splitlines()) == 10_001


def test_a_limit_keeps_what_runs_or_failed_and_counts_the_rest() -> None:
    done = [node(f"done{n}") for n in range(100)]
    running = node("running", "done99", state=State.EXECUTING)
    failed = node("failed", "running", state=State.DISCARDED, error="boom")
    rows = shown(status(*done, running, failed), limit=5).splitlines()
    assert len(rows) == 1 + 5 + 1
    assert [row for row in rows if "running" in row or "failed" in row or "boom" in row] == rows[
        3:6
    ]
    assert "(after done99)" in rows[3]
    assert "and 98 more steps" in rows[-1]


def test_dependencies_that_are_not_there_or_come_later_are_only_named() -> None:
    odd = status(node("a", "pruned", "b"), node("b", "a"))
    rows = shown(odd).splitlines()
    assert rows[1].endswith("(after pruned, b)")
    assert rows[2].strip().startswith("└── ✓ b")


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (-0.1, "0.00 s"),
        (0.6149, "0.61 s"),
        (12.34, "12.3 s"),
        (245, "4 min 05 s"),
        (3599.9, "1 h 00 min"),
        (11_520, "3 h 12 min"),
    ],
)
def test_durations_read_well(seconds: float, said: str) -> None:
    assert tree.duration(seconds) == said
