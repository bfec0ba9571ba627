"""What steps say to language models and hear from them, kept for a while to be looked at."""

import inspect
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, ParamSpec, TypeVar, cast
from uuid import UUID

from baton.ambient import ambient
from baton.client import Client
from baton.errors import NotPerformed
from baton.jobs import Job
from baton.llm import runs
from baton.llm.capture import LogEntry
from baton.llm.hearing import Hearing
from baton.llm.meter import Meter
from baton.llm.streams import is_stream, listened

P = ParamSpec("P")
R = TypeVar("R")


class Debug:
    """Captures requests, responses and contexts of steps, where that is asked for.

    It is asked for by ``Workflow(debug=True)`` or the setting ``llm_debug``; otherwise nothing is
    captured, and these functions cost nothing. They are for coroutines and plain functions alike: a
    capture is written by the process, later, and never fails the step. What stands under the name
    of a secret is hidden, and whatever the program's `redact` hides; a large one is cut.
    """

    @staticmethod
    def enabled(job: Job) -> bool:
        """Whether what this job says is captured."""
        meter = _meter(job)
        return meter is not None and meter.captures(job)

    @staticmethod
    def log_context(job: Job) -> None:
        """Capture what the step knows: its arguments, its context, and upstream results.

        LLM workers and `call_llm` do it by themselves, once an attempt.
        """
        _capture(job, "context", None)

    @staticmethod
    def log_request(job: Job, request: Any) -> None:
        """Capture what is said to a model."""
        _capture(job, "request", request)

    @staticmethod
    def log_response(job: Job, response: Any) -> None:
        """Capture what a model said."""
        _capture(job, "response", response)

    @staticmethod
    def call_llm(job: Job, call: Callable[P, R], /, *args: P.args, **request: P.kwargs) -> R:
        """Call a model: capture the request and the response, and record what was used.

        ``await Debug.call_llm(job, client.messages.create, model=…, …)`` does what
        ``await client.messages.create(model=…, …)`` does. Of a stream each event is looked at for
        what was used, and what it said is captured when it is over. The connection is closed when
        the stream is given up: when its loop is left, or the ``with`` block around that.

        Args:
            job: the job that a worker was called with.
            call: a function of a provider's package, async or not.
            args, request: what it is called with.

        Returns:
            What the call returns; a stream is wrapped in one that is used like it.

        Raises:
            Exception: what the call raises; that is captured too.
            NotPerformed: this is not the job that a worker was called with.
        """
        listening = _Call(job, call)
        listening.ask(args, request)
        with runs.heard() as messages:
            try:
                answer: Any = call(*args, **request)
            except BaseException as error:
                listening.fail(error, messages)
                raise
        if inspect.isawaitable(answer) and not is_stream(answer):
            return cast("R", listening.wait(answer))
        return cast("R", listening.hear(answer))

    @staticmethod
    async def entries(
        subject: UUID | str | int, step: str | None = None, *, limit: int = 100
    ) -> Sequence[LogEntry]:
        """Return what was captured of a job or a step; ``Client.debug`` says more."""
        client = cast(Client, await ambient.client.looking())
        return await client.debug.entries(subject, step, limit=limit)


class _Call:
    def __init__(self, job: Job, call: Callable[..., Any]) -> None:
        meter = _meter(job)
        if meter is None:
            raise NotPerformed(job.id)
        self._meter = meter
        self._job = job
        self._name = getattr(call, "__qualname__", type(call).__qualname__)

    def ask(self, args: Any, request: Any) -> None:
        said = {"call": self._name, **({"args": list(args)} if args else {}), **request}
        self._meter.capture(self._job, "context", None)
        self._meter.capture(self._job, "request", said)

    async def wait(self, answer: Awaitable[Any]) -> Any:
        with runs.heard() as messages:
            try:
                heard = await answer
            except BaseException as error:
                self.fail(error, messages)
                raise
        return self.hear(heard)

    def hear(self, answer: Any) -> Any:
        if is_stream(answer):
            return listened(answer, Hearing(self._meter, self._job))
        self._meter.listen(self._job, answer, documents=True)
        self._meter.capture(self._job, "response", answer)
        return answer

    def fail(self, error: BaseException, messages: Sequence[Any]) -> None:
        self._meter.lose(self._job, error, messages)
        if isinstance(error, Exception):
            self._meter.capture(self._job, "error", error)


def _meter(job: Job) -> Meter | None:
    meter = None if job.claim is None else job.claim.meter
    return meter if isinstance(meter, Meter) else None


def _capture(job: Job, kind: str, content: Any) -> None:
    meter = _meter(job)
    if meter is not None:
        meter.capture(job, kind, content)
