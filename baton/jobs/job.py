"""Jobs as they stand in the table."""

from collections.abc import Mapping, Sequence
from dataclasses import field
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeVar, overload
from uuid import UUID

from pydantic import TypeAdapter

from baton.errors import (
    NotADependency,
    NotAStep,
    NotPerformed,
    UnknownResultStore,
)
from baton.frozen import frozen
from baton.jobs.step import Addition, Claim, Grafted, Keeper, Step, Waited
from baton.masking import described
from baton.results import fit, reference_in
from baton.states import State

T = TypeVar("T")


@frozen(frozen=True, slots=True, kw_only=True)
class Job:
    """A row of the table ``jobs``, as it was when it was read.

    Attributes:
        id: identifies the job.
        state: where it stands.
        attempt: which attempt this is, from 1; 0 before the first.
        errors: one mapping per failed attempt: attempt, scheduled_at (when it was due),
            attempted_at (when it was claimed), at (when it failed), kind, message, traceback. What
            ended the job while no attempt ran has neither of the first two times.
        epoch: grows with each claim; fences late acknowledgements.
        timeout: seconds that an attempt may take.
        deadline: from then on no attempt is started.
        weight: what it counts for in the rate limit of its queue.
        conflict: whether an insert gave it back because it was there already; see `Unique`.
        step: its place in a workflow, while a worker performs it; ``None`` for a plain job.
        claim: what holds it, while a worker performs it.
    """

    id: int
    state: State
    queue: str
    worker: str
    args: Mapping[str, Any]
    meta: Mapping[str, Any]
    tags: tuple[str, ...]
    priority: int
    attempt: int
    max_attempts: int
    errors: Sequence[Mapping[str, Any]]
    epoch: int
    inserted_at: datetime
    scheduled_at: datetime
    attempted_at: datetime | None = None
    completed_at: datetime | None = None
    discarded_at: datetime | None = None
    cancelled_at: datetime | None = None
    timeout: float | None = None
    deadline: datetime | None = None
    weight: int = 1
    conflict: bool = False
    step: Step | None = None
    claim: Claim | None = field(default=None, compare=False, repr=False)

    def __repr__(self) -> str:
        return described(self)  # logs and tracebacks have it

    @property
    def workflow_id(self) -> UUID | None:
        """The workflow that this job is a step of."""
        try:
            return UUID(self.meta.get("workflow_id"))
        except (ValueError, TypeError, AttributeError):
            return None  # edited by hand

    @property
    def context(self) -> Mapping[str, Any]:
        """What all steps of the workflow know, as ``Workflow(context=…)`` said it.

        Raises:
            NotAStep: the job is not a step of a workflow.
        """
        return self._step().context

    @property
    def waited(self) -> Waited | None:
        """What came of the newest `WaitForSignal` of this step; ``None`` before the first.

        Raises:
            NotAStep: the job is not a step of a workflow.
        """
        return self._step().waited

    @property
    def step_name(self) -> str | None:
        """The name of the step that this job performs."""
        found = self.meta.get("workflow_name")
        return found if isinstance(found, str) else None

    async def complete_in(self, conn: Any, result: Any = None) -> None:
        """Complete this job in a transaction of yours: it is completed if and only if that commits.

        For workers that are ``async``. Commit before the worker returns. What it returns then is
        not looked at; if the transaction was rolled back and it returns, the attempt fails.

        Args:
            conn: with an open transaction; what ``baton.insert`` takes.
            result: what the step returned, for its dependents.

        Raises:
            JobLost: the job was cancelled or given to others; the transaction can't commit.
            CompletedTwice: it is completed already.
            NotPerformed: this is not the job that a worker was called with.
            InvalidConnection: ``conn`` is of the wrong kind, or commits every statement by itself.
            InvalidResult, TooLarge: the result can't be stored.
            DatabaseError: the database refused or is away.
        """
        await self._claim().complete(self, conn, result)

    def complete_in_sync(self, conn: Any, result: Any = None) -> None:
        """Do what `complete_in` does, for workers that are plain functions."""
        self._claim().complete_sync(self, conn, result)

    async def graft(self, graft: Addition) -> Grafted:
        """Add steps to the workflow of this step, now; it goes on.

        Those without dependencies start at once. The dependents of this step wait for all of them,
        unless the graft says otherwise. Repeated in another attempt, it adds what is missing.

        Args:
            graft: the steps, a `Graft`.

        Raises:
            StepTaken: another step has the name of one of them.
            UnknownDependency, CyclicWorkflow, InvalidWorkflow: they don't fit the workflow.
            JobLost: the job was cancelled or given to others.
            NotPerformed: this is not the job that a worker was called with.
            NotAStep: the job is not a step of a workflow.
            DatabaseError: the database refused or is away.
        """
        self._step()
        return await self._claim().graft(self, graft)

    def graft_sync(self, graft: Addition) -> Grafted:
        """Do what `graft` does, for workers that are plain functions."""
        self._step()
        return self._claim().graft_sync(self, graft)

    def _claim(self) -> Claim:
        if self.claim is None:
            raise NotPerformed(self.id)
        return self.claim

    def record_usage(
        self, response: Any, *, model: str | None = None, provider: str | None = None
    ) -> Decimal | None:
        """Record what a call of a language model used; for coroutines and plain functions alike.

        It is written while the job runs, and whatever comes of it. A response that comes again in
        the same attempt is counted once, if its provider names it.

        Args:
            response: what the package of the provider returned, the event of a stream that names a
                usage, the JSON of one, the result of a run of pydantic-ai, or a ``Usage``; or
                several.
            model: the model, where the response names none or not the one that is paid for.
            provider: who is paid, by its id in genai-prices, where that is not whoever the name of
                the model stands for: ``azure``, ``openrouter`` and so on.

        Returns:
            What it cost, in US dollars; ``None`` when a price is not known.

        Raises:
            UnreadableUsage: no usage can be found in it.
            MissingPackage: genai-prices is not installed.
            NotPerformed: this is not the job that a worker was called with.
        """
        meter = self._claim().meter
        if meter is None:
            raise NotPerformed(self.id)
        return meter.record(self, response, model=model, provider=provider)

    async def store_result(self, result: Any) -> None:
        """Store what this step returns now, while it runs, so that it survives a crash.

        A further attempt then completes at once, without calling the worker. Store it when nothing
        is left to do that must not be left out. What the worker returns in the end replaces it,
        unless that is ``None``. Here ``None`` too is a result, and stored.

        Args:
            result: for the dependents of the step; what a worker may return.

        Raises:
            JobLost: the job was cancelled or given to others.
            CompletedTwice: the worker has completed it already, in a transaction.
            NotPerformed: this is not the job that a worker was called with.
            NotAStep: the job is not a step of a workflow, and has nowhere to store it.
            InvalidResult, TooLarge: it can't be stored.
            DatabaseError: the database refused or is away.
        """
        self._step()
        await self._claim().store(self, result)

    def store_result_sync(self, result: Any) -> None:
        """Do what `store_result` does, for workers that are plain functions."""
        self._step()
        self._claim().store_sync(self, result)

    @overload
    def result(self, step: str) -> Any: ...
    @overload
    def result(self, step: str, *, as_: type[T]) -> T: ...
    @overload
    def result(self, step: str, *, as_: TypeAdapter[T]) -> T: ...
    @overload
    def result(self, step: str, *, as_: Any) -> Any: ...
    def result(self, step: str, *, as_: Any = None) -> Any:
        """Return what a dependency returned; ``None`` when it returned nothing.

        A result that a result store keeps is fetched when it is read, which blocks; in a coroutine
        `load_result` does not.

        Args:
            step: the name of the dependency.
            as_: a type as pydantic understands it, a model for example, to make of it; or a
                ``TypeAdapter``.

        Raises:
            NotADependency: this step does not depend on ``step``.
            ResultMismatch: the result is not of that type.
            UnknownResultStore: it is kept where this process can't get it.
            NotAStep: the job is not a step of a workflow.
        """
        return _fitting(step, self._resolved(self._stored(step)), as_)

    @overload
    async def load_result(self, step: str) -> Any: ...
    @overload
    async def load_result(self, step: str, *, as_: type[T]) -> T: ...
    @overload
    async def load_result(self, step: str, *, as_: TypeAdapter[T]) -> T: ...
    @overload
    async def load_result(self, step: str, *, as_: Any) -> Any: ...
    async def load_result(self, step: str, *, as_: Any = None) -> Any:
        """Do what `result` does, without blocking while a result store fetches it."""
        value, mine = self._stored(step), self._step()
        if mine.keeper is None:
            return _fitting(step, self._resolved(value), as_)
        return _fitting(step, await mine.keeper.resolve(value), as_)

    @overload
    def results(self, fan_out: str | None = None) -> dict[str, Any]: ...
    @overload
    def results(self, fan_out: str | None = None, *, as_: type[T]) -> dict[str, T]: ...
    @overload
    def results(self, fan_out: str | None = None, *, as_: TypeAdapter[T]) -> dict[str, T]: ...
    @overload
    def results(self, fan_out: str | None = None, *, as_: Any) -> dict[str, Any]: ...
    def results(self, fan_out: str | None = None, *, as_: Any = None) -> dict[str, Any]:
        """Return what every dependency returned, by name of the step.

        Args:
            fan_out: only those that this fan-out made, by key and in order.
            as_: what to make of each, as `result` has it.

        Raises:
            ResultMismatch: one is not of that type.
            UnknownResultStore: one is kept where this process can't get it.
            NotAStep: the job is not a step of a workflow.
        """
        mine = self._step()
        head = "" if fan_out is None else f"{fan_out}:"
        return {
            name.removeprefix(head): _fitting(name, self._resolved(mine.results.get(name)), as_)
            for name in mine.deps
            if name.startswith(head)
        }

    @overload
    def grafted(self, step: str) -> dict[str, Any]: ...
    @overload
    def grafted(self, step: str, *, as_: type[T]) -> dict[str, T]: ...
    @overload
    def grafted(self, step: str, *, as_: TypeAdapter[T]) -> dict[str, T]: ...
    @overload
    def grafted(self, step: str, *, as_: Any) -> dict[str, Any]: ...
    def grafted(self, step: str, *, as_: Any = None) -> dict[str, Any]:
        """Return what the steps returned that a dependency added, in the order of adding.

        Args:
            step: the dependency; one that added nothing is no error.
            as_: what to make of each, as `result` has it.

        Raises:
            NotADependency: this step does not depend on ``step``.
            ResultMismatch: one is not of that type.
            UnknownResultStore: one is kept where this process can't get it.
            NotAStep: the job is not a step of a workflow.
        """
        self._stored(step)
        mine = self._step()
        return {
            name: _fitting(name, self._resolved(mine.results.get(name)), as_)
            for name in mine.grafts.get(step, ())
        }

    def _stored(self, step: str) -> Any:
        mine = self._step()
        if step not in mine.deps:
            raise NotADependency(mine.name, step, mine.deps)
        return mine.results.get(step)

    def _resolved(self, value: Any) -> Any:
        keeper = self._step().keeper
        if keeper is not None:
            return keeper.resolve_sync(value)
        if (found := reference_in(value)) is not None:
            raise UnknownResultStore(found.store, found.reference, ())
        return value

    def _step(self) -> Step:
        if self.step is None:
            raise NotAStep(self.worker)
        return self.step


def keeper_of(job: Job) -> Keeper | None:
    """Return what keeps the results of a job's step outside the database, if anything does."""
    return None if job.step is None else job.step.keeper


def _fitting(step: str, value: Any, as_: Any) -> Any:
    return value if as_ is None else fit(step, value, as_)


class Results:
    """What the dependencies of a step returned, under the names of the Elixir library."""

    @staticmethod
    def get_result(job: Job, step: str) -> Any:
        """Return ``job.result(step)``."""
        return job.result(step)

    @staticmethod
    def get_all_results(job: Job) -> dict[str, Any]:
        """Return ``job.results()``."""
        return job.results()
