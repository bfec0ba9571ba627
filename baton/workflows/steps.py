"""Steps that are not inserted yet."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args
from uuid import UUID

from baton.errors import InvalidWorkflow
from baton.jobs import NewJob

if TYPE_CHECKING:
    from baton.workflows.workflow import Workflow

RunOn = Literal["completed", "failed", "done"]
OnTimeout = Literal["completed", "discarded", "cancelled"]
Kind = Literal["job", "signal", "approval", "sleep", "workflow"]
ENDS: tuple[str, ...] = get_args(OnTimeout)
ALL = ":*"  # behind the name of a fan-out: all of its steps


@dataclass(frozen=True, slots=True, kw_only=True)
class NewStep:
    """A step that is not inserted yet.

    Attributes:
        name: unique in its workflow.
        job: what it runs; of another kind than ``job``, what stands for it among the jobs.
        deps: names of the steps that it waits for.
        ignore_cancelled, ignore_discarded, ignore_skipped: whether such a dependency counts as
            done.
        run_on: which end of its dependencies it runs after.
        condition: the registered condition that decides whether it runs.
        kind: what it is.
        signal: what a step of kind ``signal`` or ``approval`` waits for.
        wait_seconds: how long it waits or sleeps; ``None`` without limit.
        on_timeout: what becomes of it when the signal, or the answer, does not come in time.
        workflow: what a step of kind ``workflow`` is.

    Raises:
        InvalidWorkflow: its job is unique, or it can't ever run.
    """

    name: str
    job: NewJob
    deps: tuple[str, ...] = ()
    ignore_cancelled: bool = False
    ignore_discarded: bool = False
    ignore_skipped: bool = False
    run_on: RunOn = "completed"
    condition: str | None = None
    kind: Kind = "job"
    signal: str | None = None
    wait_seconds: float | None = None
    on_timeout: OnTimeout = "discarded"
    workflow: "Workflow | None" = None

    def __post_init__(self) -> None:
        if self.job.unique is not None:
            raise InvalidWorkflow(
                f"the job of step {self.name!r} is unique, but a step is a job of its own; "
                f"make it with_options(unique=None)"
            )
        if self.condition is not None and self.kind != "job":
            raise InvalidWorkflow(
                f"step {self.name!r} has no worker, and it is a worker's process that asks a "
                f"condition: put when= on a step that it depends on"
            )
        if self.run_on not in get_args(RunOn):
            raise InvalidWorkflow(
                f"run_on of step {self.name!r} must be completed, failed or done, "
                f"not {self.run_on!r}"
            )
        if self.on_timeout not in ENDS:
            raise InvalidWorkflow(
                f"on_timeout of step {self.name!r} must be completed, discarded or cancelled, "
                f"not {self.on_timeout!r}"
            )


def check_subworkflows(
    steps: Iterable[NewStep], around: set[UUID], used: set[UUID] | None = None
) -> None:
    """Check the workflows that steps are.

    Args:
        steps: of one workflow.
        around: ids of the workflow, and of those that it is a part of.
        used: ids of those that were looked at: all of them are inserted together.

    Raises:
        InvalidWorkflow: one is not valid, or can't be part of this one.
    """
    used = set() if used is None else used
    for step in steps:
        inner = step.workflow
        if inner is None:
            continue
        if inner.workflow_id in around:
            raise InvalidWorkflow(f"step {step.name!r} is a workflow that it is itself part of")
        if inner.unique is not None:
            raise InvalidWorkflow(
                f"step {step.name!r} is a workflow with unique, which only a workflow that "
                f"stands alone may have"
            )
        if inner.workflow_id in used:
            raise InvalidWorkflow(
                f"step {step.name!r} is a workflow that another step is too; build one for each"
            )
        used.add(inner.workflow_id)
        check_subworkflows(inner.own_steps(), {*around, inner.workflow_id}, used)
