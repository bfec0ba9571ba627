"""What streams say, put together from their events."""

from typing import Any

import pytest
from anthropic.types import RawContentBlockDeltaEvent, RawContentBlockStartEvent
from google.genai.types import GenerateContentResponse
from openai.types.chat import ChatCompletionChunk

from baton.llm.transcript import Transcript

LOOK = {"name": "look", "arguments": '{"at":"it"}'}


def content(events: list[Any]) -> dict[str, Any]:
    transcript = Transcript()
    for event in events:
        transcript.add(event)
    return transcript.content()


def chunk(index: int = 0, reason: str | None = None, **delta: Any) -> ChatCompletionChunk:
    choice = {"index": index, "delta": delta, "finish_reason": reason}
    chunk = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    return ChatCompletionChunk.model_validate({**chunk, "choices": [choice]})


def calling(arguments: str, **named: Any) -> list[Any]:
    return [{"index": 0, "function": {"arguments": arguments, **named}}]


def test_calls_of_tools_are_put_together_from_the_chunks_of_a_chat() -> None:
    said = content(
        [
            chunk(tool_calls=calling("", name="look")),
            chunk(tool_calls=calling('{"at":')),
            chunk(tool_calls=calling('"it"}')),
            chunk(reason="tool_calls"),
        ]
    )
    assert (said["text"], said["tool_calls"]) == ("", [LOOK])
    assert (said["id"], said["finish_reason"], said["events"]) == ("c", "tool_calls", 4)


def test_several_choices_are_kept_apart() -> None:
    said = content([chunk(1, content="no"), chunk(0, content="y"), chunk(0, content="es")])
    assert [each["text"] for each in said["choices"]] == ["yes", "no"]


def test_refusals_and_reasons_are_no_text() -> None:
    said = content([chunk(reasoning_content="hm"), chunk(refusal="I "), chunk(refusal="won't")])
    assert (said["text"], said["refusal"], said["reasoning"]) == ("", "I won't", "hm")


def test_blocks_of_a_message_are_told_apart() -> None:
    tool = {"type": "tool_use", "id": "t", "name": "look", "input": {}}
    deltas: list[tuple[int, dict[str, str]]] = [
        (0, {"type": "thinking_delta", "thinking": "hm"}),
        (1, {"type": "text_delta", "text": "well"}),
        (2, {"type": "input_json_delta", "partial_json": '{"at":'}),
        (2, {"type": "input_json_delta", "partial_json": '"it"}'}),
    ]
    start = {"type": "content_block_start", "index": 2, "content_block": tool}
    said = content(
        [
            RawContentBlockStartEvent.model_validate(start),
            *[
                RawContentBlockDeltaEvent.model_validate(
                    {"type": "content_block_delta", "index": index, "delta": delta}
                )
                for index, delta in deltas
            ],
        ]
    )
    assert (said["text"], said["reasoning"], said["tool_calls"]) == ("well", "hm", [LOOK])


@pytest.mark.parametrize("status", ["completed", "incomplete"])
def test_items_of_a_response_are_told_apart(status: str) -> None:
    item = {"type": "function_call", "name": "look", "call_id": "1", "arguments": ""}
    arguments = "response.function_call_arguments.delta"
    said = content(
        [
            {"type": "response.created", "response": {"id": "r", "status": "in_progress"}},
            {"type": "response.reasoning_summary_text.delta", "output_index": 0, "delta": "hm"},
            {"type": "response.output_item.added", "output_index": 1, "item": item},
            {"type": arguments, "output_index": 1, "delta": '{"at":'},
            {"type": arguments, "output_index": 1, "delta": '"it"}'},
            {"type": "response.output_text.delta", "output_index": 2, "delta": "well"},
            {"type": f"response.{status}", "response": {"id": "r", "status": status}},
        ]
    )
    assert (said["text"], said["reasoning"], said["tool_calls"]) == ("well", "hm", [LOOK])
    assert (said["id"], said["finish_reason"]) == ("r", status)


def test_parts_of_google_are_told_apart() -> None:
    parts = [
        {"text": "hm", "thought": True},
        {"text": "well"},
        {"functionCall": {"name": "look", "args": {"at": "it"}}},
    ]
    candidate = {"content": {"role": "model", "parts": parts}}
    said = content([GenerateContentResponse.model_validate({"candidates": [candidate]})])
    assert (said["text"], said["reasoning"]) == ("well", "hm")
    assert said["tool_calls"] == [{"name": "look", "arguments": {"at": "it"}}]
