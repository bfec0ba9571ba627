"""The one place that knows genai-prices, which is read when it is first needed."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from functools import cache
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from baton.errors import MissingPackage

if TYPE_CHECKING:
    from genai_prices.data_snapshot import DataSnapshot
    from genai_prices.types import ModelInfo, ModelPrice

CONTEXTS = ("service_tier", "processing", "speed")  # what a tier may be called by a provider
ORDINARY = frozenset({"", "auto", "default", "standard", "standard_only", "on_demand"})


def snapshot() -> "DataSnapshot":
    """Return the prices and extractors: those of the package, or what the program has updated.

    Raises:
        MissingPackage: genai-prices is not installed.
    """
    try:
        from genai_prices import data_snapshot  # noqa: PLC0415  it takes 0.3 s
    except ImportError:
        raise MissingPackage("genai-prices", "llm") from None
    return data_snapshot.get_snapshot()


def require() -> None:
    """Make sure that usage can be read.

    Raises:
        MissingPackage: genai-prices is not installed.
    """
    amount_names()


@cache
def amount_names() -> frozenset[str]:
    """Return the names of all amounts that genai-prices knows.

    Raises:
        MissingPackage: it is not installed.
    """
    try:
        from genai_prices.data_units import unit_data  # noqa: PLC0415
    except ImportError:
        raise MissingPackage("genai-prices", "llm") from None
    return frozenset(unit_data) - {"requests"}


def extracted(provider: str, flavor: str, document: Mapping[str, Any]) -> tuple[str | None, Any]:
    """Return the model, and the usage, that a response names.

    Raises:
        ValueError: the response is not of that form.
        MissingPackage: genai-prices is not installed.
    """
    found = snapshot().find_provider(None, provider, None)
    return found.extract_usage(document, api_flavor=flavor)


def amounts_of(usage: object) -> dict[str, int]:
    """Return the amounts above 0 that an object of genai-prices, or of its kind, reports."""
    given = vars(usage)
    found = {name: given.get(name) for name in amount_names() & given.keys()}
    return {
        name: int(each) for name, each in found.items() if isinstance(each, int | float) and each
    }


def cost(
    amounts: Mapping[str, int],
    model: str,
    *,
    provider: str | None,
    tier: str | None,
    at: datetime,
) -> Decimal | None:
    """Return the price of a call in US dollars; ``None`` where it is not known for certain.

    Raises:
        MissingPackage: genai-prices is not installed.
    """
    data = snapshot()
    from genai_prices import Usage  # noqa: PLC0415

    try:
        seller, found = data.find_provider_model(model, None, provider, None)
        context = {}
        if tier not in ORDINARY and tier is not None:
            context = dict.fromkeys(CONTEXTS, tier)
            if not _sells(found, context):
                return None  # at the ordinary price it would be wrong
        prices = found.get_prices(at, context)
        if not _complete(prices, amounts):
            return None
        priced = found.calc_price(
            Usage(**amounts), seller, genai_request_timestamp=at, price_context=context
        )
    except (LookupError, ValueError):
        return None
    return priced.total_price


def _sells(model: "ModelInfo", context: Mapping[str, str]) -> bool:
    return any(
        all(context.get(key) == value for key, value in variant.when.items())
        for variant in model.price_variants or ()
    )


def _complete(prices: "ModelPrice", amounts: Mapping[str, int]) -> bool:
    """Whether what was sent has a price, and what was received."""
    given = vars(prices)
    return all(
        any(name.startswith(direction) and given[name] is not None for name in given)
        for direction in ("input", "output")
        if amounts.get(f"{direction}_tokens")
    )


@cache
def source() -> str:
    """Return what says which prices these are: the package, whose version stands for its data."""
    return f"genai-prices {version('genai-prices')}"


def dated() -> str:
    """Return `source`, with the date where the program has updated the prices itself."""
    data = snapshot()
    return f"{source()}, updated {data.timestamp:%Y-%m-%d}" if data.from_auto_update else source()
