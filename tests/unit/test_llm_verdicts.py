"""What errors of providers mean, told without their packages."""

import urllib.error
from datetime import UTC, datetime, timedelta
from email.message import Message
from email.utils import format_datetime
from types import SimpleNamespace
from typing import Any

import httpx2
import openai
import pytest
from google.genai.errors import APIError
from pydantic_ai.exceptions import FallbackExceptionGroup, ModelHTTPError

from baton.llm import Judgement, Verdict, judge
from baton.llm.verdicts import backoff, pause

WAIT, GIVE_UP, TRY_AGAIN = Verdict.WAIT, Verdict.GIVE_UP, Verdict.TRY_AGAIN


class Failed(Exception):
    def __init__(self, **facts: Any) -> None:
        super().__init__("failed")
        self.__dict__.update(facts)


def of_openai(status: int, code: str | None = None, **headers: str) -> openai.APIStatusError:
    request = httpx2.Request("POST", "http://test")
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    response = httpx2.Response(status, headers=named, request=request)
    kind = openai.RateLimitError if status == 429 else openai.APIStatusError
    return kind("no", response=response, body={"code": code})


def wrapped(outer: Exception, inner: Exception) -> Exception:
    outer.__cause__ = inner
    return outer


@pytest.mark.parametrize(
    ("error", "verdict", "status"),
    [
        (of_openai(429), WAIT, 429),
        (of_openai(529), WAIT, 529),
        (of_openai(400), GIVE_UP, 400),
        (of_openai(403), GIVE_UP, 403),
        (of_openai(422), GIVE_UP, 422),
        (of_openai(408), TRY_AGAIN, 408),
        (of_openai(409), TRY_AGAIN, 409),
        (of_openai(500), TRY_AGAIN, 500),
        (of_openai(503), TRY_AGAIN, 503),
        (ModelHTTPError(429, "m"), WAIT, 429),
        (ModelHTTPError(404, "m"), GIVE_UP, 404),
        (APIError(429, {}), WAIT, 429),
        (Failed(response=SimpleNamespace(status_code=429)), WAIT, 429),  # httpx and requests
        (Failed(status=429, headers={}), WAIT, 429),  # aiohttp
        (urllib.error.HTTPError("http://test", 404, "", Message(), None), GIVE_UP, 404),
        (wrapped(ValueError("in the end"), of_openai(400)), GIVE_UP, 400),
        # said in the middle of a stream that began well
        (Failed(status_code=200, body={"error": {"type": "overloaded_error"}}), WAIT, 200),
        (Failed(code="rate_limit_exceeded"), WAIT, None),
        # a code alone may mean anything
        (Failed(code=429), TRY_AGAIN, None),
        (Failed(status_code="429"), TRY_AGAIN, None),
        (Failed(status_code=True), TRY_AGAIN, None),
        (ConnectionResetError(), TRY_AGAIN, None),
        (ValueError("status 429"), TRY_AGAIN, None),
        (ExceptionGroup("", [of_openai(429), of_openai(400)]), GIVE_UP, 400),
        (ExceptionGroup("", [of_openai(429), of_openai(500)]), TRY_AGAIN, 500),
        (ExceptionGroup("", [of_openai(429), of_openai(529)]), WAIT, 429),
        (FallbackExceptionGroup("", [ModelHTTPError(429, "a")]), WAIT, 429),
    ],
)
def test_an_error_means(error: Exception, verdict: Verdict, status: int | None) -> None:
    found = judge(error)
    assert (found.verdict, found.status) == (verdict, status)


def test_an_error_that_is_its_own_cause_is_judged_all_the_same() -> None:
    first, second = ValueError("1"), ValueError("2")
    first.__cause__, second.__cause__ = second, first
    assert judge(first) == Judgement(TRY_AGAIN)


NOW = datetime.now(UTC)
LATER = NOW + timedelta(seconds=90)


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        (of_openai(429, retry_after="7"), 7.0),
        (of_openai(429, retry_after="0.5"), 0.5),
        (of_openai(429, retry_after_ms="250", retry_after="7"), 0.25),
        (of_openai(429, retry_after=format_datetime(LATER), date=format_datetime(NOW)), 90.0),
        # by the clock of the server, which may be an hour behind
        (
            of_openai(
                429,
                retry_after=format_datetime(LATER - timedelta(hours=1)),
                date=format_datetime(NOW - timedelta(hours=1)),
            ),
            90.0,
        ),
        (of_openai(429, retry_after="Fri, 01 Jan 2100 00:00:00 GMT"), 86_400.0),
        (of_openai(429, retry_after="-3"), 0.0),
        (of_openai(429, retry_after="1e9"), 86_400.0),
        (of_openai(429, retry_after="nan"), None),
        (of_openai(429, retry_after="soon"), None),
        (of_openai(429), None),
        (ModelHTTPError(429, "m", headers={"Retry-After": "7"}), 7.0),
        (wrapped(ModelHTTPError(429, "m"), of_openai(429, retry_after="7")), 7.0),
        (Failed(status_code=429, retry_after=7), 7.0),
        (APIError(429, {"error": {"code": 429, "details": [{}, {"retryDelay": "7.5s"}]}}), 7.5),
        (Failed(status=429, headers={"Retry-After": "7"}), 7.0),
        (ExceptionGroup("", [of_openai(429, retry_after="7"), of_openai(429)]), 7.0),
    ],
)
def test_a_provider_says_how_long_it_wants_to_be_left_alone(
    error: Exception, seconds: float | None
) -> None:
    found = judge(error)
    assert found.verdict is WAIT
    assert found.retry_after == (None if seconds is None else pytest.approx(seconds, abs=1.0))


def test_nobody_comes_back_before_the_time_and_not_all_at_once() -> None:
    pauses = {pause(Judgement(WAIT, 429, 60.0), 0) for _ in range(50)}
    assert min(pauses) >= 60.0
    assert max(pauses) <= 67.0
    assert len(pauses) > 1


def test_without_a_word_the_pauses_become_longer_up_to_a_limit() -> None:
    busy, unpaid = judge(of_openai(429)), judge(of_openai(429, "insufficient_quota"))
    assert 2.5 <= pause(busy, 0) <= 5.0
    assert 10.0 <= pause(busy, 2) <= 20.0
    assert 150.0 <= pause(busy, 1_000_000) <= 300.0
    assert unpaid.unpaid
    assert 300.0 <= pause(unpaid, 0) <= 600.0
    assert 1_800.0 <= pause(unpaid, 9) <= 3_600.0


def test_failed_attempts_are_repeated_later_and_later() -> None:
    assert 1.0 <= backoff(1) <= 2.0
    assert 4.0 <= backoff(3) <= 8.0
    assert 150.0 <= backoff(30) <= 300.0


class Unset(RuntimeError):
    """As httpx has it, whose errors have a property that raises when there is nothing to return."""

    status_code = 429

    @property
    def response(self) -> object:
        raise RuntimeError("the response has not been set")


def nested(depth: int) -> dict[str, object]:
    found: dict[str, object] = {"retryDelay": "3s"}
    for _ in range(depth):
        found = {"error": found}
    return found


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ({"retry_after": 10**400}, 86_400),
        ({"details": nested(5)}, 3),
        ({"details": nested(5_000)}, None),
    ],
)
def test_what_an_error_says_without_measure_is_judged_all_the_same(
    said: dict[str, object], seconds: float | None
) -> None:
    error = Unset("slow down")
    error.__dict__.update(said)
    assert judge(error) == Judgement(Verdict.WAIT, 429, seconds)
