"""Places the boxes of a graph in columns, so that lines lead from left to right and cross rarely.

The steps of Sugiyama, Tagawa and Toda ("Methods for visual understanding of hierarchical system
structures", 1981): columns by the longest way, an order within each column by the barycenters of
neighbours, and heights as near to the neighbours as the boxes allow, which is isotonic regression
(pool adjacent violators). What a line passes between its ends takes a place in each column of its
own, shared by all lines from the same box, so no line leads through a box. The same graph is always
placed in the same way.
"""

from bisect import bisect_right, insort
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from baton.graphs.order import Edge, forward, layers

Point = tuple[float, float]
COLUMN_GAP = 56.0
ROW_GAP = 18.0
SWEEPS = 12


@dataclass(frozen=True, slots=True)
class Layout:
    """Where everything is; y grows downwards.

    Attributes:
        width, height: of the whole.
        places: the upper left corner of each box.
        lines: for each edge that was placed, the points that its line leads through; between the
            first and the second of each pair it is straight, and from pair to pair it may bend.
    """

    width: float
    height: float
    places: Sequence[Point]
    lines: Sequence[tuple[Edge, Sequence[Point]]]


def placed(sizes: Sequence[Point], edges: Sequence[Edge]) -> Layout:
    """Place boxes.

    Args:
        sizes: the width and the height of each box.
        edges: pairs of their positions, left and right; one that closes a circle is left out.
    """
    edges = forward(len(sizes), edges)
    grid = _Grid(sizes, edges)
    grid.order()
    grid.settle()
    return grid.layout(edges)


class _Grid:
    """The boxes and the places where lines pass, in columns."""

    def __init__(self, sizes: Sequence[Point], edges: Sequence[Edge]) -> None:
        self._sizes = sizes
        self._heights = [height for _, height in sizes]
        self._depth = layers(len(sizes), edges)
        self._columns: list[list[int]] = [[] for _ in range(max(self._depth, default=-1) + 1)]
        for box, column in enumerate(self._depth):
            self._columns[column].append(box)
        self._left: defaultdict[int, list[int]] = defaultdict(list)
        self._right: defaultdict[int, list[int]] = defaultdict(list)
        self._passes: dict[tuple[int, int], int] = {}
        for parent, child in edges:
            last = parent
            for column in range(self._depth[parent] + 1, self._depth[child]):
                last = self._pass(parent, column, last)
            self._right[last].append(child)
            self._left[child].append(last)
        self._middles = [0.0] * len(self._heights)

    def _pass(self, parent: int, column: int, before: int) -> int:
        """Return the place in a column where lines from a box pass."""
        found = self._passes.get((parent, column))
        if found is None:
            found = self._passes[parent, column] = len(self._heights)
            self._heights.append(0.0)
            self._columns[column].append(found)
            self._right[before].append(found)
            self._left[found].append(before)
        return found

    def order(self) -> None:
        """Order each column so that lines cross rarely; keep the best of several sweeps."""
        best, fewest = [list(column) for column in self._columns], self._crossings()
        for sweep in range(SWEEPS):
            if not fewest:
                break
            self._sweep(rightwards=sweep % 2 == 0)
            if (crossings := self._crossings()) < fewest:
                best, fewest = [list(column) for column in self._columns], crossings
        self._columns = best

    def _sweep(self, *, rightwards: bool) -> None:
        neighbours = self._left if rightwards else self._right
        columns = self._columns if rightwards else self._columns[::-1]
        for fixed, column in pairwise(columns):
            position = {each: number for number, each in enumerate(fixed)}
            own = {each: number for number, each in enumerate(column)}
            scale = max(1, len(fixed) - 1) / max(1, len(column) - 1)

            def barycenter(
                each: int,
                position: dict[int, int] = position,
                own: dict[int, int] = own,
                scale: float = scale,
            ) -> float:
                found = [position[other] for other in neighbours[each] if other in position]
                return sum(found) / len(found) if found else own[each] * scale

            column.sort(key=barycenter)

    def _crossings(self) -> int:
        count = 0
        for left, right in pairwise(self._columns):
            position = {each: number for number, each in enumerate(right)}
            seen: list[int] = []
            for each in left:
                ends = sorted(position[other] for other in self._right[each])
                count += sum(len(seen) - bisect_right(seen, end) for end in ends)
                for end in ends:
                    insort(seen, end)
        return count

    def settle(self) -> None:
        """Move everything up or down to where its neighbours are, in its order."""
        for column in self._columns:
            self._move(column, [0.0] * len(column))
        for sweep in range(SWEEPS):
            rightwards = sweep % 2 == 0
            neighbours = self._left if rightwards else self._right
            for column in self._columns if rightwards else self._columns[::-1]:
                wanted = []
                for each in column:
                    near = [self._middles[other] for other in neighbours[each]]
                    near = near or [self._middles[each]]
                    wanted.append(sum(near) / len(near))
                self._move(column, wanted)

    def _move(self, column: Sequence[int], wanted: Sequence[float]) -> None:
        """Put the middles of a column as near as can be to where they are wanted."""
        offsets = [0.0]
        for above, below in pairwise(column):
            gap = ROW_GAP + (self._heights[above] + self._heights[below]) / 2
            offsets.append(offsets[-1] + gap)
        # pools of neighbours that touch: where their first would be, and how many they are
        pools: list[tuple[float, int]] = []
        for want, offset in zip(wanted, offsets, strict=False):
            mean: float = want - offset
            count = 1
            while pools and pools[-1][0] >= mean:
                upper, size = pools.pop()
                mean = (mean * count + upper * size) / (count + size)
                count += size
            pools.append((mean, count))
        firsts = [mean for mean, count in pools for _ in range(count)]
        for each, first, offset in zip(column, firsts, offsets, strict=False):
            self._middles[each] = first + offset

    def layout(self, edges: Sequence[Edge]) -> Layout:
        """Return where everything is."""
        tops = [self._middles[box] - self._heights[box] / 2 for box in range(len(self._heights))]
        highest = min(tops, default=0.0)
        lowest = max(
            (self._middles[n] + self._heights[n] / 2 for n in range(len(tops))), default=0.0
        )
        lefts: list[float] = []
        widths: list[float] = []
        x = 0.0
        for column in self._columns:
            widths.append(
                max((self._sizes[n][0] for n in column if n < len(self._sizes)), default=0.0)
            )
            lefts.append(x)
            x += widths[-1] + COLUMN_GAP
        places = [(lefts[self._depth[box]], tops[box] - highest) for box in range(len(self._sizes))]
        lines = []
        for parent, child in edges:
            first = self._depth[parent]
            middle = self._middles[parent] - highest
            points = [(lefts[first] + self._sizes[parent][0], middle)]
            points.append((lefts[first] + widths[first], middle))
            for between in range(first + 1, self._depth[child]):
                middle = self._middles[self._passes[parent, between]] - highest
                points += [(lefts[between], middle), (lefts[between] + widths[between], middle)]
            end = (lefts[self._depth[child]], self._middles[child] - highest)
            lines.append(((parent, child), [*points, end]))
        return Layout(max(0.0, x - COLUMN_GAP), lowest - highest, places, lines)
