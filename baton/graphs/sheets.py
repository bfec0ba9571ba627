"""A workflow as it is to be drawn: boxes, lines between them, and other workflows inside boxes."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from baton.graphs.order import Edge
from baton.wording import cut, inert

NAME_LIMIT = 40
FACT_LIMIT = 48
"""Characters of a line below the name, unless a single fact is longer."""


class Look(NamedTuple):
    """How a state is drawn: an icon, and the colours of a box for it."""

    icon: str
    fill: str
    stroke: str


LOOKS: Mapping[str, Look] = {
    "discarded": Look("✗", "#ffd9d6", "#b42318"),
    "retryable": Look("↻", "#ffefc2", "#a15c00"),
    "executing": Look("▶", "#d6e8ff", "#1257b5"),
    "waiting": Look("◇", "#e3e6ff", "#4a4fb5"),
    "cancelled": Look("⊘", "#f6dcf5", "#92278f"),
    "available": Look("○", "#d9f4fb", "#0b6b83"),
    "scheduled": Look("◷", "#d9f4fb", "#0b6b83"),
    "suspended": Look("·", "#f1f1f1", "#707070"),
    "skipped": Look("↷", "#eef7ee", "#4d7a51"),
    "completed": Look("✓", "#d8f3dc", "#23733a"),
    "planned": Look("", "#f7f7f7", "#505050"),
}
"""By the word that is said of the state, the most notable first."""
_NOTABLE = {word: number for number, word in enumerate(LOOKS)}
APART = ("discarded", "retryable", "executing")
"""What is not hidden among others that are alike."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A step of a workflow, or many steps that are alike.

    Attributes:
        name: of the step.
        word: what is said of its state; one of `LOOKS`.
        kind: ``job``, ``signal``, ``sleep`` or ``workflow``.
        facts: what else is said of it.
        error: what went wrong.
        run_on: ``completed``, ``failed`` or ``done``.
        worker: who performs it, when that is known.
        steps: how many steps it stands for.
        inner: the workflow that it is.
    """

    name: str
    word: str
    kind: str = "job"
    facts: tuple[str, ...] = ()
    error: str | None = None
    run_on: str = "completed"
    worker: str | None = None
    steps: int = 1
    inner: "Sheet | None" = None

    @property
    def look(self) -> Look:
        """How it is drawn."""
        return LOOKS[self.word]

    @property
    def title(self) -> str:
        """Its name on one line, after the icon of its state."""
        return f"{self.look.icon} {cut(inert(self.name), NAME_LIMIT)}".lstrip()

    def lines(self) -> list[str]:
        """Return the lines below its title."""
        said = self.facts if self.word == "planned" or self.steps > 1 else (self.word, *self.facts)
        found = _filled(inert(fact) for fact in said)
        if self.error is not None:
            found.append(cut(inert(self.error), FACT_LIMIT))
        return found

    def told(self) -> str:
        """Return all that is known of it, for whoever points at it."""
        return "\n".join(
            (inert(self.name), *self.lines(), *([inert(self.worker)] if self.worker else []))
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """A workflow to be drawn.

    Attributes:
        name: what people call it.
        facts: what is said of it beside its name.
        boxes: its steps.
        edges: pairs of their positions: a dependency, and a step that waits for it.
    """

    name: str
    facts: tuple[str, ...]
    boxes: Sequence[Box]
    edges: Sequence[Edge]

    @property
    def title(self) -> str:
        """Its name and what is said of it, on one line."""
        return "  ".join((cut(inert(self.name), NAME_LIMIT), *map(inert, self.facts)))

    def size(self) -> tuple[int, int]:
        """Return how many boxes and edges are drawn, those inside boxes included."""
        inside = [box.inner.size() for box in self.boxes if box.inner is not None]
        return (
            len(self.boxes) + sum(boxes for boxes, _ in inside),
            len(self.edges) + sum(edges for _, edges in inside),
        )

    def walk(self) -> Iterator[Box]:
        """Yield all boxes, also those inside others."""
        for box in self.boxes:
            yield box
            if box.inner is not None:
                yield from box.inner.walk()


def tally(boxes: Iterable[Box]) -> tuple[str, ...]:
    """Count boxes by what is said of them, the most notable first: ``2 discarded``."""
    counts = Counter(box.word for box in boxes)
    planned = counts.pop("planned", 0)
    found = sorted(counts, key=lambda word: _NOTABLE[word])
    return (
        *(f"{counts[word]:,} {word}" for word in found),
        *([f"{planned:,} steps"] if planned else []),
    )


def most_notable(boxes: Iterable[Box]) -> str:
    """Return what is said of the box that a person looks for first."""
    return min((box.word for box in boxes), key=lambda word: _NOTABLE[word])


def _filled(facts: Iterable[str]) -> list[str]:
    """Put short facts on one line, as many as there is room for."""
    found: list[str] = []
    for fact in facts:
        if found and len(found[-1]) + len(fact) + 3 <= FACT_LIMIT:
            found[-1] += f" · {fact}"
        else:
            found.append(cut(fact, FACT_LIMIT))
    return found
