"""`Migration`: makes Baton's tables from a program, or as a step of another migration tool."""

from functools import partial
from typing import Any

from anyio import to_thread

from baton.errors import ConfigurationError
from baton.settings import load
from baton.store import migrations
from baton.store.borrowed import borrow_sync


class Migration:
    """Brings the schema forward and back, as ``baton migrate`` does; all of it can be run again.

    Every method takes ``prefix``, the schema, and ``dsn``, the database, which are those of the
    settings unless they are given. Those that end in ``_sync`` are for programs without an event
    loop, and take ``conn``, an open psycopg ``Connection``, a ``Session`` or ``Connection`` of
    SQLAlchemy, or Django's connection: everything then becomes part of its transaction.

    Every method raises `ConfigurationError` when there is no such version, or no schema can have
    that name, `MigrationChanged` and `SchemaTooNew` when the schema is another Baton's, and
    `DatabaseError` when the database refuses or is away; the ``_sync`` ones also
    `InvalidConnection`.
    """

    @staticmethod
    async def up(
        *, prefix: str | None = None, to: int | None = None, dsn: str | None = None
    ) -> list[str]:
        """Bring the schema to the newest version, or to ``to``; return what was applied."""
        return await to_thread.run_sync(partial(Migration.up_sync, prefix=prefix, to=to, dsn=dsn))

    @staticmethod
    def up_sync(
        *,
        prefix: str | None = None,
        to: int | None = None,
        dsn: str | None = None,
        conn: Any = None,
    ) -> list[str]:
        """Do what `up` does."""
        place, schema = _target(prefix, dsn, conn)
        return migrations.migrate(place, schema=schema, to=to)

    @staticmethod
    async def down(*, prefix: str | None = None, to: int = 0, dsn: str | None = None) -> list[str]:
        """Take back what is newer than ``to``, and return it; at 0 every job and workflow goes."""
        return await to_thread.run_sync(partial(Migration.down_sync, prefix=prefix, to=to, dsn=dsn))

    @staticmethod
    def down_sync(
        *, prefix: str | None = None, to: int = 0, dsn: str | None = None, conn: Any = None
    ) -> list[str]:
        """Do what `down` does."""
        place, schema = _target(prefix, dsn, conn)
        return migrations.down(place, schema=schema, to=to).names

    @staticmethod
    async def version(*, prefix: str | None = None, dsn: str | None = None) -> int | None:
        """Return the version of the schema, ``None`` when it was not migrated."""
        return await to_thread.run_sync(partial(Migration.version_sync, prefix=prefix, dsn=dsn))

    @staticmethod
    def version_sync(
        *, prefix: str | None = None, dsn: str | None = None, conn: Any = None
    ) -> int | None:
        """Do what `version` does."""
        place, schema = _target(prefix, dsn, conn)
        return migrations.version(place, schema=schema)


def _target(prefix: str | None, dsn: str | None, conn: Any) -> tuple[migrations.Place, str]:
    if conn is not None and dsn is not None:
        raise ConfigurationError("dsn and conn exclude each other: conn is connected already")
    settings = load(dsn=dsn, schema=prefix)
    place = settings.conninfo if conn is None else borrow_sync(conn)
    return place, settings.db_schema
