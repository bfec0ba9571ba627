"""Where boxes and lines are put: nothing overlaps, lines lead rightwards and through no box."""

import random
from itertools import combinations, pairwise

import pytest

from baton.graphs.layout import Layout, placed
from baton.graphs.order import Edge, forward, layers, ordered

Size = tuple[float, float]


def some_graph(seed: int) -> tuple[list[Size], list[Edge]]:
    chance = random.Random(seed)  # noqa: S311
    count = chance.randrange(1, 45)
    sizes = [(chance.uniform(20, 300), chance.uniform(20, 200)) for _ in range(count)]
    pairs = [
        (parent, child)
        for child in range(count)
        for parent in range(child)
        if chance.random() < chance.choice([0.02, 0.05, 0.2])
    ]
    # numbers say nothing about the order: grafts are younger than what waits for them
    names = list(range(count))
    chance.shuffle(names)
    return sizes, [(names[parent], names[child]) for parent, child in pairs]


def inside(point: Size, place: Size, size: Size) -> bool:
    (x, y), (left, top), (width, height) = point, place, size
    return left < x < left + width and top < y < top + height


def assert_nothing_overlaps(sizes: list[Size], found: Layout) -> None:
    for (one, (width, height)), (other, (wide, high)) in combinations(
        zip(found.places, sizes, strict=True), 2
    ):
        apart = (
            one[0] + width <= other[0]
            or other[0] + wide <= one[0]
            or one[1] + height <= other[1]
            or other[1] + high <= one[1]
        )
        assert apart
    for place, size in zip(found.places, sizes, strict=True):
        assert 0 <= place[0] <= found.width - size[0] + 1e-6
        assert 0 <= place[1] <= found.height - size[1] + 1e-6


def assert_lines_pass_no_box(sizes: list[Size], found: Layout) -> None:
    for _, points in found.lines:
        for number, (one, other) in enumerate(pairwise(points)):
            if number % 2 == 0:
                assert one[1] == other[1]
            for step in range(11):
                part = step / 10
                ease = part if number % 2 == 0 else part * part * (3 - 2 * part)
                x = one[0] + (other[0] - one[0]) * part
                y = one[1] + (other[1] - one[1]) * ease
                for place, size in zip(found.places, sizes, strict=True):
                    assert not inside((x, y), place, size)


@pytest.mark.parametrize("seed", range(60))
def test_nothing_overlaps_whatever_the_graph_is(seed: int) -> None:
    sizes, edges = some_graph(seed)
    found = placed(sizes, edges)
    assert_nothing_overlaps(sizes, found)
    assert_lines_pass_no_box(sizes, found)
    assert sorted(edge for edge, _ in found.lines) == sorted(set(edges))
    for (parent, child), points in found.lines:
        assert points[0][0] == found.places[parent][0] + sizes[parent][0]
        assert points[-1][0] == found.places[child][0]
        assert all(one[0] <= other[0] for one, other in pairwise(points))
    assert placed(sizes, edges) == found


def test_a_chain_is_a_straight_line() -> None:
    sizes = [(50.0, 20.0), (80.0, 60.0), (50.0, 30.0)]
    found = placed(sizes, [(0, 1), (1, 2)])
    middles = {y + height / 2 for (_, y), (_, height) in zip(found.places, sizes, strict=True)}
    assert len(middles) == 1
    assert found.height == 60


def test_lines_that_need_not_cross_don_t() -> None:
    found = placed([(10.0, 10.0)] * 6, [(0, 5), (1, 4), (2, 3)])
    tops = [y for _, y in found.places]
    assert sorted(range(3), key=lambda box: tops[box]) == [
        5 - box for box in sorted(range(3, 6), key=lambda box: tops[box])
    ]


def test_no_box_and_one_box_are_placed() -> None:
    assert placed([], []) == Layout(0.0, 0.0, [], [])
    assert placed([(10.0, 20.0)], []) == Layout(10.0, 20.0, [(0.0, 0.0)], [])


def test_a_circle_is_drawn_without_the_edge_that_closes_it() -> None:
    edges = [(0, 1), (1, 2), (2, 1), (1, 1), (2, 0), (3, 0)]
    assert len(forward(4, edges)) == 3
    assert_nothing_overlaps([(10.0, 10.0)] * 4, placed([(10.0, 10.0)] * 4, edges))


def test_what_comes_after_stands_after_and_in_a_later_layer() -> None:
    assert ordered(4, [(3, 0), (0, 1)]) == [2, 3, 0, 1]
    assert layers(4, [(3, 0), (0, 1), (3, 1)]) == [1, 2, 0, 0]
