"""Graphs as Mermaid, DOT and SVG: well formed whatever the names, readable however large."""

import random
import re
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest

from baton import Workflow, WorkflowGraph
from baton.errors import CyclicWorkflow
from baton.graphs.folding import MOST_BOXES, MOST_EDGES, fitted
from baton.graphs.order import forward
from baton.graphs.sheets import LOOKS
from baton.states import State
from baton.status import Node
from baton.trees import WorkflowTree
from tests.support import job
from tests.unit.test_tree import node, status

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = [
    'a "quoted" one',
    "<b>&amp;</b>",
    "two\nlines\r\n",
    "back\\slash \\N \\",
    "#quot; #35;",
    "]]> --> end %% ;",
    "fa:fa-car `x` {{y}}",
    "naïve 日本語 🙂",
    "\x00\x1b[31m\u202e",
    "x" * 500,
    "end",
    "1. list",
    "%s {0} $x",
]


def graph_of(
    *nodes: Node, inner: dict[str, WorkflowTree] | None = None, **options
) -> WorkflowGraph:
    numbered = [replace(each, job_id=number) for number, each in enumerate(nodes, start=1)]
    tree = WorkflowTree.of(status(*numbered, **options))
    return replace(tree, subworkflows=inner or {}).graph()


def nested(names: Iterable[str] = ("x", "y")) -> dict[str, WorkflowTree]:
    first, *rest = names
    steps = [node(first), *(node(name, first, state=State.EXECUTING) for name in rest)]
    steps = [replace(step, job_id=number) for number, step in enumerate(steps, start=100)]
    return {"report": WorkflowTree.of(status(*steps, name="inner"))}


def mixed() -> WorkflowGraph:
    return graph_of(
        node("plan", duration=0.61),
        node("ask", "plan", kind="signal", signal="approved", state=State.SUSPENDED),
        node("rest", "plan", kind="sleep", state=State.SCHEDULED),
        node("report", "ask", "rest", kind="workflow", state=State.EXECUTING),
        node("broken", "plan", state=State.DISCARDED, error="KeyError: 'x'", attempt=3),
        node("clean", "broken", run_on="failed"),
        node("maybe", "plan", skipped=True, condition="is_large"),
        node("late", "plan", grafted_by=1),
        node("end", "report", "clean", "maybe", "late", run_on="done", state=State.SUSPENDED),
        inner=nested(),
    )


# What a flowchart of Baton's consists of, line by line.
MERMAID = re.compile(
    r"""
      \s*n\d+(?:\["[^"]*"\]|\(\["[^"]*"\]\)|\{\{"[^"]*"\}\}|\[\["[^"]*"\]\])
    | \s*subgraph\ n\d+\["[^"]*"\] | \s*direction\ LR | \s*end
    | \s*n\d+\ (?:-->|-\.->)\ n\d+
    | \s*classDef\ [a-z]+\ fill:\#[0-9a-f]{6},stroke:\#[0-9a-f]{6},color:\#[0-9a-f]{6}
      (?:,stroke-dasharray:4\ 3)?
    | \s*class\ n\d+(?:,n\d+)*\ [a-z]+
    """,
    re.VERBOSE,
)


def assert_is_mermaid(text: str) -> list[str]:
    opening, title, closing, kind, *lines = text.splitlines()
    assert (opening, closing, kind) == ("---", "---", "flowchart LR")
    assert re.fullmatch(r'title: "(?:[^"\\]|\\.)*"', title)
    depth = 0
    for line in lines:
        assert MERMAID.fullmatch(line), line
        assert not re.search(
            r"[<>&`;{}](?!br/>)", re.sub(r"#\d+;|<br/>|\{\{\"|\"\}\}|-\.?->", "", line)
        ), line
        depth += line.strip().startswith("subgraph") - (line.strip() == "end")
        assert depth >= 0
    assert depth == 0
    named = set(re.findall(r"^\s*(?:subgraph )?(n\d+)[\[({]", text, re.MULTILINE))
    used = set(re.findall(r"\bn\d+\b", "\n".join(line for line in lines if '"' not in line)))
    assert used <= named
    return lines


DOT = re.compile(
    r"""
      digraph\ workflow\ \{ | \s*\}
    | \s*(?:[a-z]+=(?:[A-Za-z0-9.]+|"(?:[^"\\]|\\.)*");\s*)+
    | \s*subgraph\ cluster_\d+\ \{
    | \s*(?:graph|node|edge|n\d+|n\d+\ ->\ n\d+)\ \[
      [a-z]+=(?:"(?:[^"\\]|\\.)*"|[0-9.]+)(?:,\ [a-z]+=(?:"(?:[^"\\]|\\.)*"|[0-9.]+))*\];
    | \s*n\d+\ ->\ n\d+;
    """,
    re.VERBOSE,
)


