"""Making a graph small enough to be read: what is alike becomes one box."""

from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import replace
from typing import NamedTuple

from baton.graphs.likeness import Trait, common_name, groups
from baton.graphs.order import layers
from baton.graphs.sheets import APART, Box, Sheet, most_notable, tally

MOST_BOXES = 300
MOST_EDGES = 500
"""Mermaid, as most pages configure it, refuses to draw more."""


class Fold(NamedTuple):
    """One way to make a graph smaller.

    Attributes:
        bands: steps are put together by so many sections of the way through the graph; 0 for by
            likeness.
        by_worker: whether steps of one section but of different workers stay apart.
        most: this many steps that are put together may also have a box each.
        apart: how many steps of each group, that failed or run, are not put into it.
        opened: whether sub-workflows are drawn inside their boxes; else their steps are counted.
    """

    bands: int = 0
    by_worker: bool = False
    most: int = 1
    apart: int = 2
    opened: bool = False


FOLDS = (
    Fold(most=3, apart=20, opened=True),
    Fold(apart=10),
    Fold(bands=150, by_worker=True, apart=5),
    Fold(bands=100),
    Fold(bands=30, apart=1),
    Fold(bands=10, apart=1),
)
"""The gentlest first."""


def fitted(sheet: Sheet, *, boxes: int = MOST_BOXES, edges: int = MOST_EDGES) -> Sheet:
    """Return a graph with no more boxes and edges than this, folded as little as possible."""
    found = sheet
    for fold in FOLDS:
        size = found.size()
        if size[0] <= boxes and size[1] <= edges:
            return found
        found = _folded(sheet, fold)
    return found


def _folded(sheet: Sheet, fold: Fold) -> Sheet:
    boxes = [_within(box, fold) for box in sheet.boxes]
    bands = _bands(sheet, fold)
    keys = _keys(sheet, fold, bands)
    members: defaultdict[Hashable, list[int]] = defaultdict(list)
    for number, key in enumerate(keys):
        members[key].append(number)
    drawn: list[Box] = []
    place: dict[int, int] = {}
    for numbers in members.values():
        alone = set(numbers if len(numbers) <= fold.most else _apart(boxes, numbers, fold.apart))
        together = [number for number in numbers if number not in alone]
        if len(together) == 1:
            alone.add(together.pop())
        if together:
            place |= dict.fromkeys(together, len(drawn))
            drawn.append(_group([boxes[number] for number in together]))
        for number in sorted(alone):
            place[number] = len(drawn)
            drawn.append(boxes[number])
    # in a section, what stands apart may wait for what is put together, and the other way round
    edges = {
        (place[parent], place[child])
        for parent, child in sheet.edges
        if bands[parent] < bands[child]
    }
    return replace(sheet, boxes=drawn, edges=sorted(edges))


def _keys(sheet: Sheet, fold: Fold, bands: Sequence[int]) -> Sequence[Hashable]:
    if not fold.bands:
        traits = [Trait(box.name, (box.kind, box.run_on), box.worker) for box in sheet.boxes]
        return groups(traits, sheet.edges)
    return [
        (band, (box.kind, box.worker) if fold.by_worker else None)
        for band, box in zip(bands, sheet.boxes, strict=True)
    ]


def _bands(sheet: Sheet, fold: Fold) -> list[int]:
    """Return the section of the way through the graph where each box is; a layer, at the finest."""
    depth = layers(len(sheet.boxes), sheet.edges)
    count = max(depth, default=0) + 1
    if not 0 < fold.bands < count:
        return depth
    return [layer * fold.bands // count for layer in depth]


def _within(box: Box, fold: Fold) -> Box:
    if box.inner is None:
        return box
    if fold.opened:
        return replace(box, inner=_folded(box.inner, fold))
    return replace(box, inner=None, facts=(*box.facts, *tally(box.inner.walk())))


def _apart(boxes: Sequence[Box], numbers: Sequence[int], most: int) -> list[int]:
    found = [number for word in APART for number in numbers if boxes[number].word == word]
    return found[:most]


def _group(boxes: Sequence[Box]) -> Box:
    kinds = {box.kind for box in boxes}
    run_ons = {box.run_on for box in boxes}
    workers = {box.worker for box in boxes}
    return Box(
        name=common_name(box.name for box in boxes),
        word=most_notable(boxes),
        kind=kinds.pop() if len(kinds) == 1 else "job",
        facts=tally(boxes),
        run_on=run_ons.pop() if len(run_ons) == 1 else "completed",
        worker=workers.pop() if len(workers) == 1 else None,
        steps=sum(box.steps for box in boxes),
    )
