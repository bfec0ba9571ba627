"""What is shipped, what is in a schema, and migrations that a test ships in addition."""

from pathlib import Path
from typing import Any

import psycopg

from baton.store import migrations, shipped

MIGRATIONS = [migration.name for migration in shipped.migrations()]
EVERYTHING = [*MIGRATIONS, "routines"]
BACKWARDS = MIGRATIONS[::-1]
NEWEST = migrations.known()

# what is in a schema, each thing as a line
INVENTORY = """
  select concat_ws(
    ' ', relation.relkind, relation.relname, relation.reloptions, attribute.attname,
    format_type(attribute.atttypid, attribute.atttypmod), attribute.attnotnull,
    attribute.attidentity, pg_get_expr(given.adbin, given.adrelid),
    obj_description(relation.oid, 'pg_class'), col_description(relation.oid, attribute.attnum)
  )
  from pg_class as relation
  join pg_attribute as attribute on attribute.attrelid = relation.oid and attribute.attnum > 0
  left join pg_attrdef as given on (given.adrelid, given.adnum) = (relation.oid, attribute.attnum)
  where relation.relnamespace = %(schema)s::regnamespace
  union all
  select pg_get_indexdef(index.indexrelid) from pg_index as index
  join pg_class as relation on relation.oid = index.indrelid
  where relation.relnamespace = %(schema)s::regnamespace
  union all
  select concat_ws(' ', oid::regclass, pg_get_viewdef(oid)) from pg_class
  where relnamespace = %(schema)s::regnamespace and relkind = 'v'
  union all
  select concat_ws(' ', conname, conrelid::regclass, pg_get_constraintdef(oid)) from pg_constraint
  where connamespace = %(schema)s::regnamespace
  union all
  select pg_get_functiondef(oid) from pg_proc where pronamespace = %(schema)s::regnamespace
  union all
  select concat_ws(' ', type.typname, label.enumlabel, label.enumsortorder)
  from pg_type as type left join pg_enum as label on label.enumtypid = type.oid
  where type.typnamespace = %(schema)s::regnamespace
  order by 1
"""


def ask(dsn: str, query: str, params: Any = None) -> list[tuple[Any, ...]]:
    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute("set search_path = pg_catalog")
        cursor = conn.execute(query.encode(), params)
        return cursor.fetchall() if cursor.description else []


def inventory(dsn: str, schema: str = "baton") -> list[str]:
    found = [line for (line,) in ask(dsn, INVENTORY, {"schema": schema})]
    noted = ask(dsn, f"select name, checksum from {schema}.migrations order by name")
    seeds = ask(dsn, f"select name from {schema}.duties order by name")
    lines = [*found, *(str(row) for row in [*noted, *seeds])]
    return sorted(line.replace(f"{schema}.", "baton.") for line in lines)


def schemas(dsn: str) -> set[str]:
    query = "select nspname from pg_namespace where nspname !~ '^(pg_|information_schema)'"
    return {name for (name,) in ask(dsn, query)}


def add_migration(sql_files: Path, name: str, up: str, undo: str = "") -> str:
    """Ship a migration more; return its full name."""
    full_name = f"{migrations.known() + 1:03}_{name}"
    (sql_files / "migrations" / f"{full_name}.sql").write_text(up)
    (sql_files / "migrations" / f"{full_name}.down.sql").write_text(undo)
    return full_name


def add_two(sql_files: Path) -> list[str]:
    """Ship two migrations more, the second of which needs the first."""
    return [
        add_migration(
            sql_files, "notes", "create table baton.notes (id int);", "drop table baton.notes;"
        ),
        add_migration(
            sql_files,
            "note_texts",
            "alter table baton.notes add column text text;",
            "alter table baton.notes drop column text;",
        ),
    ]
