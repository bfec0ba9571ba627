"""Roles with no more rights than they need: what each may do, and what it may not."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest

from baton.errors import DatabaseError, SchemaMissing, UnknownRole
from baton.store import audit
from baton.store.asking import answer
from baton.store.grants import ACCESSES, Access, grant, script
from baton.store.migrations import down, migrate
from baton.store.pools import Database
from tests.roles import name_of, role
from tests.store.schema import add_migration, ask

DENIED = psycopg.errors.InsufficientPrivilege

# what nobody may who was granted something
NEVER = (
    "drop table baton.jobs",
    "truncate baton.jobs",
    "alter table baton.jobs add column mine int",
    "create table baton.mine (id int)",
    "create table public.mine (id int)",
    "create schema mine",
    "create function baton.mine() returns int language sql as 'select 1'",
    "create or replace function baton.has_jobs() returns boolean language sql as 'select true'",
    "create index on baton.jobs (worker)",
    "create trigger mine before insert on baton.jobs execute function tsvector_update_trigger()",
    "create policy mine on baton.jobs",
    "drop procedure baton.cycle",
    "drop schema baton cascade",
    "insert into baton.migrations (name, checksum) values ('999_mine', '')",
    "update baton.migrations set checksum = ''",
    "select from baton.grants",
    "insert into baton.grants (role, access) values ('mine', 'worker')",
    "select from private.secrets",
    "insert into private.secrets values ('x')",
    "select from beside.notes",
    "select from baton.others",
    "create role mine",
    "update baton.audit_log set actor = 'somebody else'",
    "update baton.audit_log set inserted_at = '-infinity'",
    "truncate baton.audit_log",
    "alter table baton.audit_log disable row level security",
    "select pg_read_file('/etc/passwd')",
    "copy baton.jobs (worker) from program 'echo w'",
)
RECORD = """
  insert into baton.audit_log (actor, source, action, kind, subject, outcome, inserted_at)
  values
    ('eve', 'web', 'delete', 'job', '1', null, now()),
    ('eve', 'web', 'delete', 'job', '2', 'done', now() - interval '29 days'),
    ('eve', 'web', 'delete', 'job', '3', 'done', now() - interval '31 days')
"""
STEERED = (
    "insert into baton.audit_log (actor, source, action, kind, subject) select 'a', '', '', '', ''",
    "delete from baton.audit_log",
    "update baton.jobs set worker = 'other'",
    "update baton.jobs set state = 'cancelled'",
    "update baton.jobs set args = '{}'",
    "select from baton.jobs for update",
    "update baton.jobs set attempted_by = 1",
    "delete from baton.jobs",
    "update baton.queues set paused_at = now()",
    "insert into baton.crons (name, expression, worker) values ('c', '* * * * *', 'w')",
    "update baton.workflow_steps set result = '1'",
    "insert into baton.workflow_signals select",
    "insert into baton.leases (node, expires_at) values ('n', now())",
    "delete from baton.workflows",
)
INSERTED = (
    "insert into baton.jobs (worker) values ('w')",
    "select baton.insert_job('w')",
    "insert into baton.workflows default values",
    "select from baton.insert_unique_jobs(now(), '{}')",
    "select nextval('baton.jobs_id_seq')",
)
LOOKS = (
    "select from baton.jobs",
    "select from baton.workflow_nodes",
    "select from baton.migrations",
    "select from baton.leases",
)
OTHERS = """
  create schema private; create table private.secrets (secret text);
  create schema beside; grant usage on schema beside to public; create table beside.notes (id int);
  create table baton.others (id int);
