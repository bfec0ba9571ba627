"""Steps that are added to a workflow while it runs."""

from collections.abc import Sequence
from dataclasses import replace
from graphlib import CycleError, TopologicalSorter
from typing import Any, Self

from baton.errors import CyclicWorkflow, InvalidWorkflow
from baton.jobs import NewJob
from baton.workers import Registry
from baton.workflows.builder import StepBuilder
from baton.workflows.steps import NewStep, check_subworkflows


class Graft(StepBuilder):
    """Collects steps that are added to a workflow while it runs; there may be none.

    A worker returns it: the steps are then added in the transaction that completes its step, and
    each depends on that. Or it calls ``job.graft(graft)`` and goes on; or somebody from outside
    calls ``Workflow.graft``. The steps may depend on each other and on any step of the workflow.

    Args:
        result: what the worker that returns it returns besides.
        wait: whether the dependents of the step that grafts wait for the new steps too.
        ignore_cancelled: whether a cancelled dependency counts as done, for all new steps.
        ignore_discarded: whether a discarded dependency counts as done, for all new steps.
        ignore_skipped: whether a skipped dependency counts as done, for all new steps.
    """

    def __init__(
        self,
        result: Any = None,
        *,
        wait: bool = True,
        ignore_cancelled: bool = False,
        ignore_discarded: bool = False,
        ignore_skipped: bool = False,
    ) -> None:
        super().__init__(
            ignore_cancelled=ignore_cancelled,
            ignore_discarded=ignore_discarded,
            ignore_skipped=ignore_skipped,
        )
        self.result = result
        self.wait = wait

    def __repr__(self) -> str:
        return f"<Graft of {', '.join(self.step_names()[:10]) or 'nothing'}>"

    def steps(self) -> Sequence[NewStep]:
        """Return the steps in an order in which each follows those that it brings along.

        Raises:
            CyclicWorkflow: steps wait for each other in a circle; the error names it.
            UnknownDependency: a step waits for a fan-out that is not part of this.
            InvalidWorkflow: a sub-workflow is not valid.
        """
        steps = self._resolved()
        sorter = TopologicalSorter(
            {step.name: [dep for dep in step.deps if dep in steps] for step in steps.values()}
        )
        try:
            ordered = [steps[name] for name in sorter.static_order()]
        except CycleError as error:
            raise CyclicWorkflow(error.args[1]) from None
        check_subworkflows(ordered, set())
        return ordered

    def checked(self, registry: Registry) -> Self:
        """Return a copy whose jobs are as the hooks of a registry leave them, with their context.

        Raises:
            Exception: what a check before an insert raised to refuse one.
        """
        context = registry.context()

        def change(job: NewJob) -> NewJob:
            job = registry.checked(job)
            return replace(job, context=context) if context else job

        return self.with_jobs(change)

    def without_result(self) -> "Graft":
        """Return this, if nobody would miss its result.

        Raises:
            InvalidWorkflow: it has one, and is not what a worker returns.
        """
        if self.result is not None:
            raise InvalidWorkflow(
                "the result of a graft is that of the step that returns it; this one is not "
                "returned by a step"
            )
        return self
