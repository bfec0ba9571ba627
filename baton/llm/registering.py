"""What programs say about language models above their code, in the registry of the program."""

from baton.llm.hooks import H, P
from baton.workers import current_registry


def use_pricing(given: P) -> P:
    """Let an object, or a class, say what calls cost, instead of genai-prices.

    It has a method ``price(usage)``, as `Pricing` describes it, which is called in whichever thread
    records a usage. One that raises leaves the call without a price. Models of the setting
    ``prices`` are not asked for.

    Raises:
        InvalidPricing: it has no such method.
    """
    return current_registry().use_pricing(given)


def redact(hide: H) -> H:
    """Hide things in what is captured: ``def hide(job, kind, content)`` returns what is kept.

    ``kind`` is ``context``, ``request``, ``response`` or ``error``, and ``content`` JSON values, of
    which what stands under the names of secrets is hidden already. Of a capture for which it raises
    nothing is kept but that.

    Raises:
        InvalidHook: it can't be called.
    """
    return current_registry().redact(hide)
