"""What may be stored as JSON, and what is said of what may not."""

import math
from typing import Any

import pytest

from baton import documents


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth - 1):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"a": [1, None, True, 1.5]}, '{"a":[1,null,true,1.5]}'),
        ("ü€𝄞", '"ü€𝄞"'),
        ("a\\u0000b", '"a\\\\u0000b"'),
        ({1: "x"}, '{"1":"x"}'),
        (nested(200), "[" * 200 + "]" * 200),
        ([[]] * 500, f"[{','.join(['[]'] * 500)}]"),
    ],
)
def test_json_is_written_as_postgresql_reads_it(value: Any, text: str) -> None:
    assert documents.encode(value) == text


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("a\x00b", "NUL"),
        ("\\\x00", "NUL"),
        ({"\x00": 1}, "NUL"),
        ("\udc80", "surrogate"),
        (math.nan, "not JSON compliant"),
        (-math.inf, "not JSON compliant"),
        ({1, 2}, "not JSON serializable"),
        (b"x", "not JSON serializable"),
        ({(1, 2): 3}, "keys must be"),
        (nested(300), "nested more than 200 deep"),
        (nested(100_000), "nested too deeply"),
        (10**5_000, "digits"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_cannot_be_stored_is_refused_with_the_reason(value: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        documents.encode(value)


def test_a_value_that_contains_itself_is_refused() -> None:
    value: list[Any] = []
    value.append(value)
    with pytest.raises(ValueError, match="Circular"):
        documents.encode(value)


def test_long_texts_keep_both_ends_and_say_what_is_missing() -> None:
    text = documents.storable("begin" + "x" * 1_000 + "end\x00", 100)
    assert text.startswith("begin")
    assert text.endswith("end\ufffd")
    assert "909 characters cut" in text
    assert documents.storable("short", 100) == "short"
