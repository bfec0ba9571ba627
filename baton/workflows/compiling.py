"""From the portable form of a workflow to the workflow, and back."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, cast

from baton.definitions import JobOptions
from baton.errors import BatonError, InvalidFlow
from baton.jobs import NewJob
from baton.llm.budgets import Budget
from baton.workers import Registry
from baton.workflows import parameters
from baton.workflows.document import (
    BudgetDocument,
    FlowDocument,
    JobDocument,
    OptionsDocument,
    StepDocument,
)
from baton.workflows.steps import NewStep
from baton.workflows.workflow import Workflow

_OPTIONS = tuple(OptionsDocument.model_fields)
_DEFAULTS = {each.name: each.default for each in fields(NewJob) if each.name in _OPTIONS}


def compiled(flow: FlowDocument, registry: Registry, args: Mapping[str, Any]) -> Workflow:
    """Make the workflow that a document describes.

    Args:
        flow: the document.
        registry: the workers that it may name.
        args: values of its parameters.

    Raises:
        InvalidFlow: a parameter does not fit, a worker is not registered, or its arguments don't
            fit its signature; the error names each place.
        InvalidWorkflow: the graph can't be.
    """
    parameters.check(flow)
    workflow = _Compiler(registry, parameters.given(flow, args)).workflow(flow)
    workflow.validate()
    return workflow


class _Compiler:
    def __init__(self, registry: Registry, values: Mapping[str, Any]) -> None:
        self._registry = registry
        self._values = values

    def workflow(self, flow: FlowDocument) -> Workflow:
        made = Workflow(
            None if flow.name is None else self._text(flow.name),
            ignore_cancelled=flow.ignore_cancelled,
            ignore_discarded=flow.ignore_discarded,
            ignore_skipped=flow.ignore_skipped,
            debug=flow.debug,
            unique=None if flow.unique is None else self._text(flow.unique),
            deadline_in=flow.deadline_in,
            priority=flow.priority,
            tags=[self._text(tag) for tag in flow.tags],
            context=parameters.fill(flow.context, self._values),
            output=flow.output,
            on_finished=None if flow.on_finished is None else self._reaction(flow.on_finished),
            budget=None if flow.budget is None else _budget(flow.budget),
        )
        problems = []
        for step in flow.steps:
            try:
                self._add(made, step)
            except InvalidFlow as error:
                problems += [f"steps.{step.name}.{problem}" for problem in error.problems]
            except BatonError as error:
                problems.append(f"steps.{step.name}: {error}")
        if problems:
            raise InvalidFlow(problems)
        return made

    def _add(self, made: Workflow, step: StepDocument) -> None:
        if step.wait_for is not None:
            made.wait_for(
                step.name,
                step.wait_for.signal,
                deps=step.deps,
                timeout=step.wait_for.timeout,
                on_timeout=step.wait_for.on_timeout,
                run_on=step.run_on,
            )
        elif step.approval is not None:
            made.approval(
                step.name,
                self._text(step.approval.question),
                deps=step.deps,
                asks=None if step.approval.asks is None else self._text(step.approval.asks),
                shows=step.approval.shows,
                timeout=step.approval.timeout,
                on_timeout=step.approval.on_timeout,
                on_rejected=step.approval.on_rejected,
                run_on=step.run_on,
            )
        elif step.sleep is not None:
            made.sleep(step.name, step.sleep, deps=step.deps, run_on=step.run_on)
        else:
            made.add(
                step.name,
                self.workflow(step.workflow)
                if step.workflow is not None
                else self._job(step.worker or "", step.args, step.options),
                deps=step.deps,
                ignore_cancelled=step.ignore_cancelled,
                ignore_discarded=step.ignore_discarded,
                ignore_skipped=step.ignore_skipped,
                run_on=step.run_on,
                when=step.when,
            )

    def _reaction(self, job: JobDocument) -> NewJob:
        try:
            return self._job(job.worker, job.args, job.options)
        except BatonError as error:
            raise InvalidFlow([f"on_finished: {error}"]) from None

    def _job(self, worker: str, args: Mapping[str, Any], options: OptionsDocument) -> NewJob:
        definition = self._registry.find(worker)
        # what the document says, and be it null; the rest is the worker's own
        chosen = {name: getattr(options, name) for name in options.model_fields_set}
        if chosen.get("meta") is not None:
            chosen["meta"] = parameters.fill(chosen["meta"], self._values)
        return definition.new(
            cast("JobOptions", chosen), (), parameters.fill(dict(args), self._values)
        )

    def _text(self, text: str) -> str:
        return parameters.fill_text(text, self._values)


def document_of(workflow: Workflow) -> FlowDocument:
    """Return the portable form of a workflow.

    Its jobs are written with all their options, so that the defaults of the worker, which may be
    others elsewhere, change nothing.
    """
    return FlowDocument.model_validate(_flow(workflow))


def _flow(workflow: Workflow) -> dict[str, Any]:
    deadline = {} if workflow.deadline_in is None else {"deadline_in": workflow.deadline_in}
    if workflow.deadline is not None:
        raise InvalidFlow(["deadline: a time can't be repeated; use deadline_in"])
    found = {
        "name": None if workflow.name is None else _escaped(workflow.name),
        "debug": workflow.debug,
        "unique": None if workflow.unique is None else _escaped(workflow.unique),
        "priority": workflow.priority,
        "tags": [_escaped(tag) for tag in workflow.tags],
        "context": parameters.literal(workflow.context),
        "output": workflow.output,
        "on_finished": None if workflow.on_finished is None else _job(workflow.on_finished),
        "budget": None if workflow.budget is None else _limits(workflow.budget),
    }
    steps = [_step(step) for step in workflow.steps()]
    return {**{key: value for key, value in found.items() if value}, **deadline, "steps": steps}


def _budget(given: BudgetDocument) -> Budget:
    try:
        return Budget(given.cost, given.tokens, given.on_exceeded)
    except BatonError as error:
        raise InvalidFlow([f"budget: {error}"]) from None


def _limits(budget: Budget) -> dict[str, Any]:
    cost = None if budget.cost is None else format(budget.cost, "f")
    found = {"cost": cost, "tokens": budget.tokens, "on_exceeded": budget.on_exceeded}
    return {name: value for name, value in found.items() if value is not None}


def _step(step: NewStep) -> dict[str, Any]:
    match step.kind:
        case "signal":
            what: dict[str, Any] = {
                "wait_for": {
                    "signal": step.signal,
                    "timeout": step.wait_seconds,
                    "on_timeout": step.on_timeout,
                }
            }
        case "approval":
            asked = step.job.args
            what = {
                "approval": {
                    **asked,
                    **{key: _escaped(asked[key]) for key in ("question", "asks") if key in asked},
                    "timeout": step.wait_seconds,
                    "on_timeout": step.on_timeout,
                }
            }
        case "sleep":
            what = {"sleep": step.wait_seconds}
        case "workflow" if step.workflow is not None:
            what = {"workflow": _flow(step.workflow)}
        case _:
            what = _job(step.job)
    found = {
        "deps": list(step.deps),
        "ignore_cancelled": step.ignore_cancelled,
        "ignore_discarded": step.ignore_discarded,
        "ignore_skipped": step.ignore_skipped,
        "when": step.condition,
    }
    if step.run_on != "completed":
        found["run_on"] = step.run_on
    return {"name": step.name, **what, **{key: value for key, value in found.items() if value}}


def _job(job: NewJob) -> dict[str, Any]:
    options = {name: getattr(job, name) for name in _OPTIONS}
    options["tags"] = list(job.tags)
    options["meta"] = parameters.literal(job.meta)
    # a default that a worker can't have overridden with something else needs no mention
    quiet = {"scheduled_at", "schedule_in", "deadline"}
    kept = {
        name: value
        for name, value in options.items()
        if not (name in quiet and value == _DEFAULTS[name])
    }
    return {"worker": job.worker, "args": parameters.literal(job.args), "options": kept}


def _escaped(text: str) -> str:
    return text.replace("$", "$$")
