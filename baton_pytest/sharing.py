"""One embedded server for all processes of pytest-xdist.

The controller owns it, since it outlives them all, and starts it when the first one asks: most runs
of most projects need none.
"""

import shutil
import tempfile
from contextlib import ExitStack
from multiprocessing.connection import Client, Listener
from pathlib import Path
from threading import Thread


class SharedServer:
    """Answers processes that ask where the server is.

    Attributes:
        address: where to ask, with `ask`.
    """

    def __init__(self) -> None:
        self._directory = Path(tempfile.mkdtemp(prefix="baton-pytest-"))
        self.address = str(self._directory / "ask")
        self._listener = Listener(self.address, family="AF_UNIX")
        self._server = ExitStack()
        self._answer: tuple[bool, str] | None = None
        self._thread = Thread(target=self._serve, name="baton server", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Answer no more, and stop the server if it was started; may be called again."""
        if not self._thread.is_alive():
            return
        with Client(self.address, family="AF_UNIX") as wake:
            wake.send("stop")
        self._thread.join()
        self._listener.close()
        self._server.close()
        shutil.rmtree(self._directory, ignore_errors=True)

    def _serve(self) -> None:
        while True:
            try:
                with self._listener.accept() as asking:
                    if asking.recv() == "stop":
                        return
                    asking.send(self._started())
            except (EOFError, OSError):
                continue  # who asked is gone

    def _started(self) -> tuple[bool, str]:
        if self._answer is None:
            from baton.errors import BatonError
            from baton.testing import databases

            try:
                self._answer = True, self._server.enter_context(databases.server())
            except BatonError as error:
                self._answer = False, str(error)
        return self._answer


def ask(address: str) -> str:
    """Return the DSN of the server, which is started if it does not run.

    Raises:
        ConfigurationError: it can't be started.
    """
    from baton.errors import ConfigurationError

    with Client(address, family="AF_UNIX") as asking:
        asking.send("where")
        started, said = asking.recv()
    if not started:
        raise ConfigurationError(said)
    return str(said)
