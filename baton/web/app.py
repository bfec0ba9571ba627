"""The live page as an ASGI application: what it is made of, and how it is opened and closed."""

from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self

import structlog
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send

from baton.client import Client
from baton.errors import (
    BatonError,
    ConfigurationError,
    DatabaseError,
    InvalidAnswer,
    InvalidChange,
    InvalidData,
    InvalidFilter,
    InvalidJob,
    InvalidQueue,
    InvalidResult,
    InvalidSearch,
    InvalidSignal,
    NotFound,
    TooLarge,
)
from baton.search.lists import LISTS
from baton.settings import Settings, load
from baton.store.pools import Database
from baton.web import Redact
from baton.web.access import Access, Authenticate, Authorize, Credentials, ScopeOf, everything
from baton.web.actions import routes as action_routes
from baton.web.desk import Desk, Refused
from baton.web.forms import InvalidForm
from baton.web.guard import ANY_HOST, LOCAL, Guard
from baton.web.live import Live
from baton.web.probes import Readiness
from baton.web.probes import routes as probe_routes
from baton.web.reach import OutOfReach
from baton.web.views import routes as view_routes
from baton.workers import Registry

log = structlog.get_logger("baton.web")

STATIC = Path(__file__).parent / "static"
CONNECTIONS = 5

_STATUS: tuple[tuple[type[BatonError], int], ...] = (
    (NotFound, 404),
    (Refused, 403),
    (OutOfReach, 403),
    (ConfigurationError, 500),
    (InvalidData, 400),
    (DatabaseError, 503),
    (InvalidResult, 400),
    (TooLarge, 400),
    (InvalidForm, 400),
    (InvalidFilter, 400),
    (InvalidJob, 400),
    (InvalidChange, 400),
    (InvalidQueue, 400),
    (InvalidSignal, 400),
    (InvalidAnswer, 400),
)


class _Files(StaticFiles):
    """Files that browsers keep, and ask whether they are still the same."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        answer = await super().get_response(path, scope)
        answer.headers["cache-control"] = "no-cache"
        return answer


class LivePage:
    """The page; ``baton.web(...)`` makes one and says what its arguments are.

    It opens connections when it is first asked for something. A program that mounts it closes them
    with ``async with page``, in its lifespan, or with `close`.
    """

    def __init__(
        self,
        dsn: str | None,
        *,
        schema: str | None,
        settings: Settings | None,
        registry: Registry | None,
        authenticate: Authenticate | None,
        authorize: Authorize | None,
        scope: ScopeOf | None,
        users: Mapping[str, str] | None,
        tokens: Mapping[str, str] | None,
        viewers: Collection[str],
        read_only: bool,
        redact: Redact | None,
        allowed_hosts: Collection[str] | None,
        statement_timeout: float,
        insecure: bool,
    ) -> None:
        settings = settings if settings is not None else load(dsn=dsn, schema=schema)
        if not statement_timeout > 0:
            raise ConfigurationError(
                f"statement_timeout must be a number of seconds above 0, not {statement_timeout!r}"
            )
        limit = min(statement_timeout, settings.statement_timeout)
        settings = settings.model_copy(
            update={"statement_timeout": limit, "pool_size": CONNECTIONS}
        )
        credentials = Credentials(
            _clear(settings.web_users) if users is None else users,
            _clear(settings.web_tokens) if tokens is None else tokens,
            viewers or settings.web_viewers,
        )
        self.asks_who = authenticate is not None or bool(credentials)
        if allowed_hosts is None:
            allowed_hosts = (ANY_HOST,) if self.asks_who or insecure else LOCAL
        self._desk = Desk(
            client=Client(settings=settings, registry=registry),
            database=Database(
                settings.conninfo,
                settings.db_schema,
                timeout=limit,
                size=CONNECTIONS,
                name="baton web",
                pooled=settings.behind_pooler,
            ),
            access=Access(authorize or everything, read_only, scope),
            redact=redact,
            audit_age=settings.audit_max_age,
        )
        self.live = Live(self._desk, settings.direct_conninfo, settings.db_schema, timeout=limit)
        self.application = Starlette(
            routes=[
                *view_routes(),
                *action_routes(),
                *probe_routes(),
                Mount("/static", _Files(directory=STATIC), name="static"),
            ],
            exception_handlers={
                BatonError: _explain,
                404: _nowhere,
                Exception: _broken,
            },
            lifespan=self._lifespan,
        )
        self.application.state.desk = self._desk
        self.application.state.live = self.live
        self.application.state.readiness = Readiness(self._desk)
        self._guarded = Guard(
            self.application,
            credentials=credentials,
            authenticate=authenticate,
            hosts=allowed_hosts,
            insecure=insecure,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        await self._guarded(scope, receive, send)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def check(self) -> None:
        """Check that the database answers.

        Raises:
            DatabaseError: it is away, or its schema is not this Baton's.
        """
        await self._desk.database.open()

    async def close(self) -> None:
        """End every live connection and close those to the database."""
        await self.live.close()
        await self._desk.close()

    @asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncIterator[None]:
        async with self:
            yield


def status_of(error: BatonError) -> int:
    """Return the HTTP status that an error stands for; 409 when the state of things forbids it."""
    return next((status for kind, status in _STATUS if isinstance(error, kind)), 409)


async def _explain(request: Request, error: Exception) -> Response:
    assert isinstance(error, BatonError)  # noqa: S101
    root = request.scope.get("root_path", "").rstrip("/")
    name = str(request.scope["path"]).removeprefix(root).strip("/")
    if isinstance(error, InvalidSearch) and name in LISTS:
        return _desk(request).wrong_filter(request, name, error)
    return _desk(request).error(request, status_of(error), str(error))


async def _nowhere(request: Request, error: Exception) -> Response:
    del error
    return _desk(request).error(request, 404, "there is no such page")


async def _broken(request: Request, error: Exception) -> Response:
    log.error("page.failed", path=request.url.path, error=type(error).__qualname__)
    return _desk(request).error(request, 500, "the page failed; its log says more")


def _desk(request: Request) -> Desk:
    desk: Desk = request.app.state.desk
    return desk


def _clear(secrets: Mapping[str, Any]) -> dict[str, str]:
    return {name: secret.get_secret_value() for name, secret in secrets.items()}
