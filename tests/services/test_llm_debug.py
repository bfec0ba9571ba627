"""What steps say to language models and hear from them, captured."""

import asyncio
from decimal import Decimal
from typing import Any

import anyio
import pytest

from baton import Client, Job, Registry, SyncClient, Workflow
from baton.ambient import ambient
from baton.errors import InvalidFilter, NotFound
from baton.llm import Debug, llm_worker
from baton.testing import drain_queue
from tests.providers import (
    CHAT,
    CHAT_COST,
    MESSAGE_COST,
    Cut,
    Reply,
    Stream,
    chat_chunks,
    message_events,
    refusal,
)
from tests.services import apps
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
from tests.support import rows, value

__all__ = ["llm"]

pytestmark = pytest.mark.anyio


def kinds(entries: Any) -> list[str]:
    return [entry.kind for entry in entries]


async def test_a_step_of_a_workflow_with_debug_is_captured(database: str, llm: Providers) -> None:
    llm.server.will(Reply(refusal("api_error"), 500), Reply(CHAT))
    registry = Registry()

    @registry.worker()
    def fetch(_job: Job) -> str:
        return "documents"

    @llm_worker(registry=registry, backoff=lambda _job, _error: 0)
    async def summarize(job: Job, style: str) -> Any:
        create = llm.openai.chat.completions.create
        return await Debug.call_llm(job, create, **ASKED, extra_headers={"X-API-Key": "hush"})

    flow = Workflow("w", debug=True, context={"language": "en"})
    flow.add("fetch", fetch.new()).add("summarize", summarize.new(style="short"), deps=["fetch"])
    async with performing(database, registry) as client:
        await client.insert_workflow(flow)
        await until(all_final(database))
    async with Client(database) as client:
        entries = await client.debug.entries(str(flow.workflow_id)[:8], "summarize")
        job_id = entries[0].job_id
        with SyncClient(database) as sync_client, ambient.using(client, sync_client):
            assert sync_client.debug.entries(job_id) == entries
            assert await Debug.entries(flow.workflow_id, "summarize") == entries
        assert await client.debug.entries(job_id, limit=1) == entries[-1:]
        assert await client.debug.entries(flow.workflow_id, "fetch") == []
    assert kinds(entries) == ["context", "request", "error", "context", "request", "response"]
    assert [entry.attempt for entry in entries] == [1, 1, 1, 2, 2, 2]
    context, request, error, *_, response = [entry.content for entry in entries]
    assert context["args"] == {"style": "short"}
    assert context["results"] == {"fetch": "documents"}
    assert context["context"] == {"language": "en"}
    assert request["messages"] == ASKED["messages"]
    assert request["extra_headers"] == {"X-API-Key": "[redacted]"}
    assert (error["kind"], error["status"]) == ("InternalServerError", 500)
    assert response["choices"][0]["message"]["content"] == "a summary"
    assert [(row[0], row[1], row[-2]) for row in await used(database)] == [
        (None, 0, None),
        (MINI, 1, Decimal(CHAT_COST)),
    ]


async def test_nothing_is_captured_unless_it_is_asked_for(database: str, llm: Providers) -> None:
    llm.server.will(Reply(CHAT))
    registry = Registry()
    asked = []

    @llm_worker(registry=registry)
    async def ask(job: Job) -> None:
        asked.append(Debug.enabled(job))
        Debug.log_request(job, {"prompt": "hi"})
        await Debug.call_llm(job, llm.openai.chat.completions.create, **ASKED)

    async with performing(database, registry) as client:
        await client.insert_workflow(Workflow("w").add("a", ask.new()))
        await until(all_final(database))
    assert asked == [False]
    assert await value(database, "select count(*) from baton.workflow_debug_logs") == 0
    assert [(row[0], row[1]) for row in await used(database)] == [(MINI, 1)]


