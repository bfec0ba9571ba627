"""Each check of the doctor finds the trouble that is made here, and nothing where there is none."""

import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from baton import SyncClient, Workflow
from baton.checkup import Finding, Limits, Severity
from baton.errors import ConfigurationError, DatabaseUnavailable
from baton.store.doctor import CHECKS, Target, examine
from tests.e2e.commands import said, told
from tests.pgbouncer import pgbouncer
from tests.support import job

PATIENT = Limits(notification=60.0)  # a machine may be slow, and nothing wrong with it
UNSAFE = ("fsync is off", "full_page_writes is off", "synchronous_commit is off: a crash of the s")


def target(dsn: str, **options: Any) -> Target:
    return Target(**{"dsn": dsn, "direct": dsn, **options})


def found(check: str, dsn: str, **options: Any) -> list[Finding]:
    checkup = examine(target(dsn, **options), only=[check])
    assert {each.check for each in checkup.findings} <= {check}
    return without_the_server(checkup.findings)


def without_the_server(findings: Sequence[Finding]) -> list[Finding]:
    """The findings but those of the server of the tests, which does without safety for speed."""
    return [each for each in findings if not each.sentence.startswith(UNSAFE)]


def the_one(check: str, dsn: str, **options: Any) -> Finding:
    [finding] = found(check, dsn, **options)
    return finding