"""


def denied(dsn: str, statement: str) -> bool:
    """Whether a statement is refused for want of a right; it is undone if not."""
    with psycopg.connect(dsn) as conn:
        try:
            conn.execute(statement.encode())
        except DENIED:
            return True
        except psycopg.IntegrityError:
            pass  # it was let through
        finally:
            conn.rollback()
    return False


@pytest.fixture
def place(database: str) -> Iterator[str]:
    """A schema in which somebody else keeps a table, beside other schemas."""
    ask(database, OTHERS)
    yield database
    ask(database, "drop schema private cascade")
    ask(database, "drop schema beside cascade")


@pytest.mark.parametrize(
    ("access", "may", "may_not"),
    [
        ("worker", [*LOOKS, *INSERTED, *STEERED], NEVER),
        ("client", [*LOOKS, *INSERTED], [*NEVER, *STEERED]),
        ("reader", LOOKS, [*NEVER, *STEERED, *INSERTED]),
        (None, [], [*NEVER, *STEERED, *INSERTED, *LOOKS]),
    ],
)
def test_a_role_may_do_what_its_kind_needs_and_nothing_else(
    place: str, access: Access | None, may: list[str], may_not: list[str]
) -> None:
    with role(place, access) as dsn:
        assert [statement for statement in may if denied(dsn, statement)] == []
        assert [statement for statement in may_not if not denied(dsn, statement)] == []


HIJACK = """
  create schema mine;
  grant usage on schema mine to public;
  create function mine.cardinality(baton.new_job[]) returns integer language plpgsql as $$
    begin raise exception 'run by %', current_user; end
  $$;
"""


def test_nobody_borrows_the_rights_of_the_owner_with_functions_of_their_own(database: str) -> None:
    """An insert of unique jobs runs as the owner, and by no names but PostgreSQL's and its own."""
    ask(database, HIJACK)
    with role(database, "client") as dsn, psycopg.connect(dsn) as conn:
        conn.execute("set search_path = mine, pg_catalog")
        conn.execute("select from baton.insert_unique_jobs(now(), '{}')")
    ask(database, "drop schema mine cascade")


def test_what_is_on_record_is_completed_once_and_forgotten_after_a_month(place: str) -> None:
    ask(place, RECORD)
    end = "update baton.audit_log set outcome = 'failed', message = 'no' where subject = %s"
    with role(place, "worker") as dsn, psycopg.connect(dsn) as conn:
        assert [conn.execute(end, [subject]).rowcount for subject in "112"] == [1, 0, 0]
        assert conn.execute("delete from baton.audit_log").rowcount == 1
        assert conn.execute("select count(*) from baton.audit_log").fetchone() == (2,)
        conn.rollback()


@pytest.mark.anyio
async def test_a_worker_role_writes_down_what_people_do(place: str) -> None:
    """It begins a record, forgets what is old enough, and completes it."""
    ask(place, RECORD)
    with role(place, "worker") as dsn:
        async with Database(dsn, "baton") as database:
            words = dict.fromkeys(("actor", "source", "action", "kind", "subject"), "new")
            intent = audit.Intent(**words, address=None, details={}, age=86_400)
            deed = await audit.begin(database, intent)
            await audit.end(database, deed, outcome="done", message="it went")
            found = await answer(database, audit.deeds())
    assert [(each.subject, each.outcome) for each in found] == [
        ("new", "done"),
        ("2", "done"),
        ("1", None),
    ]


def test_the_owner_may_do_all_of_that(place: str) -> None:
    # so that what is refused above is refused for want of a right
    for statement in (*LOOKS, *INSERTED, *STEERED):
        assert not denied(place, statement)


def acl(dsn: str) -> list[Any]:
    return ask(
        dsn,
        """
        select relname, relacl::text, attacl from pg_class
        left join lateral (
          select string_agg(attname || attacl::text, ',' order by attname) as attacl
          from pg_attribute where attrelid = pg_class.oid
        ) as columns on true
        where relnamespace = 'baton'::regnamespace
        union all
        select proname, proacl::text, null from pg_proc where pronamespace = 'baton'::regnamespace
        union all
        select nspname, nspacl::text, null from pg_namespace where nspname = 'baton'
        order by 1, 2
        """,
    )


def test_a_grant_can_be_repeated_and_replaced_and_taken_back(database: str) -> None:
    with role(database) as dsn:
        name = name_of(dsn)
        seen: dict[Access | None, list[Any]] = {}
        for access in (*ACCESSES, *ACCESSES[::-1], None, *ACCESSES):
            grant(database, name, access)
            grant(database, name, access)
            assert acl(database) == seen.setdefault(access, acl(database))
        assert len({str(each) for each in seen.values()}) == len(ACCESSES) + 1
        assert denied(dsn, "insert into baton.jobs (worker) values ('w')")
        grant(database, name, None)
        assert name not in str(acl(database))
        assert ask(database, "select from baton.grants") == []


