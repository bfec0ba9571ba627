"""Short names for models, as parts of the names of steps."""

import re
from collections import Counter
from collections.abc import Sequence
from hashlib import sha256


def slugs(models: Sequence[str]) -> dict[str, str]:
    """Return models by short names of lowercase letters, digits, dots, dashes and underscores.

    A name depends on which models there are, but not on their order. Where two would have the same,
    as ``openai/gpt-4o`` and ``openai:gpt-4o`` would, each that is not itself that name gets a hash
    behind it.

    Args:
        models: each once.
    """
    plain = {model: _slug(model) for model in models}
    often = Counter(plain.values())
    named: dict[str, str] = {}
    for digits in range(6, 64):
        named = {
            short
            if often[short] == 1 or model == short
            else f"{short}-{sha256(model.encode()).hexdigest()[:digits]}": model
            for model, short in plain.items()
        }
        if len(named) == len(plain):
            break
    return named


def _slug(model: str) -> str:
    return re.sub(r"[^a-z0-9._]+", "-", model.lower()).strip("-") or "model"
