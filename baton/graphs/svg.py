"""A graph as an SVG picture, drawn here: no other program is needed."""

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape, quoteattr

from baton.graphs.layout import Layout, Point, placed
from baton.graphs.sheets import Box, Sheet

LETTER = 7.3  # of a monospaced font of 12 px, its widest part
LINE = 16.0
PADDING = 10.0
MARGIN = 16.0
STACK = 4.0  # how far boxes stand behind the one of many
FONT = "ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace"
STYLE = f"""
.baton-graph text {{ font: 12px {FONT}; fill: #1a1a1a; }}
.baton-graph .name {{ font-weight: 600; }}
.baton-graph .edge {{ fill: none; stroke: #707070; stroke-width: 1.2; }}
.baton-graph .maybe {{ stroke-dasharray: 5 4; }}
.baton-graph .skipped {{ stroke-dasharray: 4 3; }}
.baton-graph .sheet {{ fill: #ffffff; }}
"""


@dataclass(frozen=True, slots=True)
class _Measured:
    """A sheet, where its boxes are, and what is in them."""

    sheet: Sheet
    layout: Layout
    sizes: Sequence[Point]
    inner: "Sequence[_Measured | None]"


def text(sheet: Sheet) -> str:
    """Return a picture."""
    measured = _measured(sheet)
    width = max(measured.layout.width, _width(sheet.title)) + 2 * MARGIN
    height = measured.layout.height + LINE + 3 * MARGIN
    drawn = "\n".join(_sheet(measured))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="baton-graph" role="img" '
        f'width="{width:.0f}" height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}" '
        f"aria-label={quoteattr(sheet.title)}>\n"
        f"<style>{STYLE}</style>\n"
        '<defs><marker id="baton-arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" '
        'markerHeight="7" orient="auto"><path d="M0 0L8 4L0 8z" fill="#707070"/></marker></defs>\n'
        f'<rect class="sheet" width="100%" height="100%"/>\n'
        f'<text class="name" x="{MARGIN:g}" y="{MARGIN + LINE:g}">{_text(sheet.title)}</text>\n'
        f'<g transform="translate({MARGIN:g} {2 * MARGIN + LINE:g})">\n{drawn}\n</g>\n</svg>\n'
    )


def _measured(sheet: Sheet) -> _Measured:
    inner = [_measured(box.inner) if box.inner and box.inner.boxes else None for box in sheet.boxes]
    sizes = [_size(box, inside) for box, inside in zip(sheet.boxes, inner, strict=True)]
    return _Measured(sheet, placed(sizes, sheet.edges), sizes, inner)


def _size(box: Box, inner: _Measured | None) -> Point:
    lines = (box.title, *box.lines())
    width = max(map(_width, lines)) + 2 * PADDING + (0 if box.kind == "job" else LINE)
    height = len(lines) * LINE + 2 * PADDING - 4
    if box.steps > 1:
        width, height = width + 2 * STACK, height + 2 * STACK
    if inner is not None:
        width = max(width, inner.layout.width + 2 * MARGIN)
        height += inner.layout.height + MARGIN
    return width, height


def _width(line: str) -> float:
    wide = sum(unicodedata.east_asian_width(letter) in "WF" for letter in line)
    return (len(line) + wide) * LETTER


def _sheet(measured: _Measured) -> Iterator[str]:
    for (_, child), points in measured.layout.lines:
        maybe = "" if measured.sheet.boxes[child].run_on == "completed" else " maybe"
        yield (
            f'<path class="edge{maybe}" d="{path_through(points)}" marker-end="url(#baton-arrow)"/>'
        )
    for box, (x, y), size, inner in zip(
        measured.sheet.boxes, measured.layout.places, measured.sizes, measured.inner, strict=True
    ):
        yield f'<g class="step" transform="translate({x:.1f} {y:.1f})">'
        yield f"<title>{_text(box.told())}</title>"
        yield from _outline(box, *size)
        indent = PADDING + (0 if box.kind == "job" or inner else LINE / 2)
        for number, line in enumerate((box.title, *box.lines())):
            kind = ' class="name"' if number == 0 else ""
            down = PADDING + LINE * (number + 0.72)
            yield f'<text{kind} x="{indent:g}" y="{down:.1f}">{_text(line)}</text>'
        if inner is not None:
            down = size[1] - inner.layout.height - MARGIN
            yield f'<g transform="translate({MARGIN:g} {down:.1f})">'
            yield from _sheet(inner)
            yield "</g>"
        yield "</g>"


def _outline(box: Box, width: float, height: float) -> Iterator[str]:
    skipped = ' class="skipped"' if box.word == "skipped" else ""
    paint = f'{skipped} fill="{box.look.fill}" stroke="{box.look.stroke}"'
    if box.steps > 1:
        for behind in (2 * STACK, STACK):
            yield (
                f'<rect x="{behind:g}" y="{behind:g}" width="{width - 2 * STACK:.1f}" '
                f'height="{height - 2 * STACK:.1f}" rx="6"{paint}/>'
            )
        width, height = width - 2 * STACK, height - 2 * STACK
    match box.kind:
        case "signal" | "approval":
            edge = LINE / 2
            corners = [
                (0, height / 2), (edge, 0), (width - edge, 0),
                (width, height / 2), (width - edge, height), (edge, height),
            ]  # fmt: skip
            points = " ".join(f"{x:.1f},{y:.1f}" for x, y in corners)
            yield f'<polygon points="{points}"{paint}/>'
        case "sleep":
            yield (f'<rect width="{width:.1f}" height="{height:.1f}" rx="{LINE:g}"{paint}/>')
        case _:
            yield f'<rect width="{width:.1f}" height="{height:.1f}" rx="6"{paint}/>'
    if box.kind == "workflow":
        yield (
            f'<rect x="3" y="3" width="{width - 6:.1f}" height="{height - 6:.1f}" rx="4" '
            f'fill="none" stroke="{box.look.stroke}" stroke-width="0.6"/>'
        )


def path_through(points: Sequence[Point]) -> str:
    """Return the path through pairs of points: straight inside a pair, bent between two."""
    (x, y), *rest = points
    found = [f"M{x:.1f} {y:.1f}"]
    for number, (right, down) in enumerate(rest):
        if number % 2 == 0:
            found.append(f"H{right:.1f}")
        else:
            half = (x + right) / 2
            found.append(f"C{half:.1f} {y:.1f} {half:.1f} {down:.1f} {right:.1f} {down:.1f}")
        x, y = right, down
    return "".join(found)


def _text(text: str) -> str:
    return escape(text)
