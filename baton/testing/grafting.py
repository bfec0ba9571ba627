"""Steps that a worker adds to its workflow, where there is no database."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from graphlib import CycleError, TopologicalSorter
from typing import Any

from baton.errors import (
    CyclicWorkflow,
    InvalidWorkflow,
    NotPerformed,
    StepTaken,
    UnknownDependency,
)
from baton.jobs import Addition, Grafted, Job, Meter
from baton.outcomes import encode_result
from baton.settings import load
from baton.workflows import Graft, NewStep

Add = Callable[[Graft, bool], Grafted]


class PlayedClaim:
    """What a job is held with that is performed in a test: it can add steps and store its result.

    Args:
        add: called with what is added, and whether it was returned.

    Attributes:
        result: what was stored, as JSON.
    """

    def __init__(self, add: Add) -> None:
        self._add = add
        self.completed = False
        self.release: int | None = None
        self.result: str | None = None
        self.lease = 0
        self.meter: Meter | None = None
        self.tally: Any = None

    async def complete(self, job: Job, conn: Any, result: Any) -> None:
        """Raise `NotPerformed`: there is no database in which it could be completed."""
        self.complete_sync(job, conn, result)

    def complete_sync(self, job: Job, conn: Any, result: Any) -> None:
        """Do what `complete` does."""
        del conn, result
        raise NotPerformed(job.id)

    async def store(self, job: Job, result: Any) -> None:
        """Keep a result before the attempt ends."""
        self.store_sync(job, result)

    def store_sync(self, job: Job, result: Any) -> None:
        """Do what `store` does."""
        del job
        self.result = encode_result(result, load().max_result_bytes)

    async def graft(self, job: Job, graft: Addition) -> Grafted:
        """Add steps while the job is performed."""
        return self.graft_sync(job, graft)

    def graft_sync(self, job: Job, graft: Addition) -> Grafted:
        """Do what `graft` does."""
        del job
        if not isinstance(graft, Graft):
            raise InvalidWorkflow(f"{graft!r} is not a Graft")
        return self._add(graft.without_result(), False)

    def take(self, graft: Graft) -> None:
        """Add what the worker returned."""
        self._add(graft, True)


def only_checked(graft: Graft, _returned: bool) -> Grafted:
    """Check steps that are added to a workflow of which no more than one step is there."""
    return Grafted(tuple(step.name for step in graft.steps()))


@dataclass(slots=True)
class Growth:
    """The steps of a workflow to which steps are added.

    Attributes:
        steps: by name; what was added has the dependencies that it got by that.
        adders: the names of the steps that added others, by name of those.
    """

    steps: dict[str, NewStep]
    adders: dict[str, str] = field(default_factory=dict)

    def add(self, adder: str, graft: Graft, *, returned: bool) -> list[NewStep]:
        """Add the steps of a graft; return the new ones.

        Raises:
            StepTaken, UnknownDependency, CyclicWorkflow: as a worker process would.
        """
        given = graft.steps()
        for step in given:
            if step.name in self.steps and self.adders.get(step.name) != adder:
                raise StepTaken(step.name)
        fresh = [step for step in given if step.name not in self.steps]
        known = {*self.steps, *(step.name for step in given)}
        for step in fresh:
            for dep in step.deps:
                if dep not in known:
                    raise UnknownDependency(step.name, dep)
        if returned:
            fresh = [_after(step, adder) for step in fresh]
        self.steps = _grown(self.steps, fresh, self._dependents(adder) if graft.wait else {})
        self.adders.update(dict.fromkeys((step.name for step in fresh), adder))
        return fresh

    def grafts(self, step: NewStep) -> dict[str, list[str]]:
        """Return the names of the dependencies that were added, by who added them."""
        found: dict[str, list[str]] = {}
        for name in self.steps:
            if name in step.deps and name in self.adders:
                found.setdefault(self.adders[name], []).append(name)
        return found

    def _dependents(self, adder: str) -> dict[str, NewStep]:
        return {
            name: step
            for name, step in self.steps.items()
            if adder in step.deps and self.adders.get(name) != adder
        }


def _after(step: NewStep, adder: str) -> NewStep:
    return replace(step, deps=tuple(dict.fromkeys([adder, *step.deps])))


def _grown(
    steps: Mapping[str, NewStep], fresh: list[NewStep], dependents: Mapping[str, NewStep]
) -> dict[str, NewStep]:
    names = [step.name for step in fresh]
    grown = {
        **steps,
        **{name: replace(step, deps=(*step.deps, *names)) for name, step in dependents.items()},
        **{step.name: step for step in fresh},
    }
    try:
        TopologicalSorter({step.name: step.deps for step in grown.values()}).prepare()
    except CycleError as error:
        raise CyclicWorkflow(error.args[1]) from None
    return grown
