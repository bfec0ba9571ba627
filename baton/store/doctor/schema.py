"""Whether the schema is what this Baton needs."""

from collections.abc import Iterator

from baton.checkup import Finding
from baton.errors import DatabaseError
from baton.store import migrations, shipped, sql
from baton.store.doctor.patient import Finder, Patient

_VERSION = Finder("schema")
_INDEXES = Finder("indexes")


def is_usable(patient: Patient) -> bool:
    """Whether there is a schema of the version that this Baton works with."""
    [(found,)] = patient.run("schema_version")
    return bool(found == migrations.known())


def version(patient: Patient) -> Iterator[Finding]:
    """Find a schema that is missing, older, newer, or whose routines are another version's."""
    target = patient.target
    [(found,)] = patient.run("schema_version")
    try:
        migrations.require_current(target.schema, found)
    except DatabaseError as error:
        sentence, _, command = str(error).partition("; run: ")
        yield _VERSION.error(sentence, command or None, found=found, known=migrations.known())
        return
    kept: dict[str, str] = dict(patient.run("migrations_applied"))
    if kept.get(shipped.ROUTINES) != shipped.routines().checksum:
        yield _VERSION.error(
            "the routines are not those of this Baton", patient.baton("migrate"), found=found
        )
    for migration in shipped.migrations():
        if kept.get(migration.name) != migration.change.checksum:
            yield _VERSION.error(
                f"migration {migration.name} was applied with other contents than this Baton ships",
                "pip install baton==VERSION  # the one that applied it",
                found=migration.name,
            )


def indexes(patient: Patient) -> Iterator[Finding]:
    """Find indexes that are missing, and those that no query uses because they are invalid."""
    schema = patient.target.schema
    found = patient.run("doctor_indexes", schema=schema, tables=shipped.table_names())
    valid = {name: bool(is_valid) for name, _, is_valid, _ in found}
    for name, statement in shipped.index_statements().items():
        if name not in valid:
            where = sql.qualify(statement, schema)
            yield _INDEXES.error(
                f"index {name} is missing: every query that it serves reads whole tables",
                patient.psql(where.replace(" index ", " index concurrently ", 1)),
                index=name,
            )
    for name, table, is_valid, is_built in found:
        if is_valid or is_built:
            continue
        leftover = name.rpartition("_cc")[2][:3] in {"new", "old"}
        yield _INDEXES.warning(
            f"index {name} of {table} is invalid: it costs time and serves no query",
            patient.baton("maintain --reindex")
            if leftover
            else patient.psql(f"reindex index concurrently {sql.quoted(schema)}.{name}"),
            index=name,
        )
