"""The one server for all, and looks at it: the time of its processes, its statements."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg

from baton.embedded import EmbeddedServer
from benchmarks import processes

# Durability is PostgreSQL's default: fsync, full_page_writes and synchronous_commit are on. What is
# set keeps a checkpoint from falling into one measurement and not into another.
SETTINGS = {
    "max_connections": "400",
    "shared_buffers": "512MB",
    "max_wal_size": "8GB",
    "checkpoint_timeout": "30min",
    "shared_preload_libraries": "pg_stat_statements",
    "pg_stat_statements.track": "none",
}


@dataclass(frozen=True)
class Server:
    """A PostgreSQL server, by the DSN of a database that is always there.

    Attributes:
        dsn: that database.
        made: names of the databases that were made here.
    """

    dsn: str
    made: list[str] = field(default_factory=list)

    def database(self, name: str) -> str:
        """Return the DSN of a database of this program, which is made when it is missing."""
        own = f"benchmark_{name}_{os.getpid()}"
        if own not in self.made:
            with psycopg.connect(self.dsn, autocommit=True) as connection:
                connection.execute(f'create database "{own}"'.encode())
            self.made.append(own)
        return urlunsplit(urlsplit(self.dsn)._replace(path=f"/{own}"))

    def drop_databases(self) -> None:
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            for name in self.made:
                connection.execute(f'drop database "{name}" with (force)'.encode())

    def version(self) -> str:
        with psycopg.connect(self.dsn) as connection:
            [(version,)] = connection.execute("show server_version").fetchall()
        return str(version)

    def cpu(self) -> float:
        """Seconds that its processes have used; those that have ended count in their parent."""
        with psycopg.connect(self.dsn) as connection:
            return processes.cpu_with_children(processes.parent(connection.info.backend_pid))


@contextmanager
def server(dsn: str | None) -> Iterator[Server]:
    """The server that is named, or an embedded one, durable as PostgreSQL is by default."""
    if dsn is not None:
        named = Server(dsn)
        try:
            yield named
        finally:
            named.drop_databases()
        return
    with EmbeddedServer.start(settings=SETTINGS) as embedded:
        yield Server(embedded.dsn())


def count_statements(connection: psycopg.Connection[Any]) -> bool:
    """Count the statements of sessions that are opened from now on, when the server can."""
    [(libraries,)] = connection.execute("show shared_preload_libraries").fetchall()
    if "pg_stat_statements" not in libraries:
        return False
    connection.execute("create extension if not exists pg_stat_statements")
    name = connection.info.dbname
    connection.execute(f"alter database \"{name}\" set pg_stat_statements.track = 'top'".encode())
    return True


def statements(connection: psycopg.Connection[Any]) -> int:
    """How many statements this database has had since they are counted."""
    query = """
      select coalesce(sum(calls), 0)::bigint from pg_stat_statements
      where dbid = (select oid from pg_database where datname = current_database())
    """
    [(calls,)] = connection.execute(query).fetchall()
    return int(calls)


def empty(connection: psycopg.Connection[Any], tables: Sequence[str]) -> None:
    """Empty tables, and begin with a clean log."""
    connection.execute(f"truncate {', '.join(tables)} cascade".encode())
    settle(connection, tables)


def settle(connection: psycopg.Connection[Any], tables: Sequence[str]) -> None:
    """Do what autovacuum would have done, and what a checkpoint would do in the middle."""
    connection.execute(f"vacuum analyze {', '.join(tables)}".encode())
    connection.execute("checkpoint")
