"""A graph in the language of Graphviz."""

from collections.abc import Iterator, Mapping
from itertools import count

from baton.graphs.order import ordered
from baton.graphs.sheets import Box, Sheet

_SHAPES = {
    "job": "box",
    "signal": "hexagon",
    "approval": "hexagon",
    "sleep": "oval",
    "workflow": "box",
}
_STYLE = "rounded,filled"


def text(sheet: Sheet) -> str:
    """Return the source of a graph for ``dot``."""
    lines = [
        "digraph workflow {",
        '  rankdir=LR; compound=true; charset="UTF-8"; labelloc=t;',
        f"  label={quoted(sheet.title)};",
        '  node [fontname="Courier", fontsize=11, fontcolor="#1a1a1a"];',
        '  edge [color="#606060", arrowsize=0.7];',
        *_sheet(sheet, "  ", count(1)),
        "}",
    ]
    return "\n".join(lines) + "\n"


def _sheet(sheet: Sheet, indent: str, numbers: "count[int]") -> Iterator[str]:
    names: list[str] = []
    ends: list[tuple[str, str]] = []
    for box in sheet.boxes:
        number = next(numbers)
        names.append(f"n{number}")
        if box.inner is None or not box.inner.boxes:
            ends.append((names[-1], names[-1]))
            yield f"{indent}{names[-1]} [{_attributes(_box(box))}];"
        else:
            names[-1] = f"cluster_{number}"
            # a line to or from a cluster is one to a node in it that is cut off at its border
            ends.append(_ends(box.inner, number))
            yield f"{indent}subgraph {names[-1]} {{"
            inside = {key: value for key, value in _box(box).items() if key != "shape"}
            styled = _attributes({**inside, "fontname": "Courier", "fontsize": "11"})
            yield f"{indent}  graph [{styled}];"
            yield from _sheet(box.inner, f"{indent}  ", numbers)
            yield f"{indent}}}"
    for parent, child in sheet.edges:
        attributes = {}
        if sheet.boxes[child].run_on != "completed":
            attributes["style"] = "dashed"
        if names[parent].startswith("cluster"):
            attributes["ltail"] = names[parent]
        if names[child].startswith("cluster"):
            attributes["lhead"] = names[child]
        styled = f" [{_attributes(attributes)}]" if attributes else ""
        yield f"{indent}{ends[parent][1]} -> {ends[child][0]}{styled};"


def _ends(sheet: Sheet, number: int) -> tuple[str, str]:
    """Return the names that the first and the last box in a cluster will have."""
    numbers = _numbers(sheet, number + 1)
    order = ordered(len(sheet.boxes), sheet.edges)
    first, last = order[0], order[-1]
    return _end(sheet.boxes[first], numbers[first], 0), _end(sheet.boxes[last], numbers[last], 1)


def _end(box: Box, number: int, which: int) -> str:
    if box.inner is None or not box.inner.boxes:
        return f"n{number}"
    return _ends(box.inner, number)[which]


def _numbers(sheet: Sheet, first: int) -> list[int]:
    found = []
    for box in sheet.boxes:
        found.append(first)
        first += 1 + (0 if box.inner is None else sum(1 for _ in box.inner.walk()))
    return found


def _box(box: Box) -> Mapping[str, str]:
    dashed = ",dashed" if box.word == "skipped" else ""
    attributes = {
        "label": "\n".join((box.title, *box.lines())),
        "tooltip": box.told(),
        "shape": _SHAPES[box.kind],
        "style": _STYLE + dashed,
        "fillcolor": box.look.fill,
        "color": box.look.stroke,
    }
    if box.steps > 1 or box.kind == "workflow":
        attributes["peripheries"] = "2"
    return attributes


def _attributes(given: Mapping[str, str]) -> str:
    return ", ".join(f"{key}={quoted(value)}" for key, value in given.items())


def quoted(text: str) -> str:
    """Return a text as a quoted string that is shown as it is, whatever it holds."""
    escaped = text.replace("&", "&amp;").replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'.replace("\n", "\\n")