@pytest.mark.parametrize("access", [*ACCESSES, None])
def test_the_printed_sql_does_the_same(database: str, access: Access | None) -> None:
    with role(database) as dsn:
        name = name_of(dsn)
        grant(database, name, "worker" if access is None else access)
        grant(database, name, access)
        granted, noted = acl(database), ask(database, "select role, access from baton.grants")
        grant(database, name, None if access else "client")
        ask(database, script(name, access))
        assert acl(database) == granted
        assert ask(database, "select role, access from baton.grants") == noted


def test_grants_and_migrations_at_once_wait_for_each_other(database: str, sql_files: Path) -> None:
    later(sql_files)
    with role(database) as dsn:
        name = name_of(dsn)
        with ThreadPoolExecutor(8) as threads:
            made = [
                *(threads.submit(grant, database, name, ACCESSES[n % 3]) for n in range(12)),
                threads.submit(migrate, database),
            ]
        assert [each.exception() for each in made] == [None] * 13
        grant(database, name, "worker")
        assert not denied(dsn, "delete from baton.later")


def test_a_role_that_is_not_there_is_named_and_nothing_is_noted(database: str) -> None:
    with pytest.raises(UnknownRole, match="no role 'nobody; drop'"):
        grant(database, "nobody; drop", "worker")
    assert ask(database, "select from baton.grants") == []


def test_a_schema_that_was_not_migrated_is_told(database: str) -> None:
    with role(database) as dsn:
        with pytest.raises(SchemaMissing, match="run: baton migrate --schema app_2"):
            grant(database, name_of(dsn), "worker", schema="app_2")
        ask(database, "create schema app_2")
        with pytest.raises(SchemaMissing, match="run: baton migrate --schema app_2"):
            grant(database, name_of(dsn), "worker", schema="app_2")


def test_who_does_not_own_the_tables_can_not_open_them(database: str) -> None:
    with role(database, "worker") as dsn:
        with role(database) as other, pytest.raises(DatabaseError, match="permission denied"):
            grant(dsn, name_of(other), "reader")


def test_a_grant_in_one_schema_opens_no_other(database: str) -> None:
    migrate(database, schema="app_2")
    with role(database, "worker", schema="app_2") as dsn:
        assert not denied(dsn, "delete from app_2.jobs")
        assert denied(dsn, "select from baton.jobs")


def test_roles_that_rights_do_not_limit_are_told_of(database: str) -> None:
    with role(database) as dsn:
        name = name_of(dsn)
        quoted = f'"{name.replace(chr(34), chr(34) * 2)}"'
        assert grant(database, name, "reader").notes == []
        [(named,)] = ask(database, "select format('%I', current_database())")
        ask(database, f"grant create on database {named} to {quoted}")
        assert "schemas of its own" in grant(database, name, "reader").notes[0]
        ask(database, f"revoke all on database {named} from public")
        assert "may not connect" in grant(database, name, "reader").notes[-1]
        ask(database, f"alter role {quoted} superuser")
        assert grant(database, name, "reader").notes == [
            f"role {name} is a superuser: no rights limit it"
        ]
        assert grant(database, name, None).notes == []


def later(sql_files: Path) -> None:
    add_migration(
        sql_files,
        "later",
        "create table baton.later (id int);\n"
        "create view baton.seen_later as select id from baton.later;",
        "drop view baton.seen_later; drop table baton.later;",
    )


def test_what_later_migrations_make_is_open_to_the_same_roles(
    database: str, sql_files: Path
) -> None:
    with role(database, "worker") as worker, role(database, "reader") as reader:
        later(sql_files)
        migrate(database)
        for dsn in (worker, reader):
            assert not denied(dsn, "select from baton.seen_later")
            assert not denied(dsn, "select from baton.later")
        assert not denied(worker, "delete from baton.later")
        assert denied(reader, "delete from baton.later")


def test_a_role_that_was_shut_out_by_hand_or_is_another_one_now_stays_outside(
    database: str, sql_files: Path
) -> None:
    with role(database, "worker") as dsn:
        quoted = f'"{name_of(dsn).replace(chr(34), chr(34) * 2)}"'
        ask(database, f"drop owned by {quoted}")  # as before "drop role"
        assert ask(database, "select count(*) from baton.grants") == [(1,)]
        later(sql_files)
        migrate(database)
        ask(database, "grant usage on schema baton to public")
        assert denied(dsn, "select from baton.later")


def test_down_forgets_all_grants(database: str) -> None:
    with role(database, "worker") as dsn:
        down(database)
        migrate(database)
        assert denied(dsn, "select from baton.jobs")
