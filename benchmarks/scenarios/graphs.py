"""S7 and S8: workflows; and one large workflow of Baton's."""

from collections.abc import Iterator
from itertools import pairwise

from benchmarks.figures import Row, percentile
from benchmarks.scenarios.drains import run
from benchmarks.scenarios.latencies import WARM_UP, paced
from benchmarks.scenarios.sizes import Sizes
from benchmarks.sessions import Session

HOP = Row("S8", "parent's end to child's start, p50", "ms")
INSERTED = Row("S8", "beside it: insert to start, p50", "ms")
HOP_RATIO = Row("S8", "hop to insert", "ratio")
LAYERS_INSERT = Row("layers", "insert of one large workflow", "s")
LAYERS_RUN = Row("layers", "its steps", "steps/s", more_is_better=True)
LAYERS_PLAIN = Row("layers", "as many plain jobs", "jobs/s", more_is_better=True)
LAYERS_LOOK = Row("layers", "a look at its progress", "ms")


def shapes(session: Session, sizes: Sizes) -> Iterator[tuple[Row, float]]:
    count = sizes.diamonds
    yield from _beside(session, "S7a", f"{count:,} diamonds of 5 steps", 5 * count, count=count)
    for width in sizes.widths if "fan" in session.can else ():
        yield from _beside(session, "S7b", f"1 → {width:,} → 1", width + 2, width=width)


def _beside(
    session: Session, scenario: str, shape: str, steps: int, **size: int
) -> Iterator[tuple[Row, float]]:
    """Seconds from the first line of the first step to the end, and of as many plain jobs."""
    session.empty()
    plain = steps / run(session, steps)
    session.empty()
    with session.crew() as crew:
        session.ask("diamonds" if "count" in size else "fan", **size)
        session.settle()
        span = crew.go().span(steps)
    yield Row(scenario, shape, "s"), span
    yield Row(scenario, f"{shape}: to as many plain jobs", "ratio"), span / plain


def hop(session: Session, sizes: Sizes) -> Iterator[tuple[Row, float]]:
    """From the only line of a step to that of the next one, in a chain on an idle system."""
    with session.crew(jobs=max(sizes.chain, WARM_UP)) as crew:
        crew.go()
        paced(session, crew, WARM_UP, sizes.idle_gap)
        inserted = percentile(paced(session, crew, WARM_UP, sizes.idle_gap), 50)
        crew.board.forget()
        session.ask("chain", steps=sizes.chain)
        crew.wait(lambda: all(crew.board.runs()[: sizes.chain]), "steps did not begin")
        crew.settled()
        began = crew.board.values()[: sizes.chain]
    hopped = percentile([(child - parent) * 1000 for parent, child in pairwise(began)], 50)
    yield HOP, hopped
    yield INSERTED, inserted
    yield HOP_RATIO, hopped / inserted


def layers(session: Session, sizes: Sizes) -> Iterator[tuple[Row, float]]:
    plain = run(session, sizes.layers)
    session.empty()
    with session.crew() as crew:
        answer = session.ask("layers", steps=sizes.layers, width=sizes.layer)
        session.settle()
        span = crew.go().span(sizes.layers)
    yield LAYERS_INSERT, answer["seconds"]
    yield LAYERS_RUN, sizes.layers / span
    yield LAYERS_PLAIN, plain
    yield LAYERS_LOOK, session.ask("look", workflow_id=answer["answer"])["answer"] * 1000
