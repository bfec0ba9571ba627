"""Streams of the providers' own packages through ``Debug.call_llm``: the same, and captured."""

import asyncio
import gc
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from types import SimpleNamespace
from typing import Any, cast

import anyio
import openai
import pytest
from anthropic import Anthropic
from anyio.to_thread import run_sync

from baton import Job, Registry, State
from baton.jobs import Claim
from baton.llm import Debug, Price, Pricing, Usage, llm_worker
from baton.llm.capture import MAX_BYTES
from baton.llm.meter import Capture, Meter
from tests.providers import (
    CONTENT,
    Reply,
    Stream,
    chat_chunks,
    content_chunks,
    message_events,
    refusal,
    response_events,
)
from tests.services.test_llm_workers import (
    ASKED,
    CLAUDE,
    MINI,
    TOLD,
    Providers,
    llm,
    performing,
    used,
)
from tests.services.test_node import all_final, until
from tests.support import value

__all__ = ["llm"]

pytestmark = pytest.mark.anyio

Ask = Callable[..., Any]
Read = Callable[[Providers, Ask], Awaitable[Any]]
SAID: dict[str, Any] = {"model": "gpt-4o-mini", "input": "hi"}
USED: dict[str, Any] = {"stream_options": {"include_usage": True}}


class Attempt:
    """An attempt whose captures are noted here, without a database."""

    def __init__(self, *, max_bytes: int = MAX_BYTES, pricing: Pricing | None = None) -> None:
        self.captures: list[Capture] = []
        note = self.captures.append
        self.meter = Meter(on_capture=note, pricing=pricing, debug=True, max_bytes=max_bytes)
        now = datetime.now(UTC)
        self.job = Job(
            id=1,
            state=State.EXECUTING,
            queue="llm",
            worker="tests.ask",
            args={},
            meta={},
            tags=(),
            priority=0,
            attempt=1,
            max_attempts=1,
            errors=(),
            epoch=1,
            inserted_at=now,
            scheduled_at=now,
            claim=cast(Claim, SimpleNamespace(meter=self.meter, tally=None, lease=1)),
        )

    def ask(self, call: Any, /, *args: Any, **request: Any) -> Any:
        return Debug.call_llm(self.job, call, *args, **request)

    def heard(self, kind: str = "response") -> list[Any]:
        return [json.loads(each.content) for each in self.captures if each.row["kind"] == kind]

    def rows(self) -> list[dict[str, Any]]:
        assert self.job.claim is not None
        return [row for row in self.job.claim.tally.rows() if row["calls"]]

    def output_tokens(self) -> list[int]:
        return [row["output_tokens"] for row in self.rows()]


def directly(call: Any, /, *args: Any, **request: Any) -> Any:
    return call(*args, **request)


async def chat_loop(llm: Providers, ask: Ask) -> Any:
    stream = await ask(llm.openai.chat.completions.create, **ASKED, **USED, stream=True)
    return [stream.__class__, stream.response.status_code, [chunk async for chunk in stream]]


async def chat_block(llm: Providers, ask: Ask) -> Any:
    async with await ask(llm.openai.chat.completions.create, **ASKED, **USED, stream=True) as read:
        first = await anext(read)
        return [first, [chunk async for chunk in read]]


async def chat_in_a_thread(llm: Providers, ask: Ask) -> Any:
    def read() -> Any:
        create = llm.openai_sync.chat.completions.create
        stream = ask(create, **ASKED, **USED, stream=True)
        assert isinstance(stream, openai.Stream)
        assert not hasattr(stream, "__aiter__")
        return [next(stream), list(stream)]

    return await run_sync(read)


async def chat_helper(llm: Providers, ask: Ask) -> Any:
    async with ask(llm.openai.chat.completions.stream, **ASKED, **USED) as stream:
        types = [event.type async for event in stream]
        return [types, await stream.get_final_completion()]


