"""What conditions of filters are written with: fixed pieces of SQL, and every value a parameter."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from baton import documents
from baton.search.conditions import Condition
from baton.search.values import Ago, Between, Ids, Moment, Named, Scalar, Text

_COMPARISONS = {"since": ">=", "until": "<"}


@dataclass(slots=True)
class Matching:
    """Conditions on the rows of a statement, and their parameters.

    Attributes:
        writers: how a condition on each field is written.
        params: the parameters so far.
    """

    writers: "Mapping[str, Writer]"
    params: dict[str, Any] = field(default_factory=dict)
    _pieces: list[str] = field(default_factory=list)

    def add(self, *conditions: Condition) -> "Matching":
        """Ask for more conditions."""
        for each in conditions:
            piece = self.writers[each.field](self, each)
            self._pieces.append(f"({piece}) is not true" if each.negated else f"({piece})")
        return self

    def keep(self, piece: str) -> None:
        """Ask for a condition that is written already."""
        self._pieces.append(piece)

    @property
    def sql(self) -> str:
        """What a statement is to say after its other conditions."""
        return "".join(f"\n  and {piece}" for piece in self._pieces)

    def put(self, value: Any, kind: str) -> str:
        """Make a value a parameter; return how a statement names it."""
        name = f"filter_{len(self.params)}"
        self.params[name] = value
        return f"%({name})s::{kind}"


Writer = Callable[[Matching, Condition], str]


def any_of(pieces: Iterable[str]) -> str:
    """Write that one of them holds."""
    return " or ".join(pieces)


def equal(matching: Matching, texts: Sequence[Text], subject: str) -> str:
    """Compare a column with texts, of which some may be patterns."""
    exact = [each.text for each in texts if not each.is_pattern]
    like = [each.like for each in texts if each.is_pattern]
    pieces = []
    if len(exact) == 1:
        pieces.append(f"{subject} = {matching.put(exact[0], 'text')}")
    elif exact:
        pieces.append(f"{subject} = any ({matching.put(exact, 'text[]')})")
    if like:
        pieces.append(f"{subject} like any ({matching.put(like, 'text[]')})")
    return any_of(pieces)


def inside(matching: Matching, texts: Sequence[Text], *subjects: str) -> str:
    """Look for texts within columns, whatever their case; patterns must fit the whole of one."""
    like = [each.like if each.is_pattern else f"%{each.like}%" for each in texts]
    given = matching.put(like, "text[]")
    return any_of(f"{subject} ilike any ({given})" for subject in subjects)


def between_ids(matching: Matching, ids: Sequence[Ids], subject: str) -> str:
    """Compare a column with ids of workflows, or with what those begin with."""
    pieces = []
    for each in ids:
        low = matching.put(each.low, "uuid")
        if each.is_whole:
            pieces.append(f"{subject} = {low}")
        else:
            pieces.append(f"{subject} between {low} and {matching.put(each.high, 'uuid')}")
    return any_of(pieces)


def named(matching: Matching, given: Sequence[Named], ids: str, name: str) -> str:
    """Compare columns with ids of workflows, or with names."""
    pieces = [equal(matching, [each.name for each in given], name)]
    if known := [each.ids for each in given if each.ids is not None]:
        pieces.append(between_ids(matching, known, ids))
    return any_of(pieces)


def text(subject: str) -> Writer:
    """Return what compares a column with texts."""
    return lambda matching, condition: equal(matching, condition.values, subject)


def contained(*subjects: str) -> Writer:
    """Return what looks for texts within columns."""
    return lambda matching, condition: inside(matching, condition.values, *subjects)


def number(subject: str) -> Writer:
    """Return what compares a column with numbers and ranges."""

    def write(matching: Matching, condition: Condition) -> str:
        return any_of(_range(matching, each, subject) for each in condition.values)

    return write


def time(subject: str) -> Writer:
    """Return what compares a column with the time of ``since`` or ``until``."""

    def write(matching: Matching, condition: Condition) -> str:
        [given] = condition.values
        return f"{subject} {_COMPARISONS[condition.field]} {_moment(matching, given)}"

    return write


def cases(pieces: Mapping[str, str]) -> Writer:
    """Return what writes a word of a few as the condition that it stands for."""
    return lambda _, condition: any_of(f"({pieces[each]})" for each in condition.values)


def tags(subject: str) -> Writer:
    """Return what looks for tags in a column."""

    def write(matching: Matching, condition: Condition) -> str:
        exact = [each.text for each in condition.values if not each.is_pattern]
        like = [each.like for each in condition.values if each.is_pattern]
        pieces = []
        if exact:
            pieces.append(f"{subject} && {matching.put(exact, 'text[]')}")
        if like:
            given = matching.put(like, "text[]")
            pieces.append(
                f"exists (select from unnest({subject}) as tag (label) "
                f"where tag.label like any ({given}))"
            )
        return any_of(pieces)

    return write


def document(subject: str) -> Writer:
    """Return what looks into a document.

    Containment, which a GIN index of one's own can serve, unless it is a pattern.
    """

    def write(matching: Matching, condition: Condition) -> str:
        pieces = []
        for each in condition.values:
            scalar: Scalar = each
            if scalar.text.is_pattern:
                path = matching.put(list(condition.path), "text[]")
                like = matching.put(scalar.text.like, "text")
                pieces.append(f"{subject} #>> {path} like {like}")
                continue
            found = [documents.encode(scalar.text.text)]
            found += [] if scalar.json is None else [scalar.json]
            pieces += [
                f"{subject} @> {matching.put(_nested(condition.path, value), 'jsonb')}"
                for value in found
            ]
        return any_of(pieces)

    return write


def _range(matching: Matching, given: Between, subject: str) -> str:
    pieces = []
    if given.low is not None:
        pieces.append(f"{subject} >= {matching.put(given.low, 'bigint')}")
    if given.high is not None:
        pieces.append(f"{subject} <= {matching.put(given.high, 'bigint')}")
    return f"({' and '.join(pieces)})"


def _moment(matching: Matching, given: Moment) -> str:
    if isinstance(given, Ago):
        return f"now() - make_interval(secs => {matching.put(given.seconds, 'double precision')})"
    return matching.put(given, "timestamptz")


def _nested(path: Sequence[str], value: str) -> str:
    for name in reversed(path):
        value = f"{{{documents.encode(name)}:{value}}}"
    return value
