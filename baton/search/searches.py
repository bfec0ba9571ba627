"""What a filter asks for: conditions that must all hold."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

from baton.search import values
from baton.search.conditions import Condition, Fields, free_text, read
from baton.search.words import Word
from baton.states import State


@dataclass(frozen=True, slots=True)
class Search:
    """What a list is to show; an empty filter means all.

    Attributes:
        text: the filter as it was given.
        conditions: what must hold.
    """

    fields: ClassVar[Fields]
    example: ClassVar[str]

    text: str = ""
    conditions: tuple[Condition, ...] = ()

    @staticmethod
    def free(word: Word) -> Condition:
        """Read a word without a field."""
        return free_text(word)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a filter.

        Raises:
            InvalidSearch: a word can't be understood; it says which and where.
        """
        return cls(text, tuple(read(text, cls.fields, cls.free)))

    def within(self, other: Self) -> Self:
        """Return what fits both; the text stays."""
        return replace(self, conditions=(*self.conditions, *other.conditions))

    @property
    def is_empty(self) -> bool:
        """Whether it asks for nothing, which everything fits."""
        return not self.conditions


@dataclass(frozen=True, slots=True)
class JobSearch(Search):
    """Which jobs are meant.

    A word without a field is a number, the id of a job, or else a part of a worker's name. Several
    numbers are alternatives; all other words must hold together.

    Attributes:
        text: the filter as it was given.
        conditions: what must hold.
        states: which they may be in, together with all that is said of states; ``None`` for all.
        ids: which they may be; ``None`` for all.
    """

    fields = {  # noqa: RUF012
        "id": values.number,
        "state": values.state,
        "queue": values.text,
        "worker": values.text,
        "tag": values.tag,
        "priority": values.between,
        "attempt": values.between,
        "workflow": values.named,
        "step": values.text,
        "error": values.text,
        "since": values.moment,
        "until": values.moment,
        "args": values.scalar,
        "meta": values.scalar,
    }
    example = "state:retryable"

    states: tuple[State, ...] | None = None
    ids: tuple[int, ...] | None = None

    @staticmethod
    def free(word: Word) -> Condition:
        """Read a number or a part of a worker's name."""
        [value, *others] = word.values
        if not others and not value.is_quoted and value.text.isascii() and value.text.isdecimal():
            return Condition("number", (values.number(word, value),), word.negated)
        return free_text(word)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a filter such as ``state:retryable -queue:mail args.user_id:42 since:1h``.

        Raises:
            InvalidSearch: a word can't be understood; it says which and where.
        """
        found = read(text, cls.fields, cls.free)
        numbers = [each for each in found if each.field == "number"]
        plain = [each for each in numbers if not each.negated]
        ids = [Condition("id", tuple(each.values[0] for each in plain))] if plain else []
        ids += [Condition("id", each.values, negated=True) for each in numbers if each.negated]
        ids += [each for each in found if each.field == "id"]
        states = [each for each in found if each.field == "state"]
        rest = [each for each in found if each.field not in {"number", "id", "state"}]
        return cls(
            text,
            (*rest, *(each for each in ids if each.negated)),
            _narrowed(states, tuple(State)),
            _common([each for each in ids if not each.negated]),
        )

    def narrowed(
        self,
        *,
        states: Iterable[State] | None = None,
        queue: str | None = None,
        worker: str | None = None,
    ) -> Self:
        """Return the same with more conditions; ``None`` asks for nothing."""
        more = [
            Condition(name, (values.Text(given),))
            for name, given in (("queue", queue), ("worker", worker))
            if given is not None
        ]
        wanted = None if states is None else tuple(states)
        return self.within(type(self)("", tuple(more), wanted))

    def within(self, other: Self) -> Self:
        """Return what fits both; the text stays.

        An empty tuple asks for states, or ids, that there are none of.
        """
        return replace(
            self,
            conditions=(*self.conditions, *other.conditions),
            states=_both(self.states, other.states),
            ids=_both(self.ids, other.ids),
        )

    @property
    def is_empty(self) -> bool:
        """Whether it asks for nothing, which fits every job."""
        return not self.conditions and self.states is None and self.ids is None


@dataclass(frozen=True, slots=True)
class WorkflowSearch(Search):
    """Which workflows are meant, such as ``state:failed name:research* since:1d``.

    A word without a field is a part of the name, or what the id begins with.
    """

    fields = {  # noqa: RUF012
        "id": values.workflow_id,
        "state": values.workflow_state,
        "name": values.text,
        "queue": values.text,
        "tag": values.tag,
        "template": values.text,
        "parent": values.workflow_id,
        "since": values.moment,
        "until": values.moment,
        "context": values.scalar,
        "meta": values.scalar,
    }
    example = "state:failed"

    @staticmethod
    def free(word: Word) -> Condition:
        """Read a part of a name, or what an id begins with."""
        read_values = tuple(values.named(word, each) for each in word.values)
        return Condition("word", read_values, word.negated)

    def in_state(self, state: str) -> Self:
        """Return the same for workflows in a state, unless it says something of states itself."""
        if any(each.field == "state" for each in self.conditions):
            return self
        return replace(self, conditions=(*self.conditions, Condition("state", (state,))))


def _narrowed(conditions: Sequence[Condition], every: tuple[State, ...]) -> Any:
    if not conditions:
        return None
    kept = every
    for each in conditions:
        kept = tuple(state for state in kept if (state.value in each.values) is not each.negated)
    return kept


def _both(first: tuple[Any, ...] | None, second: tuple[Any, ...] | None) -> Any:
    """Return what is in both, in the order of the first; ``None`` is everything."""
    if first is None or second is None:
        return second if first is None else first
    return tuple(each for each in first if each in set(second))


def _common(conditions: Sequence[Condition]) -> tuple[int, ...] | None:
    if not conditions:
        return None
    kept = set(conditions[0].values)
    for each in conditions[1:]:
        kept &= set(each.values)
    return tuple(sorted(kept))
