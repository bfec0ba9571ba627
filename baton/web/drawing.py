"""SVG that a strict policy lets through: no style, only classes; every text is escaped here."""

from collections.abc import Sequence
from xml.sax.saxutils import escape, quoteattr

from markupsafe import Markup

from baton.web.desk import markup

LINKED = frozenset({"graph", "gantt"})  # pictures that hold links

SHAPES = {
    "discarded": "M6 0H14L20 6V14L14 20H6L0 14V6Z",
    "retryable": "M10 0L20 18H0Z",
    "executing": "M2 0L20 10L2 20Z",
    "waiting": "M10 0L20 10L10 20L0 10Z",
    "cancelled": "M0 0H20V20H0Z",
    "available": "M10 0A10 10 0 1 1 10 20A10 10 0 1 1 10 0Z",
    "scheduled": "M5 0H15L20 10L15 20H5L0 10Z",
    "suspended": "M0 7H20V13H0Z",
    "skipped": "M0 4H14L20 10L14 16H0Z",
    "completed": "M10 0A10 10 0 1 1 10 20A10 10 0 1 1 10 0Z",
    "planned": "M0 0H20V20H0Z",
}
"""The shape of each state, in a square of 20; what is also told by an icon, a word and a colour."""


def tag(name: str, content: str = "", /, **attributes: object) -> str:
    """Return an element; a name of an attribute that ends in ``_`` is one without it."""
    given = "".join(
        f" {key.rstrip('_').replace('_', '-')}={quoteattr(_value(value))}"
        for key, value in attributes.items()
        if value is not None
    )
    return f"<{name}{given}>{content}</{name}>" if content else f"<{name}{given}/>"


def text(content: object, /, **attributes: object) -> str:
    """Return a text element."""
    return tag("text", escape(str(content)) or " ", **attributes)


def picture(width: float, height: float, label: str, content: Sequence[str], kind: str) -> Markup:
    """Return a whole picture.

    Args:
        width, height: in pixels.
        label: what a reader of screens says.
        content: elements.
        kind: the class, and whether it is a picture or a group of links.
    """
    return markup(
        tag(
            "svg",
            "\n".join(content) or " ",
            class_=kind,
            role="group" if kind in LINKED else "img",
            aria_label=label,
            width=round(width),
            height=round(height),
            viewBox=f"0 0 {width:.0f} {height:.0f}",
        )
    )


def _value(value: object) -> str:
    return f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else str(value)
