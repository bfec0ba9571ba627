"""Whether something grows with the number of jobs: a decision on measured series.

The slope is the median of the slopes between all pairs of points (Theil and Sen), which a few
outliers do not move: a garbage collection, a vacuum that came late. What counts is what is measured
after the warm-up, in which caches fill and the first jobs are not old enough to be pruned.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import median

WARM_UP = 0.4  # of all jobs
LEAST_POINTS = 6
MOST_POINTS = 200  # pairs are many

Point = tuple[float, float]  # jobs that were done, and what was measured then


@dataclass(frozen=True, slots=True)
class Bound:
    """How much something may grow.

    Attributes:
        per_job: growth per job.
        noise: growth in all that is not told from noise.
        unit: what is measured.
    """

    per_job: float
    noise: float
    unit: str


MIB = 1 << 20
# One small object of Python takes 50 bytes; a row of jobs that is not pruned takes 300. Each of 50
# slots may have a task or none when a sample is taken.
BOUNDS: Mapping[str, Bound] = {
    "rss": Bound(8, 8 * MIB, "bytes"),
    "connections": Bound(0, 1, "connections"),
    "descriptors": Bound(0, 4, "descriptors"),
    "threads": Bound(0, 4, "threads"),
    "tasks": Bound(0, 60, "tasks"),
    "table_bytes": Bound(30, 24 * MIB, "bytes"),
    "index_bytes": Bound(30, 24 * MIB, "bytes"),
    "dead_rows": Bound(0.05, 100_000, "rows"),
}


@dataclass(frozen=True, slots=True)
class Figure:
    """What became of one series.

    Attributes:
        name: what was measured, and of which process.
        first: the median of the first quarter after the warm-up.
        last: that of the last quarter.
        most: the largest value after the warm-up.
        slope: growth per job after the warm-up.
        growth: what the slope makes of all these jobs.
        flat: whether that is within the bound.
    """

    name: str
    first: float
    last: float
    most: float
    slope: float
    growth: float
    flat: bool


def slope_of(points: Sequence[Point]) -> float:
    """Return the median of the slopes between all pairs of points."""
    step = max(1, len(points) // MOST_POINTS)
    pairs = combinations(points[::step], 2)
    slopes = [(b[1] - a[1]) / (b[0] - a[0]) for a, b in pairs if b[0] != a[0]]
    return median(slopes) if slopes else 0.0


def judge(name: str, points: Sequence[Point], bound: Bound) -> Figure:
    """Say whether a series grew.

    Raises:
        ValueError: there are too few points after the warm-up to say it.
    """
    total = max((jobs for jobs, _ in points), default=0)
    warm = [point for point in points if point[0] >= WARM_UP * total]
    if len(warm) < LEAST_POINTS:
        raise ValueError(f"{name}: {len(warm)} points after the warm-up say nothing")
    slope = slope_of(warm)
    growth = slope * (warm[-1][0] - warm[0][0])
    quarter = max(1, len(warm) // 4)
    values = [value for _, value in warm]
    return Figure(
        name=name,
        first=median(values[:quarter]),
        last=median(values[-quarter:]),
        most=max(values),
        slope=slope,
        growth=growth,
        flat=slope <= bound.per_job or growth <= bound.noise,
    )
