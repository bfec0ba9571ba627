"""Traces for OpenTelemetry: a span for each insert and each attempt, and one trace through both.

Needs ``baton[otel]``, which brings the API; without it the import raises `MissingPackage`. The
program brings the SDK and says where spans go. A job carries the trace in ``meta.context.trace``,
as ``traceparent`` and what else the propagators of the program write. Spans have the names and
attributes of the semantic conventions for messaging.

========================  ========  =============================================================
span                      kind      what it is
========================  ========  =============================================================
``create <worker>``       producer  a new job; its attempts are children of it
``send <queue>``          client    an insert into the database, of however many jobs
``process <worker>``      consumer  an attempt, with what became of it; spans of the user's code
                                    are its children
========================  ========  =============================================================

What an attempt used of language models is on its span as ``gen_ai.usage.input_tokens`` and
``output_tokens``, ``gen_ai.response.model`` and ``gen_ai.provider.name`` if it was but one,
``baton.llm.calls``, and ``baton.llm.cost`` in US dollars if all calls had a price.
"""

from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from dataclasses import replace
from decimal import Decimal
from typing import Any

from baton.errors import MissingPackage
from baton.jobs import Job, NewJob
from baton.outcomes import Cancel, Discard, Error, Snooze
from baton.telemetry import Telemetry
from baton.workers import Registry, current_registry

try:
    from opentelemetry import propagate, trace
    from opentelemetry.context import Context
    from opentelemetry.trace import Link, Span, SpanKind, Status, StatusCode, TracerProvider
except ImportError as error:
    raise MissingPackage("opentelemetry-api", "otel") from error

HANDLER = "baton-tracing"
CARRIER = "trace"  # where the carried context keeps what the propagators write
SYSTEM = "baton"

_sent: ContextVar[Span | None] = ContextVar("baton_send_span", default=None)


def instrument(
    registry: Registry | None = None,
    *,
    tracer_provider: TracerProvider | None = None,
    create_spans: bool = True,
    link: bool = False,
) -> None:
    """Trace what is inserted and performed with a registry.

    Call it once, where the workers are defined, so that worker processes do it too.

    Args:
        registry: by default the default registry.
        tracer_provider: by default that of the process.
        create_spans: whether every new job has a span of its own; without them attempts are
            children of whatever span was open when the job was inserted.
        link: begin a new trace with every attempt, linked to that of the insert, instead of going
            on with it: for jobs that run long after, or whose trace would become large.

    Raises:
        DuplicateHandler: it was called before.
    """
    registry = registry or current_registry()
    tracer = trace.get_tracer("baton", tracer_provider=tracer_provider)
    Telemetry.attach(HANDLER, "baton.insert.*", _Inserts(tracer))

    @registry.before_insert
    def carry(job: NewJob) -> NewJob:
        if not create_spans:
            return _carrying(job, None)
        attributes = {**_described(job), "messaging.operation.type": "create"}
        with tracer.start_as_current_span(
            f"create {job.worker}", kind=SpanKind.PRODUCER, attributes=attributes
        ) as span:
            return _carrying(job, trace.set_span_in_context(span))

    @registry.middleware
    async def around(job: Job, call_next: Callable[[Job], Awaitable[Any]]) -> Any:
        origin = propagate.extract(_carried(job))
        with tracer.start_as_current_span(
            f"process {job.worker}",
            context=Context() if link else origin,
            kind=SpanKind.CONSUMER,
            links=[Link(trace.get_current_span(origin).get_span_context())] if link else None,
            attributes={**_described(job), **_attempted(job)},
        ) as span:
            try:
                value = await call_next(job)
            finally:
                span.set_attributes(_used(job))
            _conclude(span, value)
            return value


