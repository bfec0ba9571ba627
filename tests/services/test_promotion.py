"""The primary is gone and its standby takes its place: processes and programs find it."""

import shutil
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import psycopg
import pytest
from anyio import to_thread

from baton.store.migrations import migrate
from tests.chaos.ports import free_ports
from tests.chaos.server import Servers
from tests.services.test_trouble import check_refused, goes_through

pytestmark = pytest.mark.anyio


@pytest.fixture
def servers() -> Iterator[Servers]:
    """A primary, and a standby for which its commits wait."""
    place = Path(tempfile.mkdtemp(prefix="baton-promotion-", dir="/tmp"))
    place.chmod(0o755)
    logs = place / "logs"
    logs.mkdir()
    pair = Servers(place, logs, free_ports(2), standby=True)
    try:
        pair.start()
        migrate(pair.dsn())
        pair.follow()
        yield pair
    finally:
        pair.stop()
        shutil.rmtree(place)


def fail(servers: Servers) -> None:
    """Crash the primary, when all that its processes have claimed is on the standby too.

    Claims do not wait for it by themselves: what was claimed last may be claimed again.
    """
    with servers.primary.connect() as conn:
        conn.execute("create table public.waited_for ()")
    servers.primary.crash()


async def test_a_standby_that_takes_the_primarys_place(servers: Servers) -> None:
    ports = ",".join(str(server.port) for server in servers.all)
    dsn = f"host=127.0.0.1,127.0.0.1 port={ports} dbname=postgres user=postgres"
    standby = servers.standby
    assert standby is not None
    await goes_through(
        f"{dsn} target_session_attrs=read-write",
        begin=partial(to_thread.run_sync, fail, servers),
        during=partial(check_refused, cause=psycopg.OperationalError),
        end=partial(to_thread.run_sync, standby.promote),
    )
