"""A real PostgreSQL for the tests: a server for all processes of pytest, a database for each test.

``BATON_TEST_DSN`` is the URL of a server to use instead of the embedded one; its user must be
allowed to create databases.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit
from uuid import uuid4

import psycopg
import pytest

from baton.embedded import EmbeddedServer
from baton.store.migrations import migrate

# A crash of the machine may lose the tests' data; a crash of the server may not.
SERVER_SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "on",
    "max_connections": "300",
    "max_wal_size": "4GB",
}
SERVER = pytest.StashKey[EmbeddedServer]()
SERVER_DSN = pytest.StashKey[str]()


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    given = os.environ.get("BATON_TEST_DSN")
    # what the person has set for their own work is not for the tests, nor for their subprocesses
    for name in list(os.environ):
        if name.startswith(("BATON_", "PG")) or name == "DATABASE_URL":
            del os.environ[name]
    worker_input = getattr(config, "workerinput", None)
    if worker_input is not None:
        config.stash[SERVER_DSN] = worker_input["server_dsn"]
    elif given:
        config.stash[SERVER_DSN] = given
    elif not config.option.collectonly:
        config.stash[SERVER] = server = EmbeddedServer.start(settings=SERVER_SETTINGS)
        config.stash[SERVER_DSN] = server.dsn()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    node.workerinput["server_dsn"] = node.config.stash[SERVER_DSN]


def pytest_unconfigure(config: pytest.Config) -> None:
    server = config.stash.get(SERVER, None)
    if server is not None:
        server.stop()


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def server_dsn(pytestconfig: pytest.Config) -> str:
    """The server's maintenance database."""
    return pytestconfig.stash[SERVER_DSN]


@pytest.fixture(scope="session")
def migrated_template(server_dsn: str) -> Iterator[str]:
    """The name of a migrated database to copy; nobody connects to it."""
    with _fresh_database(server_dsn) as name:
        migrate(_address(server_dsn, name), schema="baton")
        yield name


@pytest.fixture
def database(server_dsn: str, migrated_template: str) -> Iterator[str]:
    """The DSN of a migrated database without jobs.

    A copy takes 20 ms where truncating takes 10, and it is clean whatever the last test did.
    """
    with _fresh_database(server_dsn, template=migrated_template) as name:
        yield _address(server_dsn, name)


@pytest.fixture
def empty_database(server_dsn: str) -> Iterator[str]:
    """The DSN of a database without Baton's tables."""
    with _fresh_database(server_dsn) as name:
        yield _address(server_dsn, name)


@contextmanager
def _fresh_database(server_dsn: str, *, template: str = "template1") -> Iterator[str]:
    name = f"baton_test_{uuid4().hex[:16]}"
    with psycopg.connect(server_dsn, autocommit=True) as conn:
        conn.execute(f'create database "{name}" template "{template}"'.encode())
    try:
        yield name
    finally:
        with psycopg.connect(server_dsn, autocommit=True) as conn:
            conn.execute(f'drop database "{name}" with (force)'.encode())


def _address(server_dsn: str, name: str) -> str:
    return urlunsplit(urlsplit(server_dsn)._replace(path=f"/{quote(name)}"))
