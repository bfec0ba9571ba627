"""The environments of the peers: one each, so that what they need does not meet.

All of them, Baton's too, are of one Python, so that nobody has a faster one.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.subjects import OWN, Subject

ROOT = Path(__file__).resolve().parent.parent
PLACE = ROOT / ".venv-peers"
OLDEST = (3, 12)  # what the peers need
PYTHON = "BENCHMARK_PYTHON"
COMMON = ("psycopg[binary,pool]>=3.3", "uvloop==0.23.0")


class Unusable(Exception):
    """An environment can't be made here."""


def command(subject: Subject, *, own: bool = False) -> Sequence[str]:
    """The program of a subject; its environment is made when it is missing.

    Args:
        subject: whose.
        own: whether Baton and the bare loops get one as the peers do, of the same Python.
    """
    if subject.node:
        return [_node(subject), str(ROOT / "benchmarks" / "adapters" / f"{subject.name}.mjs")]
    python = sys.executable
    if own or subject not in OWN:
        python = str(_python(subject))
    return [python, "-m", f"benchmarks.adapters.{subject.name}"]


def version(command: Sequence[str]) -> str:
    """The version of the Python that runs a program."""
    query = "import platform; print(platform.python_version())"
    told = subprocess.run([command[0], "-c", query], check=True, capture_output=True, text=True)
    return told.stdout.strip()


def _python(subject: Subject) -> Path:
    requirements = subject.requirements or ("--editable", str(ROOT))
    home = PLACE / ("baton" if subject in OWN else subject.name)
    python = home / "bin" / "python"
    wanted = "\n".join([*requirements, *COMMON])
    stamp = home / ".installed"
    if stamp.exists() and stamp.read_text() == wanted:
        return python
    print(f"making an environment for {subject.title}", file=sys.stderr)
    shutil.rmtree(home, ignore_errors=True)
    subprocess.run([_interpreter(), "-m", "venv", str(home)], check=True)
    install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*install, *requirements, *COMMON], check=True)
    stamp.write_text(wanted)
    return python


def _node(subject: Subject) -> str:
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        raise Unusable(f"{subject.title} needs Node.js, which is not installed here")
    home = PLACE / subject.name
    wanted = "\n".join(subject.requirements)
    stamp = home / ".installed"
    if not stamp.exists() or stamp.read_text() != wanted:
        print(f"installing {subject.title}", file=sys.stderr)
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir(parents=True)
        (home / "package.json").write_text("{}")
        subprocess.run([npm, "install", "--silent", *subject.requirements], cwd=home, check=True)
        stamp.write_text(wanted)
    return node


def _interpreter() -> str:
    """A Python that the peers can use: the one that is named, this one, or one that is found."""
    if named := os.environ.get(PYTHON):
        return named
    candidates = [sys.executable, *(found for v in (13, 14, 12) if (found := _found(f"3.{v}")))]
    for candidate in candidates:
        check = f"import ensurepip, venv, sys; sys.exit(sys.version_info < {OLDEST})"
        if (
            subprocess.run([candidate, "-c", check], check=False, capture_output=True).returncode
            == 0
        ):
            return candidate
    raise Unusable(f"the peers need Python 3.12 or newer; name one that is in {PYTHON}")


def _found(version: str) -> str | None:
    installed = sorted(Path.home().glob(f".pyenv/versions/{version}*/bin/python"))
    return str(installed[-1]) if installed else shutil.which(f"python{version}")
