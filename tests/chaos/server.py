"""PostgreSQL servers of a run's own, which may be crashed, filled and promoted.

They are durable: ``fsync`` is on, so that what a commit has promised must be there after a crash.
"""

import os
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict

from baton.embedded import EmbeddedServer, binary

SETTINGS = {
    "listen_addresses": "*",  # pg_hba.conf lets in this machine and its network namespaces alone
    "max_connections": "300",
    "max_wal_size": "128MB",
    "min_wal_size": "32MB",
    "wal_keep_size": "64MB",
    "log_line_prefix": "%m [%p] %a ",
    "log_lock_waits": "on",
    "deadlock_timeout": "200ms",
    "wal_retrieve_retry_interval": "200ms",
    "wal_receiver_timeout": "5s",
    "ssl": "off",
}
HBA = """
local all all trust
local replication all trust
host all all 127.0.0.1/32 trust
host all all 10.213.0.0/16 trust
"""
PATIENCE = 180.0  # seconds for a server to come back


class Postgres:
    """One server: a directory with its data, a port, and a log that outlives the data."""

    def __init__(self, place: Path, logs: Path, name: str, port: int) -> None:
        self.home = place / name
        self.port = port
        self.logs = logs
        self._generation = 0
        self._guard: EmbeddedServer | None = None
        self._host = ""
        self._bin: Path | None = None

    @property
    def data(self) -> Path:
        return self.home / "data"

    def create(self) -> None:
        """Make its data, and start it; it stops with this process, however that ends."""
        self.home.mkdir(exist_ok=True)
        self._generation += 1
        self._log = self.logs / f"{self.home.name}-{self._generation}.log"
        self._log.touch()
        if os.geteuid() == 0:
            shutil.chown(self.home, "nobody")
            shutil.chown(self._log, "nobody")
        link = self.home / "server.log"
        link.unlink(missing_ok=True)
        link.symlink_to(self._log)  # on another file system, so that a full disk is logged too
        hba = self.logs / "pg_hba.conf"
        hba.write_text(HBA)
        settings = {**SETTINGS, "port": str(self.port), "hba_file": str(hba)}
        self._guard = EmbeddedServer.start(self.home, settings)
        self._host = str(conninfo_to_dict(self._guard.dsn())["host"])
        pid = int((self.data / "postmaster.pid").read_text().split()[0])
        self._bin = Path(f"/proc/{pid}/exe").resolve().parent

    def dsn(self, database: str = "postgres") -> str:
        """Its address without any proxy, over its Unix socket."""
        return f"host={self._host} port={self.port} dbname={database} user=postgres"

    def connect(self, **options: Any) -> psycopg.Connection[Any]:
        return psycopg.connect(self.dsn(), autocommit=True, connect_timeout=30, **options)

    def crash(self) -> None:
        """Stop it as if the machine had lost its power, except for the machine's own cache."""
        self._run("pg_ctl", "-D", self.data, "-m", "immediate", "-w", "stop", check=False)

    def start(self) -> float:
        """Start it again; return when it answered, in seconds since 1970."""
        if not self.is_alive():
            self._run("pg_ctl", "-D", self.data, "-l", self._log, "-W", "start", check=False)
        return self.answers()

    def answers(self, *, writes: bool = False) -> float:
        """Wait until it answers a query, or takes writes; return when that was."""
        until = time.time() + PATIENCE
        query = "select not pg_is_in_recovery()" if writes else "select true"
        while True:
            try:
                with self.connect() as conn:
                    if conn.execute(query.encode()).fetchall() == [(True,)]:
                        return time.time()
            except psycopg.Error:
                pass
            if time.time() > until:
                raise TimeoutError(f"the server of {self.home} does not come back")
            time.sleep(0.01)

    def is_alive(self) -> bool:
        try:
            pid = int((self.data / "postmaster.pid").read_text().split()[0])
            os.kill(pid, 0)
        except (OSError, ValueError, IndexError):
            return False
        return Path(f"/proc/{pid}/cwd").exists() and (
            Path(f"/proc/{pid}/cwd").readlink() == self.data.resolve()
        )

    def stop(self) -> None:
        if self._guard is not None:
            if self.is_alive():
                self.crash()
            self._guard.stop()
            self._guard = None

    def copy_of(self, primary: "Postgres") -> None:
        """Become a standby of another server: its data are copied anew, and it follows it."""
        self.stop()
        shutil.rmtree(self.home, ignore_errors=True)
        self.home.mkdir()
        if os.geteuid() == 0:
            shutil.chown(self.home, "nobody")
        self._bin = primary._bin
        source = f"{primary.dsn('')} application_name={self.home.name}".replace("dbname= ", "")
        self._run(
            "pg_basebackup", "-d", source, "-D", self.data, "-R", "-X", "stream", "-c", "fast"
        )
        self.create()

    def promote(self) -> float:
        """Make a standby the primary; return when it took writes."""
        self._run("pg_ctl", "-D", self.data, "-W", "promote")
        return self.answers(writes=True)

    def log(self) -> str:
        return "".join(
            path.read_text("utf-8", errors="replace")
            for path in sorted(self.logs.glob(f"{self.home.name}-*.log"))
        )

    def _run(self, program: str, *words: str | Path, check: bool = True) -> None:
        where = self._bin if self._bin is not None else binary(program).parent
        environment = {k: v for k, v in os.environ.items() if not k.startswith("PG")}
        ended = subprocess.run(
            [where / program, *words],
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,  # a server that is started inherits it
            stderr=subprocess.DEVNULL if program == "pg_ctl" else subprocess.PIPE,
            env={**environment, "LC_ALL": "C"},
            cwd=self.home,
            **owner(self.home),
        )
        if check and ended.returncode:
            raise RuntimeError(f"{program} failed: {(ended.stderr or b'').decode()}")


