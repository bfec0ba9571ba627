"""The live page: see and steer workflows, jobs and queues in a browser.

``baton.web(...)`` makes an ASGI application, and ``baton.web`` is the package of what it is made
of: the module itself can be called, since a function of that name would hide its own modules.
"""

import sys
from collections.abc import Callable, Collection, Mapping
from types import ModuleType
from typing import TYPE_CHECKING, Any

from baton.errors import MissingPackage
from baton.masking import hide

if TYPE_CHECKING:
    from baton.settings import Settings
    from baton.web.access import Authenticate, Authorize, ScopeOf
    from baton.web.app import LivePage
    from baton.workers import Registry

__all__ = ["hide", "web"]

Redact = Callable[[Mapping[str, Any]], Any]
_USUAL = hide()


def web(
    dsn: str | None = None,
    *,
    schema: str | None = None,
    settings: "Settings | None" = None,
    registry: "Registry | None" = None,
    authenticate: "Authenticate | None" = None,
    authorize: "Authorize | None" = None,
    scope: "ScopeOf | None" = None,
    users: Mapping[str, str] | None = None,
    tokens: Mapping[str, str] | None = None,
    viewers: Collection[str] = (),
    read_only: bool = False,
    redact: Redact | None = _USUAL,
    allowed_hosts: Collection[str] | None = None,
    statement_timeout: float = 10.0,
    insecure: bool = False,
) -> "LivePage":
    """Return the live page as an ASGI application, to be mounted under any path or served alone.

    Where nobody has to say who they are, it answers only to this machine, by its own names.

    Args:
        dsn: a PostgreSQL URL or connection string; by default what the settings say.
        schema: the schema of Baton's tables.
        settings: everything else; by default read from ``baton.toml`` and the environment.
        registry: the workers whose options and hooks apply to cron entries that are run by hand.
        authenticate: gets the request, and returns a `User`, a response, or ``None`` to refuse; may
            be a coroutine function.
        authorize: gets the user, an `Action` and a `Resource`, and returns whether it is allowed.
        scope: gets the user, and returns the lists that they see, each with a filter within which
            they stay: ``{"jobs": "queue:mail"}``, or `baton.web.access.only_queues`. ``None`` is
            everything.
        users: passwords by name, for basic authentication; by default the setting ``web_users``.
        tokens: bearer tokens by name; by default the setting ``web_tokens``.
        viewers: names among them that may only look.
        read_only: whether nobody may do anything but look.
        redact: gets arguments, results and the like before they are shown, and returns what is; by
            default what is named like a secret is hidden, and ``baton.web.hide("iban")`` hides
            more. ``None`` shows everything.
        allowed_hosts: names under which the page may be asked for; ``*`` for any.
        statement_timeout: seconds that a statement of the page may take.
        insecure: whether everybody who reaches it may do everything, where nobody has to say who
            they are.

    Raises:
        MissingPackage: the extra ``baton[web]`` is not installed.
        ConfigurationError: a setting can't be used.
    """
    try:
        from baton.web.app import LivePage  # noqa: PLC0415
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in {"starlette", "jinja2", "sse_starlette"}:
            raise MissingPackage(str(error.name), "web") from None
        raise
    return LivePage(
        dsn,
        schema=schema,
        settings=settings,
        registry=registry,
        authenticate=authenticate,
        authorize=authorize,
        scope=scope,
        users=users,
        tokens=tokens,
        viewers=viewers,
        read_only=read_only,
        redact=redact,
        allowed_hosts=allowed_hosts,
        statement_timeout=statement_timeout,
        insecure=insecure,
    )


_web = web


class _Callable(ModuleType):
    def __call__(self, *args: Any, **options: Any) -> "LivePage":
        return _web(*args, **options)


if not TYPE_CHECKING:
    web = sys.modules[__name__]
    web.__class__ = _Callable
