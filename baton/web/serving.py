"""The live page as a process of its own, with uvicorn."""

import asyncio
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn

from baton.addresses import Address
from baton.errors import ConfigurationError
from baton.web.app import LivePage

GRACE = 5  # seconds that requests have to end
BACKLOG = 512


class AddressTaken(ConfigurationError):
    """Nothing can listen there."""

    def __init__(self, address: Address, reason: str) -> None:
        super().__init__(f"{address} can't be listened on: {reason}")


class _Server(uvicorn.Server):
    """Ends live connections first when it is stopped: they would hold it up."""

    def __init__(self, page: LivePage, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._page = page
        self._ending: list[asyncio.Task[None]] = []

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        # uvicorn's own raises the signal again at the end, as if nobody had heeded it
        loop = asyncio.get_running_loop()
        for each in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(each, self._stop)
        try:
            yield
        finally:
            for each in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(each)

    def _stop(self) -> None:
        self.force_exit = self.should_exit  # asked twice
        self.should_exit = True
        self._ending.append(asyncio.ensure_future(self._page.live.close()))


async def serve(page: LivePage, address: Address, said: Callable[[Address], None]) -> None:
    """Serve the page until SIGTERM or SIGINT.

    Args:
        page: the page.
        address: where to listen.
        said: gets the address, with the port that was free, once it is listened on.

    Raises:
        AddressTaken: nothing can listen there.
        DatabaseError: the database is away, or its schema is not this Baton's.
    """
    await page.check()
    config = uvicorn.Config(
        page,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=GRACE,
    )
    with _listening(address) as place:
        said(Address(address.host or "127.0.0.1", place.getsockname()[1]))
        await _Server(page, config).serve([place])


@contextmanager
def _listening(address: Address) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as place:
        place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            place.bind((address.host, address.port))
            place.listen(BACKLOG)
        except OSError as error:
            raise AddressTaken(address, error.strerror or str(error)) from None
        place.setblocking(False)
        yield place
