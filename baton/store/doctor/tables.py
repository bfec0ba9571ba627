"""Whether the tables and indexes are looked after."""

from collections.abc import Iterator

from baton import upkeep
from baton.checkup import Finding
from baton.store import shipped, sql
from baton.store.doctor.patient import Finder, Patient
from baton.upkeep import Index, Table, size

_VACUUM = Finder("vacuum")
_BLOAT = Finder("bloat")


def vacuum(patient: Patient) -> Iterator[Finding]:
    """Find what keeps autovacuum away, and rows that are so old that the server will stop."""
    schema = patient.target.schema
    rows = patient.run("doctor_vacuum", schema=schema, tables=shipped.table_names())
    for name in ("autovacuum", "track_counts"):
        if rows and rows[0][1 if name == "autovacuum" else 2] == "off":
            yield _VACUUM.error(
                f"{name} is off: dead rows are never removed, and every query gets slower",
                patient.psql(f"alter system set {name} = on"),
            )
    for table, _, _, is_off, age in rows:
        if is_off:
            yield _VACUUM.error(
                f"autovacuum is off for {table}: its dead rows are never removed",
                patient.psql(
                    f"alter table {sql.quoted(schema)}.{table} reset (autovacuum_enabled)"
                ),
                table=table,
            )
        if age > patient.target.limits.age:
            yield _VACUUM.error(
                f"the oldest rows of {table} are {age:,} transactions old, and the server takes no "
                f"writes at two billion",
                patient.psql(f"vacuum (freeze, verbose) {sql.quoted(schema)}.{table}"),
                table=table,
                age=age,
            )


def bloat(patient: Patient) -> Iterator[Finding]:
    """Find tables full of dead rows, and indexes much larger than new ones would be."""
    names = {"schema": patient.target.schema, "tables": shipped.table_names()}
    for table in (Table(*row) for row in patient.run("maintenance_tables", **names)):
        if upkeep.is_dead(table):
            last = table.last_autovacuum
            since = "never" if last is None else f"last at {last:%Y-%m-%d %H:%M:%S %Z}"
            yield _BLOAT.warning(
                f"{table.name} has {table.dead:,} dead rows beside {table.rows:,}; autovacuum was "
                f"there {since}",
                patient.baton("maintain --vacuum"),
                table=table.name,
                dead=table.dead,
            )
    for index in (Index(*row) for row in patient.run("maintenance_indexes", **names)):
        if index.is_bloated:
            yield _BLOAT.warning(
                f"{index.name} takes {size(index.bytes)} and a new one would take "
                f"{size(index.expected or 0)}",
                patient.baton("maintain --reindex"),
                index=index.name,
                bytes=index.bytes,
            )
