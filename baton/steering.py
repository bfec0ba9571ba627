"""What people do to workflows that run or have ended: the values."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from uuid import UUID

from baton.errors import InvalidFilter
from baton.states import State

ALL = "all"
HINTS = 3

Steps = str | Iterable[str] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RetriedStep:
    """A step that a retry concerns.

    Attributes:
        workflow_id: its workflow: the one that was named, one inside it or one around it.
        step_name: its name there.
        job_id: its job.
        was: the state that it was in.
    """

    workflow_id: UUID
    step_name: str
    job_id: int
    was: State


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """What a retry of a workflow did, or would do.

    Attributes:
        workflow_id: the workflow.
        steps: what runs again once its dependencies are done. A step that runs only after a
            failure, or has a condition, decides anew whether it does.
        removed: what steps grafted that completed and run again: it is taken out of the workflow,
            and they graft anew.
        gone: what would run again, but its job was deleted; it stays as it is.
    """

    workflow_id: UUID
    steps: Sequence[RetriedStep]
    removed: Sequence[RetriedStep] = ()
    gone: Sequence[RetriedStep] = ()

    @property
    def step_names(self) -> list[str]:
        """The names of the steps that run again, in the order of their jobs."""
        return [step.step_name for step in self.steps]


@dataclass(frozen=True, slots=True, kw_only=True)
class Steered:
    """What was done to many workflows.

    Attributes:
        workflows: to how many it was done, or would be.
        steps: how many of their steps were cancelled, or run again; 0 when nothing was done yet.
        found: which workflows fitted, the newest first; handed over as ``among``, they keep an
            operation to what somebody was shown.
    """

    workflows: int
    steps: int
    found: Sequence[UUID] = field(default=(), repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class RetryChoice:
    """Which steps of a workflow are to run again: the failed ones, all, or some by name."""

    names: tuple[str, ...] | None
    everything: bool

    @classmethod
    def of(cls, steps: Steps) -> "RetryChoice":
        """Read what a program said.

        Raises:
            InvalidFilter: it names no step, or something that is no text.
        """
        if steps is None or steps == ALL:
            return cls(None, everything=steps is not None)
        names = (steps,) if isinstance(steps, str) else tuple(steps)
        if not names or not all(isinstance(name, str) for name in names):
            raise InvalidFilter(f"steps must be {ALL!r} or names of steps, not {steps!r}")
        return cls(names, everything=False)


def near(names: Iterable[str], known: Sequence[str]) -> list[str]:
    """Return those of the known names that are most like some that are not known."""
    found = [like for name in names for like in get_close_matches(name, known, n=HINTS)]
    return list(dict.fromkeys(found))[:HINTS]