async def responses_loop(llm: Providers, ask: Ask) -> Any:
    return [event async for event in await ask(llm.openai.responses.create, **SAID, stream=True)]


async def responses_helper(llm: Providers, ask: Ask) -> Any:
    async with ask(llm.openai.responses.stream, **SAID) as stream:
        return await stream.get_final_response()


async def messages_loop(llm: Providers, ask: Ask) -> Any:
    stream = await ask(llm.anthropic.messages.create, **TOLD, stream=True)
    return [event async for event in stream]


async def messages_events(llm: Providers, ask: Ask) -> Any:
    async with ask(llm.anthropic.messages.stream, **TOLD) as stream:
        events = [event.type async for event in stream]
        return [stream.__class__, events, stream.current_message_snapshot]


async def messages_text(llm: Providers, ask: Ask) -> Any:
    async with ask(llm.anthropic.messages.stream, **TOLD) as stream:
        return [text async for text in stream.text_stream]


async def messages_final(llm: Providers, ask: Ask) -> Any:
    async with ask(llm.anthropic.messages.stream, **TOLD) as stream:
        async for event in stream:
            if event.type == "text":
                break  # and read the rest in another way
        return await stream.get_final_message()


async def messages_in_a_thread(llm: Providers, ask: Ask) -> Any:
    def read() -> Any:
        with (
            Anthropic(api_key="k", base_url=llm.server.url, max_retries=0) as client,
            ask(client.messages.stream, **TOLD) as stream,
        ):
            return [list(stream.text_stream), stream.get_final_text()]

    return await run_sync(read)


async def contents_loop(llm: Providers, ask: Ask) -> Any:
    generate = llm.google.aio.models.generate_content_stream
    return [chunk.text async for chunk in await ask(generate, model="gemini", contents="hi")]


async def contents_in_a_thread(llm: Providers, ask: Ask) -> Any:
    def read() -> Any:
        stream = ask(llm.google.models.generate_content_stream, model="gemini", contents="hi")
        return [next(stream).text, [chunk.text for chunk in stream]]

    return await run_sync(read)


CHAT_WAYS = (chat_loop, chat_block, chat_in_a_thread, chat_helper)
RESPONSE_WAYS = (responses_loop, responses_helper)
MESSAGE_WAYS = (
    messages_loop,
    messages_events,
    messages_text,
    messages_final,
    messages_in_a_thread,
)
CONTENT_WAYS = (contents_loop, contents_in_a_thread)
ALIAS, FLASH = "gpt-4o-mini", "gemini-2.5-flash"
WAYS = [
    *[(read, chat_chunks, MINI, "total_tokens", 100, None) for read in CHAT_WAYS],
    *[
        (read, response_events, "gpt-4o-mini", "total_tokens", 100, "completed")
        for read in RESPONSE_WAYS
    ],
    *[(read, message_events, CLAUDE, "output_tokens", 5, "end_turn") for read in MESSAGE_WAYS],
    *[
        (read, content_chunks, "gemini-2.5-flash", "totalTokenCount", 17, "STOP")
        for read in CONTENT_WAYS
    ],
]


@pytest.mark.parametrize(("read", "events", "model", "total", "tokens", "reason"), WAYS)
async def test_a_stream_is_what_it_is_without_us_and_what_it_said_is_captured_once(
    llm: Providers,
    read: Read,
    events: Callable[..., list[Any]],
    model: str,
    total: str,
    tokens: int,
    reason: str | None,
) -> None:
    attempt = Attempt()
    llm.server.will(Stream(events("so ", "it ", "is")), Stream(events("so ", "it ", "is")))
    assert await read(llm, attempt.ask) == await read(llm, directly)
    [said] = attempt.heard()
    assert (said["text"], said["model"], said["ended"]) == ("so it is", model, "completed")
    assert said.get("finish_reason") == reason
    assert said["usage"][total] > 0
    assert attempt.output_tokens() == [tokens]


