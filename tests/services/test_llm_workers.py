"""Workers that call language models, with the providers' own packages, over a real socket."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from decimal import Decimal
from functools import cached_property
from typing import Any

import anyio
import pytest
from anthropic import AsyncAnthropic
from google.genai import Client as Google
from google.genai.types import HttpOptions
from openai import AsyncOpenAI, OpenAI
from pydantic_ai import Agent
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

from baton import Client, Job, Registry, Snooze, Telemetry, Workflow
from baton.llm import Debug, LLMWorker, Usage, llm_worker
from baton.testing import drain_queue, perform_job
from tests.providers import (
    CHAT,
    CHAT_COST,
    CONTENT,
    CONTENT_COST,
    MESSAGE,
    MESSAGE_COST,
    RESPONSE,
    RESPONSE_COST,
    Cut,
    Provider,
    Reply,
    Stream,
    chat_chunks,
    message_events,
    provider,
    refusal,
)
from tests.services import apps
from tests.services.conftest import Limits
from tests.services.test_node import all_final, running, until
from tests.support import rows, value

pytestmark = pytest.mark.anyio

MINI, CLAUDE = "gpt-4o-mini-2024-07-18", "claude-sonnet-4-5-20250929"
ASKED: dict[str, Any] = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}]}
# asked for a model that the package does not warn of; the server answers as another
TOLD: dict[str, Any] = {**ASKED, "model": "claude", "max_tokens": 10}


class Providers:
    """The packages of the providers, as a program would set them up, talking to one server."""

    def __init__(self, server: Provider, stack: AsyncExitStack) -> None:
        self.server = server
        self._stack = stack

    @cached_property
    def openai(self) -> AsyncOpenAI:
        url = f"{self.server.url}/v1"
        client = AsyncOpenAI(api_key="k", base_url=url, max_retries=0)
        self._stack.push_async_callback(client.close)
        return client

    @cached_property
    def openai_sync(self) -> OpenAI:
        client = OpenAI(api_key="k", base_url=f"{self.server.url}/v1", max_retries=0)
        self._stack.callback(client.close)
        return client

    @cached_property
    def anthropic(self) -> AsyncAnthropic:
        client = AsyncAnthropic(api_key="k", base_url=self.server.url, max_retries=0)
        self._stack.push_async_callback(client.close)
        return client

    @cached_property
    def google(self) -> Google:
        options = HttpOptions(base_url=self.server.url)
        client = Google(api_key="k", http_options=options)
        self._stack.push_async_callback(client.aio.aclose)
        self._stack.callback(client.close)
        return client

    @cached_property
    def agent(self) -> Agent:
        talking = OpenAIProvider(openai_client=self.openai)
        return Agent(OpenAIChatModel("gpt-4o-mini", provider=talking))


@pytest.fixture
async def llm() -> AsyncIterator[Providers]:
    async with provider() as server, AsyncExitStack() as stack:
        yield Providers(server, stack)


@asynccontextmanager
async def performing(database: str, registry: Registry, **changes: Any) -> AsyncIterator[Any]:
    changes = {"queues": ["llm=10", "default=10"], **changes}
    async with running(database, registry, **changes) as (_, client):
        yield client


STATS = """
  select
    model, calls, input_tokens, output_tokens, cached_tokens, cache_write_tokens, reasoning_tokens,
    cost, state::text
  from baton.workflow_step_stats order by job_id, epoch, ordinal
