"""Texts for people: on one line, harmless, cut to a length; durations as people write them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, SupportsFloat


def inert(text: str) -> str:
    r"""Return a text that a terminal prints on one line: control characters become ``\x1b``."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def cut(text: str, limit: int) -> str:
    """Return a text of at most so many characters."""
    return text if len(text) <= limit else f"{text[: limit - 3]}..."


SMALLEST = 0.0001  # dollars that a person is shown


def dollars(cost: SupportsFloat | None) -> str:
    """Return a cost as people read it; empty where none is known."""
    if cost is None:
        return ""
    shown = float(cost)
    return f"${shown:,.4f}" if shown == 0 or shown >= SMALLEST else f"<${SMALLEST}"


def counted(count: int, what: str) -> str:
    """Return a number of things, whose plural ends in ``s``."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def duration(seconds: float) -> str:
    """Return a duration as people write it: 0.61 s, 12.3 s, 4 min 05 s, 3 h 12 min."""
    if seconds < 10:  # noqa: PLR2004
        return f"{max(0.0, seconds):.2f} s"
    if seconds < 60:  # noqa: PLR2004
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:  # noqa: PLR2004
        return f"{minutes} min {rest:02} s"
    return f"{minutes // 60:,} h {minutes % 60:02} min"


def ran(error: Mapping[str, Any]) -> str:
    """Say how long the attempt of a job's error ran, if that is on record."""
    try:
        begun, ended = (datetime.fromisoformat(str(error[name])) for name in ("attempted_at", "at"))
        return f", ran {duration((ended - begun).total_seconds())}"
    except (KeyError, ValueError, TypeError):
        return ""  # no attempt ran, or somebody has edited it
