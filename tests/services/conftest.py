"""What tests of the services share."""

import pytest

from tests.support import connection


@pytest.fixture
async def effects(database: str) -> str:
    """A database with a table for what jobs do to the outside."""
    async with connection(database) as conn:
        await conn.execute("create table effects (job bigint)")
    return database
