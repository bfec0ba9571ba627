"""A chart of the medians: a panel for each row, a bar for each subject. Plain SVG."""

from xml.sax.saxutils import escape

from benchmarks.figures import Row
from benchmarks.results import Results
from benchmarks.subjects import BATON, FLOOR, Subject
from benchmarks.table import number

COLUMNS, WIDTH, BAR, GAP = 3, 370, 15, 22
NAMES = 112  # pixels that the names of the subjects take
FIGURES = 60  # and the figures behind the bars
TITLE = 40
COLOURS = {BATON.name: "#2f6fde", FLOOR.name: "#b9bfc9"}
OTHER = "#8a93a3"


def svg(results: Results) -> str:
    """The chart of all rows in which Baton can be compared with somebody."""
    panels = [_panel(results, row) for row in results.rows() if _comparable(results, row)]
    lines = [panels[each : each + COLUMNS] for each in range(0, len(panels), COLUMNS)]
    parts: list[str] = []
    top = 0
    for line in lines:
        for column, (body, _) in enumerate(line):
            parts.append(f'<g transform="translate({column * WIDTH},{top})">{body}</g>')
        top += max(height for _, height in line)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{COLUMNS * WIDTH}" height="{top}" '
        f'viewBox="0 0 {COLUMNS * WIDTH} {top}" font-family="system-ui, sans-serif" '
        f'font-size="11">\n<rect width="100%" height="100%" fill="white"/>\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def _comparable(results: Results, row: Row) -> bool:
    there = [each for each in results.subjects if results.summary(row, each)]
    return BATON in there and len(there) > 1


def _panel(results: Results, row: Row) -> tuple[str, int]:
    figures = {
        each: found.median for each in results.subjects if (found := results.summary(row, each))
    }
    most = max(figures.values()) or 1.0
    ordered = sorted(figures, key=lambda each: figures[each], reverse=row.more_is_better)
    better = "more is better" if row.more_is_better else "less is better"
    parts = [
        f'<text x="8" y="16" font-weight="bold">{escape(f"{row.scenario} {row.label}")}</text>',
        f'<text x="8" y="30" fill="#666">{escape(row.unit)}, {better}</text>',
    ]
    for place, subject in enumerate(ordered):
        parts += _bar(subject, figures[subject], most, TITLE + place * GAP)
    return "".join(parts), TITLE + len(ordered) * GAP + 18


def _bar(subject: Subject, figure: float, most: float, top: int) -> list[str]:
    length = max(1.0, figure / most * (WIDTH - NAMES - FIGURES))
    base = top + BAR - 4
    colour = COLOURS.get(subject.name, OTHER)
    return [
        f'<text x="{NAMES - 6}" y="{base}" text-anchor="end">{escape(subject.title)}</text>',
        f'<rect x="{NAMES}" y="{top}" width="{length:.1f}" height="{BAR}" fill="{colour}"/>',
        f'<text x="{NAMES + length + 4:.1f}" y="{base}">{number(figure)}</text>',
    ]
