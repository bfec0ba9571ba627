"""Charts: what ended and how long it took, and the timeline of a workflow."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import log10

from markupsafe import Markup

from baton.states import State
from baton.status import Node
from baton.store.pages import Attempts, Rate
from baton.trees import WorkflowTree
from baton.web.analysis import BAD, Segment, segments
from baton.web.drawing import picture, tag, text
from baton.wording import cut, duration, inert

WIDTH, HEIGHT = 640.0, 150.0
LEFT, TOP, BOTTOM = 64.0, 10.0, 22.0

NAMES = 220.0  # where the bars of the timeline begin
ROW = 20.0
BARS = 960.0
MOST_ROWS = 200
KINDS = ("waiting", "queued", "parked", "earlier", "running", "backoff")


def throughput(rates: Sequence[Rate]) -> Markup:
    """Return a chart of how many jobs ended."""
    most = max((rate.completed + rate.discarded for rate in rates), default=0)
    top = _round_up(most)
    step = (WIDTH - LEFT) / max(1, len(rates))
    scale = (HEIGHT - TOP - BOTTOM) / top
    content = _axes(rates, [(0.0, "0"), (top, f"{top:,.0f}")], top)
    for number, rate in enumerate(rates):
        x, floor = LEFT + number * step + 1, HEIGHT - BOTTOM
        for kind, count in (("completed", rate.completed), ("discarded", rate.discarded)):
            if count:
                height = max(1.0, count * scale)
                floor -= height
                content.append(
                    tag("rect", class_=f"bar s-{kind}", x=x, y=floor, width=max(1.0, step - 2),
                        height=height)
                )  # fmt: skip
    ended = sum(rate.completed for rate in rates)
    failed = sum(rate.discarded for rate in rates)
    label = f"{ended:,} jobs completed and {failed:,} were discarded in {len(rates)} minutes"
    return picture(WIDTH, HEIGHT, label, content, "chart")


def latency(rates: Sequence[Rate]) -> Markup:
    """Return a chart of how long jobs ran: the median, and what 95 % of them stayed below."""
    longest = max((rate.ran_p95 or 0.0 for rate in rates), default=0.0)
    top = _round_up(longest, least=0.001)
    step = (WIDTH - LEFT) / max(1, len(rates))
    scale = (HEIGHT - TOP - BOTTOM) / top
    content = _axes(rates, [(0.0, "0"), (top, duration(top))], top)
    for kind in ("p95", "p50"):
        line: list[str] = []
        for number, rate in enumerate(rates):
            value = rate.ran_p50 if kind == "p50" else rate.ran_p95
            if value is None:
                continue
            x = LEFT + (number + 0.5) * step
            y = HEIGHT - BOTTOM - max(0.0, value) * scale
            content.append(tag("circle", class_=f"dot {kind}", cx=x, cy=y, r=2.5))
            line.append(f"{'L' if line else 'M'}{x:.1f} {y:.1f}")
        if line:
            content.append(tag("path", class_=f"line {kind}", d="".join(line)))
    label = f"How long jobs ran: at most {duration(longest)} for 95 % of them"
    return picture(WIDTH, HEIGHT, label, content, "chart")


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the timeline."""

    node: Node
    segments: Sequence[Segment]

    def seconds(self, kind: str) -> float:
        """How long the step was in a part of its life."""
        return sum(segment.seconds for segment in self.segments if segment.kind == kind)


def timeline(
    tree: WorkflowTree,
    attempts: Mapping[int, Attempts],
    now: datetime,
    critical: Collection[str] = (),
) -> list[Row]:
    """Split the life of each step; of many, the critical ones, and those that failed or run."""
    nodes = {node.step_name: node for node in tree.status.nodes}
    parents = tree.dependencies()
    rows = [
        Row(
            node,
            segments(
                node,
                [nodes[name] for name in parents[node.step_name]],
                attempts.get(node.job_id),
                now,
            ),
        )
        for node in nodes.values()
    ]
    if len(rows) > MOST_ROWS:
        lively = {State.EXECUTING, State.RETRYABLE} | BAD
        rows.sort(
            key=lambda row: (
                row.node.step_name not in critical,
                row.node.state not in lively,
                -row.seconds("running"),
            )
        )
        del rows[MOST_ROWS:]
    rows.sort(key=lambda row: (row.node.started_at or now, row.node.job_id))
    return rows


def gantt(rows: Sequence[Row], root: str, critical: Sequence[str]) -> Markup:
    """Return the timeline as a picture."""
    times = [time for row in rows for part in row.segments for time in (part.begins, part.ends)]
    if not times:
        return Markup()
    first, last = min(times), max(times)
    total = max((last - first).total_seconds(), 0.001)
    height = ROW * len(rows) + 2 * ROW
    content = []
    for tick in range(5):
        x = NAMES + BARS * tick / 4
        content.append(tag("path", class_="grid", d=f"M{x:.1f} {ROW:g}V{height:g}"))
        content.append(
            text(duration(total * tick / 4), class_="tick", x=x, y=13, text_anchor="middle")
        )
    for number, row in enumerate(rows):
        y = ROW * (number + 1.25)
        kind = "step critical" if row.node.step_name in critical else "step"
        name = text(cut(inert(row.node.step_name), 28), class_=kind, x=4, y=y + 11)
        content.append(tag("a", name, href=f"{root}/jobs/{row.node.job_id}",
                           data_key=f"bar-{row.node.job_id}"))  # fmt: skip
        for part in row.segments:
            x = NAMES + BARS * (part.begins - first).total_seconds() / total
            width = max(1.0, BARS * part.seconds / total)
            told = tag("title", f"{part.kind} {duration(part.seconds)}")
            content.append(
                tag("rect", told, class_=f"t-{part.kind}", x=x, y=y, width=width, height=ROW - 6)
            )
    label = f"Timeline of {len(rows):,} steps over {duration(total)}"
    return picture(NAMES + BARS + 40, height, label, content, "gantt")


def _axes(rates: Sequence[Rate], marks: Sequence[tuple[float, str]], top: float) -> list[str]:
    scale = (HEIGHT - TOP - BOTTOM) / top
    found = []
    for value, said in marks:
        y = HEIGHT - BOTTOM - value * scale
        found.append(tag("path", class_="grid", d=f"M{LEFT:g} {y:.1f}H{WIDTH:g}"))
        found.append(text(said, class_="tick", x=LEFT - 6, y=y + 4, text_anchor="end"))
    if rates:
        for rate, x, anchor in ((rates[0], LEFT, "start"), (rates[-1], WIDTH, "end")):
            found.append(
                text(f"{rate.begins_at:%H:%M}", class_="tick", x=x, y=HEIGHT - 6,
                     text_anchor=anchor)
            )  # fmt: skip
    return found


def _round_up(value: float, least: float = 1.0) -> float:
    """Return the next of 1, 2 and 5 times a power of ten."""
    value = max(value, least)
    power = 10.0 ** int(log10(value) // 1)
    return next(power * each for each in (1, 2, 5, 10) if power * each >= value * 0.999)
