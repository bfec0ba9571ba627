"""What only some may do, in what everybody gets.

A part of a page is made once, for all who look at it. What a user may not do stands between two
marks in it, and is taken out for each of them. A mark begins with a secret of this process, so that
nothing which is shown can be taken for one.
"""

import json
import re
import secrets
from collections.abc import Callable

from markupsafe import Markup

from baton.web.access import Action, Resource

_SECRET = secrets.token_hex(16)
_MARKED = re.compile(f"<!--{_SECRET} ([0-9a-f]+)-->(.*?)<!--{_SECRET}-->", re.DOTALL)

May = Callable[[Action, Resource], bool]


def allowed(action: str, kind: str, name: object = "") -> Markup:
    """Begin what is only for those who may do this; a template ends it with ``end_allowed()``."""
    asked = json.dumps([Action(action).value, kind, str(name)]).encode().hex()
    return Markup(f"<!--{_SECRET} {asked}-->")  # noqa: S704


def end_allowed() -> Markup:
    """End it; within it no other one begins."""
    return Markup(f"<!--{_SECRET}-->")  # noqa: S704


def personal(text: str, may: May) -> str:
    """Return a part as somebody gets it."""
    if _SECRET not in text:
        return text

    def kept(found: re.Match[str]) -> str:
        action, kind, name = json.loads(bytes.fromhex(found[1]))
        return found[2] if may(Action(action), Resource(kind, name)) else ""

    return _MARKED.sub(kept, text)
