"""Hears what a run of pydantic-ai was answered, also when it fails and so returns nothing."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from traceback import walk_tb
from typing import Any

PACKAGE = "pydantic_ai"


@contextmanager
def heard() -> Iterator[Sequence[Any]]:
    """Give a list that the first run within fills with its messages, those of its history included.

    The package is not imported for it: who has not imported it runs nothing.
    """
    capture = getattr(sys.modules.get(PACKAGE), "capture_run_messages", None)
    if capture is None:
        yield ()
        return
    with capture() as messages:
        yield messages


def answers(messages: Sequence[Any]) -> list[Any]:
    """Return the responses that a run was given itself, without those of its history."""
    run = getattr(messages[-1], "run_id", None) if messages else None
    return [
        each
        for each in messages
        if getattr(each, "kind", None) == "response" and getattr(each, "run_id", None) == run
    ]


def failed(error: BaseException | None) -> bool:
    """Whether an error, or what it was raised from, comes out of a run."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        modules = (frame.f_globals.get("__name__", "") for frame, _ in walk_tb(error.__traceback__))
        if any(str(name).partition(".")[0] == PACKAGE for name in modules):
            return True
        error = error.__cause__ or error.__context__
    return False