"""


async def used(database: str) -> list[tuple[Any, ...]]:
    return await rows(database, STATS)


async def test_what_a_response_used_is_recorded_with_the_end_of_the_job(
    database: str, llm: Providers
) -> None:
    llm.server.will(Reply(CHAT), Reply(RESPONSE), Reply(MESSAGE), Reply(CONTENT), Reply(CHAT))
    registry = Registry()

    @llm_worker(registry=registry)
    async def chat(_job: Job) -> Any:
        return await llm.openai.chat.completions.create(**ASKED)

    @llm_worker(registry=registry)
    async def respond(_job: Job) -> Any:
        return await llm.openai.responses.create(model="gpt-4o-mini", input="hi")

    @llm_worker(registry=registry)
    async def message(_job: Job) -> Any:
        return await llm.anthropic.messages.create(**TOLD)

    @llm_worker(registry=registry)
    async def generate(_job: Job) -> Any:
        models = llm.google.aio.models
        return await models.generate_content(model="gemini-2.5-flash", contents="hi")

    @llm_worker(registry=registry)
    async def run(_job: Job) -> Any:
        return await llm.agent.run("hi")

    flow = Workflow("models").add("chat", chat.new())
    for before, name, worker in (
        ("chat", "respond", respond),
        ("respond", "message", message),
        ("message", "generate", generate),
        ("generate", "run", run),
    ):
        flow.add(name, worker.new(), deps=[before])
    async with performing(database, registry) as client:
        await client.insert_workflow(flow)
        await until(all_final(database))
        status = await client.get_workflow(flow.workflow_id)
    assert await used(database) == [
        (MINI, 1, 1000, 100, 400, 0, 20, Decimal(CHAT_COST), "completed"),
        ("gpt-4o-mini", 1, 1000, 100, 400, 0, 20, Decimal(RESPONSE_COST), "completed"),
        (
            CLAUDE,
            1,
            1110,
            5,
            1000,
            100,
            0,
            Decimal(MESSAGE_COST),
            "completed",
        ),
        ("gemini-2.5-flash", 1, 100, 17, 30, 0, 7, Decimal(CONTENT_COST), "completed"),
        (MINI, 1, 1000, 100, 400, 0, 20, Decimal(CHAT_COST), "completed"),
    ]
    results = {node.step_name: node.result for node in status.nodes}
    assert results["chat"]["choices"][0]["message"]["content"] == "a summary"
    assert results["respond"]["output"][0]["content"][0]["text"] == "a response"
    assert results["message"]["content"][0]["text"] == "a message"
    assert results["generate"]["candidates"][0]["content"]["parts"][0]["text"] == "some content"
    assert results["run"] == "a summary"
    [facts] = await rows(
        database,
        """
        select count(distinct step_name), count(distinct workflow_id), min(queue),
          bool_and(duration_ms > 0), min(prices)
        from baton.workflow_step_stats
        """,
    )
    assert facts[:4] == (5, 1, "llm", True)
    assert facts[4].startswith("genai-prices ")


async def test_plain_functions_and_plain_jobs_record_too(database: str, llm: Providers) -> None:
    llm.server.will(Reply(CHAT), Reply({**CHAT, "id": "chatcmpl-2"}))
    registry = Registry()
    costs = []

    @registry.worker()
    def ask(job: Job) -> None:
        for _ in range(2):
            answer = llm.openai_sync.chat.completions.create(**ASKED)
            costs.append(job.record_usage(answer))
            job.record_usage(answer)  # is the same response

    async with performing(database, registry) as client:
        await client.insert(ask.new())
        await until(all_final(database))
    twice = 2 * Decimal(CHAT_COST)
    assert costs == [Decimal(CHAT_COST)] * 2
    assert await used(database) == [(MINI, 2, 2000, 200, 800, 0, 40, twice, "completed")]
    assert await value(database, "select workflow_id from baton.workflow_step_stats") is None


async def test_each_model_of_an_attempt_has_a_row_and_an_unknown_one_no_price(
    database: str, llm: Providers
) -> None:
    llm.server.will(Reply(CHAT), Reply({**CHAT, "id": "2", "model": "my-own"}), Reply(MESSAGE))
    registry = Registry()

    @llm_worker(registry=registry)
    async def ask(job: Job) -> None:
        first = await llm.openai.chat.completions.create(**ASKED)
        second = await llm.openai.chat.completions.create(**ASKED)
        third = await llm.anthropic.messages.create(**TOLD)
        assert job.record_usage(first) == Decimal(CHAT_COST)
        assert job.record_usage([second, third]) is None

    async with performing(database, registry) as client:
        await client.insert(ask.new())
        await until(all_final(database))
    found = await used(database)
    assert [(row[0], row[-2], row[-1]) for row in found] == [
        (MINI, Decimal(CHAT_COST), "completed"),
        ("my-own", None, "completed"),
        (CLAUDE, Decimal(MESSAGE_COST), "completed"),
    ]


async def test_a_rate_limit_counts_no_attempt_and_waits_as_long_as_it_says(
    database: str, llm: Providers
) -> None:
    limited = Reply(refusal("rate_limit_error"), 429, {"retry-after-ms": "20"})
    overloaded = Reply(refusal("overloaded_error"), 529, {"retry-after": "0"})
    llm.server.will(Reply(CHAT), limited, overloaded, limited, Reply(MESSAGE))
    registry = Registry()
    attempts = []

    @llm_worker(registry=registry, max_attempts=1)
    async def ask(job: Job) -> Any:
        attempts.append(job.attempt)
        if len(attempts) == 1:  # paid for, and then in vain
            job.record_usage(await llm.openai.chat.completions.create(**ASKED))
        if len(attempts) == 3:
            return await llm.agent.run("hi")  # wraps what openai raises
        return await llm.anthropic.messages.create(**TOLD)

    async with performing(database, registry) as client:
        await client.insert(ask.new())
        await until(all_final(database))
    assert attempts == [1, 1, 1, 1]
    assert [(row[0], row[1], row[-1]) for row in await used(database)] == [
        (MINI, 1, "scheduled"),
        (None, 0, "scheduled"),
        (None, 0, "scheduled"),
        (CLAUDE, 1, "completed"),
    ]
    [job] = await rows(database, "select state::text, attempt, errors from baton.jobs")
    assert job == ("completed", 1, [])


ANSWERS: dict[str, tuple[Any, int]] = {  # with how often it is asked for
    "BadRequestError": (Reply(refusal("invalid_request_error"), 400), 1),
    "AuthenticationError": (Reply(refusal("authentication_error"), 401), 1),
    "NotFoundError": (Reply(refusal("not_found_error"), 404), 1),
    "late": (Reply(refusal("timeout_error"), 408), 2),
    "ConflictError": (Reply(refusal("conflict"), 409), 2),
    "InternalServerError": (Reply(refusal("api_error"), 500), 2),
    "unavailable": (Reply(refusal("api_error"), 503), 2),
    "APIConnectionError": (Cut(), 2),
}


@pytest.mark.parametrize("package", ["openai", "anthropic"])
async def test_errors_of_the_request_are_final_and_others_are_tried_again(
    database: str, llm: Providers, package: str
) -> None:
    llm.server.always = {kind: answer for kind, (answer, _) in ANSWERS.items()}
    registry = Registry()

    @llm_worker(registry=registry, max_attempts=2, backoff=lambda _job, _error: 0)
    async def ask(_job: Job, text: str) -> Any:
        messages: Any = [{"role": "user", "content": text}]
        if package == "openai":
            return await llm.openai.chat.completions.create(**{**ASKED, "messages": messages})
        return await llm.anthropic.messages.create(**{**TOLD, "messages": messages})

    async with performing(database, registry) as client:
        await client.insert_all([ask.new(text=kind) for kind in ANSWERS])
        await until(all_final(database))
    found = await rows(
        database, "select args ->> 'text', state::text, errors from baton.jobs order by id"
    )
    assert [(kind, state, len(errors)) for kind, state, errors in found] == [
        (kind, "discarded", tried) for kind, (_, tried) in ANSWERS.items()
    ]
    for kind, _, errors in found:
        assert kind[0].islower() or {error["kind"] for error in errors} == {kind}
        assert all("Traceback" in error["traceback"] for error in errors)
    assert len(llm.server.requests) == sum(tried for _, tried in ANSWERS.values())
    recorded = [row[-1] for row in await used(database)]
    assert recorded.count("retryable") == 5
    assert recorded.count("discarded") == 8


async def test_what_a_failed_attempt_used_is_recorded(database: str, llm: Providers) -> None:
    llm.server.will(Reply(CHAT), Reply({**CHAT, "id": "2"}))
    registry = Registry()

    @llm_worker(registry=registry, backoff=lambda _job, _error: 0)
    async def ask(job: Job) -> str:
        job.record_usage(await llm.openai.chat.completions.create(**ASKED))
        if job.attempt == 1:
            raise ValueError("not what was wanted")
        return "good"

    async with performing(database, registry) as client:
        await client.insert(ask.new())
        await until(all_final(database))
    assert [(row[1], row[-2], row[-1]) for row in await used(database)] == [
        (1, Decimal(CHAT_COST), "retryable"),
        (1, Decimal(CHAT_COST), "completed"),
    ]


TOOL_CALL = {
    **CHAT,
    "id": "chatcmpl-tool",
    "choices": [
        {
            "index": 0,
            "finish_reason": "tool_calls",
            "message": {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {
                        "id": "c1",
                        "type": "function",
                        "function": {"name": "look", "arguments": "{}"},
                    }
                ],
            },
        }
    ],
}


@pytest.mark.parametrize("way", ["plain", "call_llm", "history", "recorded", "thrown away"])
async def test_what_was_paid_for_of_a_run_that_fails_is_recorded_once(
    database: str, llm: Providers, way: str
) -> None:
    llm.server.will(Reply(TOOL_CALL), Reply(CHAT), Reply({**TOOL_CALL, "id": "2"}))
    broken = Reply(refusal("server_error"), 500)
    llm.agent.tool_plain(lambda: "seen", name="look")
    if way in ("plain", "call_llm"):
        llm.server.answers.clear()
        llm.server.will(Reply(TOOL_CALL), broken)
    llm.server.will(broken)
    past = await llm.agent.run("hi") if way == "history" else None
    registry = Registry()

    @llm_worker(registry=registry, max_attempts=1)
    async def ask(job: Job) -> Any:
        match way:
            case "call_llm":
                return await Debug.call_llm(job, llm.agent.run, "hi")
            case "history":
                return await llm.agent.run("more", message_history=past.all_messages())  # type: ignore[union-attr]
            case "recorded":
                job.record_usage((await llm.agent.run("hi")).usage)
                raise ValueError("not what was wanted")
            case "thrown away":
                await llm.agent.run("hi")
                raise ValueError("not what was wanted")
        return await llm.agent.run("hi")

    async with performing(database, registry) as client:
        await client.insert(ask.new())
        await until(all_final(database))
    calls, tokens, state = {
        "recorded": (1, 2_000, "discarded"),  # a sum is a call
        "thrown away": (2, 2_000, "discarded"),
    }.get(way, (1, 1_000, "discarded"))
    [row] = await used(database)
    assert (row[1], row[2], row[-1]) == (calls, tokens, state)
    assert way == "recorded" or row[-2] == calls * Decimal(CHAT_COST)


async def test_the_json_of_a_response_that_a_call_returns_is_read(database: str) -> None:
    registry = Registry()

    @llm_worker(registry=registry)
    def ask(job: Job) -> Any:
        return Debug.call_llm(job, lambda model: CHAT, model="gpt-4o-mini")

    async with performing(database, registry) as client:
        await client.insert(ask.new())
        await until(all_final(database))
    assert [(row[0], row[1], row[-2]) for row in await used(database)] == [
        (MINI, 1, Decimal(CHAT_COST))
    ]


async def test_usage_is_written_while_the_job_runs(database: str, llm: Providers) -> None:
    llm.server.will(Reply(CHAT))
    registry = Registry()
    go_on = asyncio.Event()

    @llm_worker(registry=registry)
    async def ask(job: Job) -> None:
        job.record_usage(await llm.openai.chat.completions.create(**ASKED))
        await go_on.wait()

    async def written() -> bool:
        return [(row[1], row[-1]) for row in await used(database)] == [(1, None)]

    async with performing(database, registry) as client:
        await client.insert(ask.new())
        await until(written)
        go_on.set()
        await until(all_final(database))
    assert [(row[1], row[-1]) for row in await used(database)] == [(1, "completed")]


async def test_what_a_cancelled_job_used_is_recorded_and_its_stream_is_closed(
    database: str, llm: Providers
) -> None:
    llm.server.will(Stream(message_events("so", "far")[:4], then="hang"))
    registry = Registry()
    heard = []

    @llm_worker(registry=registry)
    async def ask(job: Job) -> None:
        async with llm.anthropic.messages.stream(**TOLD) as stream:
            async for event in stream:
                if event.type == "message_start":
                    job.record_usage(event)
                heard.append(event.type)

    async with performing(database, registry) as client:
        inserted = await client.insert(ask.new())
        await llm.server.streaming.wait()
        await until(lambda: _is("content_block_delta" in heard))
        assert await client.cancel_job(inserted.id)
        with anyio.fail_after(60):
            await llm.server.abandoned.wait()
        await until(lambda: _has_rows(database))
    [row] = await used(database)
    assert (row[1], row[3]) == (1, 1)


async def _is(condition: bool) -> bool:
    return condition


async def _has_rows(database: str) -> bool:
    return bool(await used(database))


@pytest.mark.parametrize("package", ["openai", "pydantic-ai"])
async def test_a_timeout_closes_the_stream(
    database: str, llm: Providers, package: str, limits: Limits
) -> None:
    llm.server.will(Stream(chat_chunks("so", "far")[:2], then="hang"))
    registry = Registry()
    heard = anyio.Event()

    @llm_worker(registry=registry, timeout=60, max_attempts=1)
    async def ask(_job: Job) -> None:
        if package == "openai":
            async for _ in await llm.openai.chat.completions.create(**ASKED, stream=True):
                heard.set()
        else:
            async with llm.agent.run_stream("hi") as run:
                async for _ in run.stream_text(debounce_by=None):
                    heard.set()

    async with performing(database, registry) as client:
        await client.insert(ask.new())
        with anyio.fail_after(60):
            await heard.wait()
            limits.are_over()
            await llm.server.abandoned.wait()
        await until(all_final(database))
    assert (
        await value(database, "select errors -> 0 ->> 'kind' from baton.jobs") == "AttemptTimeout"
    )


async def test_streams_name_their_usage_in_the_end(database: str, llm: Providers) -> None:
    llm.server.will(
        Stream(chat_chunks("a", " summary")),
        Stream(message_events("a", " message")),
        Stream(chat_chunks("a", " run", named="chatcmpl-2")),
    )
    registry = Registry()

    @llm_worker(registry=registry)
    async def ask(job: Job) -> list[str]:
        said = []
        options = {"include_usage": True}
        async for chunk in await llm.openai.chat.completions.create(
            **ASKED, stream=True, stream_options=options
        ):
            if chunk.usage is not None:
                job.record_usage(chunk)
        async with llm.anthropic.messages.stream(**TOLD) as stream:
            final = await stream.get_final_message()
        job.record_usage(final)
        async with llm.agent.run_stream("hi") as run:
            said.append(await run.get_output())
        job.record_usage(run)
        return said

    async with performing(database, registry) as client:
        flow = Workflow("streams").add("ask", ask.new())
        await client.insert_workflow(flow)
        await until(all_final(database))
    found = await used(database)
    assert [(row[0], row[1], row[-2]) for row in found][:2] == [
        (MINI, 1, Decimal(CHAT_COST)),
        (CLAUDE, 1, Decimal(MESSAGE_COST)),
    ]
    assert await value(database, "select sum(calls) from baton.workflow_step_stats") == 3


async def test_a_stream_that_is_cut_is_tried_again(database: str, llm: Providers) -> None:
    llm.server.will(Stream(chat_chunks("so", "far")[:2], then="cut"), Stream(chat_chunks("all")))
    registry = Registry()

    @llm_worker(registry=registry, backoff=lambda _job, _error: 0)
    async def ask(_job: Job) -> str:
        stream = await llm.openai.chat.completions.create(**ASKED, stream=True)
        return "".join(
            [chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices]
        )

    async with performing(database, registry) as client:
        flow = Workflow("cut").add("ask", ask.new())
        await client.insert_workflow(flow)
        await until(all_final(database))
    assert await value(database, "select result from baton.workflow_nodes") == "all"
    assert await value(database, "select attempt from baton.jobs") == 2


async def test_an_attempt_that_finds_its_result_calls_nobody(database: str, llm: Providers) -> None:
    llm.server.will(Reply(CHAT))
    registry = Registry()

    @llm_worker(registry=registry, backoff=lambda _job, _error: 0)
    async def ask(job: Job) -> None:
        answer = await llm.openai.chat.completions.create(**ASKED)
        job.record_usage(answer)
        await job.store_result(answer.choices[0].message.content)
        raise ConnectionError("the process is about to go")

    async with performing(database, registry) as client:
        await client.insert_workflow(Workflow("once").add("ask", ask.new()))
        await until(all_final(database))
    assert len(llm.server.requests) == 1
    assert await value(database, "select result from baton.workflow_nodes") == "a summary"
    assert [(row[1], row[-1]) for row in await used(database)] == [(1, "retryable")]


async def test_the_class_form_does_the_same(database: str, llm: Providers) -> None:
    llm.server.will(Reply(refusal("rate_limit_error"), 429, {"retry-after": "0"}), Reply(CHAT))
    registry = Registry()
    with registry.collecting():

        class Ask(LLMWorker, max_attempts=1):
            async def perform(self, _job: Job, /, model: str) -> Any:
                return await llm.openai.chat.completions.create(**{**ASKED, "model": model})

    new = Ask.new(model="gpt-4o-mini")
    assert (new.queue, new.timeout, new.max_attempts) == ("llm", 600.0, 1)
    async with performing(database, registry) as client:
        await client.insert(new)
        await until(all_final(database))
    assert [row[-1] for row in await used(database)] == ["scheduled", "completed"]


async def test_child_processes_say_what_they_used(database: str) -> None:
    prices = {"priced-in-the-*": {"input": "0.25", "output": 1}}
    options = {"app": "tests.services.apps:registry", "prices": prices}
    told: list[int] = []
    with attached("baton.llm.usage", lambda _event, said, _about: told.append(said["calls"])):
        async with performing(database, apps.registry, **options) as client:
            await client.insert(apps.uses_a_model.new())
            await until(all_final(database), seconds=60)
    assert told == [1, 1]
    assert [(row[0], row[1], row[-2], row[-1]) for row in await used(database)] == [
        ("priced-in-the-child", 1, Decimal("0.25"), "retryable"),
        ("priced-in-the-child", 1, Decimal("0.25"), "completed"),
    ]


async def test_what_a_child_process_used_before_it_was_killed_is_recorded(database: str) -> None:
    prices = {"priced-in-the-*": {"input": "0.25", "output": 1}}
    options = {"app": "tests.services.apps:registry", "prices": prices}

    async def written() -> bool:
        return [row[1] for row in await used(database)] == [2]

    async with performing(database, apps.registry, **options) as client:
        job = await client.insert(apps.uses_a_model_for_ever.new())
        await until(written, seconds=60)
        await client.cancel_job(job.id)
        await until(all_final(database))
    [row] = await used(database)
    assert (row[0], row[1], row[-2], row[-1]) == ("priced-in-the-child", 2, Decimal("0.50"), None)


async def test_telemetry_tells_what_is_recorded_once(database: str) -> None:
    registry = Registry()
    told: list[tuple[Any, ...]] = []

    def hear(_event: str, measured: Any, about: Any) -> None:
        told.append(
            (
                about["model"],
                about["step_name"],
                about["worker"],
                measured["calls"],
                measured["input_tokens"],
                measured["output_tokens"],
                measured["cost"],
            )
        )

    @llm_worker(registry=registry, name="ask")
    def ask(job: Job) -> None:
        for tokens in (1_000_000, 3_000_000, 3_000_000):  # a stream says more and more
            job.record_usage(Usage(model=MINI, output_tokens=tokens, response_id="a"))
        job.record_usage(Usage(model="unheard-of", input_tokens=7))

    with attached("baton.llm.usage", hear):
        async with performing(database, registry) as client:
            await client.insert_workflow(Workflow("w").add("asks", ask.new()))
            await until(all_final(database))
    assert told == [
        (MINI, "asks", "ask", 1, 0, 1_000_000, Decimal("0.6")),
        (MINI, "asks", "ask", 0, 0, 2_000_000, Decimal("1.2")),
        ("unheard-of", "asks", "ask", 1, 7, 0, None),
    ]


@contextmanager
def attached(event: str, hear: Any) -> Iterator[None]:
    Telemetry.attach("test", event, hear)
    try:
        yield
    finally:
        Telemetry.detach("test")


async def test_jobs_of_a_test_that_are_drained_record_too(database: str) -> None:
    registry = Registry()

    @llm_worker(registry=registry)
    def ask(job: Job) -> None:
        job.record_usage(Usage(model="gpt-4o-mini", output_tokens=1_000_000))

    async with Client(database) as client:
        await client.insert(ask.new())
    await drain_queue("llm", dsn=database, registry=registry)
    [row] = await used(database)
    assert (row[0], row[-2], row[-1]) == ("gpt-4o-mini", Decimal("0.6"), "completed")


async def test_a_worker_of_a_test_without_a_database_records_and_is_judged_the_same(
    llm: Providers,
) -> None:
    llm.server.will(Reply(CHAT), Reply(refusal("rate_limit_error"), 429, {"retry-after": "9"}))
    registry = Registry()

    @llm_worker(registry=registry)
    async def ask(job: Job) -> Any:
        job.record_usage(Usage(input_tokens=1))
        return await llm.openai.chat.completions.create(**ASKED)

    assert (await perform_job(ask, registry=registry)).id == CHAT["id"]
    snoozed = await perform_job(ask, registry=registry)
    assert isinstance(snoozed, Snooze)
    assert snoozed.delay >= 9
