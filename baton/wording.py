"""Texts for people: on one line, harmless, cut to a length; durations as people write them."""


def inert(text: str) -> str:
    r"""Return a text that a terminal prints on one line: control characters become ``\x1b``."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def cut(text: str, limit: int) -> str:
    """Return a text of at most so many characters."""
    return text if len(text) <= limit else f"{text[: limit - 3]}..."


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
