"""Workflows that are not inserted yet, as the database takes them."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic_core import from_json

from baton import documents
from baton.errors import (
    InvalidWorkflow,
    TooLarge,
)
from baton.jobs import NewJob
from baton.store import door
from baton.store.jobs import job_columns
from baton.workflows import NewStep, Workflow

COUNTED = 1_000  # steps from which on they are counted as they end, not when somebody looks


@dataclass(slots=True)
class Plan:
    """A workflow with the sub-workflows in it, flattened: ordinals count from 1."""

    steps: list[tuple[Workflow, NewStep]] = field(default_factory=list)
    edges: list[tuple[int, int]] = field(default_factory=list)
    inner: list[tuple[Workflow, int]] = field(default_factory=list)
    guarded: set[int] = field(default_factory=set)

    def add(self, workflow: Workflow, holder: int | None = None) -> None:
        ordinals: dict[str, int] = {}
        # the outermost one looks into all of them
        for step in workflow.steps() if holder is None else workflow.own_steps():
            self.steps.append((workflow, step))
            ordinal = ordinals[step.name] = len(self.steps)
            self.edges += [(ordinals[name], ordinal) for name in step.deps]
            if holder is not None and not step.deps:
                self.edges.append((holder, ordinal))
                self.guarded.add(ordinal)
            if step.workflow is not None:
                inner = step.workflow.inside(workflow)
                self.inner.append((inner, ordinal))
                self.add(inner, ordinal)

    def waits(self, ordinal: int) -> bool:
        """Whether a step does not begin as an available job."""
        step = self.steps[ordinal - 1][1]
        # without dependencies, those of an empty fan-out, nothing can have failed: it is skipped
        skipped = step.run_on == "failed"
        return bool(step.deps) or step.kind != "job" or skipped or ordinal in self.guarded


def step_columns(steps: Sequence[NewStep]) -> dict[str, list[Any]]:
    """Return what is particular to steps as arrays for a statement."""
    return {
        "step_names": [step.name for step in steps],
        "deps": [documents.encode(list(step.deps)) for step in steps],
        "ignore_cancelled": [step.ignore_cancelled for step in steps],
        "ignore_discarded": [step.ignore_discarded for step in steps],
        "ignore_skipped": [step.ignore_skipped for step in steps],
        "run_on": [step.run_on for step in steps],
        "kinds": [step.kind for step in steps],
        "conditions": [step.condition for step in steps],
        "signals": [step.signal for step in steps],
        "wait_seconds": [step.wait_seconds for step in steps],
        "on_timeouts": [step.on_timeout for step in steps],
        "subworkflow_ids": [
            None if step.workflow is None else step.workflow.workflow_id for step in steps
        ],
        "has_callbacks": [step.job.callbacks for step in steps],
    }


def inner_columns(inner: Sequence[tuple[Workflow, int]], limit: int) -> dict[str, list[Any]]:
    """Return sub-workflows, each with the ordinal of the step that it is, as arrays."""
    rows = [
        (
            flow.workflow_id,
            flow.name,
            holder,
            flow.deadline,
            flow.deadline_in,
            documents.encode(list(flow.tags)),
            context_text(flow, limit),
            flow.output,
            reaction_text(flow.on_finished, limit),
            len(flow.step_names()) >= COUNTED,
            flow.priority,
            *budget_facts(flow).values(),
        )
        for flow, holder in inner
    ]
    names = (
        "sub_ids",
        "sub_names",
        "sub_holders",
        "sub_deadlines",
        "sub_deadlines_in",
        "sub_tags",
        "sub_contexts",
        "sub_outputs",
        "sub_on_finished",
        "sub_counted",
        "sub_priorities",
        "sub_max_costs",
        "sub_max_tokens",
        "sub_on_exceeded",
    )
    return dict(zip(names, door.columns(rows, len(names)), strict=True))


def budget_facts(workflow: Workflow) -> dict[str, Any]:
    """Return the budget of a workflow as columns; without one they are null."""
    budget = workflow.budget
    if budget is None:
        return {"max_cost": None, "max_tokens": None, "on_exceeded": None}
    cost = None if budget.cost is None else format(budget.cost, "f")
    return {"max_cost": cost, "max_tokens": budget.tokens, "on_exceeded": budget.on_exceeded}


def context_text(workflow: Workflow, limit: int) -> str:
    """Write the context of a workflow as JSON.

    Raises:
        TooLarge: it takes more than ``limit`` bytes.
        InvalidWorkflow: it can't be stored.
    """
    try:
        text = documents.encode(workflow.context)
    except (TypeError, ValueError) as error:
        raise InvalidWorkflow(f"the context of the workflow can't be stored: {error}") from None
    if (size := len(text.encode())) > limit:
        raise TooLarge("the context of a workflow", size, limit, "max_args_bytes")
    return text


def reaction_text(job: NewJob | None, limit: int) -> str | None:
    """Write a job down as sql/routines/insert_reaction.sql reads it."""
    if job is None:
        return None
    [row] = zip(*job_columns([(job, {})], limit=limit).values(), strict=True)
    (
        queue,
        worker,
        args,
        meta,
        tags,
        priority,
        attempts,
        at,
        delay,
        timeout,
        end,
        weight,
        unique,
    ) = row
    return documents.encode(
        {
            "queue": queue,
            "worker": worker,
            "args": from_json(args),
            "meta": from_json(meta),
            "tags": from_json(tags),
            "priority": priority,
            "max_attempts": attempts,
            "scheduled_at": None if at is None else at.isoformat(),
            "delay": delay,
            "timeout": timeout,
            "deadline": None if end is None else end.isoformat(),
            "weight": weight,
            "unique": None if unique is None else from_json(unique),
        }
    )


def job_of(workflow: Workflow, step: NewStep) -> NewJob:
    """Return the job of a step, with the priority and the tags that the workflow gives to all."""
    if workflow.priority is None and not workflow.tags:
        return step.job
    priority = step.job.priority if workflow.priority is None else workflow.priority
    return replace(step.job, priority=priority, tags=(*step.job.tags, *workflow.tags))


def identity_of(workflow: Workflow, step: NewStep) -> dict[str, Any]:
    """Return what the meta of a step's job says of its workflow."""
    identity: dict[str, Any] = {
        "workflow_id": str(workflow.workflow_id),
        "workflow_name": step.name,
    }
    if workflow.name is not None:
        identity["workflow_label"] = workflow.name
    if workflow.debug:
        identity["workflow_debug"] = True
    return identity
