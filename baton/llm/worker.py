"""Workers that call language models: `llm_worker` and `LLMWorker`.

They are like all others, but for a queue of their own, a timeout, fewer attempts with shorter
pauses, and what is put around their code here: errors of providers are told apart, and what each
attempt used is recorded.
"""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import wraps
from typing import Any, ClassVar, Unpack

import structlog

from baton.definitions import (
    Backoff,
    Definition,
    DepCallback,
    ExecutorName,
    JobOptions,
    WorkerOptions,
    define,
)
from baton.jobs import Job, NewJob
from baton.llm import genai, runs, verdicts
from baton.llm.budgets import META_COST, META_TOKENS, Amount, Most
from baton.llm.meter import Meter
from baton.llm.verdicts import Verdict
from baton.outcomes import Discard, Snooze
from baton.worker_class import Worker
from baton.workers import Decorator, Registry, current_registry, decorator

log = structlog.get_logger("baton.llm")

QUEUE = "llm"
TIMEOUT = 600.0  # seconds: what the packages of OpenAI and Anthropic wait for an answer
MAX_ATTEMPTS = 5
DEFAULTS: JobOptions = {"queue": QUEUE, "timeout": TIMEOUT, "max_attempts": MAX_ATTEMPTS}

Function = Callable[..., Any]


def llm_worker(
    *,
    registry: Registry | None = None,
    name: str | None = None,
    backoff: Backoff | None = None,
    executor: ExecutorName = "auto",
    on_dep_cancelled: DepCallback | None = None,
    on_dep_discarded: DepCallback | None = None,
    max_cost: Amount | None = None,
    max_tokens: int | None = None,
    **defaults: Unpack[WorkerOptions],
) -> Decorator:
    """Register a function that calls language models as a worker; `baton.worker` says the rest.

    Its jobs run in the queue ``llm``, for at most 600 seconds, up to 5 times. What it returns may
    be the response of OpenAI, Anthropic or Google, or the result of a run of pydantic-ai, of which
    the output is stored: what that used is recorded. ``job.record_usage`` records whatever else was
    called. Of what it raises, that the provider is busy (HTTP 429 and 529) counts no attempt: the
    job runs again when ``Retry-After`` says so. Other errors that blame the request discard the
    job, but for 408, 409, 425 and 499; everything else is tried again.

    Args:
        registry: where it is registered; by default the default registry.
        name, executor, on_dep_cancelled, on_dep_discarded: as `baton.worker` has them.
        backoff: by default up to 2 seconds, 4, 8 and so on to 300, half of it random.
        max_cost, max_tokens: what an attempt costs at most, in US dollars, and how many tokens it
            uses, input and output together: as much is kept for it of the budgets that it counts
            to. `at_most` says it of one job.
        defaults: options of its jobs.

    Raises:
        InvalidBudget: the most that it uses is no amount.
        InvalidWorker, DuplicateWorker, InvalidCron: as `baton.worker` does.
    """
    return decorator(
        registry or current_registry(),
        name,
        {**DEFAULTS, **defaults},
        around=around,
        backoff=backoff or _backoff,
        executor=executor,
        on_dep_cancelled=on_dep_cancelled,
        on_dep_discarded=on_dep_discarded,
        spends=Most.of(max_cost, max_tokens),
    )


def at_most(job: NewJob, *, cost: Amount | None = None, tokens: int | None = None) -> NewJob:
    """Return a job of which each attempt costs at most so much, whatever its worker says.

    Args:
        job: as ``.new()`` of an LLM worker makes it.
        cost: in US dollars; ``None`` leaves it to the worker.
        tokens: input and output together; ``None`` leaves them to the worker.

    Raises:
        InvalidBudget: it is no amount.
    """
    most = Most.of(cost, tokens)
    said = {
        META_COST: None if most.cost is None else format(most.cost, "f"),
        META_TOKENS: most.tokens,
    }
    given = {name: value for name, value in said.items() if value is not None}
    return replace(job, meta={**job.meta, **given})


