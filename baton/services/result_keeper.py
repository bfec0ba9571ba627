"""Puts large results into the result store of the program, and gets them when they are read.

Nothing is fetched that nobody reads, and so a store is also called from ``job.result()``, which is
a plain function: methods that are coroutines run on an event loop of their own, in a thread, which
all of this process's stores share. So the loop that asks may wait for them.
"""

import asyncio
import atexit
import inspect
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from functools import lru_cache, partial
from typing import Any

from anyio import to_thread
from pydantic_core import from_json

from baton.documents import check_text
from baton.errors import InvalidResult, TooLarge, UnknownResultStore
from baton.jobs import Job
from baton.result_stores import RegisteredStore
from baton.results import Reference, references_in, replaced


class ResultKeeper:
    """Keeps and resolves the results of one attempt; what was read once is not fetched again.

    Args:
        stores: the result stores of the program; the last one takes new results.
        limit: the largest result in bytes of JSON that is not kept there.
    """

    def __init__(self, stores: Mapping[str, RegisteredStore], limit: int) -> None:
        self._stores = stores
        self._limit = limit
        self._fetched: dict[Reference, Any] = {}

    async def keep(self, job: Job, text: str) -> str:
        """Return what to store in the database for a result: itself, or where it is kept now."""
        if (store := self._for(text)) is None:
            return self._checked(text)
        put = partial(store.store.put, job, text.encode())
        return _document(store, text, await _call(store.store.put, put))

    def keep_sync(self, job: Job, text: str) -> str:
        """Do what `keep` does, where there is no event loop."""
        if (store := self._for(text)) is None:
            return self._checked(text)
        put = partial(store.store.put, job, text.encode())
        return _document(store, text, _call_sync(store.store.put, put))

    async def resolve(self, value: Any) -> Any:
        """Return a stored value with what is kept elsewhere in its place."""
        for found in references_in(value):
            if found not in self._fetched:
                get = self._getter(found)
                data = await _call(get, partial(get, found.reference))
                self._fetched[found] = _read(found, data)
        return replaced(value, self._fetched)

    def resolve_sync(self, value: Any) -> Any:
        """Do what `resolve` does, and block until it is there."""
        for found in references_in(value):
            if found not in self._fetched:
                get = self._getter(found)
                self._fetched[found] = _read(found, _call_sync(get, partial(get, found.reference)))
        return replaced(value, self._fetched)

    def _for(self, text: str) -> RegisteredStore | None:
        store = list(self._stores.values())[-1]
        return store if len(text.encode()) > store.threshold else None

    def _checked(self, text: str) -> str:
        if (size := len(text.encode())) > self._limit:
            raise TooLarge("the results of a step", size, self._limit, "max_result_bytes")
        return text

    def _getter(self, reference: Reference) -> Callable[..., Any]:
        try:
            return self._stores[reference.store].store.get
        except KeyError:
            raise UnknownResultStore(reference.store, reference.reference, self._stores) from None


def _document(store: RegisteredStore, text: str, reference: Any) -> str:
    try:
        named = check_text(reference, f"the reference that result store {store.name!r} gave")
    except ValueError as error:
        raise InvalidResult(str(error)) from None
    return Reference(store.name, named, len(text.encode())).document()


def _read(reference: Reference, data: Any) -> Any:
    if not isinstance(data, bytes | bytearray | memoryview):
        raise InvalidResult(
            f"result store {reference.store!r} gave {type(data).__qualname__} for "
            f"{reference.reference!r}, not bytes"
        )
    try:
        return from_json(bytes(data))
    except ValueError:
        raise InvalidResult(
            f"what result store {reference.store!r} gave for {reference.reference!r} is not what "
            f"was put there"
        ) from None


async def _call(method: Callable[..., Any], call: Callable[[], Any]) -> Any:
    if inspect.iscoroutinefunction(method):
        return await asyncio.wrap_future(_submit(call))
    return await to_thread.run_sync(call, abandon_on_cancel=True)


def _call_sync(method: Callable[..., Any], call: Callable[[], Any]) -> Any:
    return _submit(call).result() if inspect.iscoroutinefunction(method) else call()


def _submit(call: Callable[[], Any]) -> "Future[Any]":
    return asyncio.run_coroutine_threadsafe(call(), _loop())


@lru_cache(maxsize=1)
def _loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()

    def run() -> None:
        loop.run_forever()
        loop.close()

    thread = threading.Thread(target=run, name="baton results", daemon=True)
    thread.start()

    def end() -> None:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(1)

    atexit.register(end)
    return loop
