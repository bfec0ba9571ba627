"""Tools for the tests of programs that use Baton. ``import baton.testing`` makes them available.

Each function that looks at a database has an asynchronous form and one whose name ends in
``_sync``.
"""

from baton.outcomes import Skipped
from baton.testing.assertions import (
    all_enqueued,
    all_enqueued_sync,
    assert_enqueued,
    assert_enqueued_sync,
    refute_enqueued,
    refute_enqueued_sync,
)
from baton.testing.clock import Clock, clock
from baton.testing.draining import Drained, drain_queue, drain_queue_sync
from baton.testing.expecting import Criteria
from baton.testing.inline import inline
from baton.testing.performing import Performed, PerformOptions, perform_job, perform_job_sync
from baton.testing.targets import Where, manual

__all__ = [
    "Clock",
    "Criteria",
    "Drained",
    "PerformOptions",
    "Performed",
    "Skipped",
    "Where",
    "all_enqueued",
    "all_enqueued_sync",
    "assert_enqueued",
    "assert_enqueued_sync",
    "clock",
    "drain_queue",
    "drain_queue_sync",
    "inline",
    "manual",
    "perform_job",
    "perform_job_sync",
    "refute_enqueued",
    "refute_enqueued_sync",
]
