"""Looks after the tables of a long-running installation: sizes, vacuum, rebuilt indexes.

Over a connection of its own, which must lead to the server itself: limits of time and a lock are
the session's, and neither ``vacuum`` nor ``reindex concurrently`` runs in a transaction.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Self

import psycopg
from psycopg import Connection
from psycopg.errors import LockNotAvailable
from psycopg.sql import SQL, Identifier

from baton.errors import MaintenanceBusy, RebuildHeldUp
from baton.store import door, dsns, migrations, shipped, sql
from baton.store.translation import translated
from baton.upkeep import Holder, Index, Report, Table, to_rebuild

PATIENCE = 60.0  # seconds that a rebuild waits for the transactions of others


class Maintenance:
    """What can be seen and done over one connection; use `maintenance` to make one.

    Args:
        conn: in autocommit mode.
        schema: the schema.
        warn: is called with what could not be done.
    """

    def __init__(self, conn: Connection[Any], schema: str, warn: Callable[[str], None]) -> None:
        self._conn = conn
        self._warn = warn
        self._schema = schema
        self._names = {"schema": schema, "tables": shipped.table_names()}

    def look(self) -> Report:
        """Return how things stand."""
        [(now,)] = self._conn.execute("select now()").fetchall()
        return Report(
            now=now,
            tables=[Table(*row) for row in self._run("maintenance_tables", self._names)],
            indexes=[Index(*row) for row in self._run("maintenance_indexes", self._names)],
            holders=[Holder(*row) for row in self._run("maintenance_holders", {})],
        )

    def vacuum(self) -> Iterator[str]:
        """Remove dead rows and renew the statistics, table by table; yield the names."""
        for table in self.look().tables:
            try:
                self._conn.execute(SQL("vacuum (analyze) {}").format(self._identifier(table.name)))
            except LockNotAvailable:
                self._warn(f"{table.name} was not vacuumed: somebody else has locked it")
                continue
            yield table.name

    def reindex(self, *, all_hot: bool = False) -> Iterator[tuple[Index, int | None]]:
        """Rebuild indexes while the queue goes on, and remove what interrupted rebuilds left.

        Args:
            all_hot: also those of the hot ones that are not bloated.

        Yields:
            Each index as it was, and its bytes now; ``None`` for one that was removed.

        Raises:
            MaintenanceBusy: another session is at it.
            RebuildHeldUp: a transaction of somebody else does not end.
        """
        [(taken,)] = self._run("maintenance_lock", {})
        if not taken:
            raise MaintenanceBusy(self._schema)
        yield from self._remove_leftovers()
        for index in to_rebuild(self.look(), all_hot=all_hot):
            try:
                self._alter("reindex index concurrently {}", index)
            except LockNotAvailable:
                holders = [f"{each.kind} {each.who}" for each in self.look().holders]
                for _ in self._remove_leftovers():
                    pass
                raise RebuildHeldUp(index.name, PATIENCE, holders) from None
            yield index, self._bytes_of(index)

    def _remove_leftovers(self) -> Iterator[tuple[Index, None]]:
        for index in self.look().indexes:
            if index.is_leftover:
                try:
                    self._alter("drop index concurrently if exists {}", index)
                except LockNotAvailable:
                    continue  # it costs little, and the next time will do
                yield index, None

    def _alter(self, statement: str, index: Index) -> None:
        self._conn.execute(SQL(statement).format(self._identifier(index.name)))

    def _bytes_of(self, index: Index) -> int:
        found = [each.bytes for each in self.look().indexes if each.name == index.name]
        return int(found[0]) if found else 0

    def _identifier(self, name: str) -> Identifier:
        return Identifier(self._schema, name)

    def _run(self, name: str, params: dict[str, Any]) -> list[door.Row]:
        return door.run_sync(self._conn, self._schema, name, params)

    @classmethod
    def over(cls, conn: Connection[Any], schema: str, warn: Callable[[str], None]) -> Self:
        """Prepare a connection.

        Raises:
            SchemaMissing, SchemaOutdated, SchemaTooNew: the schema is not this Baton's.
        """

        def hear(notice: psycopg.errors.Diagnostic) -> None:
            if notice.severity_nonlocalized == "WARNING" and notice.message_primary:
                warn(notice.message_primary)

        conn.add_notice_handler(hear)
        [(version,)] = door.run_sync(conn, schema, "schema_version")
        migrations.require_current(schema, version)
        door.run_sync(conn, schema, "maintenance_session", {"patience": PATIENCE})
        return cls(conn, schema, warn)


@contextmanager
def maintenance(
    dsn: str, *, schema: str = "baton", warn: Callable[[str], None]
) -> Iterator[Maintenance]:
    """Open a connection to maintain a schema over.

    Args:
        dsn: where.
        schema: the schema.
        warn: is called with what the server warns of, such as missing rights.

    Raises:
        DatabaseError: the database refused or is away, or its schema is not this Baton's.
    """
    sql.check_schema(schema)
    info = dsns.conninfo(dsn, application_name="baton maintain")
    with (
        translated(schema),
        Connection.connect(info, autocommit=True, prepare_threshold=None) as conn,
    ):
        yield Maintenance.over(conn, schema, warn)
