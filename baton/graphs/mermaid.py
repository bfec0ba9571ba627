"""A graph as a flowchart of Mermaid, which GitHub, GitLab and many wikis draw."""

import json
from collections.abc import Iterator
from itertools import count

from baton.graphs.sheets import LOOKS, Box, Sheet

_HARMLESS = set(" :.,_-/()[]=+'!?")
_SHAPES = {
    "job": ('["', '"]'),
    "signal": ('{{"', '"}}'),
    "approval": ('{{"', '"}}'),
    "sleep": ('(["', '"])'),
    "workflow": ('[["', '"]]'),
}


def text(sheet: Sheet) -> str:
    """Return the source of a flowchart."""
    numbers = count(1)
    used: dict[str, list[str]] = {}
    lines = ["---", f"title: {json.dumps(sheet.title)}", "---", "flowchart LR"]
    lines += _sheet(sheet, "  ", numbers, used)
    for word in LOOKS:
        if word in used:
            look = LOOKS[word]
            dashes = ",stroke-dasharray:4 3" if word == "skipped" else ""
            style = f"fill:{look.fill},stroke:{look.stroke},color:#1a1a1a{dashes}"
            lines.append(f"  classDef {word} {style}")
            lines.append(f"  class {','.join(used[word])} {word}")
    return "\n".join(lines) + "\n"


def _sheet(
    sheet: Sheet, indent: str, numbers: "count[int]", used: dict[str, list[str]]
) -> Iterator[str]:
    names: list[str] = []
    for box in sheet.boxes:
        names.append(f"n{next(numbers)}")
        used.setdefault(box.word, []).append(names[-1])
        if box.inner is None or not box.inner.boxes:
            begin, end = _SHAPES[box.kind]
            yield f"{indent}{names[-1]}{begin}{_label(box)}{end}"
        else:
            yield f'{indent}subgraph {names[-1]}["{_label(box)}"]'
            yield f"{indent}  direction LR"
            yield from _sheet(box.inner, f"{indent}  ", numbers, used)
            yield f"{indent}end"
    for parent, child in sheet.edges:
        arrow = "-->" if sheet.boxes[child].run_on == "completed" else "-.->"
        yield f"{indent}{names[parent]} {arrow} {names[child]}"


def _label(box: Box) -> str:
    return "<br/>".join(map(escaped, (box.title, *box.lines())))


def escaped(text: str) -> str:
    """Return a text that a label shows as it is, whatever it holds."""
    shown = "".join(
        c if c.isalnum() or c in _HARMLESS or ord(c) > 126 else f"#{ord(c)};"  # noqa: PLR2004
        for c in text
    )
    return shown.replace(":fa-", "#58;fa-")  # or an icon of Font Awesome takes its place
