"""Whatever people ask of queues, or look for, is done or refused with an error of ours."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baton import Client
from baton.errors import InvalidFilter, InvalidQueue
from baton.search.lists import LISTS
from baton.testing import databases
from tests.fuzz.cases import cases
from tests.fuzz.values import anything, texts
from tests.support import job, rows

pytestmark = pytest.mark.anyio

PARTS = ("worker", "args.a", "args." + "x" * 600, "meta.a.b", "args.", "tags", "args.\U0001f600")
NUMBERS = (1, 2**31 - 1, 2**31, 0.001, 0.0009, 1e9, 1e9 + 1, 1e300, 5e-324, 3_155_760_000.0)
LIMITS = {
    "global_limit": st.sampled_from(NUMBERS) | st.none() | anything,
    "rate_limit": st.sampled_from(NUMBERS) | st.none() | anything,
    "rate_period": st.sampled_from(NUMBERS) | st.none() | anything,
    "partition_by": st.sampled_from(PARTS) | st.none() | anything,
    "ageing": st.sampled_from(NUMBERS) | st.none() | anything,
}
VALUES = (
    *("1", "-1", "1..2", "..", ">5", "1h", "999999999999h", "now", "2026-01-01", "99999-01-01"),
    *('"a b"', '"', "*", "%", "_", "\\", "null", "[1", "{}", "1e400", "9" * 30, "available"),
)
FIELDS = sorted({field for kind in LISTS.values() for field in kind.fields})
words = st.tuples(
    st.sampled_from(["", "-", "not:"]),
    st.sampled_from([*FIELDS, "args.a.b", "meta.", "nope"]),
    st.sampled_from([":", "", "::"]),
    st.sampled_from(VALUES) | texts,
).map("".join)
searches = st.lists(words | texts, max_size=4).map(" ".join)


@pytest.fixture(scope="module")
def place(server_dsn: str, migrated_template: str) -> Iterator[str]:
    with databases.database(server_dsn, template=migrated_template) as dsn:
        yield dsn


@cases(60, dear=2)
@given(limits=st.fixed_dictionaries({}, optional=LIMITS), args=st.dictionaries(st.just("a"), texts))
async def test_a_queue_keeps_to_what_it_was_told_or_it_is_refused(
    place: str, limits: dict[str, Any], args: dict[str, Any]
) -> None:
    storable = {name: "".join(filter(str.isprintable, text)) for name, text in args.items()}
    async with Client(place) as client:
        try:
            await client.queues.limit("odd", **limits)
        except InvalidQueue:
            return
        inserted = await client.insert(job(queue="odd", args=storable))
        assert (await client.why(inserted.id)).sentence
        assert "odd" in {each.name for each in await client.queues.list()}
    await rows(place, "select ids from baton.pick_limited_jobs('odd', 10)")


@cases(100, dear=2)
@given(source=searches)
async def test_a_search_finds_something_or_nothing_or_is_refused(place: str, source: str) -> None:
    async with Client(place) as client:
        looks = (
            client.list_jobs,
            client.list_workflows,
            client.approvals,
            client.queues.list,
            client.processes,
            client.crons.list,
            client.errors,
        )
        for look in looks:
            with suppress(InvalidFilter):
                await look(where=source)
        with suppress(InvalidFilter):
            await client.audit.list(source)