class _Inserts:
    """Spans around inserts, from what telemetry tells of them."""

    def __init__(self, tracer: trace.Tracer) -> None:
        self._tracer = tracer

    def __call__(
        self, event: str, measurements: Mapping[str, Any], metadata: Mapping[str, Any]
    ) -> None:
        if event.endswith(".start"):
            _sent.set(self._begin(metadata["jobs"]))
            return
        span = _sent.get()
        if span is None:
            return
        _sent.set(None)
        if "count" in measurements:
            span.set_attribute("messaging.batch.message_count", measurements["count"])
        if (error := metadata.get("error")) is not None:
            span.record_exception(error)
            span.set_status(Status(StatusCode.ERROR, type(error).__name__))
        span.end()

    def _begin(self, jobs: Any) -> Span:
        queues = {job.queue for job in jobs}
        name = f"send {next(iter(queues))}" if len(queues) == 1 else "send"
        return self._tracer.start_span(
            name,
            kind=SpanKind.CLIENT,
            attributes={
                "messaging.system": SYSTEM,
                "messaging.operation.type": "send",
                "messaging.operation.name": "insert",
                **({"messaging.destination.name": next(iter(queues))} if len(queues) == 1 else {}),
            },
        )


def _carrying(job: NewJob, context: Context | None) -> NewJob:
    carrier: dict[str, str] = {}
    propagate.inject(carrier, context)
    return replace(job, context={**job.context, CARRIER: carrier}) if carrier else job


def _carried(job: Job) -> Mapping[str, str]:
    carrier = (
        context.get(CARRIER) if isinstance(context := job.meta.get("context"), Mapping) else None
    )
    if not isinstance(carrier, Mapping):
        return {}
    return {name: value for name, value in carrier.items() if isinstance(value, str)}


def _described(job: NewJob | Job) -> dict[str, str]:
    return {
        "messaging.system": SYSTEM,
        "messaging.destination.name": job.queue,
        "messaging.operation.name": job.worker,
        "baton.worker": job.worker,
    }


def _attempted(job: Job) -> dict[str, str | int]:
    step: dict[str, str | int] = {}
    if job.step is not None:
        step = {"baton.workflow.id": str(job.step.workflow_id), "baton.step": job.step.name}
        if job.step.workflow_label is not None:
            step["baton.workflow.label"] = job.step.workflow_label
    return {
        "messaging.operation.type": "process",
        "messaging.message.id": str(job.id),
        "baton.attempt": job.attempt,
        "baton.max_attempts": job.max_attempts,
        **step,
    }


def _used(job: Job) -> Mapping[str, str | int | float]:
    """Return what the attempt used of language models, by the conventions for generative AI."""
    tally = None if job.claim is None else job.claim.tally
    rows = [] if tally is None else [row for row in tally.rows() if row["calls"]]
    if not rows:
        return {}
    models = {row["model"] for row in rows}
    providers = {row["provider"] for row in rows}
    costs = [row["cost"] for row in rows]
    found: dict[str, str | int | float | None] = {
        "gen_ai.usage.input_tokens": sum(row["input_tokens"] for row in rows),
        "gen_ai.usage.output_tokens": sum(row["output_tokens"] for row in rows),
        "gen_ai.response.model": models.pop() if len(models) == 1 else None,
        "gen_ai.provider.name": providers.pop() if len(providers) == 1 else None,
        "baton.llm.calls": sum(row["calls"] for row in rows),
        "baton.llm.cost": None if None in costs else float(sum(map(Decimal, costs))),
    }
    return {name: value for name, value in found.items() if value is not None}


def _conclude(span: Span, value: Any) -> None:
    match value:
        case Snooze():
            span.set_attribute("baton.outcome", "snooze")
        case Cancel(reason=reason):
            span.set_attribute("baton.outcome", "cancel")
            span.set_attribute("baton.reason", str(reason))
        case Discard(reason=reason):
            span.set_attribute("baton.outcome", "discard")
            span.set_status(Status(StatusCode.ERROR, str(reason)))
        case Error(reason=reason):
            span.set_attribute("baton.outcome", "error")
            span.set_status(Status(StatusCode.ERROR, str(reason)))
        case _:
            span.set_attribute("baton.outcome", "completed")
