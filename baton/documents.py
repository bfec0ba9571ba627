"""What may be stored as JSON in PostgreSQL, and how it is written."""

import json
import re
from collections.abc import Callable, Mapping
from math import isfinite
from typing import Any

from pydantic import BaseModel
from pydantic_core import from_json, to_json

QUEUE_BYTES = (
    500  # of the name of a queue or a process; one word is said of each to those who listen
)
NAME_BYTES = 2_000  # of what an index holds: PostgreSQL takes 2,700 with the key beside it
DEEPEST = 200  # what pydantic's parser, which reads the documents again, can take

# json.dumps writes a NUL as \u0000; an even number of backslashes before it makes it plain text.
_ESCAPED_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")
_NUL = "\\u0000"
# json.dumps makes an encoder for each call that asks for anything but its defaults
_OPTIONS: dict[str, Any] = {
    "allow_nan": False,
    "ensure_ascii": False,
    "separators": (",", ":"),
}
_ENCODER = json.JSONEncoder(**_OPTIONS)
_LARGEST_PLAIN = 2**63  # longer integers may be too long for a text


def encode(value: Any, *, default: Callable[[Any], Any] | None = None) -> str:
    """Write a value as JSON that a ``jsonb`` column accepts.

    Raises:
        ValueError: the value is not JSON, or holds what PostgreSQL can't store: a NUL character,
            half a surrogate pair, NaN or an infinity. The message says which.
    """
    encoder = _ENCODER if default is None else json.JSONEncoder(default=default, **_OPTIONS)
    try:
        text = encoder.encode(value)
        if not text.isascii():
            text.encode()
    except TypeError as error:
        raise ValueError(str(error)) from None
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except UnicodeEncodeError:
        raise ValueError("a text holds half a surrogate pair, which is not Unicode") from None
    if text.count("[") + text.count("{") > DEEPEST and not _is_readable(text):
        raise ValueError(f"it is nested more than {DEEPEST} deep")
    if _NUL in text and _ESCAPED_NUL.search(text):
        raise ValueError("a text holds a NUL character (\\x00), which PostgreSQL can't store")
    return text


def encode_mapping(value: Mapping[str, Any]) -> bytes:
    """Do what `encode` does with an object, quickly if it holds nothing but texts and numbers.

    Raises:
        ValueError: as `encode` does.
    """
    if type(value) is not dict:
        value = dict(value)
    for name, each in value.items():
        if type(name) is not str or not is_plain(name) or not is_plain(each):
            return encode(value).encode()
    return to_json(value)


def is_plain(value: Any) -> bool:
    """Whether a value is a text, number, bool or None of which it is quick to see that it fits."""
    kind = type(value)
    if kind is str:
        return bool(value.isascii() and "\x00" not in value)
    if kind is int:
        return bool(-_LARGEST_PLAIN < value < _LARGEST_PLAIN)
    if kind is float:
        return isfinite(value)
    return value is None or kind is bool


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


def check_text(text: str, what: str, *, most: int | None = None) -> str:
    """Return a name that people gave, or say why it can't be one.

    Args:
        text: the name.
        what: what it names, for the error.
        most: bytes that it may have.

    Raises:
        ValueError: it is blank, too long, or can't be stored.
    """
    if not isinstance(text, str):
        raise ValueError(f"{what} must be a text, not {text!r}")  # noqa: TRY004
    if not text.strip():
        raise ValueError(f"{what} must not be blank")
    if "\x00" in text:
        raise ValueError(f"{what} {text!r} holds a NUL character, which PostgreSQL can't store")
    try:
        if not text.isascii():
            text.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{what} {text!r} holds half a surrogate pair") from None
    if most is not None and 4 * len(text) > most and len(text.encode()) > most:
        raise ValueError(f"{what} {text[:20]!r}… is longer than {most} bytes")
    return text
