"""All figures of a run."""

from collections.abc import Iterator, Sequence
from typing import Any

from benchmarks.figures import Row, Summary
from benchmarks.subjects import BATON, FLOOR, OWN, Subject


class Results:
    """Figures by row and subject, in the order in which they came.

    Attributes:
        machine: what they were taken on.
        subjects: whose they are.
        versions: of each subject, by its name.
        failures: what did not do what it was asked.
    """

    def __init__(self, machine: dict[str, str], subjects: Sequence[Subject]) -> None:
        self.machine = machine
        self.subjects = subjects
        self.versions: dict[str, str] = {}
        self.failures: list[str] = []
        self._samples: dict[Row, dict[Subject, list[float]]] = {}

    def add(self, row: Row, subject: Subject, figure: float) -> None:
        self._samples.setdefault(row, {}).setdefault(subject, []).append(figure)

    def rows(self) -> Iterator[Row]:
        yield from self._samples

    def summary(self, row: Row, subject: Subject) -> Summary | None:
        samples = self._samples[row].get(subject)
        return Summary.of(samples) if samples else None

    def to_floor(self, row: Row) -> float | None:
        """Baton's median divided by that of the floor."""
        return self._ratio(row, [FLOOR])

    def to_best_peer(self, row: Row) -> float | None:
        """Baton's median divided by that of the best peer."""
        return self._ratio(row, self._peers())

    def behind(self) -> Iterator[tuple[Row, Subject, float]]:
        """Where a peer's median is the better one, and by which factor."""
        for row in self._samples:
            own = self.summary(row, BATON)
            for peer in self._peers():
                theirs = self.summary(row, peer)
                if own is None or theirs is None or not own.median or not theirs.median:
                    continue
                factor = theirs.median / own.median
                if not row.more_is_better:
                    factor = 1 / factor
                if factor > 1:
                    yield row, peer, factor

    def document(self) -> dict[str, Any]:
        """Everything, for a file of JSON."""
        return {
            "machine": self.machine,
            "versions": self.versions,
            "failures": self.failures,
            "figures": [
                {
                    "scenario": row.scenario,
                    "label": row.label,
                    "unit": row.unit,
                    "more_is_better": row.more_is_better,
                    "samples": {each.name: found for each, found in samples.items()},
                    "to_floor": self.to_floor(row),
                    "to_best_peer": self.to_best_peer(row),
                }
                for row, samples in self._samples.items()
            ],
        }

    def _peers(self) -> list[Subject]:
        return [each for each in self.subjects if each not in OWN]

    def _ratio(self, row: Row, others: Sequence[Subject]) -> float | None:
        own = self.summary(row, BATON)
        medians = [found.median for each in others if (found := self.summary(row, each))]
        if own is None or not medians:
            return None
        best = max(medians) if row.more_is_better else min(medians)
        return own.median / best if best else None
