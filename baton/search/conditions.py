"""Words of a filter read into conditions, by the fields that a kind of list has."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial
from typing import Any

from baton.search import values
from baton.search.words import Value, Word, words

Reader = Callable[[Word, Value], Any]
Fields = Mapping[str, Reader]
ANYWHERE = ("args", "meta", "context")
TIMES = ("since", "until")
NONE = "none"
DEEPEST = 20
MOST = 100  # words, the ids of jobs not counted; each is a condition of a statement


@dataclass(frozen=True, slots=True)
class Condition:
    """One word of a filter, read.

    Attributes:
        field: which field; ``word`` for a word without one.
        values: alternatives, as `baton.search.values` reads them.
        negated: whether none may fit.
        path: where in a document.
    """

    field: str
    values: tuple[Any, ...]
    negated: bool = False
    path: tuple[str, ...] = ()


def read(text: str, fields: Fields, free: Callable[[Word], Condition]) -> list[Condition]:
    """Read a filter.

    Args:
        text: the filter.
        fields: what a field's values are, by its name.
        free: reads a word without a field.

    Raises:
        InvalidSearch: a word can't be understood; it says which and where.
    """
    found: list[Condition] = []
    count = 0
    for word in words(text):
        found.append(_read(word, fields, free))
        count += found[-1].field != "number"
        if count > MOST:
            raise word.wrong(f"it is word {count}, and {MOST} are enough; use commas")
    return found


def free_text(word: Word) -> Condition:
    """Read a word without a field: a part of what people look for first."""
    return Condition("word", tuple(values.text(word, each) for each in word.values), word.negated)


def _read(word: Word, fields: Fields, free: Callable[[Word], Condition]) -> Condition:
    if not word.field:
        return free(word)
    name, _, rest = word.field.partition(".")
    name = name.lower()
    reader = fields.get(name)
    if reader is None:
        raise word.wrong(_unknown(name, fields))
    path = _path(word, name, rest)
    if name in TIMES and (word.negated or len(word.values) > 1):
        raise word.wrong(f"{name} takes one time, and no minus before it")
    if name == "parent" and [value.text for value in word.values] == [NONE]:
        return Condition("top", (), word.negated)
    return Condition(name, tuple(map(partial(reader, word), word.values)), word.negated, path)


def _unknown(name: str, fields: Fields) -> str:
    if near := get_close_matches(name, fields, n=1):
        return f"there is no field {name}; did you mean {near[0]}?"
    return f"there is no field {name}; there are {', '.join(fields)}"


def _path(word: Word, name: str, rest: str) -> tuple[str, ...]:
    if name not in ANYWHERE:
        if rest:
            raise word.wrong(f"{name} has no parts; say {name}:…")
        return ()
    path = tuple(rest.split("."))
    if not all(path):
        raise word.wrong(f"say which of them, like {name}.user_id:42")
    if len(path) > DEEPEST:
        raise word.wrong(f"it is more than {DEEPEST} levels deep")
    return tuple(values.text(word, Value(part)).text for part in path)
