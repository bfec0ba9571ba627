"""What calls cost, to the last figure."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from baton.errors import ConfigurationError, InvalidPricing
from baton.llm import GenaiPrices, Price, PriceTable, Pricing, Usage, read, use_pricing
from baton.llm.pricing import Rates
from baton.llm.tables import read_prices
from baton.settings import load
from baton.workers import Registry
from tests.unit.test_llm_usage import CHAT, CONTENT, MESSAGE, RESPONSE

RATES = Rates(
    input=Decimal(3), output=Decimal(15), cached=Decimal("0.3"), cache_write=Decimal("3.75")
)


def cost(given: Any) -> Decimal | None:
    [usage] = read(given)
    price = GenaiPrices().price(usage)
    return None if price is None else price.amount


@pytest.mark.parametrize(
    ("given", "dollars"),
    [
        (CHAT, "0.00018"),  # 600 at 0.15, 400 cached at 0.075, 100 at 0.60
        (RESPONSE, "0.0001748875"),  # flex: 999 at 0.125, 1 cached at 0.0125, 50 at 1
        # 10 at 3, 1,000 read at 0.30, 60 written for 5 minutes at 3.75, 40 for 1 hour at 6, 5 at 15
        (MESSAGE, "0.00087"),
        (CONTENT, "0.0000644"),  # 70 at 0.30, 30 cached at 0.03, 17 at 2.50
    ],
)
def test_prices_of_genai_prices(given: Any, dollars: str) -> None:
    assert cost(given) == Decimal(dollars)


def test_a_price_says_where_it_is_from() -> None:
    price = GenaiPrices().price(read(CHAT)[0])
    assert price is not None
    assert price.source.startswith("genai-prices 0.")


@pytest.mark.parametrize(
    "usage",
    [
        Usage(model="llama-of-my-own", input_tokens=10, output_tokens=1),
        Usage(model="gpt-9-ultra", input_tokens=10, output_tokens=1),
        Usage(model="my-claude", input_tokens=10, output_tokens=1),
        Usage(model=None, input_tokens=10, output_tokens=1),
        Usage(model="", input_tokens=10, output_tokens=1),
        Usage(model="gpt-4o", provider="nobody", input_tokens=10, output_tokens=1),
        # what contradicts itself: more was read from the cache than was sent
        Usage(model="gpt-4o", input_tokens=10, cached_tokens=11, output_tokens=1),
        # a model that is not sold in that tier: at the ordinary price it would be wrong
        Usage(model="gpt-3.5-turbo", tier="flex", input_tokens=10, output_tokens=1),
        # a model of which only the input has a price
        Usage(model="text-embedding-3-small", provider="openai", input_tokens=1, output_tokens=5),
    ],
)
def test_what_is_not_known_for_certain_has_no_price(usage: Usage) -> None:
    assert GenaiPrices().price(usage) is None


def test_a_model_costs_what_its_provider_takes() -> None:
    usage = Usage(model="claude-sonnet-4-5", provider="anthropic", input_tokens=1_000_000)
    assert GenaiPrices().price(usage) is not None


def test_a_table_of_ones_own_wins_and_others_are_asked_for_the_rest() -> None:
    table = PriceTable({"llama-*": RATES, "gpt-4o-mini": RATES}, GenaiPrices(), source="mine")
    usage = Usage(
        model="llama-of-my-own",
        input_tokens=1_110,
        cached_tokens=1_000,
        cache_write_tokens=100,
        output_tokens=5,
        reasoning_tokens=3,
    )
    assert table.price(usage) == Price(Decimal("0.00078"), "mine")
    assert table.price(Usage(model="gpt-4o-mini", input_tokens=1_000_000)) == Price(
        Decimal(3), "mine"
    )
    other = table.price(Usage(model="gpt-4o", input_tokens=1_000_000))
    assert other is not None
    assert other.source.startswith("genai-prices")
    assert PriceTable({}).price(usage) is None


def test_the_whole_name_wins_and_then_the_longest_pattern() -> None:
    rates = {
        name: Rates(input=Decimal(n), output=Decimal(0))
        for n, name in enumerate(["*", "gpt-*", "gpt-4*", "gpt-4o"])
    }
    table = PriceTable(rates)
    found = [
        price.amount
        for model in ("x", "gpt-3", "gpt-41", "gpt-4o")
        if (price := table.price(Usage(model=model, input_tokens=1_000_000)))
    ]
    assert found == [0, 1, 2, 3]


def test_a_table_prices_nothing_that_contradicts_itself() -> None:
    table = PriceTable({"m": RATES})
    assert table.price(Usage(model="m", input_tokens=1, cached_tokens=2)) is None
    assert table.price(Usage(model="m", output_tokens=1, reasoning_tokens=2)) is None


def test_a_tier_has_the_price_that_the_table_says_of_it_or_none() -> None:
    tariff = read_prices(
        {"m": {"input": 2, "output": 4, "tiers": {"flex": {"input": 1, "output": 2}}}}
    )
    assert tariff is not None
    table = tariff.table(GenaiPrices())

    def dollars(tier: str | None) -> Decimal | None:
        price = table.price(Usage(model="m", input_tokens=1_000_000, tier=tier))
        return None if price is None else price.amount

    assert [dollars(tier) for tier in (None, "default", "flex", "priority")] == [2, 2, 1, None]


TABLE = {"as_of": "2026-01-31", "mine": {"input": "0.1", "output": 0.2}}
TOML = """
as_of = 2026-01-31
[mine]
input = 0.1
output = "0.2"
"""


@pytest.mark.parametrize("form", ["table", "json", "file"])
def test_tables_are_read_from_settings(tmp_path: Path, form: str) -> None:
    path = tmp_path / "prices.toml"
    path.write_text(TOML)
    given: Any = {"table": TABLE, "json": json.dumps(TABLE), "file": str(path)}[form]
    tariff = load(prices=given).prices
    assert tariff is not None
    source = "prices.toml, 2026-01-31" if form == "file" else "settings, 2026-01-31"
    usage = Usage(model="mine", input_tokens=1, output_tokens=1)
    assert tariff.table(None).price(usage) == Price(Decimal("0.0000003"), source)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("nowhere.toml", "the prices of nowhere.toml can't be read"),
        ("{", "the prices are no JSON"),
        (7, "prices are a table of models, or the path of one, not 7"),
        ({"m": {"input": 1}}, "m: the prices of a model are input, output and so on"),
        ({"m": {"input": 1, "output": "dear"}}, "m: output is a price in US dollars"),
        ({"m": {"input": True, "output": 1}}, "m: input is a price in US dollars"),
        ({"m": {"input": -1, "output": 1}}, "m: input is a price in US dollars"),
        ({"m": {"input": "NaN", "output": 1}}, "m: input is a price in US dollars"),
        ({"m": {"input": 1, "output": 1, "ouput": 1}}, "m: ouput is not one of input"),
        ({" ": {"input": 1, "output": 1}}, "the name of a model must not be blank"),
        ({"m": {"input": 1, "output": 1, "tiers": 5}}, "m: tiers are tables of prices"),
        ({"m": {"input": 1, "output": 1, "tiers": {"flex": {}}}}, "m, flex: the prices of a model"),
        ({"as_of": "soon"}, "as_of is the day of the prices, like 2026-01-31, not 'soon'"),
    ],
)
def test_a_table_that_can_not_be_is_refused(given: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=f"prices: {message}"):
        load(prices=given)


def test_a_program_registers_prices_of_its_own() -> None:
    registry = Registry()
    with registry.collecting():

        @use_pricing
        class Flat:
            def price(self, usage: Usage) -> Price | None:
                return Price(Decimal(1), "flat") if usage.model else None

    assert isinstance(registry.pricing, Pricing)
    assert registry.pricing.price(Usage(model="m")) == Price(Decimal(1), "flat")
    with pytest.raises(InvalidPricing, match=r"prices have a method price\(usage\), unlike 7"):
        registry.use_pricing(7)  # type: ignore[type-var]
