"""Answers that take several statements, written once for both kinds of database.

An answer is a generator: it yields the statements that it needs one by one, is sent their rows, and
returns what it found. Each statement sees the database as it is then; nothing is locked.
"""

from collections.abc import Generator, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from baton.store.door import Row
from baton.store.pools import Database, SyncDatabase

T = TypeVar("T")


class Statement(NamedTuple):
    """A file of ``sql/queries``, its parameters, and conditions for its filter."""

    name: str
    params: Mapping[str, Any]
    where: str = ""


Asking = Generator[Statement, Sequence[Row], T]


async def answer(database: Database, asking: Asking[T]) -> T:
    """Return what it asks for.

    Raises:
        DatabaseError: the database refused or is away.
    """
    try:
        statement = next(asking)
        while True:
            statement = asking.send(await database.run(*statement))
    except StopIteration as stop:
        found: T = stop.value
        return found


def answer_sync(database: SyncDatabase, asking: Asking[T]) -> T:
    """Do what `answer` does, without an event loop."""
    try:
        statement = next(asking)
        while True:
            statement = asking.send(database.run(*statement))
    except StopIteration as stop:
        found: T = stop.value
        return found
