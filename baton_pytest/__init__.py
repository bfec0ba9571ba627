"""The pytest plugin: a PostgreSQL, a migrated database for each test, and modes.

pytest imports it in every project of an environment that has Baton. It is a package of its own
because importing ``baton`` takes half a second; it imports that when a fixture is first used.

The server is the one that ``BATON_TEST_DSN`` names, whose user must be allowed to create databases,
or an embedded one. With pytest-xdist all processes share it: the controller starts it when the
first of them asks.
"""

import os
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from baton import Client, SyncClient
    from baton.testing import Drained, Performed
    from baton_pytest.sharing import SharedServer

MODES = ("", "inline")
NEEDED = (
    "Baton's fixtures need a PostgreSQL: pip install 'baton[embedded]', or name a server whose "
    "user may create databases in BATON_TEST_DSN"
)

_GIVEN = pytest.StashKey[str]()
_SHARED: "pytest.StashKey[SharedServer]" = pytest.StashKey()
_STACK = pytest.StashKey[ExitStack]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the setting of the mode."""
    parser.addini(
        "baton_mode",
        "inline performs what is inserted with Baton's default client at once, in all tests",
        default="",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Read what the person has set."""
    config.stash[_GIVEN] = _from_controller(config, "given") or os.environ.get("BATON_TEST_DSN", "")
    mode = config.getini("baton_mode")
    if mode not in MODES:
        raise pytest.UsageError(f"baton_mode must be inline or nothing, not {mode!r}")
    if mode:
        from baton.testing import inline

        config.stash[_STACK] = stack = ExitStack()
        stack.enter_context(inline())


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a process of pytest-xdist where to ask for the server."""
    stash = node.config.stash
    if _SHARED not in stash:
        from baton_pytest.sharing import SharedServer

        stash[_SHARED] = SharedServer()
    node.workerinput["baton"] = {"given": stash[_GIVEN], "server": stash[_SHARED].address}


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop what was started."""
    if (stack := config.stash.get(_STACK, None)) is not None:
        stack.close()
    if (shared := config.stash.get(_SHARED, None)) is not None:
        shared.close()


@pytest.fixture(scope="session")
def baton_server(pytestconfig: pytest.Config) -> Iterator[str]:
    """The DSN of a database of the server, which tests leave alone."""
    given = pytestconfig.stash[_GIVEN]
    address = _from_controller(pytestconfig, "server")
    if given:
        yield given
    elif address:
        from baton_pytest.sharing import ask

        with _explained():
            dsn = ask(address)
        yield dsn
    else:
        from baton.testing import databases

        with ExitStack() as stack:
            with _explained():
                dsn = stack.enter_context(databases.server())
            yield dsn


@pytest.fixture(scope="session")
def baton_template(baton_server: str) -> Iterator[str]:
    """The name of a migrated database to copy; nobody connects to it."""
    from baton.testing import databases

    with ExitStack() as stack:
        with _explained():
            name = stack.enter_context(databases.template(baton_server))
        yield name


@pytest.fixture
def baton_database(
    baton_server: str, baton_template: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    """The DSN of a migrated database without jobs, for this test alone.

    The default client, the functions of ``baton.testing`` and ``BATON_DSN`` point to it.
    """
    from baton.testing import databases, manual

    with databases.database(baton_server, template=baton_template) as dsn:
        monkeypatch.setenv("BATON_DSN", dsn)
        with manual(dsn):
            yield dsn


@pytest.fixture
def baton_client(baton_database: str) -> Iterator["Client"]:
    """A client of the test's database."""
    from baton import Client

    client = Client(baton_database)
    yield client
    client.close_nowait()


@pytest.fixture
def baton_sync_client(baton_database: str) -> Iterator["SyncClient"]:
    """A client of the test's database, for tests without an event loop."""
    from baton import SyncClient

    with SyncClient(baton_database) as client:
        yield client


@pytest.fixture
def baton_drain(baton_database: str) -> "Callable[..., Awaitable[Drained]]":
    """`drain_queue` of the test's database."""
    from baton.testing import drain_queue

    return partial(drain_queue, dsn=baton_database)


@pytest.fixture
def baton_drain_sync(baton_database: str) -> "Callable[..., Drained]":
    """`drain_queue_sync` of the test's database."""
    from baton.testing import drain_queue_sync

    return partial(drain_queue_sync, dsn=baton_database)


@pytest.fixture
def baton_inline() -> Iterator["list[Performed]"]:
    """Performs what is inserted in the test at once; the attempts, as they happen."""
    from baton.testing import inline

    with inline() as performed:
        yield performed


def _from_controller(config: pytest.Config, name: str) -> str:
    told: dict[str, str] = getattr(config, "workerinput", {}).get("baton", {})
    return told.get(name, "")


@contextmanager
def _explained() -> Iterator[None]:
    """Fail with one sentence when there is no server."""
    from baton.errors import BatonError, ConfigurationError

    try:
        yield
    except ConfigurationError as error:
        missing = "not installed" in str(error)
        pytest.fail(NEEDED if missing else str(error), pytrace=False)
    except BatonError as error:
        pytest.fail(f"the server for tests: {error}", pytrace=False)
