"""What can be said about queues, and which of them a process serves."""

from datetime import timedelta
from typing import Any

import pytest

from baton.errors import InvalidQueue
from baton.queues import Said, check_name, check_slots, limit_changes, served


@pytest.mark.parametrize(
    ("own", "said", "expected"),
    [
        ({"a": 5}, {}, {"a": 5}),
        ({"a": 5}, {"a": Said(slots=2)}, {"a": 2}),
        ({"a": 5}, {"a": Said(slots=0)}, {"a": 0}),
        ({"a": 5}, {"a": Said(start_slots=7)}, {"a": 5}),
        ({"a": 5}, {"b": Said(slots=3)}, {"a": 5}),
        ({"a": 5}, {"b": Said(start_slots=3)}, {"a": 5, "b": 3}),
        ({"a": 5}, {"b": Said(slots=4, start_slots=3)}, {"a": 5, "b": 4}),
        ({"a": 5}, {"a": Said(slots=2, node_slots=9)}, {"a": 9}),
        ({"a": 5}, {"b": Said(node_slots=1)}, {"a": 5, "b": 1}),
        ({}, {"b": Said(start_slots=3, node_start_slots=1)}, {"b": 1}),
    ],
)
def test_a_process_serves_what_it_was_started_with_and_what_was_said_since(
    own: dict[str, int], said: dict[str, Said], expected: dict[str, int]
) -> None:
    assert served(own, said) == expected


@pytest.mark.parametrize("slots", [0, -1, 10_001, 1.5, "3", True, None])
def test_31_an_invalid_number_of_slots_is_rejected(slots: Any) -> None:
    with pytest.raises(InvalidQueue, match="slots must be from 1 to 10,000"):
        check_slots(slots)


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ({}, "no limit is given"),
        ({"global_limit": 0}, "global_limit must be a whole number above 0, not 0"),
        ({"global_limit": 1.5}, "not 1.5"),
        ({"global_limit": True}, "not True"),
        ({"global_limit": 2**31}, "global_limit"),
        ({"rate_limit": 5}, "given together"),
        ({"rate_period": 5}, "given together"),
        ({"rate_limit": 5, "rate_period": None}, "given together"),
        ({"rate_limit": 0, "rate_period": 5}, "rate_limit must be a whole number"),
        (
            {"rate_limit": 5, "rate_period": 0},
            "rate_period must be from 0.001 to 1,000,000,000 seconds, not 0",
        ),
        ({"rate_limit": 5, "rate_period": float("nan")}, "rate_period"),
        ({"rate_limit": 5, "rate_period": "1m"}, "rate_period"),
        ({"ageing": -1}, "ageing must be from 0.001 to 1,000,000,000 seconds, not -1"),
        ({"ageing": float("inf")}, "ageing"),
        ({"partition_by": "tenant"}, "partition_by must be worker, args.<name> or meta.<name>"),
        ({"partition_by": "args."}, "partition_by must be"),
        ({"partition_by": "tags.x"}, "partition_by must be"),
        ({"partition_by": " "}, "must not be blank"),
        ({"partition_by": "args." + "x" * 500}, "is longer than 500 bytes"),
    ],
)
def test_31_an_invalid_limit_is_rejected(limits: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidQueue) as raised:
        limit_changes(**limits)
    assert words in str(raised.value)


def test_what_is_not_mentioned_stays_and_none_clears() -> None:
    assert limit_changes(global_limit=None) == {"global_limit": None}
    assert limit_changes(rate_limit=None) == {"rate_limit": None, "rate_period": None}
    changes = limit_changes(rate_limit=3, rate_period=timedelta(minutes=1), ageing=2)
    assert changes == {"rate_limit": 3, "rate_period": 60.0, "ageing": 2.0}
    assert limit_changes(partition_by="args.a.b") == {"partition_by": "args.a.b"}


@pytest.mark.parametrize("name", ["", "  ", "a\0b", None, 5])
def test_a_name_that_nothing_can_have_is_rejected(name: Any) -> None:
    with pytest.raises(InvalidQueue, match="the queue"):
        check_name(name)
