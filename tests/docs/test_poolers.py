"""The guides to poolers and to scheduling do what they say."""

from pathlib import Path

import psycopg
import pytest

from baton.jobs import NewJob
from baton.settings import load
from baton.workers import Registry
from tests.docs.markdown import blocks
from tests.docs.test_documents import ROOT, place, run_python
from tests.e2e.test_worker_process import APP, worker
from tests.pgbouncer import pgbouncer

__all__ = ["place"]


def test_the_guide_to_poolers_does_what_it_says(
    place: Path, database: str, server_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = blocks(ROOT / "docs" / "poolers.md")
    [file] = [block for block in found if block.file]
    (place / str(file.file)).write_text(file.text)
    monkeypatch.delenv("BATON_DSN")
    settings = load()
    assert settings.behind_pooler
    assert settings.direct_conninfo == "postgresql://baton@server:5432/app"
    (place / str(file.file)).unlink()
    (place / "app.py").write_text(APP)

    python = [block for block in found if block.language == "python"]
    [sql] = [block for block in found if block.language == "sql"]
    [command] = [block.text for block in found if block.language == "sh"]
    options = command.removeprefix("baton worker --app shop ").split()
    with pgbouncer(server_dsn) as pooler, psycopg.connect(database, autocommit=True) as conn:
        run_python(python, {"POOLER": pooler.dsn(database), "NewJob": NewJob})
        with worker(pooler.dsn(database), place, *options):
            while conn.execute("select errors = '[]' from baton.jobs").fetchone() != (False,):
                pass  # the worker has found the job, and does not know shop.confirm
    with psycopg.connect(database) as conn:
        conn.execute("create role baton")
        conn.execute(sql.text.encode())
        conn.rollback()


def test_the_guide_to_scheduling_does_what_it_says(place: Path, database: str) -> None:
    found = blocks(ROOT / "docs" / "scheduling.md")
    for block in found:
        if block.file:
            (place / block.file).write_text(block.text)
    with Registry().collecting():
        run_python([block for block in found if block.language == "python" and not block.file], {})
    with psycopg.connect(database, autocommit=True) as conn, worker(database, place, "--app=shop"):
        done = "select attempt, meta -> 'snoozed' from baton.jobs where state = 'completed'"
        while not (ended := conn.execute(done).fetchall()):
            pass
        waiting = conn.execute("select count(*) from baton.jobs where state = 'scheduled'")
        assert (ended, waiting.fetchone()) == ([(1, 2)], (1,))
