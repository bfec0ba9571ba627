"""A filter cut into words: ``-queue:mail,"my news"`` is a word with a field and two values."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from baton.errors import InvalidSearch

_FIELD = re.compile(r"([A-Za-z_]+(?:\.[^\s:,\"]+)?):")
_BARE = re.compile(r"[^\s,\"]+")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_NEEDS_QUOTES = re.compile(r'[\s,":*\\]|^[-!]|^$|\.\.')
_NEGATIONS = "-!"


@dataclass(frozen=True, slots=True)
class Value:
    """One of the alternatives of a word; one in quotes is meant literally."""

    text: str
    is_quoted: bool = False


@dataclass(frozen=True, slots=True)
class Word:
    """What must hold, or must not.

    Attributes:
        field: what stands before the colon; empty when nothing does.
        values: alternatives.
        negated: whether none of them may fit.
        source: the whole filter, of which it is the part from ``start`` to ``end``.
    """

    field: str
    values: tuple[Value, ...]
    negated: bool
    source: str
    start: int
    end: int

    def wrong(self, reason: str) -> InvalidSearch:
        """Return the error that points at this word."""
        return InvalidSearch(self.source, self.start, self.end, reason)


def words(source: str) -> Iterator[Word]:
    """Yield the words of a filter.

    Raises:
        InvalidSearch: a quote is not closed, or a value is missing.
    """
    at = 0
    while at < len(source):
        if source[at].isspace():
            at += 1
            continue
        word = _word(source, at)
        yield word
        at = word.end


def _word(source: str, start: int) -> Word:
    at = start
    negated = source[at] in _NEGATIONS
    at += negated
    field = ""
    if found := _FIELD.match(source, at):
        field, at = found[1], found.end()
    values: list[Value] = []
    while True:
        value, at = _value(source, start, at)
        values.append(value)
        if at == len(source) or source[at] != ",":
            break
        at += 1
    if at < len(source) and not source[at].isspace():
        raise InvalidSearch(source, start, at + 1, "a blank or a comma must follow the quotes")
    return Word(field, tuple(values), negated, source, start, at)


def _value(source: str, start: int, at: int) -> tuple[Value, int]:
    """Read a value, and say where it ends."""
    if at < len(source) and source[at] == '"':
        closed = _QUOTED.match(source, at)
        if closed is None:
            raise InvalidSearch(source, start, len(source), "its quotes are not closed")
        return Value(_ESCAPED.sub(r"\1", closed[1]), is_quoted=True), closed.end()
    bare = _BARE.match(source, at)
    if bare is None:
        raise InvalidSearch(source, start, max(at, start + 1), "a value is missing")
    return Value(bare[0]), bare.end()


def quoted(value: str) -> str:
    """Return a text so that a filter takes it as that text, in quotes if it needs them.

    ``f"queue:{quoted(name)}"`` is a filter for the queue of any name.
    """
    if not _NEEDS_QUOTES.search(value):
        return value
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
