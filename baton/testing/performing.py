"""Performs one job in a test, with the rules of a worker process and without a database."""

from collections.abc import AsyncIterator, Coroutine, Hashable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, TypeVar, Unpack, cast, overload
from uuid import uuid4

from pydantic_core import from_json

from baton import documents
from baton.client.checks import checked
from baton.conditions import Condition
from baton.definitions import DURATIONS, Definition, JobOptions
from baton.errors import InvalidArguments, InvalidJob, InvalidResult
from baton.hooks import Next
from baton.jobs import Job, NewJob, Step, Waited, seconds
from baton.lifespans import opened
from baton.llm.making import meter_of
from baton.outcomes import (
    Cancel,
    Discard,
    Error,
    Failure,
    Grafting,
    Outcome,
    Skipped,
    Snooze,
    Success,
    WaitForSignal,
    settle,
)
from baton.services.asking import Caller
from baton.services.performer import Performer
from baton.services.threads import Threads
from baton.settings import load
from baton.testing.grafting import PlayedClaim, only_checked
from baton.testing.making import ended, made, started
from baton.testing.threads import CallingThread
from baton.worker_class import Worker
from baton.workers import Registry, WorkerFunction, current_registry, resolve
from baton.workflows import Graft

R = TypeVar("R")

PLACE = frozenset({"results", "context", "condition", "waited"})
_OUTCOMES = (Snooze, WaitForSignal, Discard, Cancel, Error)


@dataclass(frozen=True, slots=True, kw_only=True)
class Performed:
    """A job that was performed in a test.

    Attributes:
        job: the job afterwards; its ``step`` has the results that it was performed with.
        value: what the worker returned, after all middleware; ``None`` when it raised.
        error: what it raised, or what else made the attempt fail.
        stored: what it stored with ``job.store_result``.
    """

    job: Job
    value: Any = None
    error: BaseException | None = None
    stored: Any = None


class Observed(Registry):
    """The workers and hooks of a registry, and a note of what its workers return."""

    def __init__(self, registry: Registry, extra: Definition | None = None) -> None:
        super().__init__()
        self.__dict__.update(registry.__dict__)
        if extra is not None:
            self._definitions = {**self._definitions, extra.name: extra}
        self.value: Any = None

    def wrap(self, call: Next) -> Next:
        """Return a call with all the middleware and the note around it."""
        inner = super().wrap(call)

        async def noted(job: Job) -> Any:
            self.value = await inner(job)
            return self.value

        return noted


async def perform(
    job: Job, registry: Observed, caller: Caller, resources: Mapping[str, Any] | None
) -> tuple[Performed, Outcome]:
    """Perform a job that stands as executing; say how it stands then, and what it came to.

    Args:
        job: the job.
        registry: of which nobody else makes use.
        caller: where plain functions run.
        resources: what workers ask for; without them, what the lifespans open for this job.
    """
    claim = job.claim if isinstance(job.claim, PlayedClaim) else PlayedClaim(only_checked)

    async def complete(_job: Job, _grafting: Grafting) -> None:
        if isinstance(registry.value, Graft):
            claim.take(registry.value)

    async with _given(job, registry, resources) as found:
        performer = Performer(
            registry,
            max_result_bytes=load().max_result_bytes,
            threads=caller,
            resources=found,
            complete=complete,
            meter=meter_of(load(), registry),
        )
        outcome = await performer.perform(replace(job, claim=claim))
    if outcome == Success() and claim.result is not None:
        outcome = Success(claim.result)
    after = replace(ended(job, settle(job, outcome), datetime.now(UTC)), claim=None)
    error = outcome.error if isinstance(outcome, Failure) else None
    stored = None if claim.result is None else from_json(claim.result)
    return Performed(job=after, value=registry.value, error=error, stored=stored), outcome


@asynccontextmanager
async def _given(
    job: Job, registry: Registry, resources: Mapping[str, Any] | None
) -> AsyncIterator[Mapping[str, Any]]:
    definition = registry.known(job.worker)
    if resources is not None or definition is None or not definition.arguments.resources:
        yield resources or {}
    else:
        async with opened(registry.lifespans) as found:
            yield found


def worker_threads() -> Threads:
    """Return where plain functions run when the test has an event loop."""

    def ignore(_: Hashable) -> None:
        """Nobody counts the threads of a test."""

    return Threads(1, on_ended=ignore)


class PerformOptions(JobOptions, total=False):
    """What `perform_job` takes besides the options of the job.

    Attributes:
        attempt: which attempt this is.
        errors: what earlier attempts left in ``job.errors``.
        results: what the dependencies returned, by name of the step; makes the job a step.
        context: what all steps of the workflow know; makes the job a step.
        condition: what is asked before the worker, or its name; makes the job a step.
        waited: what came of the signal that an attempt before waited for; makes the job a step.
        resources: what the worker asks for with ``resource(…)``; without them the lifespans are
            opened for this job.
        registry: where the worker and the hooks are; by default the default registry.
    """

    attempt: int
    errors: Sequence[Mapping[str, Any]]
    results: Mapping[str, Any]
    context: Mapping[str, Any]
    condition: Condition[Any] | str
    waited: Waited
    resources: Mapping[str, Any]
    registry: Registry


