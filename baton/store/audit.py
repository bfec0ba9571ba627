"""The record of what people did, with who and when."""

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from baton import documents
from baton.errors import BatonError, DatabaseError, InvalidData, Unrecorded
from baton.search import AuditSearch
from baton.store import matching
from baton.store.asking import Asking, Statement
from baton.store.door import Row
from baton.store.pools import Database, SyncDatabase
from baton.store.rows import document

MESSAGE_LIMIT = 2_000
LARGEST_ID = 2**63 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """Something that somebody did.

    Attributes:
        actor: who.
        address: from where, when that is known.
        source: by which way: ``web``, ``cli``, or what a program calls itself.
        action: what: ``cancel``, ``retry``, ``pause`` and so on.
        kind: what sort of thing it was done to.
        subject: its id or name.
        details: what else was said.
        outcome: ``done`` or ``failed``; ``None`` when that never came to be known.
        message: what it came to, in a sentence.
    """

    id: int
    actor: str
    address: str | None
    source: str
    action: str
    kind: str
    subject: str
    details: Mapping[str, Any]
    outcome: str | None
    message: str | None
    inserted_at: datetime
    finished_at: datetime | None


@dataclass(slots=True)
class Record:
    """The record of something that is being done.

    Attributes:
        id: its number.
        message: what it came to, in a sentence; whoever does it says so.
    """

    id: int
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """What somebody is about to do, as `Deed` has it.

    Attributes:
        age: seconds after which records are forgotten; ``None`` keeps all.
    """

    actor: str
    address: str | None
    source: str
    action: str
    kind: str
    subject: str
    details: Mapping[str, Any]
    age: float | None

    def params(self) -> dict[str, Any]:
        """Return it as it is stored.

        Raises:
            InvalidData: the details are nothing that JSON can have.
        """
        try:
            said = documents.encode(_storable(self.details), default=str)
        except ValueError as error:
            raise InvalidData(f"the details of a record can't be stored: {error}") from None
        where = None if self.address is None else documents.storable(self.address, MESSAGE_LIMIT)
        return {
            "actor": documents.storable(self.actor, MESSAGE_LIMIT),
            "address": where,
            "source": documents.storable(self.source, MESSAGE_LIMIT),
            "action": documents.storable(self.action, MESSAGE_LIMIT),
            "kind": documents.storable(self.kind, MESSAGE_LIMIT),
            "subject": documents.storable(self.subject, MESSAGE_LIMIT),
            "details": said,
            "age": self.age,
        }


@asynccontextmanager
async def recorded(database: Database, intent: Intent) -> AsyncIterator[Record]:
    """Write down what the block does before it is done, and afterwards what became of it.

    Where the first can't be written nothing is done. Where the last can't, or the block is cut off,
    the record stays open: what was done is done, and must not look as if it were not.

    Raises:
        InvalidData: the details are nothing that JSON can have.
        Unrecorded: the database refuses the record, to this role for example.
        DatabaseError: it is away, or has no such table.
    """
    record = Record(await begin(database, intent))
    try:
        yield record
    except Exception as error:
        with suppress(DatabaseError):
            await end(database, record.id, outcome="failed", message=_told(error))
        raise
    with suppress(DatabaseError):
        await end(database, record.id, outcome="done", message=record.message)


@contextmanager
def recorded_sync(database: SyncDatabase, intent: Intent) -> Iterator[Record]:
    """Do what `recorded` does, for programs without an event loop."""
    with _refusal():
        [(found,)] = database.run("audit_begin", intent.params())
    record = Record(int(found))
    try:
        yield record
    except Exception as error:
        with suppress(DatabaseError):
            database.run("audit_end", _ended(record.id, "failed", _told(error)))
        raise
    with suppress(DatabaseError):
        database.run("audit_end", _ended(record.id, "done", record.message))


async def begin(database: Database, intent: Intent) -> int:
    """Write down what is about to be done; return the id of the record.

    Raises:
        InvalidData: the details are nothing that JSON can have.
        Unrecorded: the database refuses it, to this role for example.
        DatabaseError: it is away, or has no such table.
    """
    with _refusal():
        [(found,)] = await database.run("audit_begin", intent.params())
    return int(found)


async def end(database: Database, deed: int, *, outcome: str, message: str) -> None:
    """Write down what became of it."""
    await database.run("audit_end", _ended(deed, outcome, message))


def _ended(deed: int, outcome: str, message: str) -> dict[str, Any]:
    told = documents.storable(message, MESSAGE_LIMIT)
    return {"id": deed, "outcome": outcome, "message": told}


def _told(error: Exception) -> str:
    return str(error) if isinstance(error, BatonError) else f"{type(error).__name__} was raised"


@contextmanager
def _refusal() -> Iterator[None]:
    try:
        yield
    except DatabaseError as error:
        if type(error) is DatabaseError:  # no trouble that passes, and the schema is there
            raise Unrecorded(str(error)) from error
        raise


def deeds(
    *,
    kind: str | None = None,
    subject: str | None = None,
    search: AuditSearch | None = None,
    before: int | None = None,
    limit: int = 50,
) -> Asking[list[Deed]]:
    """Return what people did, the newest first; ``before`` is the last id of the page before."""
    if before is not None:
        before = max(0, min(before, LARGEST_ID))
    fits = matching.deeds(search.conditions if search is not None else ())
    params = {"id": None, "kind": kind, "subject": subject, "before": before, "limit": limit}
    rows = yield Statement("audit_list", {**params, **fits.params}, fits.sql)
    return [_deed(row) for row in rows]


def deed(number: int) -> Asking[Deed | None]:
    """Return one record, if it is there."""
    if not 0 < number <= LARGEST_ID:
        return None
    params = {"id": number, "kind": None, "subject": None, "before": None, "limit": 1}
    rows = yield Statement("audit_list", params)
    return _deed(rows[0]) if rows else None


def _storable(value: Any) -> Any:
    """Return what was said with its texts cut, so that nothing keeps it from being written down."""
    if isinstance(value, Mapping):
        return {documents.storable(str(key), 200): _storable(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_storable(each) for each in value]
    return documents.storable(value, MESSAGE_LIMIT) if isinstance(value, str) else value


def _deed(row: Row) -> Deed:
    number, actor, address, source, action, kind, subject, details, *rest = row
    outcome, message, inserted_at, finished_at = rest
    return Deed(
        id=number,
        actor=actor,
        address=address,
        source=source,
        action=action,
        kind=kind,
        subject=subject,
        details=document(details),
        outcome=outcome,
        message=message,
        inserted_at=inserted_at,
        finished_at=finished_at,
    )
