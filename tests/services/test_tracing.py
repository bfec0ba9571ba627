"""Traces go from where a job is inserted through the database to its attempts."""

from collections.abc import Iterator

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from baton import Client, Discard, Job, Registry, Snooze, Telemetry, Unique, Workflow
from baton.errors import DatabaseError, DuplicateHandler
from baton.llm import Usage
from baton.tracing import HANDLER, instrument
from tests.services.test_node import all_final, running, until
from tests.support import connection, value

pytestmark = pytest.mark.anyio


class Traces:
    """Where the spans of a test go."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.tracer = self.provider.get_tracer("test")

    def named(self, name: str) -> list[ReadableSpan]:
        return [span for span in self._exporter.get_finished_spans() if span.name == name]

    def one(self, name: str) -> ReadableSpan:
        [span] = self.named(name)
        return span


@pytest.fixture
def traces() -> Iterator[Traces]:
    yield Traces()
    Telemetry.detach(HANDLER)


def trace_id(span: ReadableSpan) -> int:
    assert span.context is not None
    return span.context.trace_id


def parent_id(span: ReadableSpan) -> int | None:
    return None if span.parent is None else span.parent.span_id


def span_id(span: ReadableSpan) -> int:
    assert span.context is not None
    return span.context.span_id


async def test_an_attempt_is_part_of_the_trace_that_inserted_it(
    database: str, traces: Traces
) -> None:
    registry = Registry()
    instrument(registry, tracer_provider=traces.provider)

    @registry.worker(name="greet")
    async def greet(_job: Job) -> None:
        with traces.tracer.start_as_current_span("inside"):
            pass

    @registry.worker(name="block")
    def block(_job: Job) -> None:
        with traces.tracer.start_as_current_span("in a thread"):
            pass

    async with running(database, registry) as (_, _):
        async with Client(database, registry=registry) as client:
            with traces.tracer.start_as_current_span("request") as request:
                await client.insert(greet.new())
                await client.insert_all([block.new()])
        await until(all_final(database))

    created, performed = traces.one("create greet"), traces.one("process greet")
    assert {trace_id(each) for each in (created, performed, traces.one("inside"))} == {
        request.get_span_context().trace_id
    }
    assert parent_id(created) == request.get_span_context().span_id
    assert parent_id(performed) == span_id(created)
    assert parent_id(traces.one("inside")) == span_id(performed)
    assert parent_id(traces.one("in a thread")) == span_id(traces.one("process block"))
    assert (created.kind, performed.kind) == (SpanKind.PRODUCER, SpanKind.CONSUMER)
    assert performed.attributes is not None
    assert performed.attributes["messaging.message.id"] == "1"
    assert performed.attributes["baton.attempt"] == 1
    sent = traces.named("send default")
    assert [
        (each.kind, (each.attributes or {})["messaging.batch.message_count"]) for each in sent
    ] == [(SpanKind.CLIENT, 1)] * 2
    assert {parent_id(each) for each in sent} == {request.get_span_context().span_id}


async def test_spans_say_what_became_of_the_attempt(database: str, traces: Traces) -> None:
    registry = Registry()
    instrument(registry, tracer_provider=traces.provider)

    @registry.worker(name="raise", max_attempts=1)
    async def raises(_job: Job) -> None:
        raise LookupError("nothing there")

    @registry.worker(name="discard")
    async def discards(_job: Job) -> Discard:
        return Discard("not wanted")

    @registry.worker(name="snooze")
    async def snoozes(job: Job) -> Snooze | None:
        return Snooze(0) if job.attempt == 1 and job.epoch == 1 else None

    async with running(database, registry) as (_, client):
        await client.insert_all([raises.new(), discards.new(), snoozes.new()])
        await until(all_final(database))

    raised = traces.one("process raise")
    assert raised.status.status_code is StatusCode.ERROR
    assert [event.name for event in raised.events] == ["exception"]
    discarded = traces.one("process discard")
    assert (discarded.status.status_code, discarded.status.description) == (
        StatusCode.ERROR,
        "not wanted",
    )
    outcomes = [(each.attributes or {})["baton.outcome"] for each in traces.named("process snooze")]
    assert outcomes == ["snooze", "completed"]


async def test_steps_of_a_workflow_share_the_trace_and_name_it(
    database: str, traces: Traces
) -> None:
    registry = Registry()
    instrument(registry, tracer_provider=traces.provider)

    @registry.worker(name="step")
    async def step(_job: Job) -> None: ...

    async with running(database, registry) as (_, _):
        async with Client(database, registry=registry) as client:
            flow = Workflow("flow").add("a", step.new()).add("b", step.new(), deps=["a"])
            with traces.tracer.start_as_current_span("request") as request:
                await client.insert_workflow(flow)
        await until(all_final(database))
    steps = traces.named("process step")
    assert {trace_id(each) for each in steps} == {request.get_span_context().trace_id}
    assert [(each.attributes or {})["baton.step"] for each in steps] == ["a", "b"]
    assert {(each.attributes or {})["baton.workflow.label"] for each in steps} == {"flow"}


async def test_an_attempt_can_have_a_trace_of_its_own_with_a_link(
    database: str, traces: Traces
) -> None:
    registry = Registry()
    instrument(registry, tracer_provider=traces.provider, create_spans=False, link=True)

    @registry.worker(name="late")
    async def late(_job: Job) -> None: ...

    async with running(database, registry) as (_, _):
        async with Client(database, registry=registry) as client:
            with traces.tracer.start_as_current_span("request") as request:
                await client.insert(late.new())
        await until(all_final(database))
    performed = traces.one("process late")
    assert performed.parent is None
    assert trace_id(performed) != request.get_span_context().trace_id
    [link] = performed.links
    assert link.context.span_id == request.get_span_context().span_id
    assert traces.named("create late") == []


async def test_a_trace_makes_no_two_unique_jobs_of_one(database: str, traces: Traces) -> None:
    registry = Registry()
    instrument(registry, tracer_provider=traces.provider)

    @registry.worker(name="once", unique=Unique(fields=("worker", "args", "meta")))
    async def once(_job: Job) -> None: ...

    async with Client(database, registry=registry) as client:
        await client.insert(once.new())
        await client.insert(once.new())
    assert await value(database, "select count(*) from baton.jobs") == 1


async def test_an_insert_that_fails_ends_its_span_with_the_error(
    database: str, traces: Traces
) -> None:
    registry = Registry()
    instrument(registry, tracer_provider=traces.provider)

    @registry.worker(name="greet")
    async def greet(_job: Job) -> None: ...

    async with Client(database, registry=registry) as client:
        async with connection(database) as conn:
            await conn.execute("alter table baton.jobs rename to gone")
        with pytest.raises(DatabaseError):
            await client.insert_all([greet.new()])
    sent = traces.one("send default")
    assert sent.status.status_code is StatusCode.ERROR
    assert [event.name for event in sent.events] == ["exception"]
    assert trace.get_current_span().get_span_context().is_valid is False


async def test_what_a_stranger_wrote_as_a_trace_is_left_alone(
    database: str, traces: Traces
) -> None:
    registry = Registry()

    @registry.worker(name="greet")
    async def greet(_job: Job) -> None: ...

    async with Client(database, registry=registry) as client:
        for strange in (
            '{"trace": 7}',
            '{"trace": {"traceparent": 7}}',
            "[]",
            '{"trace": {"traceparent": "x"}}',
        ):
            job = await client.insert(greet.new())
            await value(
                database,
                "update baton.jobs set meta = jsonb_build_object('context', %s::jsonb)"
                " where id = %s returning id",
                strange,
                job.id,
            )
    instrument(registry, tracer_provider=traces.provider)
    async with running(database, registry):
        await until(all_final(database))
    assert await value(database, "select count(*) from baton.jobs where state = 'completed'") == 4
    assert [each.parent for each in traces.named("process greet")] == [None] * 4


async def test_it_is_refused_the_second_time(traces: Traces) -> None:
    instrument(Registry(), tracer_provider=traces.provider)
    with pytest.raises(DuplicateHandler):
        instrument(Registry(), tracer_provider=traces.provider)


async def test_what_an_attempt_used_of_language_models_is_on_its_span(
    database: str, traces: Traces
) -> None:
    registry = Registry()
    instrument(registry, tracer_provider=traces.provider)

    @registry.worker(name="ask", max_attempts=1)
    def ask(job: Job) -> None:
        for _ in range(2):
            job.record_usage(Usage(model="gpt-4o-mini", provider="openai", input_tokens=1_000_000))
        raise ValueError("it failed, and was paid for")

    async with running(database, registry) as (_, _), Client(database, registry=registry) as client:
        await client.insert(ask.new())
        await until(all_final(database))
    found = traces.one("process ask").attributes
    assert found is not None
    assert {key: found[key] for key in found if key.startswith(("gen_ai", "baton.llm"))} == {
        "gen_ai.usage.input_tokens": 2_000_000,
        "gen_ai.usage.output_tokens": 0,
        "gen_ai.response.model": "gpt-4o-mini",
        "gen_ai.provider.name": "openai",
        "baton.llm.calls": 2,
        "baton.llm.cost": 0.3,
    }
