"""In which order, and in which layer, the nodes of a graph stand."""

from collections.abc import Sequence
from heapq import heapify, heappop, heappush

Edge = tuple[int, int]
"""The numbers of a node and of one that comes after it."""


def ordered(count: int, edges: Sequence[Edge]) -> list[int]:
    """Return the numbers 0 to ``count`` - 1 so that each comes after those with edges to it.

    Numbers stay in their order where the edges allow it. What is in a circle, which no workflow
    should have, comes last.
    """
    after: list[list[int]] = [[] for _ in range(count)]
    missing = [0] * count
    for parent, child in edges:
        after[parent].append(child)
        missing[child] += 1
    ready = [number for number in range(count) if not missing[number]]
    heapify(ready)
    found: list[int] = []
    while ready:
        number = heappop(ready)
        found.append(number)
        for child in after[number]:
            missing[child] -= 1
            if not missing[child]:
                heappush(ready, child)
    if len(found) < count:
        found += [number for number in range(count) if missing[number]]
    return found


def forward(count: int, edges: Sequence[Edge]) -> list[Edge]:
    """Return the edges without those that would close a circle, and without repetitions."""
    place = {number: position for position, number in enumerate(ordered(count, edges))}
    return [edge for edge in dict.fromkeys(edges) if place[edge[0]] < place[edge[1]]]


def layers(count: int, edges: Sequence[Edge]) -> list[int]:
    """Return the layer of each node: how many nodes the longest way to it has before it."""
    before: list[list[int]] = [[] for _ in range(count)]
    for parent, child in edges:
        before[child].append(parent)
    found = [0] * count
    for number in ordered(count, edges):
        found[number] = max((found[parent] + 1 for parent in before[number]), default=0)
    return found
