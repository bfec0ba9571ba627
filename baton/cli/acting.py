"""Who acts in this shell, and how what they do gets into the audit log."""

import getpass
import os
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from baton.cli.frame import frame
from baton.cli.masking import masked
from baton.cli.values import NOTHING
from baton.client import Client
from baton.store.audit import Record

SOURCE = "cli"


@asynccontextmanager
async def acting(
    client: Client, action: str, kind: str, subject: object, **details: Any
) -> AsyncIterator[Record]:
    """Write down what the block does, and afterwards what became of it: its ``message``.

    Where it can't be written down nothing is done. Values of arguments don't belong in it: they may
    be secrets, and would outlive the job.

    Args:
        client: where.
        action: what is done.
        kind: what sort of thing it is done to.
        subject: its id or name.
        details: what else was said; what is ``None`` or empty was not.

    Raises:
        Unrecorded: the role may not write it down.
    """
    said = {name: value for name, value in details.items() if value not in (None, "", [])}
    async with client.audit.recorded(
        actor=actor(),
        address=_address(),
        source=SOURCE,
        action=action,
        kind=kind,
        subject=masked(str(subject)),
        details={name: _kept(each) for name, each in said.items()},
    ) as record:
        yield record


def recordable(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the log has of options: of a document its names, and what is lifted as none."""
    return {name: _recordable(value) for name, value in options.items()}


def _recordable(value: Any) -> Any:
    if isinstance(value, Mapping):
        return sorted(value)
    if isinstance(value, datetime):
        return value.isoformat()
    return NOTHING if value is None else value


def actor() -> str:
    """Return who the audit log says it was: ``--actor``, or the user with the machine's name."""
    if frame.actor:
        return frame.actor
    return f"{_user() or f'user {os.getuid()}'}@{socket.gethostname()}"


def speaker() -> str | None:
    """Return who says something, where ``--by`` does not: ``--actor``, or the user's name."""
    return frame.actor or _user()


def _user() -> str | None:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # a container's user without a name
        return None


def _address() -> str | None:
    """Return where somebody who came by SSH is."""
    return next(iter(os.environ.get("SSH_CONNECTION", "").split()), None)


def _kept(value: Any) -> Any:
    if isinstance(value, list):
        return [_kept(each) for each in value]
    return masked(value) if isinstance(value, str) else value
