"""What calls used, read from the response objects of the providers' own packages."""

import asyncio
from typing import Any

import pytest
from anthropic.types import Message, RawMessageStartEvent
from google.genai.types import GenerateContentResponse
from openai.types import CreateEmbeddingResponse
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response, ResponseCompletedEvent
from pydantic_ai import Agent
from pydantic_ai.messages import ModelResponse
from pydantic_ai.models.test import TestModel
from pydantic_ai.usage import RequestUsage

from baton.errors import UnreadableUsage
from baton.llm import Usage, read
from tests.providers import CHAT, CONTENT, MESSAGE

RESPONSE: dict[str, Any] = {
    "id": "resp_1",
    "object": "response",
    "created_at": 1,
    "model": "gpt-5-mini",
    "output": [],
    "parallel_tool_calls": True,
    "tool_choice": "auto",
    "tools": [],
    "service_tier": "flex",
    "usage": {
        "input_tokens": 1_000,
        "input_tokens_details": {"cached_tokens": 1, "cache_write_tokens": 0},
        "output_tokens": 50,
        "output_tokens_details": {"reasoning_tokens": 2},
        "total_tokens": 1_050,
    },
}
EXPECTED = {
    "chat": Usage(
        model="gpt-4o-mini-2024-07-18",
        input_tokens=1_000,
        output_tokens=100,
        cached_tokens=400,
        reasoning_tokens=20,
        response_id="chatcmpl-1",
    ),
    "responses": Usage(
        model="gpt-5-mini",
        input_tokens=1_000,
        output_tokens=50,
        cached_tokens=1,
        reasoning_tokens=2,
        tier="flex",
        response_id="resp_1",
    ),
    "anthropic": Usage(
        model="claude-sonnet-4-5-20250929",
        input_tokens=1_110,
        output_tokens=5,
        cached_tokens=1_000,
        cache_write_tokens=100,
        details={"cache_write_5m_tokens": 60, "cache_write_1h_tokens": 40},
        response_id="msg_1",
    ),
    "google": Usage(
        model="gemini-2.5-flash",
        input_tokens=100,
        output_tokens=17,
        cached_tokens=30,
        reasoning_tokens=7,
        details={"input_text_tokens": 100},
        response_id="google-1",
    ),
}


@pytest.mark.parametrize(
    ("form", "given"),
    [
        ("chat", ChatCompletion.model_validate(CHAT)),
        ("chat", CHAT),
        ("responses", Response.model_validate(RESPONSE)),
        ("responses", RESPONSE),
        ("anthropic", Message.model_validate(MESSAGE)),
        ("anthropic", MESSAGE),
        ("google", GenerateContentResponse.model_validate(CONTENT)),
        ("google", CONTENT),
        ("google", GenerateContentResponse.model_validate(CONTENT).model_dump(mode="json")),
    ],
)
def test_a_response_and_its_json_say_the_same(form: str, given: Any) -> None:
    assert read(given) == [EXPECTED[form]]


def test_the_events_of_streams_that_name_a_usage_are_read() -> None:
    chunk = {**CHAT, "object": "chat.completion.chunk", "choices": []}
    completed = {"type": "response.completed", "sequence_number": 3, "response": RESPONSE}
    started = RawMessageStartEvent.model_validate({"type": "message_start", "message": MESSAGE})
    assert read(ChatCompletionChunk.model_validate(chunk)) == [EXPECTED["chat"]]
    assert read(ResponseCompletedEvent.model_validate(completed)) == [EXPECTED["responses"]]
    assert read(started) == [EXPECTED["anthropic"]]


def test_embeddings_have_an_input_only() -> None:
    given = CreateEmbeddingResponse.model_validate(
        {
            "object": "list",
            "data": [],
            "model": "text-embedding-3-small",
            "usage": {"prompt_tokens": 8, "total_tokens": 8},
        }
    )
    assert read(given) == [Usage(model="text-embedding-3-small", input_tokens=8)]


def test_each_call_of_a_run_of_pydantic_ai_is_read_from_its_messages() -> None:
    agent = Agent(TestModel(model_name="gpt-4o"))

    @agent.tool_plain
    def look() -> str:
        return "found"

    run = asyncio.run(agent.run("hello"))
    calls = read(run)
    assert [(call.model, call.provider) for call in calls] == [("gpt-4o", "test")] * 2
    assert sum(call.input_tokens for call in calls) == run.usage.input_tokens
    assert sum(call.output_tokens for call in calls) == run.usage.output_tokens
    assert read(run.response) == [calls[-1]]
    [total] = read(run.usage)
    assert (total.model, total.input_tokens) == (None, run.usage.input_tokens)


def test_a_response_of_pydantic_ai_names_its_provider() -> None:
    usage = RequestUsage(input_tokens=9, cache_read_tokens=4, output_tokens=3)
    response = ModelResponse(
        parts=[], usage=usage, model_name="gemini-2.5-pro", provider_name="google-gla"
    )
    expected = Usage(
        model="gemini-2.5-pro",
        provider="google",
        input_tokens=9,
        output_tokens=3,
        cached_tokens=4,
    )
    assert read(response) == [expected]


def test_several_responses_are_read_together() -> None:
    assert read([CHAT, (MESSAGE, Usage(input_tokens=1))]) == [
        EXPECTED["chat"],
        EXPECTED["anthropic"],
        Usage(input_tokens=1),
    ]


@pytest.mark.parametrize(
    "given",
    [None, "text", 7, {}, {"usage": "much"}, {"usage": {"storage": 3}}, [], object()],
)
def test_what_names_no_usage_is_refused(given: Any) -> None:
    with pytest.raises(UnreadableUsage, match="no usage of a language model can be found in a"):
        read(given)


@pytest.mark.parametrize("amount", [-1, 1.5, True, 2**63, "3"])
def test_an_amount_is_a_number_of_tokens(amount: Any) -> None:
    with pytest.raises(ValueError, match="input_tokens must be a number of tokens"):
        Usage(input_tokens=amount)


def test_names_are_such_that_they_can_be_stored() -> None:
    usage = Usage(model="m\x00" + "x" * 1_000, provider="\ud800")
    assert usage.model is not None
    assert len(usage.model) < 300
    assert "\x00" not in usage.model
    assert usage.provider == "?"
