"""What an attempt used, summed up while more and more is said of the same responses."""

import pickle
from decimal import Decimal
from typing import Any

from baton.llm.pricing import Price
from baton.llm.tally import Tally
from baton.llm.usage import Usage


def used(tokens: int, *, named: str = "a", model: str | None = "m") -> Usage:
    return Usage(model=model, output_tokens=tokens, response_id=named)


def price(amount: int, source: str = "s1") -> Price:
    return Price(Decimal(amount), source)


def lines(tally: Tally) -> list[tuple[Any, ...]]:
    """Model, source of prices, calls, output tokens, cost."""
    return [
        (
            row["model"],
            row["prices"],
            row["calls"],
            row["output_tokens"],
            None if row["cost"] is None else Decimal(row["cost"]),
        )
        for row in tally.rows()
    ]


def test_a_call_stays_in_its_line_when_its_price_is_from_elsewhere_by_now() -> None:
    tally = Tally({})
    assert tally.add(used(1), price(1))
    assert tally.add(used(500), price(5, "s2"))
    assert not tally.add(used(500), price(7, "s3"))
    assert lines(tally) == [("m", "s1", 1, 500, 5)]
    assert tally.add(used(2, named="b"), price(3, "s2"))
    assert tally.add(used(600), price(6, "s2"))
    assert lines(tally) == [("m", "s1", 1, 600, 6), ("m", "s2", 1, 2, 3)]


def test_a_call_whose_price_is_not_known_any_more_leaves_its_line_without_a_cost() -> None:
    tally = Tally({})
    tally.add(used(10, named="b"), price(2))
    tally.add(used(1), price(1))
    assert tally.add(used(500), None)
    assert lines(tally) == [("m", None, 2, 510, None)]
    tally.add(used(1, named="c"), price(1))
    assert lines(tally) == [("m", None, 3, 511, None)]
    assert tally.add(used(501), price(5, "s2"))
    assert lines(tally) == [("m", "s1", 3, 512, 8)]


def test_a_call_without_a_price_stays_without() -> None:
    tally = Tally({})
    tally.add(used(1), None)
    assert tally.add(used(500), price(5))
    assert tally.add(used(600), price(6))
    assert lines(tally) == [("m", None, 1, 600, None)]
    tally.add(used(7, named="b"), price(1))
    assert lines(tally) == [("m", None, 1, 600, None), ("m", "s1", 1, 7, 1)]


def test_a_model_may_be_named_later_but_is_no_other() -> None:
    tally = Tally({})
    tally.add(used(1, model=None), None)
    assert tally.add(used(500), price(5))
    assert lines(tally) == [(None, None, 1, 500, None)]
    other = Tally({})
    other.add(used(1), price(1))
    assert not other.add(used(500, model="another"), price(5))
    assert lines(other) == [("m", "s1", 1, 1, 1)]


def test_what_is_told_of_a_call_is_told_once_whatever_becomes_of_its_price() -> None:
    tally = Tally({})
    told = []
    for tokens, amount in ((1, price(1)), (10, price(5, "s2")), (20, None), (30, price(7))):
        tally.add(used(tokens), amount)
        told += [
            (each.prices, each.calls, each.amounts["output_tokens"], each.cost)
            for each in tally.news()
        ]
    assert told == [("s1", 1, 1, 1), ("s1", 0, 9, 4), (None, 0, 10, None), ("s1", 0, 10, 2)]


def test_a_tally_goes_on_in_another_process() -> None:
    tally = Tally({})
    tally.add(used(1), price(1), stream="one")
    there = pickle.loads(pickle.dumps(tally))  # noqa: S301
    assert there.add(used(500, named="b"), price(5, "s2"), stream="one")
    assert lines(there) == [("m", "s1", 1, 500, 5)]
    assert lines(tally) == [("m", "s1", 1, 1, 1)]
