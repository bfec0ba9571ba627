"""What a workflow looks like that is not inserted yet."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from baton.graphs.sheets import Box, Sheet
from baton.wording import duration
from baton.workflows.steps import NewStep

if TYPE_CHECKING:
    from baton.workflows.workflow import Workflow

_RUNS_ON = {"failed": "runs if one fails", "done": "runs in any case"}


def sheet(workflow: "Workflow") -> Sheet:
    """Return the steps of a workflow, and those of its sub-workflows, as boxes to be drawn.

    Raises:
        InvalidWorkflow: as `Workflow.steps` does.
    """
    steps = workflow.steps()
    numbers = {step.name: number for number, step in enumerate(steps)}
    return Sheet(
        name=workflow.name or "(no name)",
        facts=(),
        boxes=[_box(step) for step in steps],
        edges=[(numbers[name], numbers[step.name]) for step in steps for name in step.deps],
    )


def _box(step: NewStep) -> Box:
    return Box(
        name=step.name,
        word="planned",
        kind=step.kind,
        facts=tuple(_facts(step)),
        run_on=step.run_on,
        worker=step.job.worker if step.kind == "job" else None,
        inner=None if step.workflow is None else sheet(step.workflow),
    )


def _facts(step: NewStep) -> Iterator[str]:
    match step.kind:
        case "job":
            yield step.job.worker
        case "signal":
            yield f"signal {step.signal}"
            if step.wait_seconds is not None:
                yield f"within {duration(step.wait_seconds)}, or {step.on_timeout}"
        case "approval":
            yield "approval"
            if step.wait_seconds is not None:
                yield f"within {duration(step.wait_seconds)}, or {step.on_timeout}"
        case "sleep":
            yield f"sleep {duration(step.wait_seconds or 0)}"
        case "workflow":
            yield "workflow"
    if step.condition is not None:
        yield f"if {step.condition}"
    if step.run_on in _RUNS_ON:
        yield _RUNS_ON[step.run_on]
