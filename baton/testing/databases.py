"""A PostgreSQL for tests: one server for all of them, and a migrated database for each.

The pytest plugin is made of these, and so may be another one.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from baton.embedded import EmbeddedServer
from baton.settings import load
from baton.store import databases
from baton.store.migrations import migrate

# A crash of the machine may lose the tests' data; a crash of the server may not.
SERVER_SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "on",
    "max_connections": "300",
    "max_wal_size": "4GB",
}


@contextmanager
def server() -> Iterator[str]:
    """Run an embedded server for the time of the block; give the DSN of its first database.

    It does not wait for the disk. It ends with this process, however that happens.

    Raises:
        ConfigurationError: the extra ``embedded`` is not installed.
        DatabaseUnavailable: the server does not start.
    """
    with EmbeddedServer.start(settings=SERVER_SETTINGS) as running:
        yield running.dsn()


@contextmanager
def template(server_dsn: str, *, schema: str | None = None) -> Iterator[str]:
    """Make a migrated database to copy, and give its name; nobody may connect to it.

    Args:
        server_dsn: of a database of the server; its user may create databases.
        schema: the schema of Baton's tables; by default what the settings say.

    Raises:
        DatabaseError: the server refuses, or does not answer.
    """
    with databases.fresh(server_dsn) as name:
        dsn = databases.address(server_dsn, name)
        settings = load(dsn=dsn, schema=schema)
        migrate(settings.conninfo, schema=settings.db_schema)
        yield name


@contextmanager
def database(server_dsn: str, *, template: str | None = None) -> Iterator[str]:
    """Make a database, give its DSN, and drop it in the end.

    Args:
        server_dsn: of a database of the server; its user may create databases.
        template: the name of the database to copy; by default it is empty.

    Raises:
        DatabaseError: the server refuses, or does not answer.
    """
    with databases.fresh(server_dsn, template=template or "template1") as name:
        yield databases.address(server_dsn, name)
