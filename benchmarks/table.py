"""Results as a table of Markdown: medians, with the least and the most behind them."""

from collections.abc import Sequence

from benchmarks.figures import Row, Summary
from benchmarks.results import Results
from benchmarks.subjects import OWN, Subject

UNITS = {"ratio": "", "1/s": "/s", "jobs": ""}


def text(results: Results) -> str:
    """The table, what it was taken on, and what failed."""
    lines = [_heading(results), "", *_table(results)]
    if behind := [_worse(*each) for each in results.behind()]:
        lines += ["", "Where Baton is behind a peer:", "", *behind]
    if results.failures:
        lines += ["", "Failed:", "", *(f"- {failure}" for failure in results.failures)]
    return "\n".join(lines)


def number(value: float) -> str:
    """A figure with three digits that count."""
    if value >= 100_000:
        return f"{value / 1000:,.0f}k"
    if value >= 1_000:
        return f"{value / 1000:.1f}k"
    if value >= 100:
        return f"{value:.0f}"
    return f"{value:.3g}"


def _worse(row: Row, peer: Subject, factor: float) -> str:
    return f"- {row.scenario}, {row.label}: {peer.title} is {factor:.2g} times as good"


def _heading(results: Results) -> str:
    facts = results.machine
    return (
        f"{facts['cores']} cores ({facts['processor']}), {facts['system']}, "
        f"Python {facts['python']}, PostgreSQL {facts['postgresql']}"
    )


def _table(results: Results) -> list[str]:
    peers = any(each not in OWN for each in results.subjects)
    heads = ["scenario", "", "unit"]
    heads += [_title(results, each) for each in results.subjects]
    heads += ["Baton to floor", *(["Baton to best peer"] if peers else [])]
    rows = [heads]
    for row in results.rows():
        cells = [row.scenario, row.label, UNITS.get(row.unit, row.unit)]
        cells += [_cell(results.summary(row, each)) for each in results.subjects]
        cells.append(_ratio(results.to_floor(row)))
        if peers:
            cells.append(_ratio(results.to_best_peer(row)))
        rows.append(cells)
    return _aligned(rows)


def _title(results: Results, subject: Subject) -> str:
    version = results.versions.get(subject.name, "")
    return f"{subject.title} {version}" if version and subject not in OWN else subject.title


def _cell(summary: Summary | None) -> str:
    if summary is None:
        return "none"
    if summary.least == summary.most:
        return number(summary.median)
    return f"{number(summary.median)} ({number(summary.least)}-{number(summary.most)})"


def _ratio(ratio: float | None) -> str:
    return "" if ratio is None else f"{ratio:.2f}"


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        for row in rows
    ]
    return [lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]]
