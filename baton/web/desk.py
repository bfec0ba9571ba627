"""What every part of the page has at hand: the database, the question of access, and templates."""

import json
import shlex
from collections import OrderedDict
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from importlib.metadata import version
from typing import Any
from uuid import UUID

import structlog
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from baton.client import Client
from baton.errors import BatonError, InvalidSearch, NotFound
from baton.filters import LARGEST_ID
from baton.graphs.sheets import LOOKS
from baton.search import quoted
from baton.store.pages import Norm
from baton.store.pools import Database
from baton.web import Redact, marks
from baton.web.access import ANYBODY, Access, Action, Resource, User
from baton.web.guard import USER
from baton.wording import cut, dollars, duration, inert, ran

log = structlog.get_logger("baton.web")

FAILED = 500
FILTER = 600  # characters of a wrong filter
DOCUMENT_LIMIT = 20_000  # characters of arguments, a result or an error
HIDDEN = "(could not be redacted, so it is not shown)"


class Refused(BatonError):
    """Somebody may not do what they asked for."""

    def __init__(self, user: User, action: Action, resource: Resource) -> None:
        super().__init__(
            f"{user.name} may not {action.value} {resource.kind} {cut(inert(resource.id), 80)}"
        )


class Desk:
    """What routes share.

    Attributes:
        client: looks and acts.
        database: for what clients don't tell.
        access: who may do what.
        norms: how long steps of a workflow usually take, and when that was read.
        audit_age: seconds after which it is forgotten what people did; ``None`` keeps it.
    """

    def __init__(
        self,
        *,
        client: Client,
        database: Database,
        access: Access,
        redact: Redact | None,
        audit_age: float | None,
    ) -> None:
        self.client = client
        self.database = database
        self.access = access
        self.audit_age = audit_age
        self.norms: OrderedDict[UUID, tuple[float, list[Norm]]] = OrderedDict()
        self._redact = redact
        self._templates = Environment(
            loader=PackageLoader("baton.web"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters |= {
            "ago": ago,
            "clock": clock,
            "cut": shown,
            "document": self.document,
            "dollars": dollars,
            "line": self.line,
            "duration": lambda seconds: "" if seconds is None else duration(float(seconds)),
            "lines": lines,
            "quoted": quoted,
            "ran": ran,
            "shell": shlex.quote,
            "number": lambda number: f"{number:,}",
        }
        self._templates.globals |= {
            "looks": LOOKS,
            "version": version("baton"),
            "allowed": marks.allowed,
            "end_allowed": marks.end_allowed,
        }

    async def close(self) -> None:
        """Close every connection."""
        await self.client.close()
        await self.database.close()

    def user(self, request: Request) -> User:
        """Return who asks."""
        found = request.scope.get(USER, ANYBODY)
        return found if isinstance(found, User) else ANYBODY

    def require(self, request: Request, action: Action, resource: Resource) -> User:
        """Return who asks.

        Raises:
            Refused: they may not do it.
        """
        user = self.user(request)
        if not self.access.may(user, action, resource):
            raise Refused(user, action, resource)
        return user

    def line(self, value: Any, limit: int = 100) -> str:
        """Return a document on one line."""
        return cut(self.document(value, indent=None), limit)

    def document(self, value: Any, *, indent: int | None = 2) -> str:
        """Return arguments, a result or another document as text, redacted and cut."""
        if self._redact is not None and value is not None:
            try:
                value = self._redact(value)
            except Exception:
                log.exception("redact.failed")
                return HIDDEN
        try:
            text = json.dumps(value, indent=indent, ensure_ascii=False, default=str)
        except (ValueError, RecursionError):
            text = str(value)
        return cut("\n".join(map(inert, text.split("\n"))), DOCUMENT_LIMIT)

    def personal(self, text: str, user: User) -> str:
        """Return a part of a page without what this user may not do."""
        return marks.personal(text, partial(self.access.may, user))

    def fragment(self, template: str, root: str, context: Mapping[str, Any]) -> str:
        """Return a part of a page, the same for everybody; `personal` makes it somebody's."""
        return self._templates.get_template(template).render({**context, "root": root})

    def page(
        self,
        request: Request,
        template: str,
        context: Mapping[str, Any],
        *,
        status: int = 200,
    ) -> Response:
        """Return a page."""
        user = self.user(request)

        def may(action: str, kind: str, name: object = "") -> bool:
            return self.access.may(user, Action(action), Resource(kind, str(name)))

        def sees(name: str) -> bool:
            try:
                return self.access.seen(user).sees(name)
            except Exception:
                if status < FAILED:
                    raise
                return False  # the page that says so must not fail of the same

        root = request.scope.get("root_path", "").rstrip("/")
        text = self._templates.get_template(template).render(
            {"live": None, **context, "root": root, "may": may, "sees": sees, "user": user}
        )
        return HTMLResponse(text, status)

    def error(self, request: Request, status: int, message: str) -> Response:
        """Return a page that says what is wrong."""
        context = {"here": "", "title": f"Error {status}", "message": message}
        return self.page(request, "error.html", context, status=status)

    def wrong_filter(self, request: Request, here: str, error: InvalidSearch) -> Response:
        """Return the form of a list with what was typed, and marks below what is wrong with it."""
        line, _, marks = error.pointed().rpartition("\n")
        context = {
            "here": here,
            "title": "The filter is wrong",
            "message": str(error),
            "typed": error.text,
            "pointed": f"{cut(inert(line), FILTER)}\n{marks[:FILTER]}",
        }
        return self.page(request, "error.html", context, status=400)


def canonical(kind: str, given: str) -> str:
    """Return the one way to write the id of a workflow or a job, which is what ``authorize`` gets.

    Raises:
        NotFound: nothing has such an id.
    """
    match kind:
        case "workflow":
            try:
                return str(UUID(given))
            except ValueError:
                raise NotFound("workflow", cut(inert(given), 40)) from None
        case "job":
            return str(job_number(given))
        case _:
            return given


def job_number(given: str) -> int:
    """Return the id of a job.

    Raises:
        NotFound: that is none.
    """
    if (number := digits(given)) is None:
        raise NotFound("job", cut(inert(given), 40))
    return number


def digits(given: str) -> int | None:
    """Return a number that can be the id of a job; ``None``: it can't."""
    if not given.isascii() or not given.isdecimal() or len(given) > len(str(LARGEST_ID)):
        return None
    number = int(given)
    return number if number <= LARGEST_ID else None


def markup(text: str) -> Markup:
    """Mark text as HTML: only what this package has escaped itself."""
    return Markup(text)  # noqa: S704


def shown(text: object, limit: int = 80) -> str:
    """Return a text on one line, harmless and cut."""
    return cut(inert(str(text)), limit)


def ago(moment: datetime | None) -> str:
    """Say how long ago something was, or how soon it will be."""
    if moment is None:
        return ""
    passed = (datetime.now(UTC) - moment).total_seconds()
    if abs(passed) >= timedelta(days=2).total_seconds():
        days = f"{abs(passed) / 86_400:,.0f} days"
        return f"{days} ago" if passed > 0 else f"in {days}"
    return f"{duration(passed)} ago" if passed >= 0 else f"in {duration(-passed)}"


def clock(moment: datetime | None) -> str:
    """Return a time in UTC, to the second."""
    return "" if moment is None else f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def lines(text: object) -> str:
    """Return a text of several lines, harmless and cut."""
    return cut("\n".join(map(inert, str(text).split("\n"))), DOCUMENT_LIMIT)
