"""Errors of workflows and their steps."""

from collections.abc import Collection, Iterable
from datetime import UTC, datetime

from baton.errors.base import BatonError, NotFound


class InvalidCondition(BatonError):
    """A function that can't be a condition."""


class DuplicateCondition(InvalidCondition):
    """Two conditions want the same name."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"a condition named {name!r} is registered already; give one of them another name="
        )
        self.name = name


class UnknownCondition(BatonError):
    """A step names a condition that this process did not register."""

    def __init__(self, name: str, known: Collection[str]) -> None:
        knows = ", ".join(sorted(known)) or "none"
        super().__init__(f"no condition named {name!r}; this process knows {knows}")
        self.name = name


class ConditionFailed(BatonError):
    """A condition raised, or returned something else than true or false."""

    def __init__(self, name: str, what: str) -> None:
        super().__init__(f"condition {name} {what}")
        self.name = name


class InvalidWorkflow(BatonError):
    """A workflow that can't be inserted."""


class InvalidFlow(InvalidWorkflow):
    """A workflow as data that can't be made into one."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__(f"the workflow can't be read: {'; '.join(self.problems[:20])}")


class DuplicateStep(InvalidWorkflow):
    """Two steps of a workflow want the same name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"the workflow already has a step named {name!r}")
        self.name = name


class UnknownDependency(InvalidWorkflow):
    """A step waits for a step that is not in the workflow."""

    def __init__(self, step: str, dependency: str) -> None:
        super().__init__(
            f"step {step!r} depends on {dependency!r}, which is not a step of the workflow"
        )
        self.step = step
        self.dependency = dependency


class CyclicWorkflow(InvalidWorkflow):
    """Steps wait for each other in a circle."""

    def __init__(self, cycle: Iterable[str]) -> None:
        self.cycle = tuple(cycle)
        super().__init__(f"the steps wait for each other in a circle: {' -> '.join(self.cycle)}")


class StepTaken(InvalidWorkflow):
    """A step is to be added to a workflow that has one of its name, which somebody else added."""

    def __init__(self, step: str) -> None:
        super().__init__(f"the workflow already has a step named {step!r}; name the new one anew")
        self.step = step


class StepBegun(InvalidWorkflow):
    """Steps are to be added before a step that does not wait any more."""

    def __init__(self, step: str, state: str) -> None:
        super().__init__(f"step {step!r} can't wait for more: it is {state}")
        self.step = step
        self.state = state


class DuplicateWorkflow(BatonError):
    """A workflow with this id exists already."""

    def __init__(self, workflow_id: object) -> None:
        super().__init__(f"a workflow with the id {workflow_id} exists already")
        self.workflow_id = workflow_id


class InvalidSignal(BatonError):
    """Something that can't be said to a workflow."""


class AnswersApproval(InvalidSignal):
    """A signal of the name that only answers to approvals have."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"the signal {name!r} is the answer to an approval: approve or reject that step"
        )
        self.name = name


class WorkflowEnded(BatonError):
    """Something is to be said or added to a workflow that has ended."""

    def __init__(self, workflow_id: object) -> None:
        super().__init__(f"workflow {workflow_id} has ended: it hears nothing, and takes no steps")
        self.workflow_id = workflow_id


class NothingToWaitFor(BatonError):
    """A plain job wants to wait for a signal, which only workflows get."""

    def __init__(self, signal: str) -> None:
        super().__init__(
            f"it can't wait for the signal {signal!r}: only a step of a workflow can, for signals "
            f"are said to workflows"
        )
        self.signal = signal


class NotADependency(BatonError):
    """A step asks for the result of a step that it does not depend on."""

    def __init__(self, step: str, asked: str, deps: Collection[str]) -> None:
        has = ", ".join(deps) or "none"
        super().__init__(
            f"{asked!r} is not a dependency of {step!r}, whose dependencies are: {has}; "
            f"declare it in deps to read its result"
        )
        self.step = step
        self.asked = asked


class NotAStep(BatonError):
    """A plain job asks for what only a step of a workflow has."""

    def __init__(self, worker: str) -> None:
        super().__init__(
            f"this job of {worker} is not a step of a workflow: it has no dependencies with "
            f"results, and nothing can be grafted onto it"
        )


class UnknownSteps(NotFound):
    """Steps that a workflow does not have."""

    def __init__(self, names: Collection[str], workflow: object, near: Collection[str]) -> None:
        listed = ", ".join(map(repr, names))
        hint = f"; did you mean {' or '.join(map(repr, near))}?" if near else ""
        super().__init__(f"step {listed} in workflow", f"{workflow}{hint}")
        self.names = tuple(names)
        self.near = tuple(near)


class NothingToCancel(BatonError):
    """A workflow of which no step is open any more."""

    def __init__(self, workflow: object, state: str) -> None:
        super().__init__(f"workflow {workflow} is {state}: no step of it is open to be cancelled")
        self.workflow = workflow
        self.state = state


class NothingToRetry(BatonError):
    """A retry that no step would run again for."""

    def __init__(self, workflow: object, gone: Collection[str]) -> None:
        why = f"the jobs of {', '.join(gone)} were deleted" if gone else "no step has failed"
        super().__init__(
            f"there is nothing to retry in workflow {workflow}: {why}; name steps, or say all"
        )
        self.workflow = workflow


class StepCompleted(BatonError):
    """A step is to be skipped, but it has completed."""

    def __init__(self, step: str) -> None:
        super().__init__(f"step {step!r} has completed; only one that has not can be skipped")
        self.step = step


class InvalidAnswer(BatonError):
    """An answer that can't be given."""


class NotAnApproval(BatonError):
    """A step is to be approved or rejected that asks nobody."""

    def __init__(self, step: str) -> None:
        super().__init__(f"step {step!r} is no approval: there is nothing to approve or to reject")
        self.step = step


class AlreadyAnswered(BatonError):
    """An approval has its answer, and there is only one."""

    def __init__(self, step: str, *, approved: bool, by: str | None, at: datetime | None) -> None:
        what = "approved" if approved else "rejected"
        when = "" if at is None else f" at {at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
        super().__init__(f"step {step!r} was {what} by {by or 'somebody'}{when} already")
        self.step = step
        self.approved = approved
        self.by = by
        self.at = at


class ApprovalEnded(BatonError):
    """An approval waits no more: its time was over, or somebody cancelled or skipped it."""

    def __init__(self, step: str, state: str) -> None:
        super().__init__(f"step {step!r} can't be answered any more: it is {state}")
        self.step = step
        self.state = state
