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

    def cancel(self, names: Iterable[str]) -> None:
        for name in names:
            if not self.steps[name].ended:
                self.steps[name].state = "cancelled"
        self.settle()

    def graft(self, grafter: str, steps: Iterable[Step]) -> None:
        """A step completes and returns steps: what waits for it waits for them too."""
        waiting = [step for step in self.steps.values() if grafter in step.deps]
        for step in steps:
            self.add(step)
            step.deps, step.grafted_by = (grafter, *step.deps), grafter
            for other in waiting:
                if other.grafted_by != grafter:
                    other.deps = (*other.deps, step.name)
        self.end(grafter, "completed")

    def after(self, names: Iterable[str]) -> set[str]:
        """These steps, everything after them, and what those that completed grafted."""
        found = set(names)
        while more := (self._dependents(found) | self._grafted(found)) - found:
            found |= more
        return found

    def retried_by_default(self) -> set[str]:
        """What failed, and what reacted to that or was cancelled because of it."""
        found = set(self.named(*BAD))
        while more := (self._reacted(found) | self._grafted(found)) - found:
            found |= more
        return found

    def retry(self, names: Iterable[str]) -> set[str]:
        """Return what is taken out, because the step that grafted it will graft anew."""
        gone: set[str] = set()
        while more := self._grafted(set(names), gone) - gone:
            gone |= more
        for name in gone:
            del self.steps[name]
        for step in self.steps.values():
            step.deps = tuple(name for name in step.deps if name not in gone)
        for name in set(names) - gone:
            self.steps[name].state, self.steps[name].cascaded = "suspended", False
        self.settle()
        return gone

    def _dependents(self, names: set[str]) -> set[str]:
        return {step.name for step in self.steps.values() if names & set(step.deps)}

    def _reacted(self, names: set[str]) -> set[str]:
        return {
            name
            for name in self._dependents(names)
            if (step := self.steps[name]).cascaded
            or step.state == "skipped"
            or (step.run_on != "completed" and step.state != "suspended")
        }

    def _grafted(self, names: set[str], gone: Iterable[str] = ()) -> set[str]:
        return {
            step.name
            for step in self.steps.values()
            if (by := step.grafted_by) in gone
            or (by in names and self.steps[by].state == "completed")
        }

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
            step.state = self.gate(step)
            step.cascaded = step.state == "cancelled"
        return step.state != before

    def gate(self, step: Step) -> str:
        """What becomes of a step that waits, as its dependencies stand."""
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
