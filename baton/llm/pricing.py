"""What a call costs: the protocol, the prices of genai-prices, and tables of a program's own."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import Protocol, runtime_checkable

from baton.llm import genai
from baton.llm.responses import amounts
from baton.llm.usage import Usage

MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Price:
    """What a call cost.

    Attributes:
        amount: in US dollars.
        source: where the price is from, with what says how old it is.
    """

    amount: Decimal
    source: str


@runtime_checkable
class Pricing(Protocol):
    """Says what calls cost; register your own with ``baton.llm.pricing``."""

    def price(self, usage: Usage) -> Price | None:
        """Return what a call cost, or ``None`` where that is not known."""
        ...


class GenaiPrices:
    """The prices of the package genai-prices, as it was installed: nothing is fetched.

    A model that it does not know has no price, and so has a call in a tier whose price it does not
    know. The source names the version of the package, which stands for its data, and the day of
    the newest update where the program has started one itself.
    """

    def price(self, usage: Usage) -> Price | None:
        """Return what a call costs today, or ``None``.

        Raises:
            MissingPackage: genai-prices is not installed.
        """
        if usage.model is None:
            return None
        amount = genai.cost(
            amounts(usage),
            usage.model,
            provider=usage.provider,
            tier=usage.tier,
            at=datetime.now(UTC),
        )
        return None if amount is None else Price(amount, genai.dated())


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """The prices of a model, in US dollars for a million tokens.

    Attributes:
        input: sent.
        output: received.
        cached: read from a cache; ``None`` is like ``input``.
        cache_write: written to a cache; ``None`` is like ``input``.
        reasoning: spent on reasoning; ``None`` is like ``output``.
        tiers: the prices of tiers that have their own: ``flex``, ``batch`` …
    """

    input: Decimal
    output: Decimal
    cached: Decimal | None = None
    cache_write: Decimal | None = None
    reasoning: Decimal | None = None
    tiers: Mapping[str, "Rates"] = field(default_factory=dict)

    def cost(self, usage: Usage) -> Decimal | None:
        """Return what a call costs; ``None`` for an unknown tier, and amounts that can't be."""
        if usage.tier is not None and usage.tier not in genai.ORDINARY:
            own = self.tiers.get(usage.tier)
            return None if own is None else own.cost(replace(usage, tier=None))
        fresh = usage.input_tokens - usage.cached_tokens - usage.cache_write_tokens
        said = usage.output_tokens - usage.reasoning_tokens
        if fresh < 0 or said < 0:
            return None
        total = (
            fresh * self.input
            + usage.cached_tokens * _or(self.cached, self.input)
            + usage.cache_write_tokens * _or(self.cache_write, self.input)
            + said * self.output
            + usage.reasoning_tokens * _or(self.reasoning, self.output)
        )
        return total / MILLION


class PriceTable:
    """Prices that a program or its settings name, and other prices for all other models.

    Args:
        rates: by the name of the model; ``*`` stands for any characters, a whole name wins, and
            then the longest.
        otherwise: asked for models that are not in the table.
        source: what is recorded with a price from the table.
    """

    def __init__(
        self,
        rates: Mapping[str, Rates],
        otherwise: Pricing | None = None,
        *,
        source: str = "settings",
    ) -> None:
        self._exact = {name: each for name, each in rates.items() if "*" not in name}
        patterns = sorted(rates.keys() - self._exact.keys(), key=lambda name: (-len(name), name))
        self._patterns = [(name, rates[name]) for name in patterns]
        self._otherwise = otherwise
        self._source = source

    def price(self, usage: Usage) -> Price | None:
        """Return what a call costs, or ``None``."""
        rates = self._find(usage.model) if usage.model is not None else None
        if rates is None:
            return None if self._otherwise is None else self._otherwise.price(usage)
        cost = rates.cost(usage)
        return None if cost is None else Price(cost, self._source)

    def _find(self, model: str) -> Rates | None:
        if model in self._exact:
            return self._exact[model]
        return next((each for name, each in self._patterns if fnmatchcase(model, name)), None)


def _or(price: Decimal | None, other: Decimal) -> Decimal:
    return other if price is None else price
