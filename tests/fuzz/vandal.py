"""Rows edited by hand: any table, any column, whatever the constraints let through."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from hypothesis import strategies as st
from psycopg import AsyncConnection

from tests.support import rows

FLOWS = tuple(f"{n}0000000-0000-4000-8000-000000000000" for n in range(4))
COLUMNS = """
  select
    c.relname::text, a.attname::text, format_type(a.atttypid, a.atttypmod),
    array(
      select e.enumlabel::text from pg_enum as e
      where e.enumtypid in (
        a.atttypid, (select t.typelem from pg_type as t where t.oid = a.atttypid)
      )
      order by e.enumsortorder
    ),
    not a.attnotnull, a.attidentity <> ''
  from pg_class as c
  join pg_attribute as a on a.attrelid = c.oid
  where c.relnamespace = 'baton'::regnamespace and c.relkind = 'r'
    and a.attnum > 0 and not a.attisdropped
  order by 1, a.attnum
"""
SPARED = frozenset({"migrations", "queues", "queue_nodes", "leases"})  # these have a test of theirs

OBJECTS = frozenset({"meta", "context", "on_finished", "options", "definition"})
WORDS = (
    *("", " ", "ok", "gone", "default", "odd", "a", "b", "c", "go", "x" * 300, "é" * 9_000, "\x01"),
    *("'; drop table baton.jobs; --", "\\", "%s", "{}", "null", "\u202e", "\U0001f600", "a\nb"),
    *("@daily", "* * * * *", "61 * * * *", "Europe/Paris", "Mars/Base", "{workflow_id}", "-1"),
)
NUMBERS = (0, 1, 2, 3, 5, 8, -1, 100, 32_767, -32_768, 2**31 - 1, -(2**31), 2**63 - 1, -(2**63))
FLOATS = ("0", "-0", "1.5", "-1", "nan", "infinity", "-infinity", "1e308", "5e-324", "1e9")
TIMES = (
    *("now", "epoch", "infinity", "-infinity", "4713-01-01 00:00+00 BC", "294276-12-31 00:00+00"),
    *("1900-01-01 00:00+00", "8999-12-31 00:00+00", "2262-04-12 00:00+00", "yesterday", "tomorrow"),
)
LARGEST = {"smallint": 2**15 - 1, "integer": 2**31 - 1, "bigint": 2**63 - 1}
KEYS = (
    *("workflow_id", "workflow_name", "workflow_label", "snoozed", "context", "rerun", "kind"),
    *(
        "message",
        "attempt",
        "at",
        "queue",
        "priority",
        "max_attempts",
        "worker",
        "args",
        "tags",
        "a",
    ),
    *("timeout", "deadline", "unique", "schedule_in", "scheduled_at", "meta", "signal", "seconds"),
)
ODD_JSON = (
    *("null", "[]", "{}", '""', "1e400", "-1e-400", "9" * 5_000, "0.1", "[null]", "[[]]", "true"),
    *(
        "[" * 300 + "]" * 300,
        '{"a":' * 1_000 + "1" + "}" * 1_000,
        '"\\u0001"',
        '"' + "x" * 9_000 + '"',
    ),
    f'{{"workflow_id": "{FLOWS[0]}"}}',
)


words = st.sampled_from(WORDS) | st.text(
    st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20
)


def _array(parts: Sequence[str]) -> str:
    return "{" + ",".join(parts) + "}"


def _quoted(word: str) -> str:
    return '"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _arrays(parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.lists(parts | st.just("NULL"), max_size=4).map(_array)


VALUES: Mapping[str, st.SearchStrategy[str]] = {
    "text": words,
    "double precision": st.sampled_from(FLOATS),
    "numeric": st.sampled_from(FLOATS),
    "boolean": st.sampled_from(["true", "false"]),
    "timestamp with time zone": st.sampled_from(TIMES),
    "uuid": st.sampled_from(FLOWS),
    "text[]": _arrays(words.map(_quoted)) | st.just("{{a,b},{c,d}}"),
    "bigint[]": _arrays(st.sampled_from(NUMBERS).map(str)) | st.just("{{1,2},{3,4}}"),
}


@dataclass(frozen=True)
class Column:
    name: str
    kind: str
    labels: Sequence[str]
    may_be_null: bool
    is_drawn: bool  # by the server


@dataclass(frozen=True)
class Edit:
    """A statement that somebody types, and its values."""

    text: str
    values: tuple[str | None, ...]

    async def run(self, conn: AsyncConnection[Any]) -> None:
        """Run it; what the database refuses was never done."""
        try:
            await conn.execute(self.text.encode(), self.values)
        except psycopg.Error:
            return


Tables = Mapping[str, Sequence[Column]]


async def tables(dsn: str) -> dict[str, list[Column]]:
    found: dict[str, list[Column]] = {}
    for table, *facts in await rows(dsn, COLUMNS):
        found.setdefault(table, []).append(Column(*facts))
    return found


def edits(known: Tables, table: str | None = None) -> st.SearchStrategy[Edit]:
    """Statements that insert, change or delete a row of a table, or of any."""
    names = [table] if table else sorted(known.keys() - SPARED)
    # most of what people edit, and what is read most
    names += [] if table else ["jobs"] * 8 + ["workflow_steps"] * 4 + ["workflows", "crons"]
    return st.sampled_from(names).flatmap(lambda name: _edit(name, known[name]))


def _edit(table: str, columns: Sequence[Column]) -> st.SearchStrategy[Edit]:
    chosen = st.lists(st.sampled_from(columns), min_size=1, max_size=6, unique_by=_name)
    written = [each for each in columns if not each.is_drawn]
    changed = st.lists(st.sampled_from(written), min_size=1, max_size=4, unique_by=_name)
    return st.one_of(
        chosen.flatmap(lambda some: _insert(table, columns, some)),
        changed.flatmap(lambda some: _update(table, some)),
        changed.flatmap(lambda some: _update(table, some)),
        st.integers(0, 9).map(lambda n: Edit(f"delete from baton.{table} {_row(table, n)}", ())),
    )


def limits() -> st.SearchStrategy[Edit]:
    """Limits of queues that jobs are in, of every size that the constraints let through."""
    numbers = st.sampled_from(["1", "2", "100", "2147483647"])
    times = st.sampled_from(["0.001", "1e9", "1", "0.0011", "31536000", "999999999.9"])
    parts = st.sampled_from(["worker", "args.a", "meta.a", "args.' or '", "meta.\u202e", "args.."])
    columns = {
        "global_limit": numbers,
        "rate_limit": numbers,
        "rate_period": times,
        "partition_by": parts,
        "last_partition": words,
        "ageing": times,
    }
    fields = [column.map(str) | st.none() for column in columns.values()]
    names = ", ".join(columns)
    marks = ", ".join(f"excluded.{name}" for name in columns)
    text = f"""
      insert into baton.queues (name, {names})
      values (%s, %s::integer, %s::integer, %s::double precision, %s, %s, %s::double precision)
      on conflict (name) do update set ({names}) = row({marks})
    """
    queues = st.sampled_from(["default", "odd", "gone"])
    return st.tuples(queues, *fields).map(lambda values: Edit(text, values))


def divided_jobs() -> st.SearchStrategy[Edit]:
    """Jobs whose partitions are long, missing, or no texts."""
    text = """
      insert into baton.jobs (worker, queue, args, meta) values ('ok', %s, %s::jsonb, %s::jsonb)
    """
    long = json.dumps({"a": "".join(map(str, range(3_000)))})
    objects = st.sampled_from([long, '{"a": [1]}', '{"a": null}', "{}"])
    queues = st.sampled_from(["default", "odd"])
    return st.tuples(queues, objects | json_texts(), objects).map(lambda values: Edit(text, values))


def _name(column: Column) -> str:
    return column.name


def _insert(
    table: str, columns: Sequence[Column], chosen: Sequence[Column]
) -> st.SearchStrategy[Edit]:
    needed = {"worker", "workflow_id", "job_id", "parent_id", "child_id", "step_name", "name"}
    some = [*chosen, *(each for each in columns if each.name in needed and each not in chosen)]
    names = ", ".join(each.name for each in some)
    slots = ", ".join(f"%s::{each.kind}" for each in some)
    text = f"insert into baton.{table} ({names}) overriding system value values ({slots})"
    return st.tuples(*map(value, some)).map(lambda values: Edit(text, values))


def _update(table: str, chosen: Sequence[Column]) -> st.SearchStrategy[Edit]:
    changes = ", ".join(f"{each.name} = %s::{each.kind}" for each in chosen)
    return st.tuples(st.integers(0, 9), *map(value, chosen)).map(
        lambda drawn: Edit(f"update baton.{table} set {changes} {_row(table, drawn[0])}", drawn[1:])
    )


def _row(table: str, place: int) -> str:
    return (
        f"where ctid = (select ctid from baton.{table} order by ctid "
        f"offset mod({place}, (select greatest(count(*), 1) from baton.{table})) limit 1)"
    )


def value(column: Column) -> st.SearchStrategy[str | None]:
    """Values of a column as texts, with those that hurt before all others; and null."""
    if column.labels:
        labels = st.sampled_from(column.labels)
        drawn = st.lists(labels | st.just("NULL"), max_size=3).map(_array)
        chosen = drawn if column.kind.endswith("[]") else labels
    else:
        chosen = _values(column.kind, column.name)
    return st.one_of(st.none(), *[chosen] * 4) if column.may_be_null else chosen


def _values(kind: str, name: str) -> st.SearchStrategy[str]:
    if name == "priority":
        return st.integers(0, 9).map(str)
    if kind in LARGEST:
        top = LARGEST[kind]
        extremes = st.sampled_from([top, top, top - 1, top // 2, -1, -top - 1])
        return (extremes | st.integers(0, 12) | st.integers(1, 9)).map(str)
    if kind == "jsonb":
        return json_texts().map(lambda text: _shaped(text, name))
    return VALUES[kind]


def _shaped(text: str, name: str) -> str:
    """What the constraints of a column ask for."""
    if name in OBJECTS and text[0] != "{":
        return f'{{"a": {text}}}'
    return f"[{text}]" if name == "errors" and text[0] != "[" else text


def json_texts() -> st.SearchStrategy[str]:
    """JSON of any shape, with the keys that mean something here."""
    leaves = (
        st.none()
        | st.booleans()
        | st.sampled_from(NUMBERS)
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.sampled_from([*WORDS, *FLOWS])
    )
    trees = st.recursive(
        leaves,
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4)
        ),
        max_leaves=8,
    )
    objects = st.dictionaries(st.sampled_from(KEYS), trees, max_size=5)
    return st.sampled_from(ODD_JSON) | (objects | trees).map(json.dumps)


def truncation(known: Tables) -> Iterator[str]:
    """Statements that empty all tables and say what a new schema says."""
    names = ", ".join(f"baton.{name}" for name in known if name not in {"migrations", "duties"})
    yield f"truncate {names} restart identity"
    yield (
        "insert into baton.duties (name) values "
        "('sweep'), ('rescue'), ('prune'), ('slow sweep'), ('workflow prune'), ('time') "
        "on conflict (name) do update set last_run_at = '-infinity', position = 0, progress = '{}'"
    )
