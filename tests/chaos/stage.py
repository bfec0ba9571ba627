"""Everything that a run needs, started together, and taken down whatever happens."""

import asyncio
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psycopg

from baton import Client
from baton.store.migrations import migrate
from tests.chaos.disk import SmallDisk
from tests.chaos.faults import Arena, Kind
from tests.chaos.feeder import Feeder
from tests.chaos.fleet import Fleet, Worker
from tests.chaos.generator import Generator
from tests.chaos.journal import Journal
from tests.chaos.network import Namespace
from tests.chaos.ports import free_ports
from tests.chaos.proxy import Link
from tests.chaos.server import Servers

TICK = "chaos.tick"  # the cron entry of the workers
HERE = Path(__file__).parent


@dataclass(frozen=True)
class Options:
    """What a run is told.

    Attributes:
        seed: of work and faults.
        seconds: for which work comes and faults happen.
        kinds: of faults.
        workers: processes.
        rate: jobs and steps a second.
        pause: seconds between two faults of a lane, in the mean.
        patience: seconds for everything to end after that.
        apart: whether one fault waits for the other's end, and does not meet it.
        keep: whether the directory of the run stays.
    """

    seed: int
    seconds: float
    kinds: Sequence[Kind]
    workers: int = 4
    rate: float = 60.0
    pause: float = 3.0
    patience: float = 120.0
    apart: bool = False
    keep: bool = False

    def has(self, *names: str) -> bool:
        return any(kind.name in names for kind in self.kinds)


@dataclass
class Stage:
    """Everything that runs.

    Attributes:
        place: the directory of the run.
        kept: whether it stays.
    """

    options: Options
    place: Path
    servers: Servers
    journal: Journal
    arena: Arena
    fleet: Fleet
    client: Client
    feeder: Feeder
    kept: bool = False


@asynccontextmanager
async def staged(options: Options) -> AsyncIterator[Stage]:
    """Start all that a run needs, and leave nothing behind."""
    async with AsyncExitStack() as stack:
        place = Path(tempfile.mkdtemp(prefix="baton-chaos-"))
        stage: Stage | None = None
        failed = True  # what broke is kept, to be looked at; what was stopped is not
        try:
            stage = await _staged(options, place, stack)
            yield stage
            failed = False
        except asyncio.CancelledError:
            failed = options.keep
            raise
        finally:
            with suppress(Exception):
                await stack.aclose()
            if not failed and not (stage is not None and stage.kept):
                shutil.rmtree(place, ignore_errors=True)


async def _staged(options: Options, place: Path, stack: AsyncExitStack) -> Stage:
    place.chmod(0o755)  # root's server runs as nobody
    data = place / "data"
    for directory in (data, place / "journals", place / "logs"):
        directory.mkdir()
    stack.callback(shutil.rmtree, data, ignore_errors=True)
    small_disk = None
    if options.has("disk_full"):
        small_disk = SmallDisk(data, options.seconds)
        stack.callback(small_disk.remove)
    journal = Journal(place / "journals", "harness")
    stack.callback(journal.close)

    ports = free_ports(2)
    servers = Servers(data, place / "logs", ports, standby=options.has("promote"))
    stack.push_async_callback(asyncio.to_thread, servers.stop)
    await asyncio.to_thread(_prepare, servers)

    ways = _Ways(ports if options.has("promote") else ports[:1], stack)
    workers = [await _worker(options, place, number, ways) for number in range(options.workers)]
    fleet = Fleet(workers, journals=place / "journals")
    stack.callback(fleet.kill)
    feeding = await ways.link()
    client = Client(_address([("127.0.0.1", port) for port in feeding.ports]))
    stack.push_async_callback(client.close)
    arena = Arena(servers, fleet, feeding, journal, ways.namespaces, small_disk)
    feeder = Feeder(
        client,
        journal,
        Generator(options.seed, deadly=options.has("kill")),
        rate=options.rate,
        backlog=_Backlog(servers).count,
    )
    return Stage(options, place, servers, journal, arena, fleet, client, feeder)


class _Ways:
    """Makes links and network namespaces that end with the run."""

    def __init__(self, targets: Sequence[int], stack: AsyncExitStack) -> None:
        self.targets = targets
        self.namespaces: dict[int, Namespace] = {}
        self._stack = stack

    async def link(self) -> Link:
        link = Link(self.targets)
        await link.start()
        self._stack.push_async_callback(link.close)
        return link

    def namespace(self, number: int) -> Namespace:
        namespace = self.namespaces[number] = Namespace()
        self._stack.callback(namespace.remove)
        return namespace


async def _worker(options: Options, place: Path, number: int, ways: _Ways) -> Worker:
    log = place / "logs" / f"worker-{number}.jsonl"
    log.touch()
    if options.has("unplug", "vanish") and number == options.workers - 1:
        namespace = ways.namespace(number)
        dsn = _address([(namespace.address, port) for port in ways.targets])
        return Worker(number, None, dsn, log, namespace.name)
    link = await ways.link()
    return Worker(number, link, _address([("127.0.0.1", port) for port in link.ports]), log)


def _prepare(servers: Servers) -> None:
    servers.start()
    migrate(servers.dsn(), schema="baton")
    with servers.primary.connect() as conn:
        conn.execute((HERE / "tables.sql").read_bytes())
    servers.follow()


def _address(places: Sequence[tuple[str, int]]) -> str:
    hosts = ",".join(host for host, _ in places)
    numbers = ",".join(str(port) for _, port in places)
    return (
        f"host={hosts} port={numbers} user=postgres dbname=postgres sslmode=disable "
        f"gssencmode=disable connect_timeout=3"
        + (" target_session_attrs=read-write" if len(places) > 1 else "")
    )


def count_open(servers: Servers, processes: int = 0) -> int:
    """How much has not ended, the leases of dead processes included.

    Args:
        servers: where.
        processes: how many live.
    """
    query = """
      select (select count(*) from baton.jobs
          where state not in ('completed', 'discarded', 'cancelled'))
        + (select count(*) from baton.workflows where state = 'executing')
        + (select count(*) from baton.workflow_releases)
        + (select greatest(count(*) - %s, 0) from baton.leases)
    """
    with servers.primary.connect() as conn:
        [(count,)] = conn.execute(query.encode(), [processes]).fetchall()
    return int(count)


class _Backlog:
    """How many jobs have not ended; asked now and then, and not while the server is away."""

    def __init__(self, servers: Servers) -> None:
        self._servers = servers
        self._asked = 0.0
        self._count = 0

    async def count(self) -> int:
        if time.time() > self._asked + 2:
            self._asked = time.time()
            with suppress(psycopg.Error, OSError):
                self._count = await asyncio.to_thread(count_open, self._servers)
        return self._count
