"""Pages of lists: as many as were asked for, and where the next page begins."""

import shlex
from collections.abc import Callable, Sequence
from typing import TypeVar

from baton.cli.output import Form, say

T = TypeVar("T")


def page(
    found: Sequence[T],
    limit: int,
    place: Callable[[T], object],
    output: Form,
    option: str = "--after",
) -> list[T]:
    """Return one page of what was found, which may be one more; then tell people the way on.

    Args:
        found: what was found, with a limit of one more than a page has.
        limit: how many a page has.
        place: tells where in the list something stands.
        output: how it is written; programs see by themselves that a page is full.
        option: what the next page is asked for with.
    """
    if len(found) > limit and not output.is_data:
        last = shlex.quote(str(place(found[limit - 1])))
        say(f"there are more: {option} {last} shows the next page")
    return list(found[:limit])
