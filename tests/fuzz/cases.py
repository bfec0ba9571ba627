"""How many cases a test tries: a few with the suite, thousands with ``make fuzz``."""

from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, Phase, settings

MANY = "many"  # the profile of ``--hypothesis-profile``
_USUAL = 100


def register() -> None:
    """Let pytest know the profile, and give no case a deadline: a machine may be busy."""
    usual = settings.default
    settings.register_profile(
        "usual", parent=usual, deadline=None, suppress_health_check=[HealthCheck.too_slow]
    )
    settings.load_profile("usual")
    settings.register_profile(MANY, parent=settings.default, max_examples=2_000)


def cases(few: int, *, dear: int = 1, shrink: bool = True) -> Callable[[Any], Any]:
    """Try so many cases, or those of the profile.

    Args:
        few: with the suite.
        dear: how many times fewer than others, for cases that take long.
        shrink: whether to look for a smaller case that fails, which takes as long as many cases.
    """
    asked = settings.default
    most = asked.max_examples if asked is not None else _USUAL
    return settings(
        max_examples=few if most <= _USUAL else max(few, most // dear),
        deadline=None,
        derandomize=most <= _USUAL,  # a suite that is red says something about its change
        phases=[each for each in Phase if shrink or each not in {Phase.shrink, Phase.explain}],
        suppress_health_check=[
            HealthCheck.function_scoped_fixture,  # each case empties the database
            HealthCheck.too_slow,
            HealthCheck.data_too_large,
            HealthCheck.filter_too_much,
        ],
    )
