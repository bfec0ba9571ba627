"""``baton web`` as a process."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import httpx
import pytest

BATON = [sys.executable, "-m", "baton", "web"]
LONG = 60.0  # seconds; httpx itself gives an answer five


def environment(dsn: str, **changes: str) -> dict[str, str]:
    return {**os.environ, "BATON_DSN": dsn, **changes}


@contextmanager
def page(dsn: str, *options: str, **changes: str) -> Iterator[str]:
    """A page that is served; it ends well when it is told to, also while it is looked at."""
    command = [*BATON, "--bind", "127.0.0.1:0", *options]
    with subprocess.Popen(
        command, env=environment(dsn, **changes), stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            found = re.search(r"http://\S+", process.stdout.readline())
            assert found is not None
            yield found[0]
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0
        finally:
            process.kill()


def refused(dsn: str, *options: str, **changes: str) -> tuple[int, str]:
    ended = subprocess.run(
        [*BATON, *options],
        env=environment(dsn, **changes),
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    return ended.returncode, ended.stderr


def test_the_page_is_served_and_ends_at_once_though_it_is_looked_at(
    database: str,
) -> None:
    with httpx.Client(timeout=LONG) as client, ExitStack() as stack:
        address = stack.enter_context(page(database))
        assert "No queue is known yet" in client.get(f"{address}/queues").text
        with client.stream("GET", f"{address}/live/queues") as live:
            lines = live.iter_lines()
            assert next(lines) == "event: list"
            stack.close()  # the process is told to end, and has ended
            assert "event: pulse" in list(lines)


def test_users_are_asked_for_and_arguments_hidden(database: str) -> None:
    options = {"BATON_WEB_USERS": "ada:secret", "BATON_WEB_VIEWERS": "ada"}
    with page(database, "--redact", "password", **options) as address:
        assert httpx.get(address, timeout=LONG).status_code == 401
        answer = httpx.get(address, auth=("ada", "secret"), timeout=LONG)
        assert "ada, read-only" in answer.text


@pytest.mark.parametrize("bind", ["0.0.0.0:0", ":0", "[::]:0", "192.0.2.1:0", "example.com:0"])
def test_other_machines_are_let_in_only_on_purpose(database: str, bind: str) -> None:
    code, said = refused(database, "--bind", bind)
    assert code == 2
    assert "can be reached from other machines" in said
    assert "secret" not in said.replace("ada:secret", "")


def test_insecure_is_said_aloud(database: str) -> None:
    with page(database, "--bind", "0.0.0.0:0", "--insecure") as address:
        port = address.rpartition(":")[2]
        here, named = f"http://127.0.0.1:{port}/", {"host": "box.example"}
        answer = httpx.get(here, headers=named, timeout=LONG)
        assert answer.status_code == 200


def test_what_can_not_be_served_is_said_in_a_sentence(database: str, empty_database: str) -> None:
    with page(database) as address:
        code, said = refused(database, "--bind", address.removeprefix("http://"))
        assert (code, said.count("\n")) == (2, 1)
        assert "can't be listened on" in said
    code, said = refused(database, "--bind", "nonsense")
    assert (code, "not an address" in said) == (2, True)
    code, said = refused(empty_database, "--bind", "127.0.0.1:0")
    assert (code, "baton migrate" in said) == (4, True)
