"""The base of all errors, and what every part may raise."""

from collections.abc import Collection


class BatonError(Exception):
    """The base of all errors that Baton raises on purpose."""


class InvalidQueue(BatonError):
    """Something that can't be said about a queue."""


class TimedOut(BatonError, TimeoutError):
    """Something did not happen in the time that was given to it."""

    def __init__(self, what: str, seconds: float) -> None:
        super().__init__(f"{what} within {seconds:g} s")
        self.seconds = seconds


class NotFound(BatonError):
    """A job or workflow that does not exist."""

    def __init__(self, what: str, key: object) -> None:
        super().__init__(f"there is no {what} {key}")
        self.key = key


class UnknownQueue(NotFound):
    """A queue that nothing was said about, that no process serves, and in which no job waits.

    Args:
        name: the queue.
        near: queues that may be meant.
        unless: what to do if it is meant all the same.
    """

    def __init__(self, name: str, near: Collection[str] = (), unless: str | None = None) -> None:
        told = f"; did you mean {' or '.join(map(repr, near))}?" if near else ""
        way = "" if unless is None else f"{'' if told else ';'} {unless}"
        super().__init__("queue", f"{name!r} that anybody knows{told}{way}")
        self.name = name
        self.near = tuple(near)


class InvalidFilter(BatonError):
    """Criteria that don't say which jobs are meant."""


class InvalidSearch(InvalidFilter):
    """A filter that can't be understood; it says at which word.

    Attributes:
        text: the whole filter.
        start: where the word begins.
        end: where it ends.
    """

    def __init__(self, text: str, start: int, end: int, reason: str) -> None:
        super().__init__(f"the filter is wrong at {text[start:end].strip()!r}: {reason}")
        self.text = text
        self.start = start
        self.end = end

    def pointed(self) -> str:
        """Return the filter on one line, and marks below the word on another."""
        line = "".join(" " if each.isspace() else each for each in self.text)
        return f"{line}\n{' ' * self.start}{'^' * max(1, self.end - self.start)}"
