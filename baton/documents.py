"""What may be stored as JSON in PostgreSQL, and how it is written."""

import json
import re
from collections.abc import Callable
from typing import Any

from pydantic import BaseModel
from pydantic_core import from_json

DEEPEST = 200  # what pydantic's parser, which reads the documents again, can take

# json.dumps writes a NUL as \u0000; an even number of backslashes before it makes it plain text.
_ESCAPED_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")


def encode(value: Any, *, default: Callable[[Any], Any] | None = None) -> str:
    """Write a value as JSON that a ``jsonb`` column accepts.

    Raises:
        ValueError: the value is not JSON, or holds what PostgreSQL can't store: a NUL character,
            half a surrogate pair, NaN or an infinity. The message says which.
    """
    try:
        text = json.dumps(
            value, default=default, allow_nan=False, ensure_ascii=False, separators=(",", ":")
        )
        text.encode()
    except TypeError as error:
        raise ValueError(str(error)) from None
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except UnicodeEncodeError:
        raise ValueError("a text holds half a surrogate pair, which is not Unicode") from None
    if text.count("[") + text.count("{") > DEEPEST and not _is_readable(text):
        raise ValueError(f"it is nested more than {DEEPEST} deep")
    if _ESCAPED_NUL.search(text):
        raise ValueError("a text holds a NUL character (\\x00), which PostgreSQL can't store")
    return text


def _is_readable(text: str) -> bool:
    try:
        from_json(text)
    except ValueError:
        return False
    return True


def dump_model(value: Any) -> Any:
    """Turn a pydantic model into plain JSON values; the ``default`` of results."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    raise TypeError(f"a {type(value).__qualname__} is neither JSON nor a pydantic model")


def storable(text: str, limit: int) -> str:
    """Cut a text to ``limit`` characters, keeping both ends, and replace what can't be stored."""
    if len(text) > limit:
        head = limit // 4
        text = f"{text[:head]}\n… {len(text) - limit:,} characters cut …\n{text[head - limit :]}"
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()


def check_text(text: str, what: str) -> str:
    """Return a name that people gave, or say why it can't be one.

    Raises:
        ValueError: it is blank, or can't be stored.
    """
    if not isinstance(text, str):
        raise ValueError(f"{what} must be a text, not {text!r}")  # noqa: TRY004
    if not text.strip():
        raise ValueError(f"{what} must not be blank")
    if "\x00" in text:
        raise ValueError(f"{what} {text!r} holds a NUL character, which PostgreSQL can't store")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{what} {text!r} holds half a surrogate pair") from None
    return text
