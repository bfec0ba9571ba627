"""Price tables as people write them: in ``baton.toml``, in a file of their own, or as JSON."""

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from baton.documents import check_text
from baton.llm.pricing import PriceTable, Pricing, Rates

DATE = "as_of"
LARGEST = 1_000_000  # dollars for a million tokens
_TIERS = "tiers"
_FIELDS = tuple(field.name for field in fields(Rates) if field.name != _TIERS)


@dataclass(frozen=True, slots=True)
class Tariff:
    """A price table that was read.

    Attributes:
        rates: by the name of the model.
        source: what is recorded with its prices: where it stands, and of which day it is.
    """

    rates: Mapping[str, Rates]
    source: str = "settings"

    def table(self, otherwise: Pricing | None) -> PriceTable:
        """Return the prices, with others for the models that are not in the table."""
        return PriceTable(self.rates, otherwise, source=self.source)


def read_prices(given: Any) -> Tariff | None:
    """Read a price table: a mapping, its JSON, or the path of a file of TOML.

    Raises:
        ValueError: it can't be read; the message names the place.
    """
    if given is None or isinstance(given, Tariff):
        return given
    source = "settings"
    if isinstance(given, str):
        if given.lstrip().startswith("{"):
            given = _json(given)
        else:
            source, given = Path(given).name, _file(Path(given))
    if not isinstance(given, Mapping):
        raise ValueError(  # noqa: TRY004  pydantic wants this one
            f"prices are a table of models, or the path of one, not {given!r}"
        )
    tables = dict(given)
    if (day := tables.pop(DATE, None)) is not None:
        source = f"{source}, {_day(day)}"
    return Tariff({_model(name): _rates(name, table) for name, table in tables.items()}, source)


def _json(text: str) -> Any:
    try:
        return json.loads(text, parse_float=Decimal)
    except ValueError as error:
        raise ValueError(f"the prices are no JSON: {error}") from None


def _file(path: Path) -> Any:
    try:
        return tomllib.loads(path.read_text("utf-8"), parse_float=Decimal)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise ValueError(f"the prices of {path} can't be read: {error}") from None


def _day(given: Any) -> str:
    try:
        return (given if isinstance(given, date) else date.fromisoformat(given)).isoformat()
    except (TypeError, ValueError):
        raise ValueError(
            f"{DATE} is the day of the prices, like 2026-01-31, not {given!r}"
        ) from None


def _model(name: Any) -> str:
    return check_text(name, "the name of a model")


def _rates(model: str, table: Any) -> Rates:
    if not isinstance(table, Mapping) or not {"input", "output"} <= table.keys():
        raise ValueError(
            f"{model}: the prices of a model are input, output and so on, not {table!r}"
        )
    table = dict(table)
    tiers = table.pop(_TIERS, {})
    if not isinstance(tiers, Mapping):
        raise ValueError(  # noqa: TRY004  pydantic wants this one
            f"{model}: tiers are tables of prices by the name of the tier, not {tiers!r}"
        )
    if unknown := sorted(table.keys() - set(_FIELDS)):
        raise ValueError(f"{model}: {', '.join(unknown)} is not one of {', '.join(_FIELDS)}")
    return Rates(
        **{name: _dollars(model, name, each) for name, each in table.items()},
        tiers={name: _rates(f"{model}, {name}", each) for name, each in tiers.items()},
    )


def _dollars(model: str, name: str, given: Any) -> Decimal:
    try:
        amount = Decimal(str(given))  # str(True) is no number
    except InvalidOperation:
        amount = Decimal(-1)
    if not amount.is_finite() or not 0 <= amount <= LARGEST:
        raise ValueError(
            f"{model}: {name} is a price in US dollars for a million tokens, not {given!r}"
        )
    return amount
