"""Performs one job: everything between a claimed row and an outcome.

It calls the user's code with its arguments, resources and context, inside the middleware and within
the time that it may take, and turns whatever comes of that into an outcome.
"""

from collections.abc import Mapping
from contextvars import copy_context
from dataclasses import replace
from typing import Any

import structlog
from anyio import (
    CancelScope,
    current_time,
    get_cancelled_exc_class,
)

from baton.definitions import Definition
from baton.errors import AttemptTimeout, BatonError, MissingResource
from baton.jobs import Job, keeper_of, seconds
from baton.llm.meter import Meter
from baton.outcomes import (
    Cancel,
    Closed,
    Completed,
    Failure,
    Grafting,
    Outcome,
    Success,
    concluded,
    failure,
    interpret,
)
from baton.redacting import described, redacted
from baton.services.admission import Admit
from baton.services.asking import Caller, skips
from baton.services.cancelling import ends, forget_cancellation
from baton.services.contexts import InContext
from baton.services.grafting import MAX_ARGS_BYTES, Completer, grafting
from baton.services.processes import Processes
from baton.services.result_keeper import ResultKeeper
from baton.workers import Registry
from baton.workflows import Graft

log = structlog.get_logger("baton.job")


class Performer:
    """Performs jobs of the workers of a registry.

    Args:
        registry: where workers are found, and the hooks around them.
        max_result_bytes: the largest result of a step.
        threads: where plain functions run; without them, where the caller is.
        processes: where workers with ``executor="process"`` run; without them, like the others.
        resources: what the lifespans have opened, by name.
        max_args_bytes: the largest arguments of a job that a worker grafts.
        complete: completes a job whose worker returned steps, and adds them; without it, who asked
            has it done.
        meter: records what jobs use of language models.
        admit: asks the budgets, before an attempt of a worker that calls language models starts;
            without it nothing does.
    """

    def __init__(
        self,
        registry: Registry,
        *,
        max_result_bytes: int,
        threads: Caller | None = None,
        processes: Processes | None = None,
        resources: Mapping[str, Any] | None = None,
        max_args_bytes: int = MAX_ARGS_BYTES,
        complete: Completer | None = None,
        meter: Meter | None = None,
        admit: Admit | None = None,
    ) -> None:
        self._registry = registry
        self._max_result_bytes = max_result_bytes
        self._threads = threads
        self._processes = processes
        self._resources = resources if resources is not None else {}
        self._max_args_bytes = max_args_bytes
        self._complete = complete
        self._meter = meter
        self._admit = admit

    async def perform(self, job: Job) -> Outcome:
        """Perform a job in a context of its own; only a cancellation from outside is raised."""
        return await InContext(copy_context(), self.attempt(job))

    async def attempt(self, job: Job) -> Outcome:
        """Do what `perform` does, in the present context, which is then the job's."""
        outcome = await self._attempted(job)
        redact = self._registry.error_redactor
        return outcome if redact is None else redacted(job, outcome, redact)

    async def _attempted(self, job: Job) -> Outcome:
        outcome = await self._perform(job)
        if not isinstance(outcome, Grafting) or self._complete is None:
            return outcome
        try:
            await self._complete(job, outcome)
        except Exception as error:
            failed = concluded(job, failure(error))
            return self._with_backoff(self._registry.find(job.worker), job, failed)
        return concluded(job, Success(outcome.result))

    async def _perform(self, job: Job) -> Outcome:
        if (decided := _decide(job)) is not None:
            return decided
        try:
            definition = self._registry.find(job.worker)
        except BatonError as error:
            return failure(error)
        in_child = definition.executor == "process" and self._processes is not None
        if job.timeout is None or in_child:
            return await self._attempt(definition, job)
        with CancelScope(deadline=current_time() + job.timeout):
            return await self._attempt(definition, job)
        late = failure(AttemptTimeout(job.timeout))
        return self._with_backoff(definition, job, concluded(job, late))

    async def _attempt(self, definition: Definition, job: Job) -> Outcome:
        try:
            if definition.executor == "process" and self._processes is not None:
                refused = await self._refused(definition, job)
                return refused or await self._in_child(self._processes, job)
            if job.claim is not None:
                job.claim.meter = self._meter
            job = self._with_keeper(job)
            self._registry.restore(job.meta.get("context"))
            value = await self._ask_and_call(definition, job)
            outcome = self._interpret(job, value)
            if keeper_of(job) is not None:
                outcome = await _kept(job, outcome)
        except BaseException as error:
            # a cancellation from outside must go on; one that user code raised is its failure
            if ends() and isinstance(error, get_cancelled_exc_class()):
                raise
            forget_cancellation()
            outcome = failure(_original(definition, error))
        return self._with_backoff(definition, job, concluded(job, outcome))

    async def _in_child(self, processes: Processes, job: Job) -> Outcome:
        report = await processes.perform(job)
        if self._meter is not None:
            self._meter.adopt(job, report.tally, report.captures)
        return report.outcome

    def _with_keeper(self, job: Job) -> Job:
        """Return a step's job such that large results are found, and where they are kept."""
        stores = self._registry.result_stores
        if job.step is None or not stores:
            return job
        keeper = ResultKeeper(stores, self._max_result_bytes)
        return replace(job, step=replace(job.step, keeper=keeper))

    def _interpret(self, job: Job, value: Any) -> Outcome:
        limit = self._max_result_bytes if keeper_of(job) is None else None
        if isinstance(value, Graft):
            return grafting(
                self._registry,
                job,
                value,
                max_args_bytes=self._max_args_bytes,
                max_result_bytes=limit,
            )
        return interpret(value, stores=job.step is not None, limit=limit)

    async def _ask_and_call(self, definition: Definition, job: Job) -> Any:
        if (skipped := await skips(self._registry, job, self._threads)) is not None:
            return skipped
        arguments = {**definition.arguments.load(job.args), **self._injected(definition)}
        if (refused := await self._refused(definition, job)) is not None:
            return refused
        return await self._call(definition, job, arguments)

    async def _refused(self, definition: Definition, job: Job) -> Outcome | None:
        """Return what becomes of an attempt that a budget keeps from starting."""
        if definition.spends is None or self._admit is None:
            return None
        return await self._admit(job, definition.spends)

    async def _call(self, definition: Definition, job: Job, arguments: Mapping[str, Any]) -> Any:
        async def invoke(job: Job) -> Any:
            if definition.is_async:
                return await definition.bind()(job, **arguments)
            if self._threads is None:
                return definition.bind()(job, **arguments)
            return await self._threads.run(
                (job.id, job.epoch), lambda: definition.bind()(job, **arguments)
            )

        return await self._registry.wrap(invoke)(job)

    def _with_backoff(self, definition: Definition, job: Job, outcome: Outcome) -> Outcome:
        """Ask the worker when to try again; one that raises is as good as none."""
        if isinstance(outcome, Completed):
            otherwise = self._with_backoff(definition, job, outcome.otherwise)
            return replace(outcome, otherwise=otherwise)
        if not isinstance(outcome, Failure) or definition.backoff is None or outcome.error is None:
            return outcome
        try:
            return replace(outcome, retry_in=seconds(definition.backoff(job, outcome.error)))
        except BaseException as error:
            told = described(job, error, self._registry.error_redactor)
            log.warning("backoff.failed", worker=definition.name, error=told.message)
            return outcome

    def _injected(self, definition: Definition) -> dict[str, Any]:
        injected = {}
        for parameter, name in definition.arguments.resources.items():
            if name not in self._resources:
                raise MissingResource(definition.name, name, self._resources)
            injected[parameter] = self._resources[name]
        return injected


async def _kept(job: Job, outcome: Outcome) -> Outcome:
    """Return an outcome whose result is kept where the program wants it."""
    keeper = keeper_of(job)
    match outcome:
        case Success(str(text)) | Grafting(result=str(text)) if keeper is not None:
            return replace(outcome, result=await keeper.keep(job, text))
        case _:
            return outcome


def _decide(job: Job) -> Outcome | None:
    """Return the outcome of a job that is not to be started."""
    if job.step is not None:
        if job.step.stored:
            return Success()
        if job.step.gate != "open":
            # poisoned: the engine cancels it, with the cause, its dependents and its callbacks
            return Closed(job.step.cause or "a dependency is open")
    # both times are the database's
    if (
        job.deadline is not None
        and job.attempted_at is not None
        and job.attempted_at > job.deadline
    ):
        return Cancel(f"its deadline has passed: {job.deadline.isoformat()}")
    return None


def _original(definition: Definition, error: BaseException) -> BaseException:
    """Return what a plain function raised: a coroutine turns StopIteration into a RuntimeError."""
    cause = error.__cause__
    hidden = isinstance(error, RuntimeError) and isinstance(cause, StopIteration)
    return cause if hidden and cause is not None and not definition.is_async else error
