"""The graph of a workflow as the page draws it: boxes that are links, left to right."""

from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from xml.sax.saxutils import escape

from markupsafe import Markup

from baton.graphs.folding import fitted
from baton.graphs.layout import Layout, Point, placed
from baton.graphs.order import Edge, forward
from baton.graphs.sheets import Box, Sheet
from baton.graphs.svg import path_through
from baton.status import Node
from baton.trees import WorkflowTree, error_line
from baton.web.drawing import SHAPES, picture, tag, text
from baton.wording import cut, duration, inert

HEIGHT = 46.0
LETTER = 7.4
SMALL = 6.8  # a letter of the second line
LEAST, MOST = 190.0, 290.0
INDENT = 36.0
NAME_LIMIT = 32
MARGIN = 12.0


def sheet_of(tree: WorkflowTree) -> Sheet:
    """Return the steps of a workflow; a sub-workflow is one of them and has a page of its own."""
    nodes = tree.status.nodes
    numbers = {node.step_name: number for number, node in enumerate(nodes)}
    edges = [(numbers[parent], numbers[child]) for parent, child in tree.edges]
    return Sheet(
        name=tree.status.name or str(tree.status.id),
        facts=(),
        boxes=[
            Box(
                name=node.step_name,
                word=node.word,
                kind=node.kind,
                error=error_line(node),
                run_on=node.run_on,
                worker=node.worker if node.kind == "job" else None,
            )
            for node in nodes
        ],
        edges=forward(len(nodes), edges),
    )


def drawn(
    tree: WorkflowTree,
    root: str,
    critical: Collection[str],
    causes: Collection[str] = (),
    *,
    whole: bool = False,
) -> tuple[Markup, int]:
    """Return the picture, and how many boxes it has.

    Args:
        tree: the workflow.
        root: what addresses begin with.
        critical: the steps of the critical path.
        causes: the steps that failed by themselves.
        whole: whether nothing is folded, however many steps there are.
    """
    sheet = sheet_of(tree) if whole else fitted(sheet_of(tree))
    sizes = tuple(_size(box) for box in sheet.boxes)
    layout = layered(sizes, tuple(sheet.edges))
    nodes = {node.step_name: node for node in tree.status.nodes}
    content = [_line(layout_line, sheet, critical) for layout_line in layout.lines]
    after: dict[int, list[int]] = {}
    before: dict[int, list[int]] = {}
    for parent, child in sheet.edges:
        after.setdefault(parent, []).append(child)
        before.setdefault(child, []).append(parent)
    for number, box in enumerate(sheet.boxes):
        node = nodes.get(box.name) if box.steps == 1 else None
        facts: dict[str, object] = {
            "data_n": number,
            "data_cause": 1 if node is not None and box.name in causes else None,
            "data_right": " ".join(map(str, after.get(number, ()))),
            "data_left": " ".join(map(str, before.get(number, ()))),
        }
        needs = [sheet.boxes[each].name for each in before.get(number, ())]
        content.append(
            _box(box, node, layout.places[number], sizes[number], root, facts, needs, critical)
        )
    label = f"Graph of {len(nodes):,} steps, from left to right"
    moved = tag("g", "\n".join(content) or " ", transform=f"translate({MARGIN:g} {MARGIN:g})")
    size = layout.width + 2 * MARGIN, layout.height + 2 * MARGIN
    return picture(*size, label, [_ARROW, moved], "graph"), len(sheet.boxes)


_ARROW = (
    '<defs><marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" '
    'markerHeight="8" markerUnits="userSpaceOnUse" orient="auto">'
    '<path class="tip" d="M0 0L8 4L0 8z"/></marker></defs>'
)


@lru_cache(maxsize=64)
def layered(sizes: tuple[Point, ...], edges: tuple[Edge, ...]) -> Layout:
    """Place boxes; what is drawn again and again while it runs is placed once."""
    return placed(sizes, edges)


def _size(box: Box) -> Point:
    # by the name alone: what changes while it runs must not move anything
    letters = min(len(box.name), NAME_LIMIT) + (3 if box.steps > 1 else 0)
    return max(LEAST, min(MOST, letters * LETTER + 44)), HEIGHT


def _line(line: tuple[Edge, Sequence[Point]], sheet: Sheet, critical: Collection[str]) -> str:
    (parent, child), points = line
    kinds = ["edge"]
    if sheet.boxes[child].run_on != "completed":
        kinds.append("maybe")
    if sheet.boxes[parent].name in critical and sheet.boxes[child].name in critical:
        kinds.append("critical")
    return tag("path", class_=" ".join(kinds), d=path_through(points), marker_end="url(#arrow)")


def _box(
    box: Box,
    node: Node | None,
    place: Point,
    size: Point,
    root: str,
    facts: Mapping[str, object],
    needs: Sequence[str],
    critical: Collection[str],
) -> str:
    width, height = size
    said = _said(box, node)
    kinds = ["node", f"s-{box.word}"]
    if box.steps > 1:
        kinds.append("many")
    if box.name in critical and node is not None:
        kinds.append("critical")
    outline = tag(
        "rect", class_="box", width=width, height=height, rx=6 if box.kind == "job" else 16
    )
    behind = ""
    if box.steps > 1:
        behind = tag("rect", class_="box", x=4, y=4, width=width, height=height, rx=6)
    inside = [
        tag("title", escape("\n".join((inert(box.name), *said, box.error or "")).rstrip())),
        behind,
        outline,
        tag(
            "g",
            tag("path", class_="shape", d=SHAPES[box.word])
            + text(box.look.icon, class_="icon", x=10, y=14.5, text_anchor="middle"),
            transform="translate(8 13)",
        ),
        text(cut(inert(box.name), NAME_LIMIT), class_="name", x=INDENT, y=19),
        text(cut(" · ".join(said), int((width - INDENT) / SMALL)), class_="fact", x=INDENT, y=36),
    ]
    waits = f", after {cut(', '.join(map(inert, needs[:5])), 120)}" if needs else ""
    return tag(
        "a",
        "".join(inside),
        class_=" ".join(kinds),
        href=f"{root}/jobs/{node.job_id}" if node is not None else "?whole=1",
        transform=f"translate({place[0]:.1f} {place[1]:.1f})",
        aria_label=f"{cut(inert(box.name), 120)}: {', '.join(said)}{waits}",
        data_key=f"node-{node.job_id}" if node is not None else f"group-{box.name}",
        data_word=box.word,
        **facts,
    )


def _said(box: Box, node: Node | None) -> list[str]:
    if node is None:
        return list(box.facts) or [f"{box.steps:,} steps"]
    said = [box.word]
    if node.duration is not None:
        said.append(duration(node.duration))
    if node.attempt is not None and node.attempt > 1:
        said.append(f"attempt {node.attempt}")
    if node.kind == "signal" and node.signal is not None and node.signal != node.step_name:
        said.append(f"signal {inert(node.signal)}")
    elif node.kind != "job":
        said.append(node.kind)
    return said
