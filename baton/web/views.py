"""The routes that only look: each page, and its live counterpart."""

import time
from collections.abc import AsyncGenerator
from functools import partial
from uuid import UUID

from markupsafe import Markup
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from baton.store import audit
from baton.store.asking import answer
from baton.web import details, lists, seen
from baton.web.access import Action, Resource, User
from baton.web.desk import Desk, markup
from baton.web.live import Crowded, Live
from baton.web.view import Asked, Context, View

SLOW = 15.0  # seconds after which a browser that takes nothing is left
LONGEST = 3_600.0  # seconds after which a browser has to say anew who it is
VIEWS = (*lists.VIEWS, *details.VIEWS)


def routes() -> list[Route]:
    """Return the routes."""
    found = []
    for view in VIEWS:
        found.append(Route(view.path, partial(show, view), methods=["GET"], name=view.name))
        found.append(Route(f"/live{view.path}", partial(follow, view), methods=["GET"]))
    return found


async def show(view: View, request: Request) -> Response:
    """Answer with a page."""
    desk: Desk = request.app.state.desk
    asked = Asked.of(view, request, desk.access.seen(desk.user(request)))
    if view.name == "workflow" and not _is_whole(asked.params["id"]):
        desk.require(request, Action.LOOK, Resource("page", "workflows"))
        found = await seen.workflow(desk, asked.scope, asked.params["id"])
        return RedirectResponse(f"{asked.root}/workflows/{found}", 303)
    desk.require(request, Action.LOOK, asked.resource)
    context = await asked.context(desk)
    query = request.url.query
    address = f"{asked.root}/live{view.path.format(**request.path_params)}"
    done = request.query_params.get("done", "")
    return desk.page(
        request,
        view.template,
        {
            **context,
            "here": view.name,
            "parts": await _parts(desk, asked, context, desk.user(request)),
            "live": f"{address}?{query}" if query else address,
            "deed": await _done(desk, request, done),
        },
    )


async def _parts(desk: Desk, asked: Asked, context: Context, user: User) -> dict[str, Markup]:
    parts = await asked.rendered_aside(desk, context)
    return {name: markup(desk.personal(text, user)) for name, text in parts.items()}


async def follow(view: View, request: Request) -> Response:
    """Answer with what changes on a page, as long as somebody looks at it."""
    desk: Desk = request.app.state.desk
    live: Live = request.app.state.live
    asked = Asked.of(view, request, desk.access.seen(desk.user(request)))
    desk.require(request, Action.LOOK, asked.resource)
    try:
        live.check()
    except Crowded as error:
        return PlainTextResponse(str(error), 503)
    return EventSourceResponse(
        _events(desk, live, asked, desk.user(request)),
        ping=20,
        send_timeout=SLOW,
        headers={"x-accel-buffering": "no"},
    )


async def _events(
    desk: Desk, live: Live, asked: Asked, user: User
) -> AsyncGenerator[ServerSentEvent, None]:
    """Yield what changes, as long as it may be looked at; a browser comes back by itself."""
    until = time.monotonic() + LONGEST
    followed = live.follow(asked)
    try:
        async for message in followed:
            allowed = desk.access.may(user, Action.LOOK, asked.resource)
            same = desk.access.seen(user) == asked.scope
            if not (allowed and same) or time.monotonic() > until:
                return
            data = desk.personal(message["data"], user)
            yield ServerSentEvent(data=data, event=message["event"])
    finally:
        await followed.aclose()


async def _done(desk: Desk, request: Request, number: str) -> audit.Deed | None:
    """Return what somebody has just done; nobody is told of what others did."""
    if not _is_number(number):
        return None
    found = await answer(desk.database, audit.deed(int(number)))
    return found if found is not None and found.actor == desk.user(request).name else None


def _is_whole(given: str) -> bool:
    try:
        return bool(UUID(given))
    except ValueError:
        return False


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 19  # noqa: PLR2004