async def test_a_stream_that_is_left_is_closed_and_captured(llm: Providers) -> None:
    attempt = Attempt()
    llm.server.will(Stream(chat_chunks("so", "far")[:2], then="hang"))
    create = llm.openai.chat.completions.create
    async for _ in await attempt.ask(create, **ASKED, stream=True):
        break
    with anyio.fail_after(60):
        await llm.server.abandoned.wait()
    [said] = attempt.heard()
    assert (said["text"], said["ended"]) == ("so", "left")


async def test_a_generator_that_is_left_is_captured(llm: Providers) -> None:
    attempt = Attempt()
    llm.server.will(Stream(content_chunks("so", "far"), then="hang"))
    generate = llm.google.aio.models.generate_content_stream
    async for _ in await attempt.ask(generate, model="gemini", contents="hi"):
        break
    await until(lambda: _heard(attempt))
    [said] = attempt.heard()
    assert (said["text"], said["ended"]) == ("so", "left")
    assert attempt.output_tokens() == [17]


async def test_a_stream_that_is_dropped_is_captured(llm: Providers) -> None:
    attempt = Attempt()
    llm.server.will(Stream(chat_chunks("so", "far")))
    stream = await attempt.ask(llm.openai.chat.completions.create, **ASKED, stream=True)
    await anext(stream)
    del stream
    gc.collect()
    assert [(said["text"], said["ended"]) for said in attempt.heard()] == [("so", "left")]


@pytest.mark.parametrize("by", ["close", "block"])
async def test_a_stream_that_is_closed_is_captured_as_far_as_it_was_read(
    llm: Providers, by: str
) -> None:
    attempt = Attempt()
    llm.server.will(Stream(message_events("so", "far")[:4], then="hang"))
    async with attempt.ask(llm.anthropic.messages.stream, **TOLD) as stream:
        async for text in stream.text_stream:
            if text == "far":
                break
        if by == "close":
            await stream.close()
            assert len(attempt.heard()) == 1
    [said] = attempt.heard()
    assert (said["text"], said["ended"]) == ("sofar", "closed")
    assert said["usage"]["cache_read_input_tokens"] == 1_000


async def test_a_stream_that_breaks_raises_and_is_captured_with_the_error(llm: Providers) -> None:
    attempt = Attempt()
    llm.server.will(Stream(chat_chunks("so", "far")[:2], then="cut"))
    stream = await attempt.ask(llm.openai.chat.completions.create, **ASKED, stream=True)
    with pytest.raises(openai.APIConnectionError):
        [chunk async for chunk in stream]
    [said] = attempt.heard()
    assert (said["text"], said["ended"]) == ("sofar", "broken")
    assert said["error"]["kind"] == "APIConnectionError"


async def test_a_stream_that_can_not_be_opened_is_captured_as_an_error(llm: Providers) -> None:
    attempt = Attempt()
    llm.server.will(Reply(refusal("api_error"), 500))
    with pytest.raises(Exception, match="no"):
        async with attempt.ask(llm.anthropic.messages.stream, **TOLD):
            pass
    assert [said["status"] for said in attempt.heard("error")] == [500]
    assert attempt.heard() == []


async def test_a_run_of_pydantic_ai_that_streams_is_recorded_and_captured(llm: Providers) -> None:
    attempt = Attempt()
    llm.server.will(Stream(chat_chunks("so ", "it is")))
    async with attempt.ask(llm.agent.run_stream, "hi") as run:
        assert [text async for text in run.stream_text()][-1] == "so it is"
    [[_, answer]] = attempt.heard()
    assert answer["parts"][0]["content"] == "so it is"
    assert attempt.output_tokens() == [100]


