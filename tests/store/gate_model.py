"""The gate once more, in Python and written without a look at the SQL.

It says what a workflow must look like after whatever was done to it.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

OPEN = frozenset({"suspended", "available", "executing", "retryable", "scheduled"})
BAD = frozenset({"discarded", "cancelled"})


@dataclass
class Step:
    """A step of the model.

    Attributes:
        state: a job's state, or ``skipped``, or ``parked``.
        cascaded: whether it was cancelled because of a dependency.
    """

    name: str
    deps: tuple[str, ...] = ()
    run_on: str = "completed"
    ignore: frozenset[str] = frozenset()
    kind: str = "job"
    state: str = "suspended"
    cascaded: bool = False

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

    def cancel(self, names: Iterable[str]) -> None:
        for name in names:
            if not self.steps[name].ended:
                self.steps[name].state = "cancelled"
        self.settle()

    def after(self, names: Iterable[str]) -> set[str]:
        """These steps and everything after them."""
        found = set(names)
        while more := {step.name for step in self.steps.values() if found & set(step.deps)} - found:
            found |= more
        return found

    def retry(self, names: Iterable[str]) -> None:
        for name in names:
            self.steps[name].state, self.steps[name].cascaded = "suspended", False
        self.settle()

    def retried_by_default(self) -> set[str]:
        """What failed, and what reacted to that or was cancelled because of it."""
        found = set(self.named(*BAD))
        while (
            more := {
                step.name
                for step in self.steps.values()
                if found & set(step.deps)
                and (
                    step.cascaded
                    or step.state == "skipped"
                    or (step.run_on != "completed" and step.state != "suspended")
                )
            }
            - found
        ):
            found |= more
        return found

    def skip(self, name: str) -> None:
        woken = {name}
        while (
            more := {
                step.name
                for step in self.steps.values()
                if step.cascaded and woken & set(step.deps)
            }
            - woken
        ):
            woken |= more
        for each in woken - {name}:
            self.steps[each].state, self.steps[each].cascaded = "suspended", False
        self.steps[name].state, self.steps[name].cascaded = "completed", False
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
            step.cascaded = step.state == "cancelled"
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
