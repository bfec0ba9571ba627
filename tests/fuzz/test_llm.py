"""Whatever providers of language models answer is read, or passed over; it ends no attempt."""

import math
from types import SimpleNamespace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from baton.errors import BatonError, ConfigurationError
from baton.llm import Budget
from baton.llm.budgets import Most
from baton.llm.responses import readable
from baton.llm.tables import read_prices
from baton.llm.verdicts import judge, pause
from tests.fuzz.cases import cases
from tests.fuzz.values import anything, texts

SAID = (
    *("status_code", "status", "code", "type", "headers", "response", "body", "details"),
    *("retry_after", "error", "message"),
)
HEADERS = st.dictionaries(
    st.sampled_from(["retry-after", "Retry-After", "retry-after-ms", "date", "x"]),
    texts | st.sampled_from(["1", "-1", "1e400", "nan", "Wed, 21 Oct 2015 07:28:00 GMT", "4s"]),
    max_size=3,
)
STATUSES = st.sampled_from([200, 400, 401, 404, 408, 409, 429, 499, 500, 503, 529, 599, 600])
RESPONSE = st.fixed_dictionaries(
    {}, optional={"headers": HEADERS | anything, "status_code": STATUSES}
)
VALUES = st.one_of(
    anything,
    STATUSES,
    HEADERS,
    RESPONSE.map(lambda facts: SimpleNamespace(**facts)),
    st.sampled_from(["rate_limit_exceeded", "insufficient_quota", "overloaded_error"]),
    st.dictionaries(
        st.sampled_from(["retryDelay", "error", "code", "details"]), anything, max_size=3
    ),
)


def raised(facts: list[dict[str, Any]]) -> Exception:
    """An error, and those that it was raised from."""
    found: Exception | None = None
    for each in facts:
        error = RuntimeError("of a provider")
        for name, value in each.items():
            setattr(error, name, value)
        error.__cause__ = found
        found = error
    assert found is not None
    return found


@cases(150)
@given(
    facts=st.lists(
        st.dictionaries(st.sampled_from(SAID), VALUES, max_size=4), min_size=1, max_size=3
    ),
    grouped=st.booleans(),
    snoozed=st.sampled_from([0, 1, 20, 2**31]),
)
def test_whatever_an_error_carries_it_is_judged(
    facts: list[dict[str, Any]], grouped: bool, snoozed: int
) -> None:
    error: Exception = raised(facts)
    if grouped:
        error = ExceptionGroup("both", [error, raised(facts[:1])])
    judgement = judge(error)
    assert judgement.retry_after is None or 0 <= judgement.retry_after < math.inf
    assert 0 <= pause(judgement, snoozed) < math.inf


FIELDS = (
    *("usage", "usage_metadata", "usageMetadata", "response", "message", "kind", "model"),
    *("input_tokens", "output_tokens", "prompt_tokens", "completion_tokens", "total_tokens"),
    *("promptTokenCount", "candidatesTokenCount", "cache_read_input_tokens", "all_messages"),
    *("modelVersion", "provider_name", "prompt_tokens_details", "details", "server_tool_use"),
)
DOCUMENTS: st.SearchStrategy[Any] = st.recursive(
    anything | st.sampled_from(["response", "gpt-4o", "claude-sonnet-4-5", 3, -3, 2**70, 0.5]),
    lambda inner: st.dictionaries(st.sampled_from(FIELDS), inner, max_size=5),
    max_leaves=12,
)


@cases(200)
@given(document=DOCUMENTS, as_object=st.booleans())
def test_whatever_a_response_holds_its_usage_is_read_or_there_is_none(
    document: Any, as_object: bool
) -> None:
    if as_object and isinstance(document, dict) and all(isinstance(each, str) for each in document):
        document = SimpleNamespace(**document)
    try:
        used = readable(document)
    except BatonError:
        return
    for each in used:
        assert each.total_tokens >= 0


PRICES = st.dictionaries(
    texts | st.sampled_from(["gpt-4o", "claude-*", "*"]),
    anything
    | st.dictionaries(
        st.sampled_from(["input", "output", "cached", "input_mtok", "output_mtok"]), anything
    ),
    max_size=3,
)


@cases(100)
@given(table=PRICES | anything)
def test_a_table_of_prices_is_read_or_refused(table: Any) -> None:
    try:
        read_prices(table)
    except (ValueError, ConfigurationError):
        return


@cases(100)
@given(cost=anything, tokens=anything, words=anything)
def test_a_budget_is_made_or_refused(cost: Any, tokens: Any, words: Any) -> None:
    for make in (lambda: Budget(cost, tokens, on_exceeded=words), lambda: Budget(cost, tokens)):
        try:
            assert make() is not None
        except BatonError:
            continue
    assert Most() is not None
