"""What a page that can be looked at is: an address, what is read, and its parts."""

from collections.abc import Awaitable, Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any

from anyio import to_thread
from starlette.requests import Request

from baton.errors import BatonError, NotFound
from baton.web.access import Resource
from baton.web.desk import Desk, markup
from baton.web.scope import EVERYTHING, Scope

Params = Mapping[str, str]
Context = Mapping[str, Any]
Load = Callable[[Desk, Params, Scope], Awaitable[Context]]


class Gone(BatonError):
    """What a page shows was deleted."""


@dataclass(frozen=True, slots=True)
class View:
    """A page.

    Attributes:
        name: identifies it, and is its place in the navigation.
        path: its address, as Starlette writes it.
        template: the whole page.
        parts: the templates of what changes while somebody looks, without ``.html``.
        load: reads what it shows.
        resource: what it is about.
        topic: the notifications that concern it: the id of a workflow, or ``None`` for all.
        known: the parameters of a query that it knows.
    """

    name: str
    path: str
    template: str
    parts: tuple[str, ...]
    load: Load
    resource: Callable[[Params], Resource]
    topic: Callable[[Params], str | None] = lambda _params: None
    known: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Asked:
    """A page as somebody asked for it."""

    view: View
    params: Params
    root: str
    scope: Scope = EVERYTHING

    @classmethod
    def of(cls, view: View, request: Request, scope: Scope = EVERYTHING) -> "Asked":
        """Read a request of somebody who sees so much."""
        query = {name: value for name, value in request.query_params.items() if name in view.known}
        root = request.scope.get("root_path", "").rstrip("/")
        params = {**query, **{k: str(v) for k, v in request.path_params.items()}, "root": root}
        return cls(view, params, root, scope)

    @property
    def key(self) -> Hashable:
        """What is the same for all who see the same."""
        return self.view.name, tuple(sorted(self.params.items())), self.scope

    @property
    def resource(self) -> Resource:
        """What it is about."""
        return self.view.resource(self.params)

    @property
    def topic(self) -> str | None:
        """The notifications that concern it."""
        return self.view.topic(self.params)

    async def context(self, desk: Desk) -> dict[str, Any]:
        """Read what is shown."""
        return dict(await self.view.load(desk, self.params, self.scope))

    def rendered(self, desk: Desk, context: Context) -> dict[str, Any]:
        """Return the parts."""
        return {
            part: markup(desk.fragment(f"{self.view.name}/{part}.html", self.root, context))
            for part in self.view.parts
        }

    async def rendered_aside(self, desk: Desk, context: Context) -> dict[str, Any]:
        """Return the parts; made in a thread, since large ones take a while."""
        return await to_thread.run_sync(self.rendered, desk, context)

    async def parts(self, desk: Desk) -> dict[str, str]:
        """Return the parts as they are now.

        Raises:
            Gone: what the page shows is not there any more.
        """
        try:
            context = await self.context(desk)
        except NotFound as error:
            raise Gone(str(error)) from None
        return await self.rendered_aside(desk, context)
