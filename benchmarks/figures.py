"""What is measured: rows of a table, and what several measurements of one come to."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """A line of the table.

    Attributes:
        scenario: ``S1`` and so on.
        label: what is measured.
        unit: of what.
        more_is_better: whether a larger figure is the better one.
    """

    scenario: str
    label: str
    unit: str
    more_is_better: bool = False


@dataclass(frozen=True)
class Summary:
    """What the repetitions of one figure came to."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, samples: Sequence[float]) -> "Summary":
        return cls(statistics.median(samples), min(samples), max(samples))


def percentile(samples: Sequence[float], percent: int) -> float:
    """The smallest sample that so many percent of them do not exceed."""
    ordered = sorted(samples)
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]
