"""Runs commands in this process, which takes a hundredth of the time of a process of their own."""

import fcntl
import json
import os
import pty
import signal
import subprocess
import sys
import termios
from collections.abc import Callable
from typing import Any

from typer.testing import CliRunner, Result

from baton.cli import app as application


def invoke(*words: str, dsn: str, **environment: str) -> Result:
    """Run a command on a database; what it raises, except to end, is raised on."""
    env = {"BATON_DSN": dsn, **environment}
    result = CliRunner().invoke(application.app, words, env=env, prog_name="baton")
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def said(*words: str, dsn: str, **environment: str) -> str:
    """What a command that ends well says on standard output; on the other it says nothing."""
    result = invoke(*words, dsn=dsn, **environment)
    assert result.exit_code == 0, result.stderr
    assert result.stderr == ""
    return result.stdout


def told(*words: str, dsn: str) -> Any:
    """What a command tells in JSON."""
    return json.loads(said(*words, "--json", dsn=dsn))


def at_a_terminal(
    *words: str, dsn: str, react: Callable[[str, int], bool], **environment: str
) -> tuple[int, str]:
    """Run a command at a terminal of its own.

    Args:
        words: the command.
        dsn: its database.
        react: gets what stands on the terminal so far and what to write keys to, whenever there is
            more; it says whether it has seen what it waited for.
        environment: more variables.

    Returns:
        The exit code, and all that stood on the terminal.
    """
    master, slave = pty.openpty()
    env = {**os.environ, "BATON_DSN": dsn, "TERM": "xterm", "COLUMNS": "120", **environment}
    command = [sys.executable, "-m", "baton", *words]
    with subprocess.Popen(
        command,
        env=env,
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
        # so that Ctrl-C interrupts it
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509
    ) as process:
        os.close(slave)
        shown, waits = "", True
        try:
            while chunk := os.read(master, 65_536):
                shown += chunk.decode(errors="replace")
                if waits and react(shown, master):
                    waits = False
        except OSError:  # the terminal is closed with the process
            pass
        finally:
            if process.poll() is None and waits:
                process.send_signal(signal.SIGKILL)
        code = process.wait(60)
    os.close(master)
    return code, shown
