"""What an error of a provider means to the job: wait, give up, or try again.

The exceptions of the providers' packages are told by what they carry, a status and headers, so none
of them is imported: openai and anthropic (``status_code``, ``response``), pydantic-ai
(``status_code``, ``headers``), Google (``code``, ``response``), httpx and requests (``response``),
aiohttp (``status``, ``headers``) and urllib (``code``, ``headers``).
"""

import random
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Any

RATE_LIMITED = frozenset({429, 529})
TRIED_AGAIN = frozenset({408, 409, 425, 499})  # of those that blame the request
BUSY = frozenset({"overloaded_error", "rate_limit_error", "rate_limit_exceeded"})
OUT_OF_MONEY = frozenset({"insufficient_quota", "billing_hard_limit_reached"})

LONGEST_WAIT = 86_400.0  # seconds that are believed of a Retry-After
DEEPEST = 10  # levels of the details of an error that are looked through
FIRST_PAUSE, LONGEST_PAUSE = 5.0, 300.0  # seconds, where nobody says how long
FIRST_MONEY_PAUSE, LONGEST_MONEY_PAUSE = 600.0, 3_600.0
FIRST_DELAY, LONGEST_DELAY = 2.0, 300.0  # seconds until a failed attempt is repeated


class Verdict(StrEnum):
    """What is to be done about an error."""

    WAIT = "wait"  # the provider is busy: it is nobody's failure
    GIVE_UP = "give up"  # the same request would fail again
    TRY_AGAIN = "try again"


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is to be done about an error, and what it was.

    Attributes:
        verdict: what is to be done.
        status: of HTTP, where there was one.
        retry_after: seconds for which the provider wants to be left alone.
        unpaid: whether it wants money first.
    """

    verdict: Verdict
    status: int | None = None
    retry_after: float | None = None
    unpaid: bool = False


def judge(error: BaseException) -> Judgement:
    """Say what an error means, with those that caused it and those in a group.

    Of a group the worst counts: one hopeless request is enough to give up, and only when all others
    say that the provider is busy is it waited for.
    """
    if isinstance(error, BaseExceptionGroup):
        return _worst([judge(each) for each in error.exceptions])
    for each in _chain(error):
        if (status := _status(each)) is not None:
            return _judged(error, status)
        if _names(each) & BUSY:
            return Judgement(Verdict.WAIT, retry_after=_retry_after(error))
    return Judgement(Verdict.TRY_AGAIN)


def pause(judgement: Judgement, snoozed: int) -> float:
    """Return for how many seconds to wait: a little more than was said, or longer and longer.

    Args:
        judgement: what the error meant.
        snoozed: how many times the job has waited already.
    """
    if judgement.retry_after is not None:
        # never less, and not all at once
        return judgement.retry_after * random.uniform(1.0, 1.1) + random.uniform(0.0, 1.0)  # noqa: S311
    if judgement.unpaid:
        return _jittered(FIRST_MONEY_PAUSE, LONGEST_MONEY_PAUSE, snoozed)
    return _jittered(FIRST_PAUSE, LONGEST_PAUSE, snoozed)


def backoff(attempt: int) -> float:
    """Return for how many seconds to wait after a failed attempt: 2 at most, 4, 8, … 300."""
    return _jittered(FIRST_DELAY, LONGEST_DELAY, attempt - 1)


def _jittered(first: float, longest: float, times: int) -> float:
    """Half of it is random: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter."""
    whole = min(longest, first * 2.0 ** min(max(times, 0), 20))
    return whole * random.uniform(0.5, 1.0)  # noqa: S311


def _judged(error: BaseException, status: int) -> Judgement:
    names = {name for each in _chain(error) for name in _names(each)}
    if status in RATE_LIMITED or names & BUSY:
        unpaid = bool(names & OUT_OF_MONEY)
        return Judgement(Verdict.WAIT, status, _retry_after(error), unpaid)
    if 400 <= status < 500 and status not in TRIED_AGAIN:  # noqa: PLR2004
        return Judgement(Verdict.GIVE_UP, status)
    return Judgement(Verdict.TRY_AGAIN, status)


def _worst(judgements: list[Judgement]) -> Judgement:
    for verdict in (Verdict.GIVE_UP, Verdict.TRY_AGAIN):
        for judgement in judgements:
            if judgement.verdict is verdict:
                return judgement
    waits = [each.retry_after for each in judgements if each.retry_after is not None]
    unpaid = any(each.unpaid for each in judgements)
    return Judgement(Verdict.WAIT, judgements[0].status, max(waits, default=None), unpaid)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and those that it was raised from, as pydantic-ai wraps what openai raises."""
    seen: set[int] = set()
    each: BaseException | None = error
    while each is not None and id(each) not in seen:
        seen.add(id(each))
        yield each
        each = each.__cause__