async def test_the_setting_captures_plain_jobs_and_plain_functions_too(
    database: str, llm: Providers
) -> None:
    llm.server.will(Reply(CHAT))
    registry = Registry()

    @registry.worker()
    def ask(job: Job) -> None:
        answer = Debug.call_llm(job, llm.openai_sync.chat.completions.create, **ASKED)
        Debug.log_request(job, {"by": "hand"})
        Debug.log_response(job, answer.usage)

    async with performing(database, registry, llm_debug=True) as client:
        job = await client.insert(ask.new())
        await until(all_final(database))
        await until(lambda: has_entries(database, 5))
        entries = await client.debug.entries(job.id)
    assert kinds(entries) == ["context", "request", "response", "request", "response"]
    assert entries[-1].content["prompt_tokens"] == 1_000
    assert entries[0].content["results"] == {}


async def has_entries(database: str, count: int) -> bool:
    return bool(await value(database, "select count(*) from baton.workflow_debug_logs") >= count)


class Rude:
    def __repr__(self) -> str:
        raise ValueError("don't look")


async def test_whatever_is_said_can_be_kept_and_a_large_capture_is_cut(database: str) -> None:
    circle: dict[str, Any] = {}
    circle["self"] = circle
    deep: Any = 1
    for _ in range(2_000):
        deep = [deep]
    said = [
        "\x00 and \ud800",
        {"nan": float("nan"), "bytes": b"\xff\x00", "key": {1: object}},
        circle,
        deep,
        Rude(),
        "x" * 10_000,
        {"password": "hush", "nested": [{"Authorization": "Bearer hush", "tokens": 3}]},
    ]
    registry = Registry()

    @llm_worker(registry=registry)
    def ask(job: Job) -> None:
        for each in said:
            Debug.log_request(job, each)

    async with Client(database) as client:
        job = await client.insert(ask.new())
    options = {"llm_debug": True, "debug_log_max_bytes": 5_000}
    async with performing(database, registry, **options) as client:
        await until(all_final(database))
        await until(lambda: has_entries(database, 1 + len(said)))
        entries = await client.debug.entries(job.id)
    _, *contents = [entry.content for entry in entries]
    assert contents[1]["nan"] == "NaN"
    assert contents[5]["bytes"] == 10_002
    assert len(contents[5]["cut"]) < 5_000
    assert "bytes cut" in contents[5]["cut"]
    assert contents[6] == {
        "password": "[redacted]",
        "nested": [{"Authorization": "[redacted]", "tokens": 3}],
    }


async def test_a_program_hides_what_it_wants_hidden(database: str) -> None:
    registry = Registry()

    @registry.redact
    def hide(job: Job, kind: str, content: Any) -> Any:
        if content == {"fails": True}:
            raise KeyError("nothing to hide")
        return {"of": job.worker.rpartition(".")[2], "kind": kind, "size": len(content)}

    @llm_worker(registry=registry)
    def ask(job: Job) -> None:
        Debug.log_request(job, "secret")
        Debug.log_response(job, {"fails": True})

    flow = Workflow("w", debug=True).add("a", ask.new())
    async with Client(database) as client:
        await client.insert_workflow(flow)
        await drain_queue("llm", dsn=database, registry=registry)
        entries = await client.debug.entries(flow.workflow_id, "a")
    assert [entry.content for entry in entries] == [
        {"of": "ask", "kind": "context", "size": 4},
        {"of": "ask", "kind": "request", "size": 6},
        {"redactor_failed": "KeyError"},
    ]


async def test_what_child_processes_capture_is_kept(database: str) -> None:
    options = {"app": "tests.services.apps:registry", "llm_debug": True}
    async with performing(database, apps.registry, **options) as client:
        job = await client.insert(apps.uses_a_model.new())
        await until(all_final(database), seconds=200)
        await until(lambda: has_entries(database, 2))
        entries = await client.debug.entries(job.id)
    assert kinds(entries) == ["context", "context"]


async def test_what_can_not_be_found_is_said(database: str) -> None:
    async with Client(database) as client:
        flow = Workflow("w").add("a", apps.pid.new())
        await client.insert_workflow(flow)
        with pytest.raises(NotFound, match="there is no step 'b' in workflow"):
            await client.debug.entries(flow.workflow_id, "b")
        with pytest.raises(InvalidFilter, match="name one of the workflow"):
            await client.debug.entries(flow.workflow_id)
        with pytest.raises(NotFound, match="there is no job 12345"):
            await client.debug.entries(12_345)