def assert_is_dot(text: str) -> str:
    lines = text.splitlines()
    for line in lines:
        assert DOT.fullmatch(line), line
    assert sum(line.endswith("{") for line in lines) == sum(line.strip() == "}" for line in lines)
    named = set(re.findall(r"^\s*(n\d+) \[", text, re.MULTILINE))
    clusters = set(re.findall(r"subgraph (cluster_\d+)", text))
    for one, other in re.findall(r"^\s*(n\d+) -> (n\d+)", text, re.MULTILINE):
        assert {one, other} <= named
    assert set(re.findall(r'l(?:head|tail)="(cluster_\d+)"', text)) <= clusters
    if program := shutil.which("graphviz-pure") or shutil.which("dot"):
        read = subprocess.run(
            [program, "-Tcanon"], input=text, capture_output=True, text=True, check=False
        )
        assert read.returncode == 0, read.stderr
        assert "syntax error" not in read.stderr
    return text


def assert_is_svg(text: str) -> ET.Element:
    root = ET.fromstring(text)  # noqa: S314  our own
    assert root.tag == f"{SVG}svg"
    assert root.get("role") == "img"
    return root


def steps_in(root: ET.Element) -> list[str]:
    """The text of each step, that of the steps inside it left out."""
    found = root.findall(f".//{SVG}g[@class='step']")
    return [" | ".join(text.text or "" for text in step.findall(f"{SVG}text")) for step in found]


def test_mermaid_tells_states_and_kinds_by_word_icon_and_shape() -> None:
    lines = [line.strip() for line in assert_is_mermaid(mixed().to_mermaid())]
    assert lines[0] == 'n1["✓ plan<br/>completed · 0.61 s"]'
    assert lines[1] == 'n2{{"· ask<br/>suspended · signal approved"}}'
    assert lines[2] == 'n3(["◷ rest<br/>scheduled · sleep"])'
    assert lines[3] == 'subgraph n4["▶ report<br/>executing · workflow"]'
    assert 'n7["✗ broken<br/>discarded · attempt 3<br/>KeyError: ' in lines[9]
    assert "n7 -.-> n8" in lines
    assert "n4 -.-> n11" in lines
    assert "class n9 skipped" in lines


def test_dot_draws_sub_workflows_as_clusters_with_lines_to_their_borders() -> None:
    text = assert_is_dot(mixed().to_dot())
    assert "subgraph cluster_4 {" in text
    assert 'n2 -> n5 [lhead="cluster_4"];' in text
    assert 'n6 -> n11 [style="dashed", ltail="cluster_4"];' in text
    assert 'label="✓ plan\\ncompleted · 0.61 s"' in text
    assert 'shape="hexagon"' in text


def test_svg_tells_every_step_with_its_words_and_its_whole_name() -> None:
    root = assert_is_svg(mixed().to_svg())
    said = steps_in(root)
    assert len(said) == 11
    assert said[0] == "✓ plan | completed · 0.61 s"
    assert "↷ maybe | skipped · if is_large" in said
    assert "✓ late | completed · added by plan" in said
    assert "✗ broken | discarded · attempt 3 | KeyError: 'x'" in said
    titles = [title.text for title in root.iter(f"{SVG}title")]
    assert "app.work" in (titles[0] or "")
    assert len(root.findall(f".//{SVG}path[@class='edge maybe']")) == 5
    assert len(root.findall(f".//{SVG}polygon")) == 1


def test_what_is_in_a_sub_workflow_lies_inside_its_box_and_apart() -> None:
    root = assert_is_svg(mixed().to_svg())
    [report] = [
        step
        for step in root.findall(f".//{SVG}g[@class='step']")
        if step.findall(f"{SVG}g/{SVG}g[@class='step']")
    ]
    frame = report.find(f"{SVG}rect")
    shift = report.find(f"{SVG}g")
    assert frame is not None
    assert shift is not None
    for step in shift.findall(f"{SVG}g[@class='step']"):
        rect = step.find(f"{SVG}rect")
        assert rect is not None
        for side, size in enumerate(("width", "height")):
            place = sum(
                float(re.findall(r"[-\d.]+", each.get("transform", ""))[side])
                for each in (shift, step)
            )
            assert place > 0
            assert place + float(rect.get(size, "")) < float(frame.get(size, ""))


@pytest.mark.parametrize("name", HOSTILE)
def test_any_name_leaves_every_language_well_formed(name: str) -> None:
    given = graph_of(
        node(name, error=name, state=State.DISCARDED, worker=name),
        node("ask", name, kind="signal", signal=name, condition=name),
        node("report", name, kind="workflow"),
        node("next", "report"),
        name=name,
        inner=nested([name, f"{name}2"]),
    )
    assert_is_mermaid(given.to_mermaid())
    assert_is_dot(given.to_dot())
    shown = steps_in(assert_is_svg(given.to_svg()))
    assert shown[0].startswith("✗ ")
    assert len(given.to_mermaid()) < 4_000
    assert max(map(len, given.to_svg().splitlines())) < 2_000