def _said(thing: Any, name: str) -> Any:
    """Return an attribute of somebody else's object, whose properties may raise anything."""
    try:
        return getattr(thing, name, None)
    except Exception:
        return None


def _has(thing: Any, name: str) -> bool:
    return name in dir(thing)


def _status(error: BaseException) -> int | None:
    response = _said(error, "response")
    found = [_said(error, "status_code"), _said(response, "status_code")]
    if _has(error, "headers") or _has(error, "response"):  # a code alone means anything
        found += [_said(error, "status"), _said(error, "code")]
    return next((each for each in found if type(each) is int and 100 <= each < 600), None)  # noqa: PLR2004


def _names(error: BaseException) -> set[str]:
    """Return what the provider calls the error, which some say in a stream that began with 200."""
    found = [_said(error, "code"), _said(error, "type")]
    body = _said(error, "body")
    if isinstance(body, Mapping):
        inner = body.get("error")
        for holder in (body, inner if isinstance(inner, Mapping) else {}):
            found += [holder.get("code"), holder.get("type")]
    return {each for each in found if isinstance(each, str)}


def _retry_after(error: BaseException) -> float | None:
    for each in _chain(error):
        for headers in (
            _said(_said(each, "response"), "headers"),
            _said(each, "headers"),
        ):
            if headers is not None and (found := _wait_in(headers)) is not None:
                return found
        found = _said(each, "retry_after")
        if isinstance(found, int | float) and not isinstance(found, bool):
            return _bounded(float(min(found, LONGEST_WAIT)))
        if (found := _retry_delay(_said(each, "details"))) is not None:
            return found
    return None


def _retry_delay(details: Any, depth: int = DEEPEST) -> float | None:
    """Find what Google says in the body instead: ``google.rpc.RetryInfo``, like ``"34.5s"``."""
    if depth == 0:
        return None
    if isinstance(details, Mapping):
        given = details.get("retryDelay")
        if isinstance(given, str):
            with suppress(ValueError):
                return _bounded(float(given.removesuffix("s")))
        details = [each for each in details.values() if isinstance(each, Mapping | list)]
    if isinstance(details, list):
        delays = (_retry_delay(each, depth - 1) for each in details)
        return next((found for found in delays if found is not None), None)
    return None


def _wait_in(headers: Any) -> float | None:
    """Read ``retry-after-ms`` and ``Retry-After``, which is a number of seconds or a time."""
    with suppress(Exception):
        given = {str(name).lower(): str(each) for name, each in headers.items()}
        with suppress(KeyError, ValueError):
            return _bounded(float(given["retry-after-ms"]) / 1000)
        with suppress(ValueError):
            return _bounded(float(given["retry-after"]))
        # by the clock of who set it, where it says how late it is there
        now = parsedate_to_datetime(given["date"]) if "date" in given else datetime.now(UTC)
        return _bounded((parsedate_to_datetime(given["retry-after"]) - now).total_seconds())
    return None


def _bounded(seconds: float) -> float | None:
    return min(max(seconds, 0.0), LONGEST_WAIT) if seconds == seconds else None  # noqa: PLR0124
