"""``baton maintain`` on a database that has grown old, while it is used."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from baton.cli.frame import ExitCode
from baton.errors import MaintenanceBusy, RebuildHeldUp
from baton.store import maintenance as module
from baton.store.maintenance import maintenance
from tests.support import connection, rows, value

pytestmark = pytest.mark.anyio


def maintain(dsn: str, *options: str, expected: int = 0) -> subprocess.CompletedProcess[str]:
    ended = subprocess.run(
        [sys.executable, "-m", "baton", "maintain", *options],
        env={**os.environ, "BATON_DSN": dsn},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert ended.returncode == expected, ended.stderr
    return ended


def facts(dsn: str, *options: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(maintain(dsn, "--json", *options).stdout)
    return found


async def grow_old(database: str) -> None:
    """Have many jobs pass through the index of those that are available."""
    async with connection(database) as conn:
        await conn.execute("alter table baton.jobs set (autovacuum_enabled = off)")
        await conn.execute("""
            insert into baton.jobs (queue, worker)
            select 'a queue with a rather long name ' || n, 'w' from generate_series(1, 60000) as n
        """)
        await conn.execute("update baton.jobs set state = 'completed'")
        await conn.execute("delete from baton.jobs where id % 2 = 0")
        # or the counts of dead rows come when the session has ended, which is after it was closed
        await conn.execute("select pg_stat_force_next_flush()")


async def leave_behind(database: str, name: str) -> None:
    """Leave what an interrupted ``reindex index concurrently`` leaves."""
    async with connection(database) as conn:
        await conn.execute(f"create index {name} on baton.jobs (scheduled_at)".encode())
        await conn.execute(
            f"""
            update pg_index set indisvalid = false where indexrelid = 'baton.{name}'::regclass
            """.encode()
        )


async def index_size(database: str, name: str) -> int:
    return int(await value(database, "select pg_relation_size(%s::regclass)", f"baton.{name}"))


async def test_a_young_database_needs_nothing(database: str) -> None:
    found = facts(database)
    assert found["advice"] == found["done"] == []
    assert {"jobs", "leases", "workflow_steps"} <= {each["name"] for each in found["tables"]}
    hot = {each["name"] for each in found["indexes"] if each["hot"]}
    assert {"jobs_available", "jobs_due", "jobs_executing", "jobs_unique"} <= hot
    assert not any(each["bloated"] for each in found["indexes"])
    shown = maintain(database).stdout
    assert "jobs_available" in shown
    assert "nothing needs to be done" in shown


async def test_without_flags_it_advises_and_changes_nothing(database: str) -> None:
    await grow_old(database)
    before = await index_size(database, "jobs_available")
    [advice] = facts(database)["advice"]
    assert advice.endswith("dead rows; run: baton maintain --vacuum")
    assert await index_size(database, "jobs_available") == before


async def test_vacuum_then_reindex_make_a_bloated_index_small(database: str) -> None:
    await grow_old(database)
    found = facts(database, "--vacuum")
    assert "vacuumed jobs" in found["done"]
    jobs = next(each for each in found["tables"] if each["name"] == "jobs")
    assert (jobs["dead"], jobs["last_vacuum"] is None) == (0, False)
    assert found["advice"][0].startswith("jobs_available takes ")
    assert found["advice"][0].endswith("run: baton maintain --reindex")

    before = await index_size(database, "jobs_available")
    others = await value(database, "select 'baton.jobs_due'::regclass::oid")
    rebuilt = maintain(database, "--reindex")
    assert "rebuilt jobs_available: " in rebuilt.stderr
    assert "nothing needs to be done" in rebuilt.stdout
    assert await index_size(database, "jobs_available") < before / 10
    assert await value(database, "select relfilenode from pg_class where oid = %s", others)
    assert "no index needs to be rebuilt" in maintain(database, "--reindex").stderr


async def test_all_rebuilds_every_hot_index(database: str) -> None:
    nodes = """
      select array_agg(pg_relation_filenode(indexrelid) order by indexrelid::regclass::text)
      from pg_index
      where indrelid = 'baton.jobs'::regclass and (indpred is not null) = %s
    """
    hot, full = await value(database, nodes, True), await value(database, nodes, False)
    done = facts(database, "--reindex", "--all")["done"]
    assert len(done) == len(hot)
    assert not set(hot) & set(await value(database, nodes, True))
    assert await value(database, nodes, False) == full
    assert "add --reindex" in maintain(database, "--all", expected=ExitCode.USAGE).stderr


async def test_leftovers_of_an_interrupted_rebuild_are_named_and_removed(database: str) -> None:
    await leave_behind(database, "jobs_due_ccnew")
    await leave_behind(database, "jobs_due_ccold1")
    await leave_behind(database, "of_somebody_else")
    assert sorted(facts(database)["advice"]) == [
        "an interrupted rebuild left jobs_due_ccnew; run: baton maintain --reindex",
        "an interrupted rebuild left jobs_due_ccold1; run: baton maintain --reindex",
    ]
    done = facts(database, "--reindex")["done"]
    assert sorted(done) == ["removed jobs_due_ccnew", "removed jobs_due_ccold1"]
    query = "select indexrelid::regclass::text from pg_index where not indisvalid"
    assert await rows(database, query) == [("baton.of_somebody_else",)]


async def test_the_oldest_transaction_is_named_with_who_and_since_when(database: str) -> None:
    async with connection(database) as old:
        pid = old.info.backend_pid
        await old.execute("set application_name = 'forgotten'")
        await old.execute("begin isolation level repeatable read")
        await old.execute("select from baton.jobs")
        holder = facts(database)["holders"][0]
        shown = maintain(database).stdout
    assert holder["kind"] == "transaction"
    assert f"pid {pid}" in holder["who"]
    assert "forgotten" in holder["who"]
    assert holder["since"] is not None
    assert holder["activity"].startswith("idle in transaction: select from baton.jobs")
    assert "oldest to hold back vacuum: transaction pid" in shown


async def test_a_rebuild_that_a_transaction_holds_up_gives_up_and_says_whose_it_is(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with connection(database) as old:
        await old.execute("begin isolation level repeatable read")
        await old.execute("insert into baton.jobs (worker) values ('w')")
        with monkeypatch.context() as patch:
            patch.setattr(module, "PATIENCE", 0.2)
            with maintenance(database, warn=print) as found:
                with pytest.raises(RebuildHeldUp, match=f"pid {old.info.backend_pid}"):
                    list(found.reindex(all_hot=True))
        await old.execute("rollback")
    with maintenance(database, warn=print) as found:
        for _ in found.reindex(all_hot=True):
            pass
    assert await value(database, "select count(*) from pg_index where not indisvalid") == 0


async def test_one_session_rebuilds_at_a_time(database: str) -> None:
    with maintenance(database, warn=print) as one, maintenance(database, warn=print) as other:
        working = one.reindex(all_hot=True)
        next(working)
        with pytest.raises(MaintenanceBusy):
            next(other.reindex(all_hot=True))


async def test_a_table_that_is_locked_is_passed_over_by_vacuum(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0.2)
    said: list[str] = []
    async with connection(database) as holder, holder.transaction():
        await holder.execute("lock table baton.crons in exclusive mode")
        with maintenance(database, warn=said.append) as found:
            assert "crons" not in set(found.vacuum())
    assert said == ["crons was not vacuumed: somebody else has locked it"]


async def test_it_leaves_other_tables_of_the_schema_alone(database: str) -> None:
    async with connection(database) as conn:
        await conn.execute("create table baton.of_mine (id bigint primary key)")
    assert "of_mine" not in {each["name"] for each in facts(database, "--vacuum")["tables"]}
    query = "select last_vacuum from pg_stat_user_tables where relname = 'of_mine'"
    assert await value(database, query) is None


async def test_a_database_without_the_schema_is_one_sentence(empty_database: str) -> None:
    said = maintain(empty_database, expected=ExitCode.DATABASE).stderr
    assert said.strip().endswith("run: baton migrate")
