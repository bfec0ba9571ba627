"""Looks at processes, as Linux tells of them."""

import os
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


def cpu(pid: int) -> float:
    """Seconds that a living process has used, in the kernel too."""
    fields = _fields(pid)
    return (int(fields[11]) + int(fields[12])) / TICKS


def cpu_with_children(pid: int) -> float:
    """Seconds that a process and its children have used, those that have ended too."""
    ended = sum(int(field) for field in _fields(pid)[13:15]) / TICKS
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    living = 0.0
    for child in children:
        try:
            living += cpu(int(child))
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has just ended, and will be counted the next time
    return cpu(pid) + ended + living


def parent(pid: int) -> int:
    return int(_fields(pid)[1])


def memory(pid: int) -> float:
    """Megabytes of memory that a process holds."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise ProcessLookupError(pid)


def _fields(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
