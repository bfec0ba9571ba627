"""Steps that call language models: what they use and cost, what they said, how they are retried.

Nothing here needs a provider's package. A public name is imported from its module when it is first
used, like those of `baton`; reading usage and the default prices need the extra ``baton[llm]``.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from baton.llm.budgets import Budget, BudgetStatus
    from baton.llm.capture import LogEntry
    from baton.llm.debug import Debug
    from baton.llm.figures import (
        DayFigures,
        Figures,
        ModelFigures,
        StepFigures,
        WorkerFigures,
        WorkflowFigures,
    )
    from baton.llm.multi_model import MultiModel
    from baton.llm.pricing import GenaiPrices, Price, PriceTable, Pricing
    from baton.llm.registering import redact, use_pricing
    from baton.llm.responses import read
    from baton.llm.stats import Stats
    from baton.llm.usage import Usage
    from baton.llm.verdicts import Judgement, Verdict, judge
    from baton.llm.worker import LLMWorker, at_most, llm_worker

__all__ = [
    "Budget",
    "BudgetStatus",
    "DayFigures",
    "Debug",
    "Figures",
    "GenaiPrices",
    "Judgement",
    "LLMWorker",
    "LogEntry",
    "ModelFigures",
    "MultiModel",
    "Price",
    "PriceTable",
    "Pricing",
    "Stats",
    "StepFigures",
    "Usage",
    "Verdict",
    "WorkerFigures",
    "WorkflowFigures",
    "at_most",
    "judge",
    "llm_worker",
    "read",
    "redact",
    "use_pricing",
]

_PLACES = {
    "baton.llm.budgets": ("Budget", "BudgetStatus"),
    "baton.llm.capture": ("LogEntry",),
    "baton.llm.debug": ("Debug",),
    "baton.llm.figures": (
        "DayFigures",
        "Figures",
        "ModelFigures",
        "StepFigures",
        "WorkerFigures",
        "WorkflowFigures",
    ),
    "baton.llm.multi_model": ("MultiModel",),
    "baton.llm.pricing": ("GenaiPrices", "Price", "PriceTable", "Pricing"),
    "baton.llm.registering": ("redact", "use_pricing"),
    "baton.llm.responses": ("read",),
    "baton.llm.stats": ("Stats",),
    "baton.llm.usage": ("Usage",),
    "baton.llm.verdicts": ("Judgement", "Verdict", "judge"),
    "baton.llm.worker": ("LLMWorker", "at_most", "llm_worker"),
}
_HOMES = {name: place for place, names in _PLACES.items() for name in names}

if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        """Import a public name when it is asked for."""
        if name not in _HOMES:
            raise AttributeError(f"module 'baton.llm' has no attribute {name!r}")
        found = globals()[name] = getattr(import_module(_HOMES[name]), name)
        return found

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
