"""Workflows: named steps, what each waits for, and whether that makes a graph that can end."""

from collections.abc import Callable, Iterable, Sequence
from copy import copy
from dataclasses import dataclass, replace
from graphlib import CycleError, TopologicalSorter
from typing import Any, Self
from uuid import UUID, uuid4

from baton.ambient import ambient
from baton.documents import check_text
from baton.errors import CyclicWorkflow, DuplicateStep, InvalidWorkflow, UnknownDependency
from baton.jobs import Job, NewJob


@dataclass(frozen=True, slots=True, kw_only=True)
class NewStep:
    """A step that is not inserted yet.

    Raises:
        InvalidWorkflow: its job is unique.
    """

    name: str
    job: NewJob
    deps: tuple[str, ...]
    ignore_cancelled: bool
    ignore_discarded: bool

    def __post_init__(self) -> None:
        if self.job.unique is not None:
            raise InvalidWorkflow(
                f"the job of step {self.name!r} is unique, but a step is a job of its own; "
                f"make it with_options(unique=None)"
            )


class Workflow:
    """Builds a workflow step by step, checks it, and inserts it whole.

    Args:
        name: what people call it; the ``workflow_label`` of its events.
        workflow_id: its id; drawn at random when it is not given.
        ignore_cancelled: whether a cancelled dependency counts as done, for all steps.
        ignore_discarded: whether a discarded dependency counts as done, for all steps.
        debug: whether steps capture what they send and receive (``workflow_debug`` in their meta).

    Raises:
        InvalidWorkflow: the id is not a UUID, or the name is blank.
    """

    def __init__(
        self,
        name: str | None = None,
        *,
        workflow_id: UUID | str | None = None,
        ignore_cancelled: bool = False,
        ignore_discarded: bool = False,
        debug: bool = False,
    ) -> None:
        try:
            self.name = None if name is None else check_text(name, "the name of a workflow")
            self.workflow_id = _uuid(workflow_id)
        except ValueError as error:
            raise InvalidWorkflow(str(error)) from None
        self.debug = debug
        self._ignore_cancelled = ignore_cancelled
        self._ignore_discarded = ignore_discarded
        self._steps: dict[str, NewStep] = {}

    def add(
        self,
        name: str,
        job: NewJob,
        *,
        deps: Iterable[str] = (),
        ignore_cancelled: bool | None = None,
        ignore_discarded: bool | None = None,
    ) -> Self:
        """Add a step and return the workflow, so that calls can be chained.

        Args:
            name: the step's name, unique in the workflow.
            job: what it runs, from ``.new()`` of a worker.
            deps: names of the steps that must be done before; they may be added later.
            ignore_cancelled: overrides the workflow's choice for this step.
            ignore_discarded: overrides the workflow's choice for this step.

        Raises:
            DuplicateStep: the workflow has a step of that name.
            InvalidWorkflow: the name is blank, or ``job`` is not a job, or is unique.
        """
        try:
            check_text(name, "the name of a step")
        except ValueError as error:
            raise InvalidWorkflow(str(error)) from None
        if name in self._steps:
            raise DuplicateStep(name)
        if not isinstance(job, NewJob):
            raise InvalidWorkflow(
                f"step {name!r} must be given a job, as .new() of a worker makes it, not {job!r}"
            )
        if isinstance(deps, str):
            raise InvalidWorkflow(f"deps of step {name!r} must be a list of names: [{deps!r}]")
        self._steps[name] = NewStep(
            name=name,
            job=job,
            deps=tuple(dict.fromkeys(deps)),
            ignore_cancelled=_chosen(ignore_cancelled, self._ignore_cancelled),
            ignore_discarded=_chosen(ignore_discarded, self._ignore_discarded),
        )
        return self

    def jobs(self) -> list[NewJob]:
        """Return the jobs of the steps, in the order in which they were added."""
        return [step.job for step in self._steps.values()]

    def with_jobs(self, change: Callable[[NewJob], NewJob]) -> Self:
        """Return a copy of the workflow with every job as ``change`` returns it."""
        other = copy(self)
        steps = {name: replace(step, job=change(step.job)) for name, step in self._steps.items()}
        other._steps = steps  # noqa: SLF001  a copy of this very class
        return other

    def step_names(self) -> list[str]:
        """Return the names of the steps, in the order in which they were added."""
        return list(self._steps)

    def steps(self) -> Sequence[NewStep]:
        """Return the steps in an order in which each follows its dependencies.

        Raises:
            UnknownDependency: a step waits for one that was not added.
            CyclicWorkflow: steps wait for each other in a circle; the error names it.
            InvalidWorkflow: there are no steps.
        """
        if not self._steps:
            raise InvalidWorkflow("the workflow has no steps")
        for step in self._steps.values():
            for dependency in step.deps:
                if dependency not in self._steps:
                    raise UnknownDependency(step.name, dependency)
        sorter = TopologicalSorter({step.name: step.deps for step in self._steps.values()})
        try:
            return [self._steps[name] for name in sorter.static_order()]
        except CycleError as error:
            raise CyclicWorkflow(error.args[1]) from None

    def validate(self) -> list[str]:
        """Check the graph without touching a database; return the names in order of execution.

        Raises:
            UnknownDependency, CyclicWorkflow, InvalidWorkflow: as `steps` does.
        """
        return [step.name for step in self.steps()]

    async def insert(self, *, conn: Any = None) -> Sequence[Job]:
        """Validate the workflow and insert all of it, or nothing.

        Args:
            conn: what `Client.insert` takes; the workflow then becomes part of its
                transaction. Without it the default client is used.

        Returns:
            The jobs of the steps, in the order in which the steps were added.

        Raises:
            InvalidWorkflow: as `validate` does.
            DuplicateWorkflow: a workflow with this id exists.
            DatabaseError: the database refused or is away.
        """
        return await ambient.client.insert_workflow(self, conn=conn)

    def insert_sync(self, *, conn: Any = None) -> Sequence[Job]:
        """Do what `insert` does, without an event loop; ``conn`` as `SyncClient.insert` has it."""
        return ambient.sync_client.insert_workflow(self, conn=conn)


def _uuid(given: UUID | str | None) -> UUID:
    if given is None:
        return uuid4()
    try:
        return given if isinstance(given, UUID) else UUID(given)
    except (ValueError, AttributeError, TypeError):
        raise ValueError(f"workflow_id must be a UUID, not {given!r}") from None


def _chosen(own: bool | None, general: bool) -> bool:
    return general if own is None else own