@pytest.mark.parametrize("word", LOOKS)
def test_every_look_is_legible_and_no_two_differ_in_colour_alone(word: str) -> None:
    def luminance(colour: str) -> float:
        parts = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return sum(w * p for w, p in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    look = LOOKS[word]
    assert (luminance(look.fill) + 0.05) / (luminance("#1a1a1a") + 0.05) > 7
    assert (luminance(look.fill) + 0.05) / (luminance(look.stroke) + 0.05) > 3
    assert [other.icon for other in LOOKS.values()].count(look.icon) == 1


def test_a_workflow_that_is_not_inserted_can_be_drawn() -> None:
    inner = Workflow("inner").add("x", job("app.x"))
    flow = (
        Workflow("planned")
        .add("plan", job("app.plan"))
        .sleep("rest", 300, deps=["plan"])
        .wait_for("approved", deps=["plan"], timeout=3600, on_timeout="completed")
        .add("report", inner, deps=["rest", "approved"])
        .add("clean", job("app.clean"), deps=["report"], run_on="failed")
    )
    lines = [line.strip() for line in assert_is_mermaid(flow.graph().to_mermaid())]
    assert lines[:3] == [
        'n1["plan<br/>app.plan"]',
        'n2(["rest<br/>sleep 5 min 00 s"])',
        'n3{{"approved<br/>signal approved<br/>within 1 h 00 min, or completed"}}',
    ]
    assert "n4 -.-> n6" in lines
    assert_is_dot(flow.graph().to_dot())
    assert len(steps_in(assert_is_svg(flow.graph().to_svg()))) == 6


def test_a_workflow_that_can_t_be_inserted_is_not_drawn() -> None:
    circle = Workflow().add("a", job(), deps=["b"]).add("b", job(), deps=["a"])
    with pytest.raises(CyclicWorkflow):
        circle.graph()


def test_a_fan_of_10000_is_a_few_boxes_and_what_failed_stands_apart() -> None:
    fetches = [
        node(f"fetch:{n}", "plan", state=State.COMPLETED if n % 2_500 else State.DISCARDED)
        for n in range(10_000)
    ]
    join = node("join", *(each.step_name for each in fetches), state=State.SUSPENDED)
    given = graph_of(node("plan"), *fetches, join)
    said = steps_in(assert_is_svg(given.to_svg()))
    assert sorted(said) == sorted(
        [
            "✓ plan | completed",
            "✓ fetch:* | 9,996 completed",
            *(f"✗ fetch:{n} | discarded" for n in range(0, 10_000, 2_500)),
            "· join | suspended",
        ]
    )
    assert len(assert_is_mermaid(given.to_mermaid())) < 30
    assert len(assert_is_mermaid(given.to_mermaid(whole=True))) > 30_000


def test_300_steps_are_drawn_one_by_one() -> None:
    given = graph_of(*(node(f"s{n}") for n in range(MOST_BOXES)))
    assert len(steps_in(assert_is_svg(given.to_svg()))) == MOST_BOXES
    more = graph_of(*(node(f"s{n}") for n in range(MOST_BOXES + 1)))
    assert steps_in(assert_is_svg(more.to_svg())) == ["✓ s* | 301 completed"]


def tangle(seed: int, count: int) -> WorkflowGraph:
    chance = random.Random(seed)  # noqa: S311
    nodes = [node("n0")]
    for number in range(1, count):
        deps = {f"n{chance.randrange(max(0, number - 90), number)}" for _ in range(3)}
        facts = {"worker": f"app.w{number % 7}", "state": chance.choice(list(State))}
        nodes.append(node(f"n{number}", *sorted(deps), **facts))
    return graph_of(*nodes)


@pytest.mark.parametrize("seed", range(5))
def test_a_graph_that_is_alike_nowhere_is_made_small_enough_all_the_same(seed: int) -> None:
    given = tangle(seed, 2_000)
    small = fitted(given.sheet)
    boxes, edges = small.size()
    assert boxes <= MOST_BOXES
    assert 0 < edges <= MOST_EDGES
    assert sum(box.steps for box in small.boxes) == 2_000
    assert forward(len(small.boxes), small.edges) == list(small.edges)  # no circle came of it
    assert len(given.to_mermaid()) < 50_000  # what Mermaid reads


def test_a_long_chain_is_cut_into_sections() -> None:
    chain = [node("a0"), *(node(f"a{n}", f"a{n - 1}") for n in range(1, 5_000))]
    boxes, edges = fitted(graph_of(*chain).sheet).size()
    assert (boxes, edges) == (150, 149)


def test_many_sub_workflows_are_counted_and_not_drawn() -> None:
    names = [f"shop:{n}" for n in range(400)]
    tree = WorkflowTree.of(status(*(node(name, kind="workflow") for name in names)))
    inner = WorkflowTree.of(status(node("x"), node("y", "x")))
    given = replace(tree, subworkflows=dict.fromkeys(names, inner)).graph()
    assert steps_in(assert_is_svg(given.to_svg())) == ["✓ shop:* | 400 completed"]
    assert len(steps_in(assert_is_svg(given.to_svg(whole=True)))) == 1_200


def test_a_workflow_without_steps_is_drawn() -> None:
    for given in (graph_of(), graph_of(name=None)):
        assert_is_mermaid(given.to_mermaid())
        assert_is_dot(given.to_dot())
        assert_is_svg(given.to_svg())


def test_the_same_workflow_gives_the_same_picture() -> None:
    assert tangle(1, 200).to_svg() == tangle(1, 200).to_svg()
