"""``baton version``: the versions of what is installed, for bug reports."""

import platform

from baton import __version__
from baton.store.versions import client_versions


def version() -> None:
    """Print the versions of Baton, of Python, and of what talks to PostgreSQL."""
    versions = {"baton": __version__, "python": platform.python_version(), **client_versions()}
    for name, number in versions.items():
        print(f"{name} {number}")
