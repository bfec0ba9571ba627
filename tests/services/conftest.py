"""What tests of the services share."""

from math import inf
from typing import Any

import pytest
from anyio import CancelScope

from baton.services import callbacks, ending, performer
from tests.support import connection


@pytest.fixture
async def effects(database: str) -> str:
    """A database with a table for what jobs do to the outside."""
    async with connection(database) as conn:
        await conn.execute("create table effects (job bigint)")
    return database


class Limits:
    """The times that attempts and callbacks may take: over when a test says so, and not before."""

    def __init__(self) -> None:
        self._scopes: list[CancelScope] = []

    def begin(self, *_: Any, **__: Any) -> CancelScope:
        scope = CancelScope()
        self._scopes.append(scope)
        return scope

    def are_over(self) -> None:
        """Let the time of all that run by now be over."""
        for scope in self._scopes:
            scope.deadline = -inf


@pytest.fixture
def limits(monkeypatch: pytest.MonkeyPatch) -> Limits:
    """What runs into its time limit has reached the place where a test wants it."""
    made = Limits()
    monkeypatch.setattr(performer, "CancelScope", made.begin)
    monkeypatch.setattr(callbacks, "move_on_after", made.begin)
    return made


@pytest.fixture
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that ends waits for its last acknowledgements on the busiest machine."""
    monkeypatch.setattr(ending, "MOMENT", 60.0)
