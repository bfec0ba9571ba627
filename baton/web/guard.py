"""What every request passes: known hosts, who it is, the same origin, and headers of safety."""

import inspect
from collections.abc import Collection
from ipaddress import IPv6Address, ip_address
from urllib.parse import urlsplit

from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from baton.web.access import ANYBODY, Authenticate, Credentials, User

LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})
ANY_HOST = "*"
USER = "baton.user"  # where in the scope the user is
OPEN = frozenset({"/healthz", "/readyz"})  # probes know no passwords, and no names of hosts
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}


class Guard:
    """Stands in front of the page.

    Args:
        app: the page.
        credentials: the users that the page knows itself.
        authenticate: the host application's own way to know who it is; wins.
        hosts: names under which the page may be asked for; ``*`` for any.
        insecure: whether other machines may ask where nobody has to say who they are.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        credentials: Credentials,
        authenticate: Authenticate | None,
        hosts: Collection[str],
        insecure: bool,
    ) -> None:
        self._app = app
        self._credentials = credentials
        self._authenticate = authenticate
        self._hosts = frozenset(host.lower().strip("[]") for host in hosts)
        self._local_only = authenticate is None and not credentials and not insecure

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or say why not."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            elif scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1008, "reason": "not offered"})
            return

        async def safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                headers.setdefault("cache-control", "no-store")
            await send(message)

        connection = HTTPConnection(scope)
        if _is_probe(scope):
            await self._app({**scope, USER: ANYBODY}, receive, safely)
            return
        refusal = self._refused(scope, connection)
        if refusal is None:
            user = await self._user(connection)
            if isinstance(user, User):
                await self._app({**scope, USER: user}, receive, safely)
                return
            refusal = user
        await refusal(scope, receive, safely)

    def _refused(self, scope: Scope, connection: HTTPConnection) -> Response | None:
        # the name of the host is what somebody writes; where they are, they can't choose
        if self._local_only and not _is_near(scope):
            return PlainTextResponse(
                "Baton's page asks nobody who they are, so it answers this machine alone: give it "
                "authenticate=, users= or tokens=, or insecure=True to let everybody do everything",
                403,
            )
        name = _hostname(connection.headers.get("host", ""))
        if ANY_HOST not in self._hosts and name not in self._hosts:
            return PlainTextResponse(
                "this name of the host is not among the allowed hosts of Baton's page", 400
            )
        if scope["method"] not in SAFE_METHODS and not same_origin(connection):
            return PlainTextResponse(
                "a change must come from the page itself: send Origin or Sec-Fetch-Site", 403
            )
        return None

    async def _user(self, connection: HTTPConnection) -> User | Response:
        if self._authenticate is not None:
            found = self._authenticate(connection)
            if inspect.isawaitable(found):
                found = await found
            return found if found is not None else PlainTextResponse("who are you?", 401)
        if not self._credentials:
            return ANYBODY
        headers = {"www-authenticate": self._credentials.challenge}
        return self._credentials.user(connection) or PlainTextResponse("who are you?", 401, headers)


def _is_near(scope: Scope) -> bool:
    """Whether a request comes from this machine; by a Unix socket, it has no address."""
    peer = scope.get("client")
    if peer is None:
        return True
    try:
        address = ip_address(str(peer[0]))
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped  # IPv4 on a socket of both kinds
    return address.is_loopback


def _is_probe(scope: Scope) -> bool:
    path = str(scope["path"]).removeprefix(scope.get("root_path", "").rstrip("/"))
    return path in OPEN and scope["method"] in SAFE_METHODS


def same_origin(connection: HTTPConnection) -> bool:
    """Whether a browser proves that a request comes from a page of the same origin.

    A proxy may have taken TLS off, so the scheme of the origin is not compared, its host is.
    """
    site = connection.headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    origin = connection.headers.get("origin")
    if origin is None:
        return False
    try:
        parts = urlsplit(origin)
    except ValueError:  # such as http://[
        return False
    host = connection.headers.get("host", "").lower()
    return parts.scheme in {"http", "https"} and bool(host) and parts.netloc.lower() == host


def _hostname(header: str) -> str:
    try:
        return urlsplit(f"//{header}").hostname or ""
    except ValueError:
        return ""
