"""Who may do what on the live page: users, how they prove who they are, and one question."""

import base64
import binascii
import hmac
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256

from starlette.requests import HTTPConnection
from starlette.responses import Response

from baton.errors import ConfigurationError
from baton.search.lists import LISTS
from baton.web.scope import EVERYTHING, Scope, ScopeOf, only_queues

__all__ = [
    "ANYBODY",
    "Access",
    "Action",
    "Authenticate",
    "Authorize",
    "Credentials",
    "Resource",
    "ScopeOf",
    "User",
    "everything",
    "only_queues",
]


class Action(StrEnum):
    """What somebody wants to do."""

    LOOK = "look"
    CANCEL = "cancel"
    RETRY = "retry"
    DELETE = "delete"
    SKIP = "skip"
    SIGNAL = "signal"
    APPROVE = "approve"
    REJECT = "reject"
    PAUSE = "pause"
    RESUME = "resume"
    SCALE = "scale"
    RUN = "run"


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who looks at the page.

    Attributes:
        name: what the audit log calls them.
        read_only: whether they may only look, whatever else is allowed.
    """

    name: str
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class Resource:
    """What an action is about.

    Attributes:
        kind: ``workflow``, ``job``, ``queue``, ``cron``; ``workflows`` and ``jobs`` for all that
            fit a filter; ``page`` for lists.
        id: its id or name; the filter of ``workflows`` and ``jobs``, and the name of a ``page``.
    """

    kind: str
    id: str


Authorize = Callable[[User, Action, Resource], bool]
Authenticate = Callable[
    [HTTPConnection], User | Response | Awaitable[User | Response | None] | None
]

ANYBODY = User("anonymous")


def everything(user: User, action: Action, resource: Resource) -> bool:  # noqa: ARG001
    """Allow everybody everything; users that are read-only still only look."""
    return True


@dataclass(frozen=True, slots=True)
class Access:
    """The one place that routes and templates ask.

    Attributes:
        authorize: what the host application says.
        scope: what it says that somebody sees of the lists.
        read_only: whether nobody may do anything but look.
    """

    authorize: Authorize = everything
    read_only: bool = False
    scope: ScopeOf | None = None

    def seen(self, user: User) -> Scope:
        """Return what somebody sees.

        Raises:
            ConfigurationError: what the host application says can't be understood.
        """
        return EVERYTHING if self.scope is None else Scope.of(self.scope(user))

    def may(self, user: User, action: Action, resource: Resource) -> bool:
        """Say whether somebody may do something."""
        name = resource.id if resource.kind == "page" else resource.kind
        if name in LISTS and not self.seen(user).sees(name):
            return False
        if action is not Action.LOOK and (self.read_only or user.read_only):
            return False
        return bool(self.authorize(user, action, resource))


class Credentials:
    """Users with passwords (basic) and programs with tokens (bearer).

    Secrets are kept as digests and compared in constant time, with all of them each time: how long
    it takes tells nothing about which names there are.

    Args:
        users: passwords by name.
        tokens: tokens by the name of who has them.
        viewers: names of those who may only look.
    """

    def __init__(
        self,
        users: Mapping[str, str] | None = None,
        tokens: Mapping[str, str] | None = None,
        viewers: Collection[str] = (),
    ) -> None:
        users, tokens = dict(users or {}), dict(tokens or {})
        for what, secrets in (("password", users), ("token", tokens)):
            for name, secret in secrets.items():
                if not name or not secret or ":" in name:
                    shown = name.partition(":")[0]  # behind it, somebody may mean their secret
                    raise ConfigurationError(
                        f"a name without a colon and a {what} that is not empty are needed, "
                        f"for {shown!r}"
                    )
        if unknown := sorted(set(viewers) - users.keys() - tokens.keys()):
            raise ConfigurationError(f"viewers {', '.join(unknown)} have no password and no token")
        self._viewers = frozenset(viewers)
        self._users = [(name, _digest(f"{name}:{word}")) for name, word in users.items()]
        self._tokens = [(name, _digest(token)) for name, token in tokens.items()]

    def __bool__(self) -> bool:
        return bool(self._users or self._tokens)

    @property
    def challenge(self) -> str:
        """What a browser is asked for."""
        return 'Basic realm="baton", charset="UTF-8"' if self._users else 'Bearer realm="baton"'

    def user(self, connection: HTTPConnection) -> User | None:
        """Return who a request is from, if it proves it."""
        scheme, _, given = connection.headers.get("authorization", "").partition(" ")
        match scheme.lower():
            case "basic":
                found = _match(_decoded(given.strip()), self._users)
            case "bearer":
                found = _match(given.strip(), self._tokens)
            case _:
                return None
        return None if found is None else User(found, read_only=found in self._viewers)


def _decoded(given: str) -> str:
    try:
        return base64.b64decode(given, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return ""


def _digest(secret: str) -> bytes:
    return sha256(secret.encode()).digest()


def _match(given: str, known: list[tuple[str, bytes]]) -> str | None:
    digest = _digest(given)
    found = None
    for name, secret in known:
        if hmac.compare_digest(digest, secret):
            found = name
    return found