def execute(dsn: str, *statements: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as conn:
        for statement in statements:
            conn.execute(statement.encode())


def is_there(dsn: str, session: int) -> bool:
    query = "select from pg_stat_activity where pid = %s"
    with psycopg.connect(dsn, autocommit=True) as conn:
        return conn.execute(query, [session]).fetchone() is not None


def mend(dsn: str, finding: Finding) -> None:
    """Do what a finding says, if it is said with psql or another command that ends."""
    assert finding.command is not None
    program, *words = shlex.split(finding.command)
    assert program == "baton"
    if words[:2] == ["psql", "-c"]:
        execute(dsn, words[2])
    else:
        command = [sys.executable, "-m", "baton", *words, "--dsn", dsn]
        subprocess.run(command, check=True, capture_output=True, timeout=240)


@contextmanager
def a_process(dsn: str, *queues: str) -> Iterator[None]:
    """A worker process, as far as its lease goes."""
    served = "{" + ", ".join(f'"{queue}": 10' for queue in queues) + "}"
    insert = "insert into baton.leases (node, queues, expires_at) values"
    execute(dsn, f"{insert} ('here:1', '{served}', now() + interval '1 hour')")
    yield
    execute(dsn, "delete from baton.leases")


def test_a_new_database_is_well(database: str) -> None:
    checkup = examine(target(database, workers=[], limits=PATIENT))
    assert without_the_server(checkup.findings) == []
    assert list(checkup.checks) == list(CHECKS)


def test_a_server_that_does_without_safety_is_found(database: str) -> None:
    with psycopg.connect(database) as conn:
        names = ("fsync", "full_page_writes", "synchronous_commit")
        values = {name: conn.execute(f"show {name}".encode()).fetchone() for name in names}
    off = {name for name, value in values.items() if value == ("off",)}
    checkup = examine(target(database), only=["settings"])
    assert {each.sentence.split()[0] for each in checkup.findings} == off
    assert checkup.has_errors == bool(off & {"fsync", "full_page_writes"})


def test_a_database_without_tables_is_told_so_and_nothing_more(empty_database: str) -> None:
    checkup = examine(target(empty_database))
    [finding] = checkup.findings
    assert list(checkup.checks) == ["schema"]
    assert [each.check for each in checkup.skipped] == [name for name in CHECKS if name != "schema"]
    assert (finding.severity, finding.command) == (Severity.ERROR, "baton migrate")
    assert "has no Baton tables" in finding.sentence


def test_a_schema_of_another_version_and_other_routines_are_found(database: str) -> None:
    execute(database, "update baton.migrations set checksum = 'x' where name = 'routines'")
    finding = the_one("schema", database)
    assert "routines are not those of this Baton" in finding.sentence
    mend(database, finding)
    assert found("schema", database) == []
    execute(database, "update baton.migrations set checksum = 'x' where name = '001_initial'")
    assert "applied with other contents" in the_one("schema", database).sentence
    execute(database, "insert into baton.migrations values ('999_future', 'x')")
    checkup = examine(target(database), only=["queues"])
    [finding] = checkup.findings
    assert "made by a newer Baton" in finding.sentence or "knows only" in finding.sentence
    assert finding.command == "pip install --upgrade baton"


def test_a_missing_index_is_found_and_made_again(database: str) -> None:
    execute(database, "drop index baton.jobs_due")
    finding = the_one("indexes", database)
    assert finding.sentence.startswith("index jobs_due is missing")
    assert "create index concurrently jobs_due on baton.jobs" in str(finding.command)
    mend(database, finding)
    assert found("indexes", database) == []


def test_an_invalid_index_is_found_and_made_anew(database: str) -> None:
    execute(
        database,
        "update pg_index set indisvalid = false where indexrelid = 'baton.jobs_due'::regclass",
    )
    finding = the_one("indexes", database)
    assert "index jobs_due of jobs is invalid" in finding.sentence
    mend(database, finding)
    assert found("indexes", database) == []


def test_a_pooler_in_transaction_mode_is_found(server_dsn: str, database: str) -> None:
    quick = Limits(notification=0.3)
    with pgbouncer(server_dsn) as pooler:
        pooled = pooler.dsn(database)
        finding = the_one("notifications", pooled, limits=quick)
        assert finding.severity is Severity.ERROR
        assert "a pooler in transaction mode stands between" in finding.sentence
        assert "BATON_LISTEN_DSN" in str(finding.command)
        assert found("notifications", pooled, direct=database, pooled=True, limits=PATIENT) == []
    assert the_one("notifications", database, direct=None).severity is Severity.NOTICE


def test_a_clock_that_is_wrong_is_found(database: str) -> None:
    @dataclass(frozen=True, slots=True, kw_only=True)
    class Ahead(Target):
        def clock(self) -> datetime:
            return datetime.now(UTC) + timedelta(minutes=5)

    checkup = examine(Ahead(dsn=database, direct=database), only=["clock"])
    [finding] = checkup.findings
    assert finding.sentence.startswith("this machine's clock is ")
    assert "ahead of the database's" in finding.sentence
    assert 290 < finding.facts["seconds"] < 310


SETTINGS = [
    ("default_transaction_read_only = on", "read-only by default"),
    ("default_transaction_isolation = 'repeatable read'", "under which a release can miss a step"),
    ("idle_session_timeout = '5min'", "idle_session_timeout is 300 s"),
]


@pytest.mark.parametrize(("setting", "sentence"), SETTINGS, ids=[each for each, _ in SETTINGS])
def test_settings_that_harm_are_found_and_mended(
    database: str, setting: str, sentence: str
) -> None:
    name = psycopg.conninfo.conninfo_to_dict(database)["dbname"]
    execute(database, f"alter database {name} set {setting}")
    finding = the_one("settings", database)
    assert sentence in finding.sentence
    assert finding.command is not None
    mend(database, finding)
    assert found("settings", database) == []


def test_a_server_that_is_nearly_full_is_found(database: str) -> None:
    finding = the_one("connections", database, limits=Limits(connections=0.0))
    assert "connections are taken" in finding.sentence
    crowd = the_one("connections", database, processes=10_000)
    assert "10000 worker processes need about 50000" in crowd.sentence
    assert "alter system set max_connections = " in str(crowd.command)


def test_a_forgotten_transaction_is_found_and_ended(database: str) -> None:
    limits = Limits(transaction=0.0)
    with psycopg.connect(database) as forgotten:
        forgotten.execute("select pg_current_xact_id()")
        finding = the_one("transactions", database, limits=limits)
        assert f"transaction {forgotten.info.backend_pid}" in finding.sentence
        assert found("transactions", database) == []
        mend(database, finding)
        with pytest.raises(psycopg.OperationalError):
            forgotten.execute("select 1")
        # a session says that it is ended, and only then ends its transaction
        while is_there(database, forgotten.info.backend_pid):
            pass
    assert found("transactions", database, limits=limits) == []


def test_autovacuum_that_is_off_and_old_rows_are_found(database: str) -> None:
    execute(database, "alter table baton.jobs set (autovacuum_enabled = off)")
    finding = the_one("vacuum", database)
    assert "autovacuum is off for jobs" in finding.sentence
    mend(database, finding)
    assert found("vacuum", database) == []
    old = found("vacuum", database, limits=Limits(age=0))
    assert any("transactions old" in each.sentence for each in old)


def test_dead_rows_are_found_and_removed(database: str) -> None:
    execute(
        database,
        "alter table baton.jobs set (autovacuum_enabled = off)",
        "insert into baton.jobs (worker) select 'w' from generate_series(1, 12000)",
        "delete from baton.jobs",
        "select pg_stat_force_next_flush()",
    )
    finding = the_one("bloat", database)
    assert "jobs has 12,000 dead rows" in finding.sentence
    assert finding.command == "baton maintain --vacuum"
    mend(database, finding)
    assert found("bloat", database) == []


def test_jobs_that_nobody_is_going_to_start_are_found(database: str) -> None:
    with SyncClient(database) as client:
        client.insert_all([job(queue="my mail"), job(queue="later", schedule_in=60)])
        both = found("queues", database)
        assert [(each.severity, each.facts["queue"]) for each in both] == [
            (Severity.ERROR, "my mail"),
            (Severity.WARNING, "later"),
        ]
        assert both[0].command == "baton worker --queues 'my mail=10'"
        with a_process(database, "my mail", "later"):
            assert found("queues", database) == []
            client.queues.pause("my mail", by="ada")
            paused = the_one("queues", database)
            assert "is paused by ada since" in paused.sentence
            mend(database, paused)
            client.queues.stop("my mail")
            stopped = the_one("queues", database)
            assert "is stopped, with 1 job waiting" in stopped.sentence
            mend(database, stopped)
            assert found("queues", database) == []


def test_jobs_of_dead_processes_are_found(database: str) -> None:
    with SyncClient(database) as client:
        client.insert_all([job(), job()])
    execute(
        database,
        "insert into baton.leases (node, expires_at) values ('gone:1', now() - interval '1 hour')",
        "update baton.jobs set state = 'executing', attempted_at = now() - interval '2 h', "
        "attempted_by = (select id from baton.leases) where id = 1",
        "update baton.jobs set state = 'executing', attempted_at = now() - interval '2 h', "
        "attempted_by = 4711 where id = 2",
    )
    findings = found("leases", database)
    assert len(findings) == 2
    assert any("process gone:1" in each.sentence for each in findings)
    assert all("no process lives" in each.sentence for each in findings)
    with a_process(database):
        assert all("don't give them to others" in f.sentence for f in found("leases", database))
    assert found("leases", database, limits=Limits(silence=10_800)) == []


def test_dependents_that_nobody_looks_at_are_found(database: str) -> None:
    execute(
        database,
        "insert into baton.workflow_releases (job_ids, inserted_at) "
        "values ('{1}', now() - interval '1 hour')",
    )
    finding = the_one("releases", database)
    assert "have waited for 1 h 00 min: no process lives" in finding.sentence


def test_broken_cron_entries_are_found(database: str) -> None:
    with SyncClient(database) as client:
        client.crons.add("w", "@daily", name="it's daily")
    assert found("crons", database) == []
    execute(database, "update baton.crons set expression = '99 * * * *'")
    finding = the_one("crons", database)
    assert "cron entry it's daily never ticks" in finding.sentence
    assert shlex.split(str(finding.command))[:4] == ["baton", "cron", "edit", "it's daily"]
    execute(database, "update baton.crons set source = 'code'")
    mend(database, the_one("crons", database))
    assert found("crons", database) == []


def test_workers_that_nobody_registers_are_found(database: str) -> None:
    with SyncClient(database) as client:
        client.insert_all([job("known"), job("un known"), job("un known", schedule_in=60)])
        client.insert_workflow(Workflow().add("a", job("known")))
        client.crons.add("lost", "@daily", name="nightly")
    jobs, entry = found("workers", database, workers={"known"})
    assert jobs.sentence == (
        "the program registers no worker un known, which is named by 2 jobs waiting"
    )
    assert shlex.split(str(jobs.command)) == ["baton", "job", "cancel", 'worker:"un known"']
    assert entry.command == "baton cron remove nightly"
    assert "which is named by cron entry nightly" in entry.sentence
    assert found("workers", database) == []


def test_a_check_that_can_not_be_done_is_skipped_and_says_how_to_have_it(database: str) -> None:
    checkup = examine(target(database), only=["clock", "workers"])
    assert list(checkup.checks) == ["clock"]
    [skipped] = checkup.skipped
    assert (skipped.check, skipped.command) == ("workers", "baton doctor --app MODULE")
    assert examine(target(database, workers=[]), only=["workers"]).skipped == []
    shown = said("doctor", "--only", "clock", "--only", "workers", dsn=database)
    assert shown.splitlines()[0] == "all is well: 1 check found nothing"
    assert "skipped workers: " in shown
    assert "run: baton doctor --app MODULE" in shown
    document = told("doctor", "--only", "workers", dsn=database)
    assert document["checks"] == []
    assert [each["check"] for each in document["skipped"]] == ["workers"]


def test_the_worst_comes_first(database: str) -> None:
    with SyncClient(database) as client:
        client.insert(job())
    checkup = examine(replace(target(database), direct=None))
    assert checkup.findings[0].severity is Severity.ERROR
    assert checkup.findings[-1].severity is Severity.NOTICE
    assert checkup.has_errors


def test_an_unknown_check_and_a_database_that_is_away_are_refused(database: str) -> None:
    with pytest.raises(ConfigurationError, match="there is no check luck; there are schema"):
        examine(target(database), only=["luck"])
    with pytest.raises(DatabaseUnavailable):
        examine(target("postgresql://127.0.0.1:1/x"))
