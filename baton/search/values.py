"""What the values of a filter are, by the kind of their field."""

import re
from dataclasses import dataclass
from datetime import datetime

from baton import documents
from baton.search.words import Value, Word
from baton.states import State

LARGEST_ID = 2**63 - 1
WORKFLOW_STATES = ("executing", "completed", "failed")
_UNITS = {"s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0, "w": 604_800.0}
_AGO = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)([smhdw])")
_LONGEST = 100 * 365 * 86_400.0
_RANGE = re.compile(r"(\d{0,9})(\.\.)?(\d{0,9})")
_HEX = re.compile(r"[0-9a-f-]{4,36}", re.IGNORECASE)
_NUMBER = re.compile(r"-?(?:0|[1-9]\d{0,30})(?:\.\d{1,30})?")
_CONSTANTS = ("true", "false", "null")
_HEX_LENGTH = 32


@dataclass(frozen=True, slots=True)
class Text:
    """A text; an asterisk in it stands for any text, unless it was in quotes."""

    text: str
    is_pattern: bool = False

    @property
    def like(self) -> str:
        """The same for SQL's ``like``."""
        escaped = re.sub(r"([\\%_])", r"\\\1", self.text)
        return escaped.replace("*", "%") if self.is_pattern else escaped

    def fits(self, given: str) -> bool:
        """Whether it is this text."""
        if not self.is_pattern:
            return self.text == given
        pattern = ".*".join(map(re.escape, self.text.split("*")))
        return re.fullmatch(pattern, given, re.DOTALL) is not None


@dataclass(frozen=True, slots=True)
class Scalar:
    """A value in a document: a text, or one that may be something else in JSON as well."""

    text: Text
    json: str | None = None


@dataclass(frozen=True, slots=True)
class Between:
    """Whole numbers; both ends belong to it, and ``None`` is no end."""

    low: int | None
    high: int | None

    def has(self, number: int) -> bool:
        """Whether a number belongs to it."""
        low, high = self.low, self.high
        return (low is None or low <= number) and (high is None or number <= high)


@dataclass(frozen=True, slots=True)
class Ago:
    """So many seconds before now, by the clock of the database."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Ids:
    """All ids of workflows that begin in a way: from one to another."""

    low: str
    high: str

    @property
    def is_whole(self) -> bool:
        """Whether it is one id."""
        return self.low == self.high


@dataclass(frozen=True, slots=True)
class Named:
    """A workflow by its name, or by what its id may begin with."""

    name: Text
    ids: Ids | None


Moment = Ago | datetime


def text(word: Word, value: Value) -> Text:
    """Read a text, in which an asterisk outside quotes stands for any text."""
    try:
        documents.encode(value.text)
    except ValueError as error:
        raise word.wrong(str(error)) from None
    return Text(value.text, not value.is_quoted and "*" in value.text)


def tag(word: Word, value: Value) -> Text:
    """Read a tag, as jobs have them: lower case."""
    read = text(word, value)
    return Text(read.text.strip().lower(), read.is_pattern)


def scalar(word: Word, value: Value) -> Scalar:
    """Read a value in a document: 42 is the number and the text, "42" only the text."""
    is_json = not value.is_quoted and (
        _NUMBER.fullmatch(value.text) is not None or value.text in _CONSTANTS
    )
    return Scalar(text(word, value), value.text if is_json else None)


@dataclass(frozen=True, slots=True)
class OneOf:
    """Reads one of a few words, in any case."""

    known: tuple[str, ...]

    def __call__(self, word: Word, value: Value) -> str:
        if value.text.lower() not in self.known:
            raise word.wrong(f"{value.text} is no {word.field}; there are {', '.join(self.known)}")
        return value.text.lower()


state = OneOf(tuple(each.value for each in State))
workflow_state = OneOf(WORKFLOW_STATES)


def number(word: Word, value: Value) -> int:
    """Read the id of a job; one that is too large is of no job."""
    if not (value.text.isascii() and value.text.isdecimal()):
        raise word.wrong(f"{value.text} is no number")
    return min(int(value.text[:20]), LARGEST_ID)


def between(word: Word, value: Value) -> Between:
    """Read a number or a range: 3, 0..3, ..3 or 3.. ."""
    found = _RANGE.fullmatch(value.text)
    if found is None or not (found[1] or found[3]):
        raise word.wrong(f"{value.text} is no number and no range like 0..3")
    if found[2] is None:
        exact = int(found[1] + found[3])
        return Between(exact, exact)
    return Between(int(found[1]) if found[1] else None, int(found[3]) if found[3] else None)


def moment(word: Word, value: Value) -> Moment:
    """Read a time in ISO 8601, of this machine's zone if it has none, or how long ago it was."""
    if found := _AGO.fullmatch(value.text):
        seconds = float(found[1]) * _UNITS[found[2]]
        if seconds > _LONGEST:
            raise word.wrong(f"{value.text} is longer ago than 100 years")
        return Ago(seconds)
    try:
        return datetime.fromisoformat(value.text).astimezone()
    except (ValueError, OverflowError):
        raise word.wrong(
            f"{value.text} is no time; it looks like 30m, 1h, 2d, 2026-11-21 or 2026-11-21T08:30"
        ) from None


def workflow_id(word: Word, value: Value) -> Ids:
    """Read the id of a workflow, or its first characters, four at least."""
    found = _ids(value.text)
    if found is None:
        raise word.wrong(
            f"{value.text} is not the beginning of a workflow's id; give 4 characters or more"
        )
    return found


def named(word: Word, value: Value) -> Named:
    """Read the name of a workflow, or what its id begins with."""
    ids = None if value.is_quoted else _ids(value.text)
    return Named(text(word, value), ids)


def _ids(given: str) -> Ids | None:
    if not _HEX.fullmatch(given):
        return None
    digits = given.lower().replace("-", "")
    if not digits or len(digits) > _HEX_LENGTH:
        return None
    return Ids(digits.ljust(_HEX_LENGTH, "0"), digits.ljust(_HEX_LENGTH, "f"))
