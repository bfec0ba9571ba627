"""When a step of a workflow runs that is performed inline: the rules of the engine, in Python."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from baton.states import State
from baton.workflows import NewStep

_BAD = frozenset({State.CANCELLED, State.DISCARDED})


@dataclass(frozen=True, slots=True)
class End:
    """Where a step stands.

    Attributes:
        state: that of its job.
        skipped: whether it counts as completed without having run.
    """

    state: State
    skipped: bool = False


@dataclass(frozen=True, slots=True)
class Gate:
    """What becomes of a step, and why; for one that is poisoned, how the dependency ended."""

    state: Literal["open", "waiting", "poisoned", "skipped"]
    cause: str = ""
    kind: Literal["cancelled", "discarded"] = "cancelled"


def gate_of(step: NewStep, ends: Mapping[str, End]) -> Gate:
    """Return the gate of a step.

    Args:
        step: whose.
        ends: where its dependencies stand, by name.
    """
    deps = {name: ends[name] for name in step.deps}
    if step.run_on != "completed":
        return _gate_after_all(step, deps)
    done = {State.COMPLETED}
    if step.ignore_cancelled:
        done.add(State.CANCELLED)
    if step.ignore_discarded:
        done.add(State.DISCARDED)
    unmet = {name: end.state for name, end in deps.items() if end.state not in done}
    for name, state in unmet.items():
        if state.is_final:
            kind: Any = state.value
            return Gate("poisoned", f"dependency {name} was {kind}", kind)
    if unmet:
        return Gate("waiting")
    for name, end in deps.items():
        if end.skipped and not step.ignore_skipped:
            return Gate("skipped", f"dependency {name} was skipped")
    return Gate("open")


def _gate_after_all(step: NewStep, deps: Mapping[str, End]) -> Gate:
    if not all(end.state.is_final for end in deps.values()):
        return Gate("waiting")
    if step.run_on == "failed" and not any(end.state in _BAD for end in deps.values()):
        return Gate("skipped", "no dependency failed")
    return Gate("open")
