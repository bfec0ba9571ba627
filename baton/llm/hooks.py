"""What a program says about language models once and for all: it is part of its registry."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from baton.errors import InvalidHook, InvalidPricing

if TYPE_CHECKING:  # a program without language models needs none of it
    from collections.abc import Callable

    from baton.llm.pricing import Pricing

    Redactor = Callable[[Any, str, Any], Any]  # the job first

P = TypeVar("P", bound="Pricing | type[Pricing]")
H = TypeVar("H", bound="Redactor")


class LLMHooks:
    """The prices of a registry, and what it hides of what is said."""

    def __init__(self) -> None:
        super().__init__()
        self._pricing: Pricing | None = None
        self._redactor: Redactor | None = None

    def use_pricing(self, given: P) -> P:
        """Do what `baton.llm.use_pricing` does, in this registry."""
        pricing: Any = given() if isinstance(given, type) else given
        if not callable(getattr(pricing, "price", None)):
            raise InvalidPricing(given)
        self._pricing = pricing
        return given

    def redact(self, hide: H) -> H:
        """Do what `baton.llm.redact` does, in this registry."""
        if not callable(hide):
            raise InvalidHook(f"redact takes a function of job, kind and content, not {hide!r}")
        self._redactor = hide
        return hide

    @property
    def redactor(self) -> Redactor | None:
        """What hides things in captures, if anything does."""
        return self._redactor

    @property
    def pricing(self) -> Pricing | None:
        """What says what calls cost; ``None`` for genai-prices."""
        return self._pricing
