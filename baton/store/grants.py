"""What roles may do that don't own the tables: of worker processes, of programs, of people.

A grant names what Baton made, one by one, and never all of a schema: others may keep tables there.
It replaces what the role had before. The table ``grants`` notes it, so that what later migrations
make is opened to the same roles, as long as they still may use the schema: a role that somebody
shut out by hand stays outside, and a new role of the same name gets nothing.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, get_args

from psycopg import Connection
from psycopg.sql import SQL, Composable, Composed, Identifier
from psycopg.sql import Literal as Constant

from baton.errors import UnknownRole
from baton.store import door, shipped, sql, turns

Access = Literal["worker", "client", "reader"]
ACCESSES: tuple[Access, ...] = get_args(Access)

# What an insert writes: a job, or a workflow with its steps.
_INSERTED = (
    "jobs",
    "workflows",
    "workflow_steps",
    "workflow_edges",
    "workflow_progress",
    "workflow_releases",
    "budgets",
)
# They run with the rights of the owner, to change what who inserts may not change.
_INSERTING = frozenset({"insert_unique_jobs"})
_SEQUENCES = ("jobs_id_seq",)  # the others number identity columns, which needs no right
# Who did what is written once: the policies of the table let an open record be completed, in these
# columns, and only what is older than 30 days be forgotten.
_RECORD = "audit_log"
_COMPLETED = ("outcome", "message", "finished_at")
_BOOKKEEPING = ("migrations",)
_OWNERS_ONLY = ("grants",)


@dataclass(frozen=True, slots=True)
class Granted:
    """What `grant` did.

    Attributes:
        notes: why the role can do more, or less, than it was given; a sentence each.
    """

    notes: list[str]


class _Objects(NamedTuple):
    """What there is to open."""

    tables: list[str]
    views: list[str]
    routines: list[tuple[str, Composable]]  # with their names


def grant(
    place: turns.Place, role: str, access: Access | None, *, schema: str = "baton"
) -> Granted:
    """Let a role do what its kind needs and nothing else, whatever it could do before.

    Args:
        place: where, a DSN or an open connection; its user owns the tables.
        role: the name of the role, as PostgreSQL has it.
        access: ``worker`` runs jobs and steers them, ``client`` inserts and looks, ``reader``
            looks; ``None`` takes everything back.
        schema: the schema.

    Raises:
        UnknownRole: there is no such role.
        SchemaMissing: the schema was not migrated.
        DatabaseError: the database refused or is away.
    """
    with turns.connected(place, schema) as conn, turns.turn(conn, schema):
        params = {"schema": schema, "role": role}
        found = door.run_sync(conn, schema, "role_facts", params)
        if not found:
            raise UnknownRole(role)
        [(superuser, owner, may_create, may_connect)] = found
        _apply(conn, schema, role, access)
        door.run_sync(conn, schema, "grant_record", {"role": role, "access": access})
    notes = {
        f"role {role} is a superuser: no rights limit it": superuser,
        f"role {role} owns the tables, or belongs to who does: no rights limit it there": owner,
        f"role {role} may make schemas of its own in this database": may_create,
        f"role {role} may not connect to this database": not may_connect,
    }
    return Granted([note for note, holds in notes.items() if holds and access is not None])


def renew(conn: Connection[Any], schema: str) -> None:
    """Open what was made since to the roles that were let in before; part of a migration."""
    if not door.run_sync(conn, schema, "grants_kept"):
        return
    for role, access in door.run_sync(conn, schema, "grants_find", {"schema": schema}):
        _apply(conn, schema, role, access)


def script(role: str, access: Access | None, *, schema: str = "baton") -> str:
    """Return the SQL that `grant` would run on a schema that this Baton has just made.

    Raises:
        ConfigurationError: no schema can have this name.
    """
    sql.check_schema(schema)
    objects = _Objects(
        shipped.table_names(),
        shipped.view_names(),
        [(name, Identifier(schema, name)) for name in shipped.routine_names()],
    )
    noted = SQL("delete from {} where role = {}").format(
        Identifier(schema, "grants"), Constant(role)
    )
    if access is not None:
        noted = SQL(
            "insert into {} (role, access) values ({}, {})\n"
            "on conflict (role) do update set access = excluded.access, granted_at = now()"
        ).format(Identifier(schema, "grants"), Constant(role), Constant(access))
    statements = [*_statements(schema, role, access, objects), noted]
    lines = [f"{statement.as_string(None)};" for statement in statements]
    return "\n".join(["begin;", *lines, "commit;\n"])


def _apply(conn: Connection[Any], schema: str, role: str, access: Access | None) -> None:
    for statement in _statements(schema, role, access, _objects(conn, schema)):
        conn.execute(statement)


def _objects(conn: Connection[Any], schema: str) -> _Objects:
    """Return those of the things that Baton ships which are there."""
    relations = {"schema": schema, "names": [*shipped.table_names(), *shipped.view_names()]}
    there = {name for (name,) in door.run_sync(conn, schema, "relations_find", relations)}
    routines = {"schema": schema, "names": shipped.routine_names()}
    return _Objects(
        [name for name in shipped.table_names() if name in there],
        [name for name in shipped.view_names() if name in there],
        # the server has quoted them
        [
            (name, SQL(signature))
            for signature, name in door.run_sync(conn, schema, "routines_find", routines)
        ],
    )


def _statements(
    schema: str, role: str, access: Access | None, objects: _Objects
) -> Iterator[Composed]:
    """Write what takes everything back and then gives what the kind needs; nobody sees between."""
    inside = SQL("schema {}").format(Identifier(schema))
    tables = _list(schema, [*objects.tables, *_BOOKKEEPING, *objects.views])
    sequences = SQL("sequence {}").format(_list(schema, _SEQUENCES))
    routines = SQL("routine {}").format(SQL(", ").join(each for _, each in objects.routines))
    for each in (inside, tables, sequences, *([routines] if objects.routines else [])):
        yield _statement("revoke all on", each, "from", role)
    if access is None:
        return
    looked_at = [name for name in objects.tables if name not in _OWNERS_ONLY]
    yield _statement("grant usage on", inside, "to", role)
    called = [
        routine
        for name, routine in objects.routines
        if access != "reader" or name not in _INSERTING
    ]
    if called:
        yield _statement(
            "grant execute on", SQL("routine {}").format(SQL(", ").join(called)), "to", role
        )
    seen = _list(schema, [*looked_at, *_BOOKKEEPING, *objects.views])
    yield _statement("grant select on", seen, "to", role)
    if access == "worker":
        kept = [name for name in looked_at if name != _RECORD]
        yield _statement("grant insert, update, delete on", _list(schema, kept), "to", role)
        if _RECORD in looked_at:
            record = Identifier(schema, _RECORD)
            columns = SQL(", ").join(map(Identifier, _COMPLETED))
            yield _statement("grant insert, delete on", record, "to", role)
            yield _statement("grant update", SQL("({}) on {}").format(columns, record), "to", role)
    elif access == "client":
        yield _statement("grant insert on", _list(schema, _INSERTED), "to", role)
    if access != "reader":
        yield _statement("grant usage on", sequences, "to", role)


def _statement(verb: str, what: Composable, preposition: str, role: str) -> Composed:
    parts: Sequence[Composable] = (SQL(verb), what, SQL(preposition), Identifier(role))
    return SQL(" ").join(parts)


def _list(schema: str, names: Iterable[str]) -> Composable:
    return SQL(", ").join(Identifier(schema, name) for name in names)
