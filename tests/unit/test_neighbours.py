"""Whether a process of this machine is gone: never said of one that lives."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from baton.services.neighbours import is_gone, this_machine, this_process

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/ns/pid").exists(), reason="only Linux tells enough"
)

TELL = "from baton.services.neighbours import this_process; print(this_process(), flush=True);"


def child(then: str) -> tuple[subprocess.Popen[str], str]:
    """A process that says what it is called and goes on with something."""
    started = subprocess.Popen(
        [sys.executable, "-c", TELL + then],
        stdout=subprocess.PIPE,
        stdin=subprocess.PIPE,
        text=True,
    )
    assert started.stdout is not None
    return started, started.stdout.readline().strip()


def test_this_process_is_there_and_starts_with_its_machine() -> None:
    name = str(this_process())
    assert not is_gone(name)
    assert name.startswith(str(this_machine()))
    assert str(os.getpid()) in name.split()


def test_a_killed_process_is_gone_before_and_after_its_parent_has_taken_note() -> None:
    started, name = child("input()")
    with started:
        assert not is_gone(name)
        started.kill()
        os.waitid(os.P_PID, started.pid, os.WEXITED | os.WNOWAIT)
        assert is_gone(name)  # a zombie
        started.wait()
        assert is_gone(name)


def test_a_process_that_has_the_id_of_one_before_it_is_not_that_one() -> None:
    name, _, began = str(this_process()).rpartition(" ")
    assert is_gone(f"{name} {int(began) - 1}")


def test_what_another_machine_says_or_nobody_can_read_is_not_known_to_be_gone() -> None:
    own = str(this_process())
    boot, namespace, _, began = own.split(" ")
    for name in (
        own.replace(boot, "11111111-2222-3333-4444-555555555555").replace(str(os.getpid()), "1"),
        f"{boot} pid:[1] 999999 {began}",
        f"{boot} {namespace} nonsense",
        f"{boot} {namespace} 9999999999999999999999 1",
        boot,
        "",
    ):
        assert not is_gone(name)
