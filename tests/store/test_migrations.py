"""The schema: up, down, several at once, changed, newer, and what a failure leaves."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from baton.errors import (
    ConfigurationError,
    DatabaseError,
    MigrationChanged,
    SchemaMissing,
    SchemaOutdated,
    SchemaTooNew,
)
from baton.store import sql
from baton.store.migrations import down, losses, migrate, pending, require_current, version
from tests.store.schema import (
    BACKWARDS,
    EVERYTHING,
    MIGRATIONS,
    NEWEST,
    add_migration,
    add_two,
    ask,
    inventory,
    schemas,
)

UNCOMMENTED = """
  select relation.relname || coalesce('.' || attribute.attname, '')
  from pg_class as relation
  cross join lateral (
    select null as attname, 0 as attnum
    union all
    select attribute.attname, attribute.attnum from pg_attribute as attribute
    where attribute.attrelid = relation.oid and attribute.attnum > 0 and not attribute.attisdropped
  ) as attribute
  where relation.relnamespace = 'baton'::regnamespace
    and relation.relkind in ('r', 'v', 'm', 'p')
    and case
      when attribute.attnum = 0 then obj_description(relation.oid, 'pg_class')
      else col_description(relation.oid, attribute.attnum)
    end is null
"""


def test_everything_is_applied_once(empty_database: str) -> None:
    assert version(empty_database) is None
    assert pending(empty_database) == EVERYTHING
    assert migrate(empty_database) == EVERYTHING
    assert pending(empty_database) == []
    assert migrate(empty_database) == []
    assert version(empty_database) == NEWEST


def test_looking_at_an_empty_database_leaves_it_empty(empty_database: str) -> None:
    pending(empty_database)
    version(empty_database)
    assert losses(empty_database).names == []
    assert down(empty_database).names == []
    assert schemas(empty_database) == {"public"}


def test_every_table_view_and_column_has_a_comment(database: str) -> None:
    assert ask(database, UNCOMMENTED) == []


def test_every_routine_file_makes_the_one_routine_that_it_is_named_after(database: str) -> None:
    made = ask(database, "select proname from pg_proc where pronamespace = 'baton'::regnamespace")
    files = (sql.directory() / "routines").glob("*.sql")
    assert sorted(name for (name,) in made) == sorted(path.stem for path in files)


def test_every_migration_has_a_way_back_and_a_number_of_its_own() -> None:
    folder = sql.directory() / "migrations"
    ups = [path for path in folder.glob("*.sql") if not path.name.endswith(".down.sql")]
    assert all(path.with_suffix(".down.sql").exists() for path in ups)
    assert sorted(path.name[:3] for path in ups) == [f"{n:03}" for n in range(1, len(ups) + 1)]
    assert len(list(folder.iterdir())) == 2 * len(ups)


def test_down_leaves_nothing_and_up_brings_all_back(empty_database: str) -> None:
    migrate(empty_database)
    before = inventory(empty_database)
    undone = down(empty_database)
    assert (undone.names, undone.notice) == (BACKWARDS, None)
    assert schemas(empty_database) == {"public"}
    assert migrate(empty_database) == EVERYTHING
    assert inventory(empty_database) == before


def test_losses_are_counted_before_they_happen(database: str) -> None:
    ask(database, "insert into baton.jobs (worker) select 'w' from generate_series(1, 3)")
    ask(database, "insert into baton.workflows (name) values ('a'), ('b')")
    ask(database, "insert into baton.leases (node, expires_at) values ('n', now() + '1 min')")
    found = losses(database)
    assert found.names == BACKWARDS
    assert (found.jobs, found.workflows, found.processes) == (3, 2, 1)
    assert losses(database, to=NEWEST).names == []


def test_eight_runs_at_once_apply_everything_once(empty_database: str) -> None:
    with ThreadPoolExecutor(8) as threads:
        applied = list(threads.map(lambda _: migrate(empty_database), range(8)))
    assert sorted(applied) == [*[[]] * 7, EVERYTHING]
    assert version(empty_database) == NEWEST


def test_runs_up_and_down_at_once_never_fail_and_leave_all_or_nothing(empty_database: str) -> None:
    def run(number: int) -> None:
        if number % 2:
            migrate(empty_database)
        else:
            down(empty_database)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(run, range(24)))
    migrate(empty_database)
    after = inventory(empty_database)
    down(empty_database)
    migrate(empty_database)
    assert inventory(empty_database) == after


def test_a_run_waits_for_the_one_that_holds_the_lock(empty_database: str) -> None:
    lock = (sql.directory() / "queries" / "migrations_lock.sql").read_text()
    waiting = """
      select count(*) from pg_stat_activity
      where datname = current_database() and wait_event = 'advisory'
    """
    with ThreadPoolExecutor(1) as threads:
        with psycopg.connect(empty_database) as conn:
            conn.execute(lock.encode())
            running = threads.submit(migrate, empty_database)
            while ask(empty_database, waiting) != [(1,)]:
                assert not running.done()
            assert schemas(empty_database) == {"public"}
            assert pending(empty_database) == EVERYTHING  # a look waits for nobody
        assert running.result() == EVERYTHING


def test_a_changed_migration_is_refused(database: str, sql_files: Path) -> None:
    path = sql_files / "migrations" / f"{MIGRATIONS[0]}.sql"
    path.write_text(f"{path.read_text()}-- edited\n")
    for refused in (migrate, pending, down, losses):
        with pytest.raises(MigrationChanged, match=MIGRATIONS[0]):
            refused(database)


def test_line_endings_of_another_system_change_no_checksum(database: str, sql_files: Path) -> None:
    for path in [*sql_files.glob("migrations/*.sql"), *sql_files.glob("routines/*.sql")]:
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert pending(database) == []


def test_changed_routines_are_replaced_as_a_whole(database: str, sql_files: Path) -> None:
    ask(database, "revoke execute on function baton.take_duty from public")
    path = sql_files / "routines" / "take_duty.sql"
    path.write_text(path.read_text().replace("return true;", "return true;  -- edited"))
    assert pending(database) == ["routines"]
    assert migrate(database) == ["routines"]
    assert migrate(database) == []
    [(source, rights)] = ask(
        database, "select prosrc, proacl::text from pg_proc where proname = 'take_duty'"
    )
    assert "-- edited" in source
    assert not rights.startswith("{=X")  # replaced, not made anew


def test_another_parameter_makes_an_overload_and_down_drops_both(
    database: str, sql_files: Path
) -> None:
    path = sql_files / "routines" / "take_duty.sql"
    path.write_text(path.read_text().replace("(duty text,", "(duty text, ignored integer,"))
    migrate(database)
    count = "select count(*) from pg_proc where proname = 'take_duty'"
    assert ask(database, count) == [(2,)]
    down(database)
    assert ask(database, count) == [(0,)]


def test_to_stops_at_a_version_and_only_the_newest_has_routines(
    empty_database: str, sql_files: Path
) -> None:
    notes, texts = add_two(sql_files)
    stop = NEWEST + 1
    assert pending(empty_database, to=stop) == [*MIGRATIONS, notes]
    assert migrate(empty_database, to=stop) == [*MIGRATIONS, notes]
    assert migrate(empty_database, to=stop) == []
    assert version(empty_database) == stop
    with pytest.raises(SchemaOutdated, match=f"at migration {stop} .* needs {stop + 1}.*run:"):
        require_current("baton", stop)
    assert migrate(empty_database) == [texts, "routines"]
    with pytest.raises(ConfigurationError, match=f"beyond {stop}.*migrate --down --to {stop}"):
        migrate(empty_database, to=stop)


def test_to_zero_applies_nothing(empty_database: str) -> None:
    assert migrate(empty_database, to=0) == []
    assert schemas(empty_database) == {"public"}


@pytest.mark.parametrize("to", [-1, NEWEST + 1, 999])
def test_an_unknown_version_is_refused(empty_database: str, to: int) -> None:
    for refused in (migrate, pending, down, losses):
        with pytest.raises(ConfigurationError, match=f"no migration {to}; .* up to {NEWEST}$"):
            refused(empty_database, to=to)


def test_down_stops_at_a_version_and_up_brings_the_rest_back(
    empty_database: str, sql_files: Path
) -> None:
    notes, texts = add_two(sql_files)
    migrate(empty_database)
    before = inventory(empty_database)
    ask(empty_database, "insert into baton.jobs (worker) values ('kept')")
    assert down(empty_database, to=NEWEST).names == [texts, notes]
    assert version(empty_database) == NEWEST
    assert migrate(empty_database) == [notes, texts, "routines"]
    assert ask(empty_database, "select worker from baton.jobs") == [("kept",)]
    assert inventory(empty_database) == before


def test_a_newer_database_is_refused(
    empty_database: str, sql_files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_two(sql_files)
    migrate(empty_database)
    monkeypatch.undo()
    sentence = f"at migration {NEWEST + 2} .* knows only {NEWEST}"
    for refused in (migrate, pending, down, losses):
        with pytest.raises(SchemaTooNew, match=sentence):
            refused(empty_database)
    assert version(empty_database) == NEWEST + 2
    with pytest.raises(SchemaTooNew, match=sentence):
        require_current("baton", NEWEST + 2)


@pytest.mark.parametrize("found", [None, 0])
def test_a_missing_schema_is_told_with_the_command_that_makes_it(found: int | None) -> None:
    with pytest.raises(SchemaMissing, match=r"run: baton migrate --schema app$"):
        require_current("app", found)


def test_the_shipped_version_is_current() -> None:
    require_current("baton", NEWEST)


def test_a_migration_that_fails_is_undone_and_those_before_it_stay(
    empty_database: str, sql_files: Path
) -> None:
    name = add_migration(sql_files, "half", "create table baton.half (id int); select 1 / 0;")
    with pytest.raises(DatabaseError, match=f"{name} failed and was undone: division by zero"):
        migrate(empty_database)
    assert version(empty_database) == NEWEST
    assert ask(empty_database, "select to_regclass('baton.half')") == [(None,)]
    path = sql_files / "migrations" / f"{name}.sql"
    path.write_text("create table baton.half (id int);")
    assert migrate(empty_database) == [name, "routines"]


def test_a_table_of_somebody_else_in_the_way_is_named(empty_database: str) -> None:
    ask(empty_database, "create schema baton")
    ask(empty_database, "create table baton.jobs (id int)")
    with pytest.raises(DatabaseError, match=f'{MIGRATIONS[0]} .* "jobs" already exists'):
        migrate(empty_database)
    assert ask(empty_database, "select to_regclass('baton.migrations')") == [(None,)]
