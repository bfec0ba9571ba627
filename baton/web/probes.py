"""What machines ask of the page: whether it lives, whether its database answers, and for metrics.

The first two are answered to everybody, under whatever name of the host: probes know no passwords.
So they say no more than that.
"""

import asyncio
from time import monotonic

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from baton.errors import DatabaseError, DatabaseUnavailable, MissingPackage
from baton.queues import QueueStatus
from baton.search import QueueSearch
from baton.web.access import Action, Resource
from baton.web.desk import Desk

FRESH = 1.0  # seconds for which is told again what the database said


class Readiness:
    """Whether the database answers; asked once, however many want to know."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._asking = asyncio.Lock()
        self._asked_at = float("-inf")
        self._trouble: str | None = None

    async def trouble(self) -> str | None:
        """Return what is wrong, or ``None``."""
        async with self._asking:
            if monotonic() - self._asked_at > FRESH:
                self._trouble = await self._look()
                self._asked_at = monotonic()
            return self._trouble

    async def _look(self) -> str | None:
        try:
            await self._desk.database.run("schema_version")
        except DatabaseUnavailable:
            return "the database does not answer"
        except DatabaseError:
            return "the schema of the database is not this Baton's"
        return None


def routes() -> list[Route]:
    """Return the routes."""
    return [
        Route("/healthz", alive, methods=["GET"]),
        Route("/readyz", ready, methods=["GET"]),
        Route("/metrics", metrics, methods=["GET"]),
    ]


async def alive(_request: Request) -> Response:
    """Answer that the process lives; it could not, if its event loop were blocked."""
    return JSONResponse({"ok": True})


async def ready(request: Request) -> Response:
    """Answer whether the page can show anything."""
    readiness: Readiness = request.app.state.readiness
    trouble = await readiness.trouble()
    if trouble is None:
        return JSONResponse({"ok": True})
    return JSONResponse({"ok": False, "reason": trouble}, 503)


async def metrics(request: Request) -> Response:
    """Answer with how the queues stand, for Prometheus."""
    desk: Desk = request.app.state.desk
    user = desk.require(request, Action.LOOK, Resource("page", "metrics"))
    which = desk.access.seen(user).narrow(QueueSearch)
    try:
        from baton.metrics import rendered  # noqa: PLC0415  needs an extra of its own
    except MissingPackage as error:
        return PlainTextResponse(f"{error}\n", 501)
    queues: list[QueueStatus] | None
    try:
        queues = await desk.client.queues.list(which)
    except DatabaseError:
        queues = None
    body, kind = rendered(queues, request.headers.get("accept", ""))
    return Response(body, headers={"content-type": kind})
