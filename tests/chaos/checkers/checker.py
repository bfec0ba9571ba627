"""What a checker is: a sentence, and a function that returns what breaks it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from tests.chaos.history import History

RETRIES = ("retry_job", "retry_flow", "skip")

Check = Callable[[History], Iterable[str]]


@dataclass(frozen=True)
class Checker:
    name: str
    sentence: str
    check: Check


CHECKERS: dict[str, Checker] = {}


def checker(sentence: str) -> Callable[[Check], Check]:
    """Add a checker; its name is that of the function."""

    def add(check: Check) -> Check:
        CHECKERS[check.__name__] = Checker(check.__name__, sentence, check)
        return check

    return add


def violations(history: History) -> dict[str, list[str]]:
    """Run all checkers; return what was found, by the name of the checker."""
    return {name: list(each.check(history)) for name, each in CHECKERS.items()}
