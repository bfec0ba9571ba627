"""Errors that differ only in numbers, ids and quoted words are one group."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import islice

from baton.errors import InvalidFilter
from baton.search.conditions import Condition
from baton.wording import cut, inert

PATTERN_LIMIT = 200
_PLACE = re.compile(r"(\d{1,9}),([0-9a-f]{12})")
_RULES = (
    (
        re.compile(
            r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", re.IGNORECASE
        ),
        "<id>",
    ),
    (re.compile(r"0x[0-9a-f]+", re.IGNORECASE), "<address>"),
    (re.compile(r"\b[0-9a-f]*\d[0-9a-f]{15,}\b", re.IGNORECASE), "<id>"),
    (re.compile(r"'[^']{0,200}'|\"[^\"]{0,200}\""), "<text>"),
    (re.compile(r"\d+(?:[.,:]\d+)*"), "<n>"),
    (re.compile(r"\s+"), " "),
)


@dataclass(frozen=True, slots=True)
class Failed:
    """The newest error of a job."""

    job_id: int
    state: str
    queue: str
    worker: str
    kind: str | None
    message: str | None
    at: str | None


@dataclass(frozen=True, slots=True)
class ErrorGroup:
    """Errors that are alike.

    Attributes:
        kind: the class of the exception, or what took its place.
        pattern: the message without what differs.
        jobs: the newest errors, the newest first.
    """

    kind: str
    pattern: str
    jobs: Sequence[Failed]

    @property
    def fingerprint(self) -> str:
        """What stands for the group: the same for the same kind and pattern, at any time."""
        digest = sha256(f"{self.kind}\n{self.pattern}".encode(errors="replace"))
        return digest.hexdigest()[:12]

    @property
    def place(self) -> str:
        """Where it stands among the others; the page after it begins there."""
        return f"{len(self.jobs)},{self.fingerprint}"

    @property
    def example(self) -> str:
        """A whole message."""
        return self.jobs[0].message or ""

    @property
    def workers(self) -> list[str]:
        """The workers of its jobs."""
        return sorted({job.worker for job in self.jobs})

    @property
    def queues(self) -> list[str]:
        """The queues of its jobs."""
        return sorted({job.queue for job in self.jobs})

    @property
    def states(self) -> dict[str, int]:
        """How many of its jobs are in which state."""
        return dict(sorted(Counter(job.state for job in self.jobs).items()))


def fingerprint(message: str) -> str:
    """Return a message without what differs from one time to the next."""
    found = inert(message[:1000].split("\n", 1)[0])
    for rule, word in _RULES:
        found = rule.sub(word, found)
    return cut(found.strip(), PATTERN_LIMIT)


def grouped(failures: Iterable[Failed]) -> list[ErrorGroup]:
    """Group errors, the most frequent ones first."""
    found: defaultdict[tuple[str, str], list[Failed]] = defaultdict(list)
    for failed in failures:
        found[failed.kind or "error", fingerprint(failed.message or "")].append(failed)
    groups = [ErrorGroup(kind, pattern, jobs) for (kind, pattern), jobs in found.items()]
    return sorted(groups, key=_order)


def page(
    groups: Iterable[ErrorGroup],
    conditions: Sequence[Condition],
    *,
    after: str | None,
    limit: int | None,
) -> list[ErrorGroup]:
    """Return the groups that fit, behind a place.

    Args:
        groups: in their order.
        conditions: what must hold, of `baton.search.ErrorSearch.groups`.
        after: the place of the last one of the page before; the groups may be others now.
        limit: how many at most.

    Raises:
        InvalidFilter: that is no place.
    """
    begin = None if after is None else _place(after)
    fit = (
        group
        for group in groups
        if (begin is None or _order(group) > begin)
        and all(_holds(each, group) is not each.negated for each in conditions)
    )
    return list(islice(fit, limit))


def _order(group: ErrorGroup) -> tuple[int, str]:
    return -len(group.jobs), group.fingerprint


def _place(given: str) -> tuple[int, str]:
    found = _PLACE.fullmatch(given)
    if found is None:
        raise InvalidFilter(
            f"after must be a place in the list like 12,0f6c12ab34cd, not {given!r}"
        )
    return -int(found[1]), found[2]


def _holds(condition: Condition, group: ErrorGroup) -> bool:
    if condition.field == "jobs":
        return any(each.has(len(group.jobs)) for each in condition.values)
    return any(each.fits(group.fingerprint) for each in condition.values)
