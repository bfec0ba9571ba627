"""Large workflows as trees: what is alike is one line, sub-workflows stand inside their steps."""

import io
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import pytest
from rich.console import Console

from baton.cli import branches, tree
from baton.graphs.likeness import common_name
from baton.states import State
from baton.status import Node
from baton.trees import WorkflowTree
from tests.unit.test_tree import node, status

DONE, RUNS, BAD = State.COMPLETED, State.EXECUTING, State.DISCARDED
UNTIL = datetime(2030, 1, 1, tzinfo=UTC)


def drawn(given: WorkflowTree, **options: object) -> list[str]:
    console = Console(file=io.StringIO(), width=160, color_system=None)
    console.print(branches.render(given, **{"together": True, **options}))
    return [row.rstrip() for row in console.file.getvalue().splitlines()]


def of(*nodes: Node, **options: object) -> WorkflowTree:
    return WorkflowTree.of(status(*nodes, **options))


def fan(count: int, *deps: str, name: str = "fetch:{}", **facts: object) -> list[Node]:
    return [node(name.format(number), *deps, **facts) for number in range(count)]


def nested(holder: str, outer: WorkflowTree, inner: WorkflowTree) -> WorkflowTree:
    return replace(outer, subworkflows={holder: inner})


def test_a_fan_of_10000_is_a_line_and_what_needs_a_look_stands_below_it() -> None:
    fetches = fan(10_000, "plan")
    fetches[17] = replace(fetches[17], state=BAD, error="TimeoutError: no answer")
    for number in range(9_000, 9_048):
        fetches[number] = replace(fetches[number], state=RUNS)
    names = [each.step_name for each in fetches]
    rows = drawn(of(node("plan"), *fetches, node("join", *names, state=State.SUSPENDED)))
    assert rows == [
        "nightly  executing  01890000-0000-7000-8000-000000000001",
        "└── ✓ plan  completed",
        "    └── ✗ fetch:*  48 executing, 9,951 completed, 1 discarded",
        "        ├── ✗ fetch:17  discarded",
        "        │   TimeoutError: no answer",
        "        ├── ▶ fetch:9000  executing",
        "        ├── ▶ fetch:9001  executing",
        "        ├── ▶ fetch:9002  executing",
        "        ├── ▶ fetch:9003  executing",
        "        └── · join  suspended",
    ]


def test_chains_that_are_alike_become_one_chain() -> None:
    nodes = []
    for number in range(500):
        nodes += [node(f"fetch {number}", "plan"), node(f"parse {number}", f"fetch {number}")]
    rows = drawn(of(node("plan"), *nodes))
    assert [row.strip("└─ ") for row in rows[1:]] == [
        "✓ plan  completed",
        "✓ fetch *  500 completed",
        "✓ parse *  500 completed",
    ]


def test_ten_steps_that_are_alike_have_lines_of_their_own() -> None:
    assert len(drawn(of(*fan(10)))) == 11
    assert len(drawn(of(*fan(11)))) == 2
    assert len(drawn(of(*fan(11)), together=False)) == 12


def test_names_that_have_nothing_in_common_are_told_apart_by_their_workers() -> None:
    letters = [f"{chr(97 + n % 26)}{chr(97 + n // 26)}" for n in range(300)]
    nodes = [
        node(name, worker="app.odd" if n % 2 else "app.even") for n, name in enumerate(letters)
    ]
    rows = drawn(of(*nodes))
    assert len(rows) == 3
    assert all("150 completed" in row for row in rows[1:])


def test_steps_of_different_kinds_or_dependencies_are_not_thrown_together() -> None:
    rows = drawn(
        of(
            *fan(20),
            *fan(20, name="wait:{}", kind="signal", signal="go"),
            *fan(20, "fetch:0", name="next:{}"),
            *fan(20, "fetch:0", name="clean:{}", run_on="failed"),
        )
    )
    assert len(rows) == 5


def test_the_order_of_a_bunch_and_its_single_dependencies_is_kept() -> None:
    leaves = [node(f"use {n}", f"base {n % 2}") for n in range(30)]
    rows = drawn(of(node("base 0"), *leaves, node("base 1")))
    assert rows[-1].strip().endswith("✓ use *  30 completed  (also after base 0)")