@pytest.mark.parametrize("ids", [(None,) * 3, ("a", "b", "c"), (None, "b", "c")])
async def test_a_stream_is_one_call_whatever_ids_its_events_have(
    ids: tuple[str | None, ...],
) -> None:
    seen: list[str | None] = []

    class Listed:
        def price(self, usage: Usage) -> Price:
            seen.append(usage.response_id)
            return Price(Decimal(usage.output_tokens), "listed")

    def contents() -> Iterator[dict[str, Any]]:
        for tokens, named in enumerate(ids, start=1):
            used = {"promptTokenCount": 100, "candidatesTokenCount": tokens}
            yield {**CONTENT, "responseId": named, "usageMetadata": used}

    attempt = Attempt(pricing=Listed())
    *_, final = attempt.ask(contents)
    if final["responseId"] is not None:
        attempt.job.record_usage(final)
    [row] = attempt.rows()
    assert (row["calls"], row["input_tokens"], row["output_tokens"]) == (1, 100, 3)
    assert Decimal(row["cost"]) == 3
    assert set(seen) <= {*ids}  # and no name of ours


async def test_two_streams_without_ids_are_two_calls() -> None:
    def contents() -> Iterator[dict[str, Any]]:
        yield {**CONTENT, "responseId": None}

    attempt = Attempt()
    for _ in range(2):
        assert len(list(attempt.ask(contents))) == 1
    [row] = attempt.rows()
    assert (row["calls"], row["input_tokens"]) == (2, 200)


async def test_what_streams_say_of_unknown_forms_harms_nobody() -> None:
    class Odd:
        type = "response.output_text.delta"

        @property
        def delta(self) -> str:
            raise ValueError("don't look")

    def numbers() -> Iterator[Any]:
        yield from (1, {"choices": 5}, Odd(), {"candidates": [None]}, "text")

    async def others() -> AsyncIterator[Any]:
        for each in numbers():
            yield each

    attempt = Attempt()
    assert len(list(attempt.ask(numbers))) == 5
    assert len([each async for each in attempt.ask(others)]) == 5
    assert [(said["events"], said["ended"]) for said in attempt.heard()] == [(5, "completed")] * 2


async def test_a_large_stream_is_cut_as_other_captures_are(llm: Providers) -> None:
    attempt = Attempt(max_bytes=1_000)
    llm.server.will(Stream(chat_chunks(*["word " * 100] * 10)))
    stream = await attempt.ask(llm.openai.chat.completions.create, **ASKED, stream=True)
    assert len([chunk async for chunk in stream]) == 11
    [said] = attempt.heard()
    assert said["bytes"] > 5_000
    assert len(said["cut"]) < 1_100


async def test_a_stream_of_a_cancelled_job_is_kept_as_far_as_it_came_without_its_secrets(
    database: str, llm: Providers
) -> None:
    llm.server.will(Stream(message_events("so", " far")[:4], then="hang"))
    registry = Registry()
    reached = asyncio.Event()

    @registry.redact
    def hide(_job: Job, kind: str, content: Any) -> Any:
        return {**content, "text": content["text"].upper()} if kind == "response" else kind

    @llm_worker(registry=registry)
    async def ask(job: Job) -> None:
        async with Debug.call_llm(job, llm.anthropic.messages.stream, **TOLD) as stream:
            async for text in stream.text_stream:
                if text == " far":
                    reached.set()

    async with performing(database, registry, llm_debug=True) as client:
        inserted = await client.insert(ask.new())
        await reached.wait()
        assert await client.cancel_job(inserted.id)
        await until(all_final(database))
        await until(lambda: _has_response(database))
        *_, said = await client.debug.entries(inserted.id)
    assert (said.content["text"], said.content["ended"]) == ("SO FAR", "left")
    [row] = await used(database)
    assert (row[0], row[1], row[3]) == (CLAUDE, 1, 1)


async def _heard(attempt: Attempt) -> bool:
    return bool(attempt.heard())


async def _has_response(database: str) -> bool:
    count = "select count(*) from baton.workflow_debug_logs where kind = 'response'"
    return bool(await value(database, count) == 1)
