"""What the guides to language models need to be run: a provider."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

from tests.providers import Provider, provider


@contextmanager
def serving() -> Iterator[Provider]:
    """A provider on an event loop of its own, since the guide brings its own."""
    loop = asyncio.new_event_loop()
    thread = Thread(target=loop.run_forever)
    thread.start()
    opened = provider()
    try:
        yield asyncio.run_coroutine_threadsafe(opened.__aenter__(), loop).result(60)
    finally:
        asyncio.run_coroutine_threadsafe(opened.__aexit__(None, None, None), loop).result(60)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