async def test_calls_that_stream_are_listened_to(database: str, llm: Providers) -> None:
    llm.server.will(
        Stream(chat_chunks("a", " summary")),
        Stream(message_events("a", " message")),
        Stream(message_events("a", " message")),
        Stream(chat_chunks("sync", named="chatcmpl-2")),
    )
    registry = Registry()
    heard: list[Any] = []

    @llm_worker(registry=registry)
    async def ask(job: Job) -> None:
        create = llm.openai.chat.completions.create
        more = {"stream": True, "stream_options": {"include_usage": True}}
        chunks = await Debug.call_llm(job, create, **ASKED, **more)
        heard.extend([chunk.usage async for chunk in chunks])
        async with Debug.call_llm(job, llm.anthropic.messages.stream, **TOLD) as stream:
            heard.append(await stream.get_final_text())

    @llm_worker(registry=registry)
    async def raw(job: Job) -> None:
        create = llm.anthropic.messages.create
        events = await Debug.call_llm(job, create, **TOLD, stream=True)
        heard.extend([event.type async for event in events])

    @llm_worker(registry=registry)
    def plain(job: Job) -> None:
        more = {"stream": True, "stream_options": {"include_usage": True}}
        create = llm.openai_sync.chat.completions.create
        heard.extend(Debug.call_llm(job, create, **ASKED, **more))

    flow = Workflow("w").add("a", ask.new()).add("b", raw.new(), deps=["a"])
    flow.add("c", plain.new(), deps=["b"])
    async with performing(database, registry) as client:
        await client.insert_workflow(flow)
        await until(all_final(database))
    assert "a message" in heard
    assert [(row[0], row[1], row[3], row[-2], row[-1]) for row in await used(database)] == [
        (MINI, 1, 100, Decimal(CHAT_COST), "completed"),
        (CLAUDE, 1, 5, Decimal(MESSAGE_COST), "completed"),
        (CLAUDE, 1, 5, Decimal(MESSAGE_COST), "completed"),
        (MINI, 1, 100, Decimal(CHAT_COST), "completed"),
    ]


@pytest.mark.parametrize("where", ["reading", "elsewhere"])
async def test_a_stream_of_a_cancelled_job_is_closed_and_what_it_said_is_recorded(
    database: str, llm: Providers, where: str
) -> None:
    llm.server.will(Stream(message_events("so", "far")[:4], then="hang"))
    registry = Registry()
    reached = asyncio.Event()

    @llm_worker(registry=registry)
    async def ask(job: Job) -> None:
        create = llm.anthropic.messages.create
        async for event in await Debug.call_llm(job, create, **TOLD, stream=True):
            if event.type == "content_block_delta":
                reached.set()
                if where == "elsewhere":
                    await asyncio.Event().wait()

    async with performing(database, registry) as client:
        inserted = await client.insert(ask.new())
        await reached.wait()
        assert await client.cancel_job(inserted.id)
        with anyio.fail_after(60):
            await llm.server.abandoned.wait()
    [row] = await used(database)
    assert (row[0], row[1], row[3]) == (CLAUDE, 1, 1)


async def test_a_broken_connection_is_captured_and_judged(database: str, llm: Providers) -> None:
    llm.server.will(Cut(), Reply(CHAT))
    registry = Registry()

    @llm_worker(registry=registry, backoff=lambda _job, _error: 0)
    async def ask(job: Job) -> Any:
        return await Debug.call_llm(job, llm.openai.chat.completions.create, **ASKED)

    async with performing(database, registry, llm_debug=True) as client:
        job = await client.insert(ask.new())
        await until(all_final(database))
        await until(lambda: has_entries(database, 6))
        entries = await client.debug.entries(job.id)
    assert kinds(entries) == ["context", "request", "error", "context", "request", "response"]
    assert entries[2].content["kind"] == "APIConnectionError"
    found = await rows(database, "select attempt, state::text from baton.jobs")
    assert found == [(2, "completed")]
