"""The gate once more, in Python and written without a look at the SQL.

It says what a workflow must look like after whatever was done to it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

OPEN = frozenset({"suspended", "available", "executing", "retryable", "scheduled"})
BAD = frozenset({"discarded", "cancelled"})


@dataclass
class Step:
    """A step of the model.

    Attributes:
        state: a job's state, or ``skipped``, or ``parked``.
    """

    name: str
    deps: tuple[str, ...] = ()
    run_on: str = "completed"
    ignore: frozenset[str] = frozenset()
    kind: str = "job"
    state: str = "suspended"
    grafted_by: str | None = None

    @property
    def ended(self) -> bool:
        return self.state not in OPEN and self.state != "parked"


@dataclass
class Model:
    """Steps by name. Every change is followed by `settle`, which draws all conclusions."""

    steps: dict[str, Step] = field(default_factory=dict)

    def add(self, step: Step) -> None:
        self.steps[step.name] = step

    def settle(self) -> None:
        while any(self._open_gate(step) for step in self.steps.values()):
            pass

    def end(self, name: str, state: str) -> None:
        self.steps[name].state = state
        self.settle()

    def cancel(self, names: Iterator[str] | list[str]) -> None:
        for name in names:
            if not self.steps[name].ended:
                self.steps[name].state = "cancelled"
        self.settle()

    def named(self, *states: str) -> list[str]:
        return [step.name for step in self.steps.values() if step.state in states]

    @property
    def outcome(self) -> str:
        if not all(step.ended for step in self.steps.values()):
            return "executing"
        return "failed" if any(step.state in BAD for step in self.steps.values()) else "completed"

    def _open_gate(self, step: Step) -> bool:
        before = step.state
        if before == "suspended":
            step.state = self._verdict(step)
        return step.state != before

    def _verdict(self, step: Step) -> str:
        states = {name: self.steps[name].state for name in step.deps}
        everything_ended = all(self.steps[name].ended for name in step.deps)
        bad = {state for state in states.values() if state in BAD}
        if step.run_on == "completed":
            if bad - step.ignore:
                return "cancelled"
            if not everything_ended:
                return "suspended"
            if "skipped" in states.values() and "skipped" not in step.ignore:
                return "skipped"
        elif not everything_ended:
            return "suspended"
        elif step.run_on == "failed" and not bad:
            return "skipped"
        return "available" if step.kind == "job" else "parked"