class LLMWorker(Worker, abstract=True, **DEFAULTS):
    """The class form of `llm_worker`: a `Worker` with its options, and with what is around it."""

    _spends: ClassVar[Most] = Most()

    def __init_subclass__(
        cls,
        *,
        max_cost: Amount | None = None,
        max_tokens: int | None = None,
        **given: Any,
    ) -> None:
        """Register the subclass as `Worker` does."""
        own = Most.of(max_cost, max_tokens)
        cls._spends = Most(
            cost=cls._spends.cost if own.cost is None else own.cost,
            tokens=cls._spends.tokens if own.tokens is None else own.tokens,
        )
        super().__init_subclass__(**given)

    def backoff(self, job: Job, error: BaseException) -> float:
        """Return the seconds until the next attempt."""
        return _backoff(job, error)

    @classmethod
    def _define(cls, name: str, **options: Any) -> Definition:
        return define(
            name,
            cls.perform,
            cls._defaults,
            lambda: around(cls().perform),
            skip=1,
            spends=cls._spends,
            **options,
        )


def around(function: Function) -> Function:
    """Return a worker's code with what makes it one for language models."""
    if inspect.iscoroutinefunction(function):

        @wraps(function)
        async def call(job: Job, /, **arguments: Any) -> Any:
            attempt = _Attempt(job)
            with runs.heard() as messages:
                try:
                    return attempt.returned(await function(job, **arguments))
                except Exception as error:
                    return attempt.raised(error, messages)
                except BaseException as error:
                    attempt.left(error, messages)
                    raise
    else:

        @wraps(function)
        def call(job: Job, /, **arguments: Any) -> Any:
            attempt = _Attempt(job)
            with runs.heard() as messages:
                try:
                    return attempt.returned(function(job, **arguments))
                except Exception as error:
                    return attempt.raised(error, messages)
                except BaseException as error:
                    attempt.left(error, messages)
                    raise

    return call


class _Attempt:
    """What is done around one attempt."""

    def __init__(self, job: Job) -> None:
        self._job = job
        meter = None if job.claim is None else job.claim.meter
        self._meter = meter if isinstance(meter, Meter) else None
        if self._meter is not None:
            genai.require()  # better now than after a call that is paid for
            self._meter.begin(job)
            self._meter.capture(job, "context", None)

    def returned(self, value: Any) -> Any:
        """Record what a response used; return what there is to store of it."""
        if self._meter is not None and self._meter.listen(self._job, value):
            self._meter.capture(self._job, "response", value)
        return _stored(value)

    def left(self, error: BaseException, messages: Sequence[Any]) -> None:
        """Record what was answered to an attempt that returns nothing.

        A run of pydantic-ai that succeeded may have been recorded by hand, as a sum that names no
        responses: it is recorded here when nothing else was, or when it is the run that failed.
        """
        if self._meter is None:
            return
        if not runs.failed(error) and not self._meter.is_unused(self._job):
            messages = ()
        self._meter.lose(self._job, error, messages)

    def raised(self, error: Exception, messages: Sequence[Any]) -> Any:
        """Record what was answered before an error; say what becomes of the job."""
        self.left(error, messages)
        judgement = verdicts.judge(error)
        match judgement.verdict:
            case Verdict.WAIT:
                delay = verdicts.pause(judgement, _snoozed(self._job))
                log.info("llm.rate_limited", status=judgement.status, delay=round(delay, 1))
                return Snooze(delay)
            case Verdict.GIVE_UP:
                return Discard(error)
            case Verdict.TRY_AGAIN:
                raise error


def _stored(value: Any) -> Any:
    """Return what is stored of a value: of a run of pydantic-ai its output, and all of the rest."""
    if isinstance(value, list | tuple):
        return [_stored(each) for each in value]
    return value.output if callable(getattr(value, "new_messages", None)) else value


def _snoozed(job: Job) -> int:
    found = job.meta.get("snoozed")
    return found if type(found) is int else 0


def _backoff(job: Job, _error: BaseException) -> float:
    return verdicts.backoff(job.attempt)
