"""A real PgBouncer in front of the test server, in transaction mode."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep
from typing import Any
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest

POOL_SIZE = 3  # server connections a database, for everybody together
PORT = 6432

CONFIGURATION = """
[databases]
* = {server}

[pgbouncer]
listen_addr =
listen_port = {port}
unix_socket_dir = {directory}
logfile = {directory}/log
auth_type = any
pool_mode = transaction
default_pool_size = {pool_size}
max_client_conn = 300
log_connections = 0
log_disconnections = 0
"""


@dataclass
class PgBouncer:
    """A running pooler.

    Attributes:
        directory: where its socket and its log are.
        process: the process.
        server_dsn: what it stands before.
    """

    directory: Path
    process: subprocess.Popen[bytes]
    server_dsn: str

    def kill(self) -> None:
        """End it, and every connection through it, at once."""
        self.process.kill()
        self.process.wait()

    def start_again(self) -> None:
        """Start it where it was."""
        self.process = _started(self.directory)
        _wait(self, self.server_dsn)

    def pause(self) -> None:
        """Answer nothing any more and keep every connection, as a network does that is cut."""
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Go on as if nothing had been."""
        self.process.send_signal(signal.SIGCONT)

    def dsn(self, database: str) -> str:
        """The address, through the pooler, of the database that a DSN of the server names."""
        name = urlsplit(database).path.lstrip("/")
        return f"postgresql://postgres@/{name}?host={self.directory}&port={PORT}"

    def log(self) -> str:
        return (self.directory / "log").read_text()


def program() -> str:
    """Where PgBouncer is; without it a test is skipped, but not where everything has to be run."""
    found = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if found is None and os.environ.get("CI"):
        pytest.fail("PgBouncer is not installed; run: apt-get install pgbouncer")
    if found is None:
        pytest.skip(
            "PgBouncer is not installed; apt-get install pgbouncer runs these tests as well"
        )
    return found


@contextmanager
def pgbouncer(server_dsn: str) -> Iterator[PgBouncer]:
    """Run one; it refuses to run as root, and so runs as nobody for root."""
    program()  # or nothing is to be made
    directory = Path(tempfile.mkdtemp(prefix="baton-pgbouncer-", dir="/tmp"))
    (directory / "pgbouncer.ini").write_text(
        CONFIGURATION.format(
            server=_server(server_dsn), port=PORT, directory=directory, pool_size=POOL_SIZE
        )
    )
    pooler = PgBouncer(directory, _started(directory), server_dsn)
    try:
        _wait(pooler, server_dsn)
        yield pooler
    finally:
        pooler.kill()
        shutil.rmtree(directory)


def _started(directory: Path) -> subprocess.Popen[bytes]:
    running: dict[str, Any] = {}
    if os.geteuid() == 0:
        nobody = pwd.getpwnam("nobody")
        os.chown(directory, nobody.pw_uid, nobody.pw_gid)
        running = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
    return subprocess.Popen(
        [program(), "pgbouncer.ini"],
        cwd=directory,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        **running,
    )


def _server(dsn: str) -> str:
    parts = urlsplit(dsn)
    host = parse_qs(parts.query).get("host", [parts.hostname or "127.0.0.1"])[0]
    facts = {"host": host, "port": str(parts.port or 5432), "user": parts.username or "postgres"}
    if parts.password:
        facts["password"] = parts.password
    return " ".join(f"{name}={value}" for name, value in facts.items())


def _wait(pooler: PgBouncer, server_dsn: str) -> None:
    give_up = monotonic() + 120
    while True:
        try:
            psycopg.connect(pooler.dsn(server_dsn)).close()
        except psycopg.OperationalError:
            if pooler.process.poll() is not None or monotonic() > give_up:
                log = pooler.directory / "log"
                pytest.fail(f"PgBouncer does not start: {log.read_text() if log.exists() else ''}")
            sleep(0.01)
        else:
            return
