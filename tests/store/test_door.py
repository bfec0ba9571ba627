"""The one door to the database: how its sessions are set up."""

import gc
import socket
from collections.abc import Iterator

import pytest

from baton.embedded import EmbeddedServer
from baton.errors import DatabaseError
from baton.store import door

pytestmark = pytest.mark.anyio

WATCHES = """
  select
    current_setting('tcp_keepalives_idle'), current_setting('tcp_keepalives_interval'),
    current_setting('tcp_keepalives_count'), current_setting('tcp_user_timeout')
"""


@pytest.fixture(scope="module")
def over_tcp() -> Iterator[str]:
    """The DSN of a server that is reached through the network."""
    with socket.socket() as kept:
        # bound and not listening: nobody else is given the port, and the server may have it too
        kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        kept.bind(("127.0.0.1", 0))
        port = kept.getsockname()[1]
        settings = {"listen_addresses": "127.0.0.1", "port": str(port), "fsync": "off"}
        with EmbeddedServer.start(settings=settings):
            yield f"postgresql://postgres@127.0.0.1:{port}/postgres"


async def test_the_server_notices_within_seconds_that_a_machine_is_gone(over_tcp: str) -> None:
    """By itself it would ask after two hours, and keep the sessions and their locks until then."""
    first = await door.connect(over_tcp, "baton", timeout=10, name="tests")
    second = door.connect_sync(over_tcp, "baton", timeout=10, name="tests")
    try:
        found = await (await first.execute(WATCHES.encode())).fetchone()
        assert found == second.execute(WATCHES.encode()).fetchone() == ("5", "2", "3", "10000")
    finally:
        await first.close()
        second.close()


def test_a_session_that_cannot_be_set_up_is_closed(database: str) -> None:
    """One that is only forgotten would warn, and a warning ends this test."""
    with pytest.raises(DatabaseError, match="statement_timeout"):
        door.connect_sync(database, "baton", timeout=1e9, name="tests")
    gc.collect()
