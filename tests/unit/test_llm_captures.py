"""What is kept of what is said: without its secrets, and no larger than it may be."""

import json
from typing import Any

import pytest

from baton.llm.capture import HIDDEN, captured, hidden

NOBODY: Any = None  # only a redactor asks whose it is


@pytest.mark.parametrize("character", ["x", "é", "模", '"', "\\", "\n"])
@pytest.mark.parametrize("limit", [1_000, 1_001, 1_002, 1_003])
def test_a_capture_is_cut_to_so_many_bytes_at_the_edge_of_a_character(
    character: str, limit: int
) -> None:
    said = f"begun {character * 10_000} ended"
    text, _ = captured(NOBODY, "request", said, redactor=None, max_bytes=limit)
    assert limit * 0.8 < len(text.encode()) <= limit
    content: dict[str, Any] = json.loads(text)
    assert content["bytes"] == len(json.dumps(said, ensure_ascii=False).encode())
    assert "begun" in content["cut"]
    assert content["cut"].endswith('ended"')
    assert "\ufffd" not in content["cut"]


@pytest.mark.parametrize(
    "name",
    [
        "openai_api_key",
        "OPENAI_API_KEY",
        "openaiApiKey",
        "X-Api-Key",
        "x-goog-api-key",
        "token",
        "access_token",
        "accessToken",
        "id_token",
        "client_secret",
        "aws_secret_access_key",
        "Authorization",
        "Proxy-Authorization",
        "Set-Cookie",
        "db_password",
        "credentials",
    ],
)
def test_what_stands_under_the_name_of_a_secret_is_hidden(name: str) -> None:
    assert hidden({"a": [{name: "hush"}]}) == {"a": [{name: HIDDEN}]}


@pytest.mark.parametrize(
    "name",
    [
        "max_tokens",
        "input_tokens",
        "prompt_tokens",
        "max_completion_tokens",
        "maxOutputTokens",
        "completion_tokens_details",
        "token_count",
        "total_token_count",
        "key",
        "secretary",
    ],
)
def test_figures_stay(name: str) -> None:
    assert hidden({name: 7}) == {name: 7}


def test_the_tokens_that_a_model_names_with_their_odds_stay() -> None:
    said = {"content": [{"token": "blue", "logprob": -0.1, "top_logprobs": []}]}
    assert hidden(said) == said
