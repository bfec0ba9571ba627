"""Which process of which machine this is, so that others of the same machine see when it is gone.

Only Linux tells enough: the boot, the namespace in which a process id means something, and when the
process began, since ids are used again. Elsewhere the silence of a lease has to do.
"""

import os
from pathlib import Path

_PROC = Path("/proc")
_STARTED = 21  # fields of /proc/<pid>/stat, counted from 0; the name may hold spaces


def this_machine() -> str | None:
    """Return what all processes have in common that see each other; ``None`` when unknown."""
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text("ascii").strip()
        return f"{boot} {(_PROC / 'self/ns/pid').readlink()}"
    except (OSError, ValueError):
        return None


def this_process() -> str | None:
    """Return what nothing else is called, on any machine and at any time."""
    machine, started = this_machine(), _facts(os.getpid())[1]
    return f"{machine} {os.getpid()} {started}" if machine and started else None


def is_gone(process: str) -> bool:
    """Whether a process of this machine has ended for certain.

    Args:
        process: as `this_process` called it there.
    """
    machine, _, rest = process.partition("] ")
    pid, _, started = rest.partition(" ")
    if f"{machine}]" != this_machine() or not pid.isdecimal():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):
        return False  # it is there, and somebody else's
    state, found = _facts(int(pid))
    return found is not None and (found != started or (state == "Z" and _is_alone(int(pid))))


def _facts(pid: int) -> tuple[str, str | None]:
    """Return the state of a process, and when it began in ticks since the boot."""
    try:
        text = (_PROC / str(pid) / "stat").read_text("utf-8", "replace")
    except OSError:
        return "", None
    state, *fields = text.rpartition(")")[2].split()
    return state, fields[_STARTED - 3]


def _is_alone(pid: int) -> bool:
    """Whether no thread is left but the first; a zombie's others may run on."""
    try:
        return len(list((_PROC / str(pid) / "task").iterdir())) <= 1
    except OSError:
        return False
