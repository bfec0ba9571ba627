"""Arrays that are written as text are read as they were given."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from baton.store import literals
from tests.support import value

pytestmark = pytest.mark.anyio

ODD = ["", "null", "NULL", " spaced ", "a,b", '"quoted"', "back\\slash", "{brace}", "é\n\t", "'"]


@pytest.mark.parametrize(
    ("kind", "write", "given"),
    [
        ("text", literals.texts, ODD),
        ("text", literals.optional_texts, [*ODD, None]),
        ("text", literals.optional_texts, []),
        ("boolean", literals.booleans, [True, False]),
        ("boolean", literals.booleans, []),
        ("bigint", literals.numbers, [1, -(2**63), None]),
        ("double precision", literals.numbers, [0.1, 1e-300, 3, None]),
        ("timestamptz", literals.times, [datetime(2026, 1, 2, 3, 4, 5, 6, UTC), None]),
    ],
)
async def test_an_array_is_read_as_it_was_given(
    database: str, kind: str, write: Callable[[Any], str], given: list[Any]
) -> None:
    assert await value(database, f"select %s::{kind}[]", write(given)) == given


async def test_documents_are_written_as_they_are(database: str) -> None:
    given = [text.encode() for text in ODD]
    assert await value(database, "select %s::text[]", literals.documents(given)) == ODD
