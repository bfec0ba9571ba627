"""How values are read from the command line: times, delays and JSON."""

import json
import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from baton.errors import ConfigurationError

_DELAY = re.compile(r"(\d+(?:\.\d+)?)([smhd]?)")
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3_600, "d": 86_400}
_LONGEST = 100 * 365 * 86_400  # seconds
NOTHING = "none"


def delay(option: str, text: str) -> float:
    """Read a delay: seconds, or a number with the unit s, m, h or d.

    Raises:
        ConfigurationError: it is something else, or longer than 100 years.
    """
    found = _DELAY.fullmatch(text.strip())
    if found is None:
        raise ConfigurationError(f"{option} {text}: it looks like 90, 15m, 1.5h or 2d")
    seconds = float(found[1]) * _UNITS[found[2]]
    if seconds > _LONGEST:
        raise ConfigurationError(f"{option} {text}: it is longer than 100 years")
    return seconds


def moment(option: str, text: str) -> datetime:
    """Read a time in ISO 8601; without a time zone it is this machine's.

    Raises:
        ConfigurationError: it is something else.
    """
    try:
        return datetime.fromisoformat(text.strip()).astimezone()
    except (ValueError, OverflowError):
        raise ConfigurationError(
            f"{option} {text}: it looks like 2026-11-21T08:30 or 2026-11-21T08:30+01:00"
        ) from None


def document(option: str, text: str) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        ConfigurationError: it is something else.
    """
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigurationError(f"{option} is not JSON: {error}") from None
    if not isinstance(found, dict):
        raise ConfigurationError(f"{option} {text[:80]}: it must be a JSON object")
    return found


def pairs(option: str, texts: Sequence[str]) -> dict[str, Any]:
    """Read ``name=value`` texts; a value that is JSON is that, another one is a text.

    Raises:
        ConfigurationError: one has no name, or two have the same.
    """
    found: dict[str, Any] = {}
    for text in texts:
        name, value = _pair(option, text)
        if name in found:
            raise ConfigurationError(f"{option} {name}: it is given twice")
        found[name] = value
    return found


def _pair(option: str, text: str) -> tuple[str, Any]:
    name, separator, value = text.partition("=")
    if not separator or not name.strip():
        raise ConfigurationError(f"{option} {text}: it looks like name=value")
    try:
        return name.strip(), json.loads(value)
    except (ValueError, RecursionError):
        return name.strip(), value
