"""A workflow that is not inserted yet."""

from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from datetime import datetime, timedelta
from graphlib import CycleError, TopologicalSorter
from typing import Any, NamedTuple
from uuid import UUID, uuid4

from baton.ambient import ambient
from baton.documents import NAME_BYTES, check_text
from baton.errors import CyclicWorkflow, InvalidJob, InvalidWorkflow, UnknownDependency
from baton.graphs.graph import WorkflowGraph
from baton.jobs import PRIORITIES, Grafted, Job, NewJob, check_time, seconds
from baton.llm.budgets import Budget
from baton.workers import Registry, current_registry
from baton.workflows.approving import Answers
from baton.workflows.builder import StepBuilder
from baton.workflows.drawing import sheet
from baton.workflows.grafts import Graft
from baton.workflows.steps import NewStep, check_subworkflows


class Template(NamedTuple):
    """Which stored workflow one was made from."""

    name: str
    version: int


class Workflow(StepBuilder, Answers):
    """Builds a workflow step by step, checks it, and inserts it whole.

    Args:
        name: what people call it; the ``workflow_label`` of its events.
        workflow_id: its id; drawn at random when it is not given.
        ignore_cancelled: whether a cancelled dependency counts as done, for all steps.
        ignore_discarded: whether a discarded dependency counts as done, for all steps.
        ignore_skipped: whether a skipped dependency counts as done, for all steps.
        debug: whether steps capture what they send and receive (``workflow_debug`` in their meta).
        unique: of the workflows with the same key one executes at a time; inserting another gives
            back the jobs of that one.
        deadline: when it is cancelled if it has not ended; it must have a time zone.
        deadline_in: the same as a delay in seconds after the insert, or as a timedelta; wins.
        priority: of all steps; by default each job has its own.
        tags: labels of the workflow and of all its jobs.
        context: what all steps know as ``job.context``, JSON values by name.
        output: the step whose result is that of the workflow, where it is a step of another; by
            default those of all last steps, by name.
        on_finished: a job that is inserted in the transaction that ends the workflow, however it
            ends; its ``meta["finished_workflow"]`` says how.
        budget: what its steps and those of its sub-workflows may spend on language models.

    Raises:
        InvalidWorkflow: the id is not a UUID, the name is blank, or an option does not fit.
    """

    def __init__(
        self,
        name: str | None = None,
        *,
        workflow_id: UUID | str | None = None,
        ignore_cancelled: bool = False,
        ignore_discarded: bool = False,
        ignore_skipped: bool = False,
        debug: bool = False,
        unique: str | None = None,
        deadline: datetime | None = None,
        deadline_in: float | timedelta | None = None,
        priority: int | None = None,
        tags: Iterable[str] = (),
        context: Mapping[str, Any] | None = None,
        output: str | None = None,
        on_finished: NewJob | None = None,
        budget: Budget | None = None,
    ) -> None:
        super().__init__(
            ignore_cancelled=ignore_cancelled,
            ignore_discarded=ignore_discarded,
            ignore_skipped=ignore_skipped,
        )
        try:
            self.name = None if name is None else check_text(name, "the name of a workflow")
            self.workflow_id = _uuid(workflow_id)
            self.unique = (
                None
                if unique is None
                else check_text(unique, "unique of a workflow", most=NAME_BYTES)
            )
            self.deadline_in = None if deadline_in is None else seconds(deadline_in)
            check_time("the deadline", deadline)
            # the same rules as for those of a job
            self.tags = NewJob(
                worker="baton.workflow", tags=tags if isinstance(tags, str | bytes) else tuple(tags)
            ).tags
        except (TypeError, ValueError, InvalidJob) as error:
            raise InvalidWorkflow(str(error)) from None
        if priority is not None and (type(priority) is not int or priority not in PRIORITIES):
            raise InvalidWorkflow(f"priority must be from 0 to 9, not {priority!r}")
        if on_finished is not None and not isinstance(on_finished, NewJob):
            raise InvalidWorkflow(
                f"on_finished must be a job, as .new() of a worker makes it, not {on_finished!r}"
            )
        if budget is not None and not isinstance(budget, Budget):
            raise InvalidWorkflow(f"budget must be a baton.llm.Budget, not {budget!r}")
        if context is not None and not isinstance(context, Mapping):
            raise InvalidWorkflow(f"context must be a mapping of names to values, not {context!r}")
        self.template: Template | None = None
        self.deadline = deadline
        self.debug = debug
        self.priority = priority
        self.context = dict(context or {})
        self.output = output
        self.on_finished = on_finished
        self.budget = budget

    @classmethod
    def from_json(
        cls,
        source: str | bytes | Mapping[str, Any],
        args: Mapping[str, Any] | None = None,
        *,
        registry: Registry | None = None,
    ) -> "Workflow":
        """Make a workflow of its portable form; `json_schema` describes that.

        Args:
            source: JSON, or what it holds.
            args: values of its parameters, by name.
            registry: the workers that it may name; by default those of the default registry.

        Raises:
            InvalidFlow: it is not of that form, a parameter does not fit, or a worker or its
                arguments don't; the error names each place.
            InvalidWorkflow: the graph can't be.
        """
        from baton.workflows import compiling, document  # noqa: PLC0415  they make workflows

        registry = registry or current_registry()
        return compiling.compiled(document.read(source), registry, args or {})

    def to_json(self) -> str:
        """Return the portable form of the workflow, as JSON.

        Raises:
            InvalidFlow: it has a deadline at a time of its own, which can't be repeated.
        """
        from baton.workflows import compiling  # noqa: PLC0415

        return compiling.document_of(self).model_dump_json(exclude_unset=True, indent=2)

    @staticmethod
    def json_schema() -> dict[str, Any]:
        """Return the JSON schema of the portable form."""
        from baton.workflows import document  # noqa: PLC0415

        return document.schema()

    def steps(self) -> Sequence[NewStep]:
        """Return the steps in an order in which each follows its dependencies.

        Raises:
            UnknownDependency: a step waits for one that was not added.
            CyclicWorkflow: steps wait for each other in a circle; the error names it.
            InvalidWorkflow: there are no steps, the output is none of them, or a sub-workflow is
                not valid.
        """
        ordered = self.own_steps()
        check_subworkflows(ordered, {self.workflow_id})
        return ordered

    def own_steps(self) -> Sequence[NewStep]:
        """Do what `steps` does without a look into sub-workflows."""
        if not self._steps:
            raise InvalidWorkflow("the workflow has no steps")
        if self.output is not None and self.output not in self._steps:
            raise InvalidWorkflow(
                f"the output of the workflow is step {self.output!r}: no such step"
            )
        steps = self._resolved()
        return list(steps.values()) if _is_ordered(steps) else _sorted(steps)

    def inside(self, outer: "Workflow") -> "Workflow":
        """Return a copy that has what it lacks from the workflow that it is a step of.

        These are the context, name by name, the tags, the priority and debug.
        """
        inner = copy(self)
        inner.context = {**outer.context, **self.context}
        inner.tags = tuple(dict.fromkeys([*self.tags, *outer.tags]))
        inner.priority = outer.priority if self.priority is None else self.priority
        inner.debug = self.debug or outer.debug
        return inner

    def validate(self) -> list[str]:
        """Check the graph without touching a database; return the names in order of execution.

        Raises:
            UnknownDependency, CyclicWorkflow, InvalidWorkflow: as `steps` does.
        """
        return [step.name for step in self.steps()]

    def graph(self) -> WorkflowGraph:
        """Return the graph of the workflow, to be drawn as Mermaid, DOT or SVG.

        Raises:
            UnknownDependency, CyclicWorkflow, InvalidWorkflow: as `steps` does.
        """
        return WorkflowGraph(sheet(self))

    async def insert(self, *, conn: Any = None) -> Sequence[Job]:
        """Validate the workflow and insert all of it, or nothing.

        Args:
            conn: what `Client.insert` takes; the workflow then becomes part of its
                transaction. Without it the default client is used.

        Returns:
            The jobs of the steps, in the order in which the steps were added. When a workflow with
            the same ``unique`` executes, its jobs as they stand: their ``conflict`` is true.

        Raises:
            InvalidWorkflow: as `validate` does.
            DuplicateWorkflow: a workflow with this id exists.
            DatabaseError: the database refused or is away.
        """
        return await ambient.client.insert_workflow(self, conn=conn)

    @staticmethod
    async def cancel(
        workflow_id: UUID | str, reason: str | None = None, *, conn: Any = None
    ) -> int:
        """Cancel a workflow with the default client; `Client.cancel_workflow` says more."""
        return await ambient.client.cancel_workflow(workflow_id, reason, conn=conn)

    @staticmethod
    async def signal(
        workflow_id: UUID | str,
        name: str,
        payload: Any = None,
        *,
        sent_by: str | None = None,
        conn: Any = None,
    ) -> bool:
        """Say something with the default client; `Client.signal_workflow` says more."""
        return await ambient.client.signal_workflow(
            workflow_id, name, payload, sent_by=sent_by, conn=conn
        )

    @staticmethod
    def signal_sync(
        workflow_id: UUID | str,
        name: str,
        payload: Any = None,
        *,
        sent_by: str | None = None,
        conn: Any = None,
    ) -> bool:
        """Do what `signal` does, without an event loop."""
        return ambient.sync_client.signal_workflow(
            workflow_id, name, payload, sent_by=sent_by, conn=conn
        )

    @staticmethod
    async def graft(
        workflow_id: UUID | str, graft: Graft, *, before: Iterable[str] = (), conn: Any = None
    ) -> Grafted:
        """Add steps to a workflow with the default client; `Client.graft` says more."""
        grafted: Grafted = await ambient.client.graft(workflow_id, graft, before=before, conn=conn)
        return grafted

    @staticmethod
    def graft_sync(
        workflow_id: UUID | str, graft: Graft, *, before: Iterable[str] = (), conn: Any = None
    ) -> Grafted:
        """Do what `graft` does, without an event loop."""
        grafted: Grafted = ambient.sync_client.graft(workflow_id, graft, before=before, conn=conn)
        return grafted

    def insert_sync(self, *, conn: Any = None) -> Sequence[Job]:
        """Do what `insert` does, without an event loop; ``conn`` as `SyncClient.insert` has it."""
        return ambient.sync_client.insert_workflow(self, conn=conn)


def _is_ordered(steps: Mapping[str, NewStep]) -> bool:
    """Whether each step was added after its dependencies, as most are."""
    seen: set[str] = set()
    for name, step in steps.items():
        if not seen.issuperset(step.deps):
            return False
        seen.add(name)
    return True


def _sorted(steps: Mapping[str, NewStep]) -> list[NewStep]:
    for step in steps.values():
        for dependency in step.deps:
            if dependency not in steps:
                raise UnknownDependency(step.name, dependency)
    sorter = TopologicalSorter({step.name: step.deps for step in steps.values()})
    try:
        return [steps[name] for name in sorter.static_order()]
    except CycleError as error:
        raise CyclicWorkflow(error.args[1]) from None


def _uuid(given: UUID | str | None) -> UUID:
    if given is None:
        return uuid4()
    try:
        return given if isinstance(given, UUID) else UUID(given)
    except (ValueError, AttributeError, TypeError):
        raise ValueError(f"workflow_id must be a UUID, not {given!r}") from None
