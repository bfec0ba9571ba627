"""A server that speaks as OpenAI, Anthropic and Google do, for their own packages to talk to.

It answers with what a test has queued, in order, whichever path is asked for, and notes what it was
asked. Of a stream it sees when the client goes away.
"""

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Reply:
    """An answer at once: what the server says in one go."""

    body: Any
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Stream:
    """An answer piece by piece; ``then`` says what comes after the last one.

    ``end`` ends it, ``cut`` breaks the connection, ``hang`` waits until the client goes away.
    """

    events: Sequence[Any]
    then: str = "end"


class Cut:
    """No answer: the connection is closed when the request has been read."""


Answer = Reply | Stream | Cut | type[Cut]


@dataclass
class Request:
    """What was asked for."""

    path: str
    headers: dict[str, str]
    body: Any


class Provider:
    """The server; `provider` starts one."""

    def __init__(self) -> None:
        self.answers: deque[Answer] = deque()
        self.always: dict[str, Answer] = {}  # by a text that the request holds
        self.requests: list[Request] = []
        self.streaming = asyncio.Event()  # all events of a stream were sent
        self.abandoned = asyncio.Event()  # a client went away while it was answered
        self.url = ""

    def will(self, *answers: Answer) -> None:
        self.answers.extend(answers)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while (request := await _read(reader)) is not None:
                self.requests.append(request)
                if not await self._answer(self._next(request), reader, writer):
                    break
        except ConnectionError:
            self.abandoned.set()
        finally:
            with suppress(ConnectionError):
                writer.close()

    def _next(self, request: Request) -> Answer:
        asked = json.dumps(request.body)
        found = [answer for text, answer in self.always.items() if text in asked]
        return found[0] if found else self.answers.popleft()

    async def _answer(
        self, answer: Answer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        if isinstance(answer, Reply):
            body = json.dumps(answer.body).encode()
            headers = {"content-type": "application/json", **answer.headers}
            writer.write(_head(answer.status, {**headers, "content-length": str(len(body))}) + body)
            await writer.drain()
            return True
        if not isinstance(answer, Stream):
            writer.transport.abort()
            return False
        kind = {"content-type": "text/event-stream", "transfer-encoding": "chunked"}
        writer.write(_head(200, kind))
        for event in answer.events:
            writer.write(_chunk(event))
            await writer.drain()
        self.streaming.set()
        if answer.then == "end":
            writer.write(b"0\r\n\r\n")
            await writer.drain()
            return True
        if answer.then == "hang":
            assert await reader.read(1) == b""
            self.abandoned.set()
        writer.transport.abort()
        return False


@asynccontextmanager
async def provider() -> AsyncIterator[Provider]:
    made = Provider()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    made.url = f"http://{host}:{port}"
    try:
        yield made
    finally:
        server.close()
        if hasattr(server, "close_clients"):  # Python 3.13
            server.close_clients()


async def _read(reader: asyncio.StreamReader) -> Request | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.strip().split("\r\n")
    headers = {name.lower(): text for name, _, text in (line.partition(": ") for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Request(first.split()[1], headers, json.loads(body) if body else None)


def _head(status: int, headers: Mapping[str, str]) -> bytes:
    lines = [f"HTTP/1.1 {status} Said", *(f"{name}: {text}" for name, text in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def _chunk(event: Any) -> bytes:
    """An event as OpenAI writes it, or as Anthropic does, with its type on a line of its own."""
    if isinstance(event, str):
        text = f"data: {event}\n\n"
    elif "type" in event:
        text = f"event: {event['type']}\ndata: {json.dumps(event)}\n\n"
    else:
        text = f"data: {json.dumps(event)}\n\n"
    return f"{len(text.encode()):x}\r\n{text}\r\n".encode()


CHAT: dict[str, Any] = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "gpt-4o-mini-2024-07-18",
    "choices": [
        {
            "index": 0,
            "finish_reason": "stop",
            "logprobs": None,
            "message": {"role": "assistant", "content": "a summary", "refusal": None},
        }
    ],
    "service_tier": "default",
    "usage": {
        "prompt_tokens": 1_000,
        "completion_tokens": 100,
        "total_tokens": 1_100,
        "prompt_tokens_details": {"cached_tokens": 400, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 20},
    },
}
CHAT_COST = "0.00018"

RESPONSE: dict[str, Any] = {
    "id": "resp_1",
    "object": "response",
    "created_at": 1,
    "status": "completed",
    "model": "gpt-4o-mini",
    "output": [
        {
            "id": "item_1",
            "type": "message",
            "role": "assistant",
            "status": "completed",
            "content": [{"type": "output_text", "text": "a response", "annotations": []}],
        }
    ],
    "parallel_tool_calls": True,
    "tool_choice": "auto",
    "tools": [],
    "usage": {
        "input_tokens": 1_000,
        "input_tokens_details": {"cached_tokens": 400, "cache_write_tokens": 0},
        "output_tokens": 100,
        "output_tokens_details": {"reasoning_tokens": 20},
        "total_tokens": 1_100,
    },
}
RESPONSE_COST = "0.00018"

MESSAGE: dict[str, Any] = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "content": [{"type": "text", "text": "a message"}],
    "model": "claude-sonnet-4-5-20250929",
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {
        "input_tokens": 10,
        "output_tokens": 5,
        "cache_creation_input_tokens": 100,
        "cache_read_input_tokens": 1_000,
        "cache_creation": {"ephemeral_5m_input_tokens": 60, "ephemeral_1h_input_tokens": 40},
        "service_tier": "standard",
    },
}
MESSAGE_COST = "0.00087"

CONTENT: dict[str, Any] = {
    "candidates": [{"content": {"role": "model", "parts": [{"text": "some content"}]}}],
    "modelVersion": "gemini-2.5-flash",
    "responseId": "google-1",
    "usageMetadata": {
        "promptTokenCount": 100,
        "candidatesTokenCount": 10,
        "thoughtsTokenCount": 7,
        "cachedContentTokenCount": 30,
        "totalTokenCount": 117,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 100}],
    },
}
CONTENT_COST = "0.0000644"


def chat_chunks(*words: str, named: str = "chatcmpl-1") -> list[Any]:
    """A streamed chat completion, with its usage in the last chunk."""
    shared = {**{key: CHAT[key] for key in ("created", "model")}, "id": named}
    shared["object"] = "chat.completion.chunk"
    said = [
        {**shared, "choices": [{"index": 0, "delta": {"content": word}, "finish_reason": None}]}
        for word in words
    ]
    return [*said, {**shared, "choices": [], "usage": CHAT["usage"]}, "[DONE]"]


def message_events(*words: str) -> list[Any]:
    """A streamed message."""
    start = {**MESSAGE, "content": [], "stop_reason": None}
    start["usage"] = {**MESSAGE["usage"], "output_tokens": 1}
    deltas = [
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": word}}
        for word in words
    ]
    return [
        {"type": "message_start", "message": start},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        *deltas,
        {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn", "stop_sequence": None},
            "usage": {"output_tokens": 5},
        },
        {"type": "message_stop"},
    ]


def response_events(*words: str) -> list[Any]:
    """A streamed response of OpenAI."""
    begun = {**RESPONSE, "status": "in_progress", "output": [], "usage": None}
    item = {**RESPONSE["output"][0], "status": "in_progress", "content": []}
    part = {"type": "output_text", "text": "", "annotations": []}
    whole = {**part, "text": "".join(words)}
    place = {"item_id": "item_1", "output_index": 0, "content_index": 0, "logprobs": []}
    done = {**RESPONSE["output"][0], "content": [whole]}
    events = [
        {"type": "response.created", "response": begun},
        {"type": "response.output_item.added", "output_index": 0, "item": item},
        {"type": "response.content_part.added", **place, "part": part},
        *[{"type": "response.output_text.delta", **place, "delta": word} for word in words],
        {"type": "response.output_text.done", **place, "text": whole["text"]},
        {"type": "response.output_item.done", "output_index": 0, "item": done},
        {"type": "response.completed", "response": {**RESPONSE, "output": [done]}},
    ]
    return [{**event, "sequence_number": number} for number, event in enumerate(events)]


def content_chunks(*words: str) -> list[Any]:
    """What Google streams: each chunk names what was used so far."""
    said = [[{"content": {"role": "model", "parts": [{"text": word}]}}] for word in words]
    said[-1][0]["finishReason"] = "STOP"  # type: ignore[assignment]
    return [{**CONTENT, "candidates": candidates} for candidates in said]


def refusal(kind: str, message: str = "no") -> dict[str, Any]:
    """An error as OpenAI and Anthropic write it."""
    return {"type": "error", "error": {"type": kind, "code": kind, "message": message}}
