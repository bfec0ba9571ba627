"""Answers over HTTP whether this process lives, whether it is ready for jobs, and with its metrics.

In a thread of its own: whether the event loop still turns can only be told from outside of it.
"""

import asyncio
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import AF_INET, AF_INET6
from socketserver import TCPServer
from threading import Thread
from time import monotonic
from typing import Any, Self

import structlog

from baton.addresses import Address
from baton.errors import CannotServe
from baton.verbosity import report_error

log = structlog.get_logger("baton.http")

BEAT = 1.0  # seconds between two turns of the event loop that are looked at
LATE = 10.0  # seconds without one after which a process does not live
REQUEST_TIME = 10.0  # seconds that a client has to send its request
POLL = 0.02  # seconds that a stop takes at most

Render = Callable[[str], tuple[bytes, str]]


@dataclass(frozen=True, slots=True)
class Health:
    """What a process says of itself.

    Attributes:
        ok: whether all is well.
        facts: for people, as JSON.
    """

    ok: bool
    facts: Mapping[str, Any]


class HealthServer:
    """Serves ``/healthz``, ``/readyz`` and ``/metrics`` within a block, on the event loop's behalf.

    Args:
        address: where to listen.
        ready: asked whether jobs can be performed; from another thread.
        metrics: renders the metrics for an ``Accept`` header; ``None`` where there are none.

    Raises:
        CannotServe: when the block is entered: the address is taken, or is none of this machine.
    """

    def __init__(
        self, address: Address, *, ready: Callable[[], Health], metrics: Render | None = None
    ) -> None:
        self._address = address
        self._ready = ready
        self._metrics = metrics
        self._beat_at = monotonic()
        self._next_beat: asyncio.TimerHandle | None = None
        self._server: ThreadingHTTPServer | None = None

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return self._address.port if self._server is None else self._server.server_address[1]

    def __enter__(self) -> Self:
        self._server = server = self._bind()
        self._beat()
        serve = partial(server.serve_forever, poll_interval=POLL)
        Thread(target=serve, name="baton http", daemon=True).start()
        log.info("http.started", address=str(Address(self._address.host, self.port)))
        return self

    def __exit__(self, *_: object) -> None:
        if self._next_beat is not None:
            self._next_beat.cancel()
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def _beat(self) -> None:
        """Show that the event loop turns, again and again."""
        self._beat_at = monotonic()
        self._next_beat = asyncio.get_running_loop().call_later(BEAT, self._beat)

    def answer(self, path: str, accept: str) -> tuple[HTTPStatus, str, bytes]:
        """Return the status, the content type and the body for a path."""
        match path.partition("?")[0].rstrip("/"):
            case "/healthz":
                return _as_json(self._alive())
            case "/readyz":
                alive = self._alive()
                return _as_json(self._ready() if alive.ok else alive)
            case "/metrics" if self._metrics is not None:
                body, content_type = self._metrics(accept)
                return HTTPStatus.OK, content_type, body
            case "/metrics":
                text = "there are no metrics without: pip install 'baton[metrics]'\n"
                return HTTPStatus.NOT_IMPLEMENTED, "text/plain; charset=utf-8", text.encode()
            case _:
                text = "there are /healthz, /readyz and /metrics\n"
                return HTTPStatus.NOT_FOUND, "text/plain; charset=utf-8", text.encode()

    def _alive(self) -> Health:
        silent = monotonic() - self._beat_at
        if silent < LATE:
            return Health(ok=True, facts={})
        return Health(ok=False, facts={"reason": f"the event loop is blocked for {silent:.0f} s"})

    def _bind(self) -> ThreadingHTTPServer:
        host, port = self._address.host, self._address.port
        handler = type("Handler", (_Handler,), {"served": self})
        family = AF_INET6 if ":" in host else AF_INET
        kind = type("Server", (_Server,), {"address_family": family})
        try:
            server: ThreadingHTTPServer = kind((host, port), handler)
        except OSError as error:
            raise CannotServe(str(self._address), error.strerror or str(error)) from error
        return server


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False  # a client that is slow must not hold up the end of the process

    def server_bind(self) -> None:
        """Bind without looking up the name of the machine, which may take seconds."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = "baton", int(self.server_address[1])

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002
        log.debug("http.broken", reason=repr(sys.exc_info()[1]))


class _Handler(BaseHTTPRequestHandler):
    served: HealthServer
    protocol_version = "HTTP/1.1"
    timeout = REQUEST_TIME
    server_version = "baton"
    sys_version = ""

    def do_GET(self) -> None:
        self._reply(with_body=True)

    def do_HEAD(self) -> None:
        self._reply(with_body=False)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        log.debug("http.request", line=format % args)

    def _reply(self, *, with_body: bool) -> None:
        try:
            status, content_type, body = self.served.answer(
                self.path, self.headers.get("Accept", "")
            )
        except Exception as error:
            report_error(log, "http.failed", path=self.path)
            text = f"{type(error).__name__}\n"
            status, content_type, body = (
                HTTPStatus.INTERNAL_SERVER_ERROR,
                "text/plain; charset=utf-8",
                text.encode(),
            )
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        if with_body:
            self.wfile.write(body)


def _as_json(health: Health) -> tuple[HTTPStatus, str, bytes]:
    status = HTTPStatus.OK if health.ok else HTTPStatus.SERVICE_UNAVAILABLE
    body = json.dumps({"ok": health.ok, **health.facts}) + "\n"
    return status, "application/json", body.encode()
