"""Which steps of a workflow are alike, so that they may be shown as one.

Steps are alike when they are the same kind of thing, wait for the same or for steps that are alike,
and have names of one pattern: ``fetch:1`` and ``fetch:2``, and ``parse:1`` that waits for the first
and ``parse:2`` that waits for the second. Members of a group are therefore all in the same layer,
and a graph of groups has no circle.
"""

import re
from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from typing import NamedTuple

from baton.graphs.order import Edge, ordered

_NUMBERS = re.compile(r"\d+")
MANY_LONERS = 40
"""With more names than this that are like no other, their workers tell what is alike."""


class Trait(NamedTuple):
    """What a step is compared by.

    Attributes:
        name: its name.
        kind: whatever else must be equal.
        worker: who performs it, when that is known.
    """

    name: str
    kind: Hashable
    worker: str | None


def groups(traits: Sequence[Trait], edges: Sequence[Edge]) -> list[int]:
    """Return for each step the number of its group; numbers grow along the edges.

    Args:
        traits: the steps.
        edges: pairs of their positions: a dependency, and a step that waits for it.
    """
    patterns = _patterns(traits)
    before: list[list[int]] = [[] for _ in traits]
    for parent, child in edges:
        before[child].append(parent)
    numbers: dict[Hashable, int] = {}
    found = [-1] * len(traits)
    for each in ordered(len(traits), edges):
        parents = frozenset(found[parent] for parent in before[each])
        key = (traits[each].kind, patterns[each], parents)
        found[each] = numbers.setdefault(key, len(numbers))
    return found


def common_name(names: Iterable[str]) -> str:
    """Return what names have in common, with a star for the rest: ``fetch:*``."""
    names = list(names)
    prefix = _common_beginning(names)
    suffix = _common_beginning([name[len(prefix) :][::-1] for name in names])[::-1]
    return f"{prefix.rstrip('0123456789')}*{suffix.lstrip('0123456789')}"


def _common_beginning(names: Sequence[str]) -> str:
    # what the first and the last in alphabetical order share, all of them share
    first, last = min(names), max(names)
    length = next(
        (n for n, pair in enumerate(zip(first, last, strict=False)) if pair[0] != pair[1]), None
    )
    return first if length is None else first[:length]


def _patterns(traits: Sequence[Trait]) -> list[Hashable]:
    """Return for each step the finest pattern of its name that another name has as well."""
    exact = [_NUMBERS.sub("*", trait.name) for trait in traits]
    rough = [trait.name.partition(":")[0] if ":" in trait.name else None for trait in traits]
    exacts, roughs = Counter(exact), Counter(rough)
    loners = {
        each
        for each in range(len(traits))
        if exacts[exact[each]] == 1 and (rough[each] is None or roughs[rough[each]] == 1)
    }
    found: list[Hashable] = []
    for each, trait in enumerate(traits):
        if exacts[exact[each]] > 1:
            found.append(exact[each])
        elif each not in loners:
            found.append((rough[each], ":"))
        else:
            found.append((trait.worker,) if len(loners) > MANY_LONERS else trait.name)
    return found
