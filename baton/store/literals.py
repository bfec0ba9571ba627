"""Array literals of PostgreSQL: psycopg writes a list element by element, in 5 µs and more."""

from collections.abc import Iterable
from datetime import datetime


def texts(given: Iterable[str]) -> str:
    """Write texts, of which there must be some, as an array."""
    return documents(text.encode() for text in given)


def documents(given: Iterable[bytes]) -> str:
    """Write encoded texts, of which there must be some, as an array."""
    quoted = (each.replace(b"\\", b"\\\\").replace(b'"', b'\\"') for each in given)
    return (b'{"' + b'","'.join(quoted) + b'"}').decode()


def optional_texts(given: Iterable[str | None]) -> str:
    """Write texts, of which some or all may be missing, as an array."""
    return "{" + ",".join("null" if each is None else _quoted(each) for each in given) + "}"


def _quoted(text: str) -> str:
    text = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'


def booleans(given: Iterable[bool]) -> str:
    """Write what is true or false as an array."""
    return "{" + ",".join("t" if each else "f" for each in given) + "}"


def numbers(given: Iterable[float | None]) -> str:
    """Write numbers as an array."""
    return "{" + ",".join("null" if each is None else repr(each) for each in given) + "}"


def times(given: Iterable[datetime | None]) -> str:
    """Write times as an array."""
    return "{" + ",".join("null" if each is None else each.isoformat() for each in given) + "}"
