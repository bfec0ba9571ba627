"""What a call of a language model used."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from baton.documents import storable

NAME_LIMIT = 200  # characters of the name of a model or a provider
LARGEST = 2**63 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What a call of a language model used, in tokens.

    Attributes:
        model: the model that answered, as its provider calls it; ``None`` when nobody said.
        provider: who is paid, by its id in genai-prices (``openai``, ``azure`` and so on); ``None``
            for whoever the name of the model stands for.
        input_tokens: sent, those from and to a cache included.
        output_tokens: received, those of the reasoning included.
        cached_tokens: of the input, those that were read from a cache.
        cache_write_tokens: of the input, those that were written to a cache.
        reasoning_tokens: of the output, those that were spent on reasoning.
        tier: how the call was served where that has a price of its own: ``flex``, ``batch`` …
        details: finer amounts, by their names in genai-prices: ``input_audio_tokens`` and so on.
        response_id: the provider's name of the response: one that comes again is counted once.

    Raises:
        ValueError: an amount is no number from 0 to 2^63 - 1.
    """

    model: str | None = None
    provider: str | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0
    tier: str | None = None
    details: Mapping[str, int] = field(default_factory=dict)
    response_id: str | None = None

    def __post_init__(self) -> None:
        for name in ("model", "provider"):
            given = getattr(self, name)
            if given is not None:
                object.__setattr__(self, name, storable(str(given), NAME_LIMIT))
        for name, amount in self.amounts.items():
            if type(amount) is not int or not 0 <= amount <= LARGEST:
                raise ValueError(f"{name} must be a number of tokens, not {amount!r}")

    @property
    def amounts(self) -> dict[str, int]:
        """The amounts by name, without the details."""
        return {
            "input_tokens": self.input_tokens,
            "output_tokens": self.output_tokens,
            "cached_tokens": self.cached_tokens,
            "cache_write_tokens": self.cache_write_tokens,
            "reasoning_tokens": self.reasoning_tokens,
        }

    def named(self, model: str | None, provider: str | None) -> "Usage":
        """Return it with another model or provider, where one is given."""
        if model is None and provider is None:
            return self
        return replace(self, model=model or self.model, provider=provider or self.provider)

    def followed_by(self, later: "Usage") -> "Usage":
        """Return what is known once more was said of the same response."""
        known = {**self.amounts, **self.details}
        for name, amount in {**later.amounts, **later.details}.items():
            known[name] = max(known.get(name, 0), amount)
        return Usage(
            model=later.model or self.model,
            provider=later.provider or self.provider,
            tier=later.tier or self.tier,
            response_id=later.response_id or self.response_id,
            details={name: amount for name, amount in known.items() if name not in self.amounts},
            **{name: known[name] for name in self.amounts},
        )

    @property
    def total_tokens(self) -> int:
        """Tokens sent and received."""
        return self.input_tokens + self.output_tokens