@pytest.mark.parametrize(
    ("names", "common"),
    [
        (["fetch:1", "fetch:2"], "fetch:*"),
        (["page 10", "page 11"], "page *"),
        (["shop:1:fetch", "shop:21:fetch"], "shop:*:fetch"),
        (["berlin", "paris"], "*"),
        (["a", "a1"], "a*"),
        (["aa", "aaa"], "aa*"),
    ],
)
def test_what_names_have_in_common(names: Sequence[str], common: str) -> None:
    assert common_name(names) == common


def test_a_sub_workflow_stands_inside_its_step_and_before_what_waits_for_it() -> None:
    inner = of(node("x", state=RUNS), node("y", "x", state=State.SUSPENDED), name="inner")
    holder = node("report", kind="workflow", state=RUNS, subworkflow_id=UUID(int=5 << 96))
    outer = of(holder, node("send", "report", state=State.SUSPENDED))
    rows = drawn(nested("report", outer, inner))
    assert rows == [
        "nightly  executing  01890000-0000-7000-8000-000000000001",
        "└── ▶ report  executing  workflow 00000005",
        "    ├── inner  executing  01890000-0000-7000-8000-000000000001",
        "    │   └── ▶ x  executing",
        "    │       └── · y  suspended",
        "    └── · send  suspended",
    ]
    told = list(tree.lines(nested("report", outer, inner)))
    assert told[2] == "  executing  report/x"
    shown = json.loads(json.dumps(tree.as_json(nested("report", outer, inner))))
    assert shown["steps"][0]["subworkflow"]["steps"][1]["name"] == "y"
    assert shown["edges"] == [["report", "send"]]


def test_a_limit_keeps_the_step_around_what_it_keeps() -> None:
    inner = of(*fan(8), node("broken", state=BAD, error="boom"), name="inner")
    outer = of(*fan(8, name="before:{}"), node("report", kind="workflow", state=RUNS))
    rows = drawn(nested("report", outer, inner), limit=5, together=False)
    assert [row.strip("│├└─ ") for row in rows[1:]] == [
        "✓ before:0  completed",
        "▶ report  executing  workflow",
        "inner  executing  01890000-0000-7000-8000-000000000001",
        "✗ broken  discarded",
        "boom",
        "and 15 more steps",
    ]


def test_ten_levels_of_sub_workflows_are_drawn() -> None:
    innermost = of(node("last"))
    for level in range(10):
        innermost = nested("s", of(node("s", kind="workflow"), name=f"n{level}"), innermost)
    assert drawn(innermost)[-1].strip().endswith("✓ last  completed")


def test_every_kind_of_step_says_what_it_is() -> None:
    kinds = [
        (node("a", skipped=True), "↷ a  skipped"),
        (
            node("b", kind="signal", signal="ok", parked_at=UNTIL, state=State.SUSPENDED),
            "◇ b  waiting  signal ok",
        ),
        (
            node("c", signal="go", parked_at=UNTIL, state=State.SUSPENDED),
            "◇ c  waiting  signal go",
        ),
        (node("d", kind="sleep", state=State.SUSPENDED), "· d  suspended  sleep"),
        (node("e", run_on="failed"), "✓ e  completed  runs if one fails"),
        (node("f", run_on="done"), "✓ f  completed  runs in any case"),
        (node("g", condition="is_large"), "✓ g  completed  if is_large"),
        (node("h", grafted_by=7), "✓ h  completed  added"),
        (node("i", grafted_by=1), "✓ i  completed  added by a"),
    ]
    for given, said in kinds:
        first = replace(node("a"), job_id=1)
        shown = of(first, replace(given, job_id=2)) if given.step_name == "i" else of(given)
        assert drawn(shown)[-1].removeprefix("└── ") == said
        assert said[2:].split("  ")[0] in "".join(tree.lines(shown))
    sleeping = node("z", kind="sleep", state=State.SCHEDULED, until=UNTIL)
    assert "scheduled  sleep  until 20" in drawn(of(sleeping))[-1]


def test_what_a_graft_added_stands_where_the_edges_say() -> None:
    nodes = status(node("split"), node("join", "split"), node("late"))
    grafted = WorkflowTree(
        status=nodes, edges=[("split", "join"), ("split", "late"), ("late", "join")]
    )
    rows = drawn(grafted)
    assert rows[-2].strip() == "└── ✓ late  completed"
    assert rows[-1].strip() == "└── ✓ join  completed  (also after split)"
