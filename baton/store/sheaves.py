"""Workflows as the parameters of ``workflows_insert.sql``, and the jobs that they become.

Of a step only its name and its arguments are its own. All else is written once for the steps that
have it in common: those of a fan-out, or of many workflows made by the same code.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from pydantic_core import from_json

from baton import documents
from baton.jobs import Job
from baton.states import State
from baton.store import literals
from baton.store.plans import COUNTED, Plan, budget_facts, context_text, reaction_text
from baton.store.shapes import Ready, Shape, ready
from baton.workflows import NewStep, Workflow


class _StepShape(NamedTuple):
    """A step without its name and arguments; ``meta`` of the job lacks both the names of ids."""

    job: Shape
    suspended: bool
    parked: bool
    deps: tuple[str, ...]
    ignore_cancelled: bool
    ignore_discarded: bool
    ignore_skipped: bool
    run_on: str
    kind: str
    condition: str | None
    signal: str | None
    wait_seconds: float | None
    on_timeout: str
    subworkflow_id: UUID | None
    has_callbacks: bool

    def facts(self) -> dict[str, Any]:
        job = self.job
        subworkflow = self.subworkflow_id
        return {
            **self._asdict(),
            "job": None,
            "subworkflow_id": None if subworkflow is None else str(subworkflow),
            "queue": job.queue,
            "worker": job.worker,
            "meta": job.meta,
            "tags": job.tags,
            "priority": job.priority,
            "max_attempts": job.max_attempts,
            "scheduled_at": _iso(job.time),
            "delay": job.delay,
            "timeout": job.timeout,
            "deadline": _iso(job.deadline),
            "weight": job.weight,
        }


class _Placed(NamedTuple):
    """A step at its place in the statement."""

    flow: int
    name: str
    args: bytes
    shape: _StepShape


class Sheaf:
    """Workflows, with the sub-workflows in them, that are inserted in one statement.

    Args:
        workflows: what is inserted.
        limit: how many bytes arguments may take.

    Raises:
        InvalidWorkflow: one has a circle or a hole, or its context can't be stored.
        InvalidJob: a job can't be stored.
    """

    def __init__(self, workflows: Sequence[Workflow], limit: int) -> None:
        self._limit = limit
        self._workflows = workflows
        self._flows: list[dict[str, Any]] = []
        self._steps: list[_Placed] = []
        self._edges: list[tuple[int, int]] = []
        for workflow in workflows:
            self._add(workflow)

    def workflow_ids(self) -> list[UUID]:
        """Return the ids of the workflows, and of those in them."""
        return [UUID(flow["id"]) for flow in self._flows]

    def params(self) -> dict[str, Any]:
        """Return the parameters of the statement."""
        shapes: dict[_StepShape, int] = {}
        places = [shapes.setdefault(step.shape, len(shapes) + 1) for step in self._steps]
        return {
            "flows": documents.encode(self._flows),
            "shapes": documents.encode([shape.facts() for shape in shapes]),
            "step_flows": literals.numbers(step.flow for step in self._steps),
            "step_shapes": literals.numbers(places),
            "step_names": literals.texts(step.name for step in self._steps),
            "step_args": literals.documents(step.args for step in self._steps),
            "edge_parents": literals.numbers(parent for parent, _ in self._edges),
            "edge_children": literals.numbers(child for _, child in self._edges),
        }

    def jobs(
        self,
        inserted: Collection[UUID],
        ids: Sequence[int],
        present: datetime,
        due: Sequence[datetime] | None,
    ) -> dict[UUID, list[Job]]:
        """Return the jobs of the workflows that were inserted, as their steps were added."""
        known = {str(each) for each in inserted}
        steps = [step for step in self._steps if self._flows[step.flow - 1]["root"] in known]
        times = due or [present] * len(ids)
        made: dict[int, dict[str, Job]] = {}
        for step, job_id, time in zip(steps, ids, times, strict=True):
            flow = self._flows[step.flow - 1]
            if flow["holder"] is None:
                made.setdefault(step.flow, {})[step.name] = _job(flow, step, job_id, present, time)
        by_id = {self._flows[number - 1]["id"]: jobs for number, jobs in made.items()}
        return {
            flow.workflow_id: [by_id[str(flow.workflow_id)][name] for name in flow.step_names()]
            for flow in self._workflows
            if flow.workflow_id in inserted
        }

    def _add(self, workflow: Workflow) -> None:
        plan = Plan()
        plan.add(workflow)
        offset = len(self._steps)
        numbers_of = {id(workflow): self._add_flow(workflow, workflow, None)}
        labels = {id(workflow): _label(workflow)}
        for inner, holder in plan.inner:
            numbers_of[id(inner)] = self._add_flow(inner, workflow, holder + offset)
            labels[id(inner)] = _label(inner)
        for ordinal, (flow, step) in enumerate(plan.steps, start=1):
            written = _written(flow, labels[id(flow)], step, self._limit)
            shape = _shape(written.shape, step, plan, ordinal)
            self._steps.append(_Placed(numbers_of[id(flow)], step.name, written.args, shape))
        self._edges += [(parent + offset, child + offset) for parent, child in plan.edges]

    def _add_flow(self, flow: Workflow, root: Workflow, holder: int | None) -> int:
        template = flow.template if holder is None else None
        self._flows.append(
            {
                "id": str(flow.workflow_id),
                "root": str(root.workflow_id),
                "name": flow.name,
                "holder": holder,
                "deadline": _iso(flow.deadline),
                "deadline_in": flow.deadline_in,
                "tags": flow.tags,
                "context": context_text(flow, self._limit),
                "unique_key": flow.unique,
                "priority": flow.priority,
                "output": flow.output,
                "on_finished": reaction_text(flow.on_finished, self._limit),
                "template": None if template is None else template.name,
                "template_version": None if template is None else template.version,
                "counted": len(flow.step_names()) >= COUNTED,
                **budget_facts(flow),
            }
        )
        return len(self._flows)


def _written(flow: Workflow, label: str, step: NewStep, limit: int) -> Ready:
    """Write the job of a step, with what the workflow gives to all."""
    args, shape = ready(step.job, limit)
    if label != "{}":
        meta = label if shape.meta == "{}" else f"{shape.meta[:-1]},{label[1:]}"
        shape = shape._replace(meta=meta)
    if flow.priority is not None or flow.tags:
        shape = shape._replace(
            priority=shape.priority if flow.priority is None else flow.priority,
            tags=tuple(dict.fromkeys((*shape.tags, *flow.tags))),
        )
    return Ready(args, shape)


def _label(flow: Workflow) -> str:
    """Return what the meta of all jobs says of the workflow, but for its id."""
    said: dict[str, Any] = {} if flow.name is None else {"workflow_label": flow.name}
    if flow.debug:
        said["workflow_debug"] = True
    return documents.encode(said)


def _shape(job: Shape, step: NewStep, plan: Plan, ordinal: int) -> _StepShape:
    suspended = plan.waits(ordinal)
    return _StepShape(
        job,
        suspended,
        suspended and not step.deps and ordinal not in plan.guarded,
        step.deps,
        step.ignore_cancelled,
        step.ignore_discarded,
        step.ignore_skipped,
        step.run_on,
        step.kind,
        step.condition,
        step.signal,
        step.wait_seconds,
        step.on_timeout,
        None if step.workflow is None else step.workflow.workflow_id,
        step.job.callbacks,
    )


def _job(flow: dict[str, Any], step: _Placed, job_id: int, present: datetime, due: datetime) -> Job:
    shape = step.shape.job
    state = State.SCHEDULED if due > present else State.AVAILABLE
    return shape.job(
        job_id,
        step.args,
        state=State.SUSPENDED if step.shape.suspended else state,
        meta={
            **from_json(shape.meta),
            "workflow_id": flow["id"],
            "workflow_name": step.name,
        },
        inserted_at=present,
        scheduled_at=due,
    )


def _iso(time: datetime | None) -> str | None:
    return None if time is None else time.isoformat()
