"""Tools for the tests of programs that use Baton. ``import baton.testing`` makes them available."""

from baton.testing.inline import inline
from baton.testing.performing import Performed, PerformOptions, perform_job, perform_job_sync

__all__ = [
    "PerformOptions",
    "Performed",
    "inline",
    "perform_job",
    "perform_job_sync",
]
