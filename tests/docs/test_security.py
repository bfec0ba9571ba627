"""The guide to security does what it says."""

from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from baton import SyncClient
from baton.errors import DatabaseError
from baton.jobs import NewJob
from tests.docs.markdown import blocks
from tests.docs.test_documents import ROOT, commands, place, run_python, shell

__all__ = ["place"]

ROLES = "shop_worker, shop_web, shop_reports"


def test_the_guide_to_security_does_what_it_says(place: Path, database: str) -> None:
    found = blocks(ROOT / "docs" / "security.md")
    run_python([block for block in found if block.language == "python"], {})
    made, hardened = [block for block in found if block.language == "sql"]
    said = [command for block in found if block.language == "sh" for command in commands(block)]
    with psycopg.connect(database, autocommit=True) as conn:
        conn.execute(made.text.encode())
        try:
            outputs = [shell(command) for command in said]
            assert outputs[1] == "role shop_worker may do in schema baton what a worker needs\n"
            assert outputs[-1].startswith("begin;")
            conn.execute(hardened.text.encode())
            _look(database)
        finally:
            conn.execute(f"drop owned by {ROLES}".encode())
            conn.execute(f"drop role {ROLES}".encode())


def _look(database: str) -> None:
    with SyncClient(make_conninfo(database, user="shop_web", password="another")) as web:
        job = web.insert(NewJob(worker="shop.audit"))
        with pytest.raises(DatabaseError, match="permission denied"):
            web.cancel_job(job.id)
    with SyncClient(make_conninfo(database, user="shop_reports", password="a third")) as reports:
        assert reports.list_workflows() == []
        assert reports.why(job.id)
        with pytest.raises(DatabaseError, match="permission denied"):
            reports.insert(NewJob(worker="shop.audit"))
    dsn = make_conninfo(database, user="shop_worker", password="a long one")
    with SyncClient(dsn) as worker:
        assert worker.cancel_job(job.id)
    with psycopg.connect(dsn) as conn:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            conn.execute("create temporary table mine (id int)")


def test_the_files_that_the_policy_names_are_there() -> None:
    policy = (ROOT / "SECURITY.md").read_text()
    for word in policy.replace("(", " ").replace(")", " ").split():
        path = word.strip("`.,;[]")
        if path.endswith((".py", ".md")) and "/" in path:
            assert (ROOT / path).exists(), path
