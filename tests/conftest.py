"""A real PostgreSQL for the tests: a server for all processes of pytest, a database for each test.

``BATON_TEST_DSN`` is the URL of a server to use instead of the embedded one; its user must be
allowed to create databases. All of it is the plugin that Baton ships.
"""

import logging
import os
import signal
from collections.abc import Iterator

import pytest
import structlog

import baton_pytest
from baton import verbosity
from baton.testing import databases
from tests.fuzz import cases

cases.register()


@pytest.hookimpl(trylast=True)  # the plugin reads BATON_TEST_DSN first
def pytest_configure(config: pytest.Config) -> None:
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # a shell that started this in the background; programs that tests start would inherit it
        signal.signal(signal.SIGINT, signal.default_int_handler)
    # an installed Baton has announced it already; a checkout may not have been installed since
    if not config.pluginmanager.is_registered(baton_pytest):
        config.pluginmanager.register(baton_pytest, "baton")
    # what the person has set for their own work is not for the tests, nor for their subprocesses
    for name in list(os.environ):
        if name.startswith(("BATON_", "PG")) or name == "DATABASE_URL":
            del os.environ[name]


@pytest.fixture(autouse=True)
def logs_as_before() -> Iterator[None]:
    """A command that runs in this process may set logging up, for a stream that is closed soon."""
    before, root, lowest = structlog.get_config(), logging.getLogger(), verbosity.lowest
    handlers, level = list(root.handlers), root.level
    yield
    if structlog.get_config() != before:
        structlog.configure(**before)
        verbosity.lowest = lowest
        root.setLevel(level)
        for each in [each for each in root.handlers if type(each) is logging.StreamHandler]:
            if each not in handlers:
                root.removeHandler(each)


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def server_dsn(baton_server: str) -> str:
    """The server's maintenance database."""
    return baton_server


@pytest.fixture(scope="session")
def migrated_template(server_dsn: str) -> Iterator[str]:
    """The name of a migrated database to copy; nobody connects to it."""
    with databases.template(server_dsn, schema="baton") as name:
        yield name


@pytest.fixture
def database(server_dsn: str, migrated_template: str) -> Iterator[str]:
    """The DSN of a migrated database without jobs, which nothing else points to.

    A copy takes 20 ms where truncating takes 10, and it is clean whatever the last test did.
    """
    with databases.database(server_dsn, template=migrated_template) as dsn:
        yield dsn


@pytest.fixture
def empty_database(server_dsn: str) -> Iterator[str]:
    """The DSN of a database without Baton's tables."""
    with databases.database(server_dsn) as dsn:
        yield dsn
