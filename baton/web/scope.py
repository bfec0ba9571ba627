"""What somebody sees of the lists: a filter for each, within which all that they look for stays."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar

from baton.errors import ConfigurationError, InvalidSearch, NotFound
from baton.filters import search_of
from baton.search import (
    Search,
    quoted,
)
from baton.search.lists import LISTS

S = TypeVar("S", bound=Search)
_NAMES: Mapping[type[Search], str] = {kind: name for name, kind in LISTS.items()}


@dataclass(frozen=True, slots=True)
class Scope:
    """What somebody sees.

    Attributes:
        filters: the lists that they see, each with its filter; ``None`` where they see everything.
    """

    filters: tuple[tuple[str, str], ...] | None = None

    @classmethod
    def of(cls, given: Mapping[str, str] | None) -> "Scope":
        """Check what the host application said.

        Raises:
            ConfigurationError: it names a list that there is not, or a filter can't be understood.
        """
        if given is None:
            return EVERYTHING
        if unknown := sorted(given.keys() - LISTS.keys()):
            raise ConfigurationError(
                f"the scope of a user names {', '.join(unknown)}; there are {', '.join(LISTS)}"
            )
        filters = tuple(sorted(given.items()))
        _parsed(filters)
        return cls(filters)

    @property
    def is_everything(self) -> bool:
        """Whether nothing is kept from them."""
        return self.filters is None

    def sees(self, name: str) -> bool:
        """Whether they see anything of a list."""
        return self.filters is None or name in dict(self.filters)

    def narrow(self, kind: type[S], given: str | S = "") -> S:
        """Return what fits a filter and is seen.

        Raises:
            InvalidSearch: a word of the filter can't be understood.
            NotFound: they see nothing of the list.
        """
        search = search_of(kind, given)
        if self.filters is None:
            return search
        own = _parsed(self.filters).get(_NAMES[kind])
        if own is None:
            raise NotFound("list of", _NAMES[kind])
        return search.within(own)


EVERYTHING = Scope()
ScopeOf = Callable[[Any], Mapping[str, str] | None]


@lru_cache(maxsize=1_024)
def _parsed(filters: tuple[tuple[str, str], ...]) -> dict[str, Any]:
    found = {}
    for name, text in filters:
        try:
            found[name] = LISTS[name].parse(text)
        except InvalidSearch as error:
            raise ConfigurationError(f"the scope of a user, for {name}: {error}") from None
    return found


def only_queues(*names: str) -> dict[str, str]:
    """Return the scope of somebody who sees nothing but these queues, and what belongs to one.

    That is the jobs, the errors and the cron entries that are of these queues alone, and what was
    done to the queues themselves. Workflows, approvals and worker processes may concern several
    queues: add a filter for them where that is meant, such as ``{"workflows": "tag:mail"}``.
    """
    if not names:
        return {}
    listed = ",".join(map(quoted, names))
    jobs = f"queue:{listed}"
    return {
        "jobs": jobs,
        "queues": jobs,
        "errors": jobs,
        "crons": jobs,
        "audit": f"kind:queue subject:{listed}",
    }
