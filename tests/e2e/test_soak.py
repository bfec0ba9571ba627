"""The soak itself: it runs, and it would see what grows."""

import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.soak.flatness import BOUNDS, MIB, Bound, Point, judge
from tests.soak.run import Result, soak


def test_a_short_run_counts_every_attempt_and_finds_nothing_that_grows(
    database: str, tmp_path: Path
) -> None:
    result = soak(database, tmp_path, jobs=12_000, processes=1, tell=lambda _: None)
    assert result.faults() == []
    assert json.loads(json.dumps(result.as_dict()))["performed"] == result.performed
    assert result.jobs == 12_000
    assert result.performed["soak.fails_once"] > 0
    assert {figure.name for figure in result.figures} == {
        *(f"{name} of process 1" for name in ("rss", "descriptors", "threads", "tasks")),
        *("connections", "table_bytes", "index_bytes", "dead_rows"),
    }


def series(value: Callable[[float], float], jobs: int = 300_000) -> list[Point]:
    return [(done, value(done)) for done in range(0, jobs, jobs // 100)]


RANDOM = random.Random(7)  # noqa: S311
RSS, CONNECTIONS, DESCRIPTORS = (BOUNDS[each] for each in ("rss", "connections", "descriptors"))


@pytest.mark.parametrize(
    ("bound", "value"),
    [
        (RSS, lambda done: 80 * MIB + 64 * done),
        (RSS, lambda done: 80 * MIB + 64 * done + RANDOM.uniform(-4, 4) * MIB),
        (RSS, lambda done: 80 * MIB + 16 * MIB * (done // 60_000)),
        (CONNECTIONS, lambda done: 10 + done // 20_000),
        (DESCRIPTORS, lambda done: 20 + done // 10_000),
        (BOUNDS["tasks"], lambda done: 60 + done / 2_000),
        (BOUNDS["table_bytes"], lambda done: 300 * done),
        (BOUNDS["dead_rows"], lambda done: done),
    ],
)
def test_what_grows_is_found(bound: Bound, value: Callable[[float], float]) -> None:
    figure = judge("leak", series(value), bound)
    assert not figure.flat
    assert Result(figures=[figure]).faults() == [
        f"leak grew by {figure.growth:,.0f} ({figure.slope:.3f} a job)"
    ]


@pytest.mark.parametrize(
    ("bound", "value"),
    [
        (RSS, lambda done: 80 * MIB + RANDOM.uniform(-6, 6) * MIB),
        (RSS, lambda done: 80 * MIB * min(1.0, done / 100_000)),  # the warm-up
        (RSS, lambda done: 80 * MIB + (200 * MIB if 200_000 < done < 210_000 else 0)),
        (RSS, lambda done: 90 * MIB - 20 * done),
        (CONNECTIONS, lambda done: 10 + (done % 7 == 0)),
        (BOUNDS["table_bytes"], lambda done: 60 * MIB + 9 * MIB * ((done // 3_000) % 3)),
    ],
)
def test_what_only_moves_is_flat(bound: Bound, value: Callable[[float], float]) -> None:
    assert judge("noise", series(value), bound).flat


def test_too_few_samples_say_nothing() -> None:
    with pytest.raises(ValueError, match="say nothing"):
        judge("rss", [(0, 1.0), (100, 1.0)], RSS)


def test_other_faults_are_told() -> None:
    result = Result(bad=1, exits=[0, 5])
    result.expected["w"], result.performed["w"] = 2, 1
    assert len(result.faults()) == 3
