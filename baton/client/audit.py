"""The part of a client that knows what people did: ``client.audit``."""

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import Any

from baton.filters import check_limit, search_of
from baton.search import AuditSearch
from baton.store import audit as store
from baton.store.asking import Asking, answer, answer_sync
from baton.store.audit import Deed, Intent, Record
from baton.store.pools import Database, SyncDatabase

Deeds = list[Deed]  # within the classes, list is a method


class AuditLog:
    """Writes down what people do, and tells it.

    Every method raises `DatabaseError` when the database refuses or is away.

    Args:
        database: where.
        age: seconds after which it is forgotten; ``None`` keeps it.
    """

    def __init__(self, database: Database, *, age: float | None) -> None:
        self._database = database
        self._age = age

    async def list(
        self, where: str | AuditSearch = "", *, before: int | None = None, limit: int = 50
    ) -> Deeds:
        """Return what people did, the newest first.

        Args:
            where: a filter, such as ``actor:ada* action:cancel since:1d``.
            before: the last id of the page before.
            limit: how many at most.

        Raises:
            InvalidFilter: a word of the filter can't be understood, or the limit can't be one.
        """
        return await answer(self._database, _asked(where, before, limit))

    def recorded(
        self,
        *,
        actor: str,
        source: str,
        action: str,
        kind: str,
        subject: str,
        details: Mapping[str, Any] | None = None,
        address: str | None = None,
    ) -> AbstractAsyncContextManager[Record]:
        """Write down what the block does before it is done, and afterwards what became of it.

        Where it can't be written down the block is not entered. A block that raises has failed; one
        that is cut off leaves the record open.

        Args:
            actor: who does it.
            source: by which way: the name of a program, say.
            action: what is done: ``cancel``, ``pause`` and so on.
            kind: what sort of thing it is done to: ``job``, ``workflow``, ``queue`` and so on.
            subject: its id or name.
            details: what else is to be known, as JSON has it.
            address: from where it comes, when that is known.
        """
        intent = Intent(
            actor=actor,
            address=address,
            source=source,
            action=action,
            kind=kind,
            subject=subject,
            details=details or {},
            age=self._age,
        )
        return store.recorded(self._database, intent)


class SyncAuditLog:
    """Does what `AuditLog` does, for programs without an event loop."""

    def __init__(self, database: SyncDatabase, *, age: float | None) -> None:
        self._database = database
        self._age = age

    def list(
        self, where: str | AuditSearch = "", *, before: int | None = None, limit: int = 50
    ) -> Deeds:
        """Do what `AuditLog.list` does."""
        return answer_sync(self._database, _asked(where, before, limit))

    def recorded(
        self,
        *,
        actor: str,
        source: str,
        action: str,
        kind: str,
        subject: str,
        details: Mapping[str, Any] | None = None,
        address: str | None = None,
    ) -> AbstractContextManager[Record]:
        """Do what `AuditLog.recorded` does, around a plain ``with`` block."""
        intent = Intent(
            actor=actor,
            address=address,
            source=source,
            action=action,
            kind=kind,
            subject=subject,
            details=details or {},
            age=self._age,
        )
        return store.recorded_sync(self._database, intent)


def _asked(where: str | AuditSearch, before: int | None, limit: int) -> Asking[Deeds]:
    return store.deeds(
        search=search_of(AuditSearch, where), before=before, limit=check_limit(limit)
    )
