"""What a client looks at before it goes to the database."""

from collections.abc import Sequence

from baton.errors import InvalidJob
from baton.jobs import NewJob


def checked(jobs: Sequence[NewJob]) -> Sequence[NewJob]:
    """Return jobs that are jobs.

    Raises:
        InvalidJob: one is something else.
    """
    for job in jobs:
        if not isinstance(job, NewJob):
            raise InvalidJob(f"{job!r} is not a job; .new() of a worker makes one")
    return jobs
