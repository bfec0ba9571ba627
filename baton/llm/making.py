"""Makes what records the use of language models, from the settings and the program."""

from collections.abc import Callable

from baton.llm.meter import Capture, Meter
from baton.llm.tally import Tally
from baton.redacting import cleaner
from baton.settings import Settings
from baton.workers import Registry


def meter_of(
    settings: Settings,
    registry: Registry,
    on_change: Callable[[Tally], None] = lambda _: None,
    on_capture: Callable[[Capture], None] = lambda _: None,
    *,
    announces: bool = True,
) -> Meter:
    """Return the meter of a process.

    Args:
        settings: prices, and what is captured.
        registry: the program's own prices, and what it hides.
        on_change: called with a tally when something was recorded in it.
        on_capture: called with what is to be kept.
        announces: whether telemetry tells of usage.
    """
    return Meter(
        on_change,
        on_capture,
        tariff=settings.prices,
        pricing=registry.pricing,
        redactor=registry.redactor,
        clean=cleaner(registry.error_redactor),
        debug=settings.llm_debug,
        max_bytes=settings.debug_log_max_bytes,
        announces=announces,
    )
