"""Databases for tests: made and dropped on a server that may be slow to end its sessions."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import psycopg

from baton.store import databases
from tests.store.schema import ask

TRIES = """
  select query_start from pg_stat_activity
  where state = 'active' and query like 'create database%%template "' || %s || '"'
"""


def test_a_template_that_somebody_is_about_to_leave_is_waited_for(server_dsn: str) -> None:
    """PostgreSQL does so for five seconds, and a busy machine may need more."""
    tries = set()
    with databases.fresh(server_dsn) as template, ExitStack() as made:
        with ThreadPoolExecutor(1) as threads:
            with psycopg.connect(databases.address(server_dsn, template)):
                fresh = databases.fresh(server_dsn, template=template)
                name = threads.submit(made.enter_context, fresh)
                while len(tries) < 2:
                    assert not name.done()
                    tries |= set(ask(server_dsn, TRIES, [template]))
            copy = name.result(60)
        assert ask(databases.address(server_dsn, copy), "select current_database()") == [(copy,)]