Args = Mapping[str, Any]
Async = WorkerFunction[..., Coroutine[Any, Any, R]]
Sync = WorkerFunction[..., R]
Untyped = NewJob | type[Worker] | str


@overload
async def perform_job(
    work: Async[R], args: Args | None = None, **options: Unpack[PerformOptions]
) -> R: ...
@overload
async def perform_job(
    work: Sync[R], args: Args | None = None, **options: Unpack[PerformOptions]
) -> R: ...
@overload
async def perform_job(
    work: Untyped, args: Args | None = None, **options: Unpack[PerformOptions]
) -> Any: ...
async def perform_job(
    work: Any, args: Args | None = None, **options: Unpack[PerformOptions]
) -> Any:
    """Perform a job as a worker process would, without a database, and return what comes of it.

    Arguments are checked against the signature and go through JSON; middleware, carried context,
    timeout and deadline apply. A plain function runs in a thread.

    Args:
        work: a job from ``.new()``, or a worker, in which case ``args`` are its arguments.
        args: arguments by name.
        options: ``attempt``, ``results`` and so on, as `PerformOptions` has them, and the options
            of the job, as `with_options` takes them.

    Returns:
        What the worker returned: a value, or ``Snooze``, ``WaitForSignal``, ``Discard``,
            ``Cancel`` or ``Error``;
        ``Skipped`` when the condition said no.

    Raises:
        Exception: what the worker raised, or what else made the attempt fail: `AttemptTimeout`,
            `InvalidResult` and so on.
        InvalidArguments: the arguments don't fit the worker, or are not JSON.
        InvalidJob: an option is out of range.
    """
    return await _Request(work, args, options).answer(worker_threads())


@overload
def perform_job_sync(
    work: Async[R], args: Args | None = None, **options: Unpack[PerformOptions]
) -> R: ...
@overload
def perform_job_sync(
    work: Sync[R], args: Args | None = None, **options: Unpack[PerformOptions]
) -> R: ...
@overload
def perform_job_sync(
    work: Untyped, args: Args | None = None, **options: Unpack[PerformOptions]
) -> Any: ...
def perform_job_sync(work: Any, args: Args | None = None, **options: Unpack[PerformOptions]) -> Any:
    """Do what `perform_job` does, in a test without an event loop.

    A plain function runs in the thread of the test, and a coroutine on an event loop beside it.
    """
    caller = CallingThread()
    return caller.serve(_Request(work, args, options).answer(caller))


class _Request:
    def __init__(self, work: Any, args: Args | None, given: PerformOptions) -> None:
        options: dict[str, Any] = dict(given)
        attempt = options.pop("attempt", 1)
        errors = list(options.pop("errors", ()))
        place = {name: options.pop(name) for name in PLACE & options.keys()}
        self._resources = options.pop("resources", None)
        registry = options.pop("registry", None) or current_registry()
        definition, new = _work(work, args, options, registry)
        if type(attempt) is not int or attempt < 1:
            raise InvalidJob(f"attempt must be a number from 1 on, not {attempt!r}")
        self._registry = Observed(registry, definition)
        step = _step(**place) if place else None
        identity = {} if step is None else _identity(step)
        [new] = checked(registry, [new])
        now = datetime.now(UTC)
        job = made(new, 1, now, limit=load().max_args_bytes, identity=identity)
        self._job = replace(started(job, now), attempt=attempt, errors=errors, step=step)

    async def answer(self, caller: Caller) -> Any:
        performed, outcome = await perform(self._job, self._registry, caller, self._resources)
        if isinstance(performed.value, _OUTCOMES):
            return performed.value
        if performed.error is not None:
            raise performed.error
        # a job that is not started at all is cancelled, for a reason that the worker did not give
        return outcome if isinstance(outcome, Cancel | Skipped) else performed.value


def _work(
    work: Any, args: Args | None, options: Mapping[str, Any], registry: Registry
) -> tuple[Definition | None, NewJob]:
    if isinstance(work, NewJob):
        if args is not None:
            raise InvalidArguments(work.worker, ["the job has its arguments already"])
        return None, _changed(work, options)
    definition, chosen = resolve(work, registry)
    merged = cast("JobOptions", {**chosen, **options})
    return definition, definition.new(merged, (), args or {})


def _changed(new: NewJob, options: Mapping[str, Any]) -> NewJob:
    changes = dict(options)
    for option in DURATIONS & changes.keys():
        changes[option] = seconds(changes[option])
    return replace(new, **changes)


def _step(
    results: Mapping[str, Any] | None = None,
    context: Mapping[str, Any] | None = None,
    condition: Condition[Any] | str | None = None,
    waited: Waited | None = None,
) -> Step:
    results = results or {}
    stored = {name: _stored(name, value) for name, value in results.items()}
    return Step(
        workflow_id=uuid4(),
        workflow_label=None,
        name="step",
        deps=tuple(results),
        results={name: value for name, value in stored.items() if value is not None},
        condition=condition.name if isinstance(condition, Condition) else condition,
        context=_stored("context", dict(context or {})),
        waited=waited,
    )


def _stored(name: str, value: Any) -> Any:
    try:
        return from_json(documents.encode(value, default=documents.dump_model))
    except ValueError as error:
        raise InvalidResult(f"{name}: {error}") from None


def _identity(step: Step) -> dict[str, Any]:
    return {"workflow_id": str(step.workflow_id), "workflow_name": step.name}
