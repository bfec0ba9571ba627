"""Listens to a stream for what it says and uses, and closes it whatever happens."""

import inspect
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Generator,
    Iterable,
    Iterator,
)
from contextlib import suppress
from functools import cache, partial
from typing import Any

from anyio import CancelScope, move_on_after

from baton.llm.hearing import Hearing

CLOSING_TIME = 5.0  # seconds
_ITERATORS = ("__iter__", "__next__", "__aiter__", "__anext__")
_OPENERS = ("__enter__", "__exit__", "__aenter__", "__aexit__", "__await__")


def is_stream(value: Any) -> bool:
    """Whether something is a stream of a provider's package, or what opens one."""
    found = any(hasattr(value, each) for each in ("__enter__", "__aenter__"))
    found = found or hasattr(value, "__next__") or hasattr(value, "__anext__")
    return found and not hasattr(value, "usage") and not hasattr(value, "new_messages")


def listened(stream: Any, hearing: Hearing, *, entered: bool = False) -> Any:
    """Return what is used like a stream, or like what opens one, and hears what it says."""
    kind: Any = type(stream)
    return _kind(kind)(stream, hearing, entered=entered)


class Listening:
    """Stands for a stream: it has its attributes, its type, and those of its protocols.

    Its loop closes the connection when it is left, unless a ``with`` block around it will.
    """

    def __init__(self, stream: Any, hearing: Hearing, *, entered: bool) -> None:
        self._stream = stream
        self._hearing = hearing
        self._entered = entered
        self._ear: Any = stream if _tapped(stream, hearing) else None
        self._inside: Any = stream  # what an opener has opened, in the end

    def __getattr__(self, name: str) -> Any:
        if name == "_stream":  # a copy that has nothing yet
            raise AttributeError(name)
        found = getattr(self._stream, name)
        return partial(self._close, found) if name in ("close", "aclose") else found

    def __del__(self) -> None:
        if _iterates(self) and not self.__dict__.get("_entered", True):
            self._hearing.end("left")

    def _close(self, close: Any, *args: Any) -> Any:
        self._hearing.end("closed")
        return close(*args)

    def _heard(self, listen: Any) -> Any:
        if self._ear is None:
            self._ear = listen(self._stream, self._hearing)
        return self._ear

    def _given_up(self) -> Any:
        """Return what closes the connection, where that is for the loop to do."""
        if self._entered:
            return None
        self._hearing.end("left")
        close = getattr(self._stream, "close", None) or getattr(self._stream, "aclose", None)
        return close if callable(close) else None

    def _opened(self, opened: Any) -> Any:
        if opened is self._stream:
            self._entered = True
            return self
        self._inside = opened
        return listened(opened, self._hearing, entered=True) if _iterates(opened) else opened

    def _exit(self) -> None:
        if _iterates(self._inside):
            self._hearing.end("closed")
        else:
            self._hearing.take(self._inside)


class _Protocols(Listening):
    """What a stream may be used for; `_kind` takes what the original can do."""

    def __await__(self) -> Generator[Any, Any, Any]:
        """Open what may be awaited as well as entered, as with aiohttp."""
        found: Generator[Any, Any, Any] = self._stream.__await__()
        return found

    async def __aenter__(self) -> Any:
        with self._hearing.opening():
            opened = await self._stream.__aenter__()
        return self._opened(opened)

    async def __aexit__(self, *raised: object) -> Any:
        self._exit()
        return await self._stream.__aexit__(*raised)

    def __enter__(self) -> Any:
        with self._hearing.opening():
            opened = self._stream.__enter__()
        return self._opened(opened)

    def __exit__(self, *raised: object) -> Any:
        self._exit()
        return self._stream.__exit__(*raised)

    def __next__(self) -> Any:
        return next(self._heard(_hear))

    async def __anext__(self) -> Any:
        return await anext(self._heard(_hear_async))

    def __iter__(self) -> Iterator[Any]:
        try:
            for event in self._heard(_hear):  # noqa: UP028  which would close it
                yield event
        finally:
            close = self._given_up()
            if close is not None:
                with suppress(Exception):
                    close()

    async def __aiter__(self) -> AsyncIterator[Any]:
        try:
            async for event in self._heard(_hear_async):
                yield event
        finally:
            close = self._given_up()
            if close is not None:
                # a cancellation must not be in the way of closing the connection
                with CancelScope(shield=True), move_on_after(CLOSING_TIME), suppress(Exception):
                    closing = close()
                    if inspect.isawaitable(closing):
                        await closing


@cache
def _kind(original: type) -> type[Listening]:
    """Make the class that stands for one: whoever asks what it can do hears the truth."""
    able = {
        name: method
        for name, method in vars(_Protocols).items()
        if name in _ITERATORS + _OPENERS and hasattr(original, name)
    }
    return type(
        original.__name__, (Listening,), {**able, "__class__": property(lambda _: original)}
    )


def _iterates(value: Any) -> bool:
    return any(hasattr(type(value), each) for each in _ITERATORS)


def _tapped(stream: Any, hearing: Hearing) -> bool:
    """Hear at the spring, where the package has one for all ways to read, like ``text_stream``."""
    spring = getattr(stream, "_iterator", None)
    if inspect.isgenerator(spring):
        stream._iterator = _hear(spring, hearing)  # noqa: SLF001  as anthropic itself does
    elif inspect.isasyncgen(spring):
        stream._iterator = _hear_async(spring, hearing)  # noqa: SLF001
    else:
        return False
    return True


def _hear(events: Iterable[Any], hearing: Hearing) -> Generator[Any, Any, None]:
    with hearing.reading():
        for event in events:
            hearing.hear(event)
            yield event


async def _hear_async(events: AsyncIterable[Any], hearing: Hearing) -> AsyncGenerator[Any, Any]:
    with hearing.reading():
        async for event in events:
            hearing.hear(event)
            yield event