class Servers:
    """A primary, and on demand a standby that can take its place.

    Every commit that waits for the disk also waits for the standby, so that what was promised is
    there after a promotion.
    """

    def __init__(self, place: Path, logs: Path, ports: Sequence[int], *, standby: bool) -> None:
        self.all = [
            Postgres(place, logs, name, port) for name, port in zip("ab", ports, strict=True)
        ]
        self.primary = self.all[0]
        self.standby: Postgres | None = None
        self._wanted = standby

    def start(self) -> None:
        self.primary.create()

    def dsn(self) -> str:
        """The address of whichever server takes writes."""
        return self.primary.dsn()

    def follow(self) -> None:
        """Give the primary a standby, and let commits wait for it."""
        if not self._wanted:
            return
        [other] = [server for server in self.all if server is not self.primary]
        other.copy_of(self.primary)
        with self.primary.connect() as conn:
            conn.execute(
                f"alter system set synchronous_standby_names = '{other.home.name}'".encode()
            )
            conn.execute("select pg_reload_conf()")
        self.standby = other
        self.in_sync()

    def in_sync(self) -> None:
        """Wait until the standby has everything."""
        query = """
          select count(*) from pg_stat_replication
          where sync_state = 'sync' and flush_lsn >= pg_current_wal_flush_lsn()
        """
        until = time.time() + PATIENCE
        with self.primary.connect() as conn:
            while conn.execute(query.encode()).fetchall() != [(1,)]:
                if time.time() > until:
                    raise TimeoutError("the standby does not follow")
                time.sleep(0.02)

    def fail_over(self) -> float:
        """Crash the primary and promote the standby; return when that took writes."""
        standby = self.standby
        assert standby is not None
        self.in_sync()
        self.primary.crash()
        back = standby.promote()
        self.primary, self.standby = standby, None
        return back

    def heal(self) -> float:
        """Start whatever should run and does not; return when the primary answered."""
        back = self.primary.start()
        if self.standby is not None:
            self.standby.start()
        return back

    def stop(self) -> None:
        for server in self.all:
            server.stop()

    def log(self) -> str:
        return "".join(server.log() for server in self.all)


def owner(path: Path) -> Mapping[str, Any]:
    """The arguments with which a program runs as the owner of a directory."""
    if os.geteuid() != 0:
        return {}
    facts = path.stat()
    return {"user": facts.st_uid, "group": facts.st_gid, "extra_groups": []}
