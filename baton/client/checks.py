"""What a client does to new jobs before it goes to the database."""

from collections.abc import Sequence
from dataclasses import replace

from baton.errors import InvalidJob
from baton.jobs import NewJob
from baton.workers import Registry
from baton.workflows import Workflow


def checked(registry: Registry, jobs: Sequence[NewJob]) -> list[NewJob]:
    """Return jobs as the hooks of a registry leave them, with the context that they carry.

    Raises:
        InvalidJob: one is something else.
        Exception: what a check before an insert raised to refuse it.
    """
    context = registry.context()
    return [_checked(registry, job, context) for job in jobs]


def checked_workflow(registry: Registry, workflow: Workflow) -> Workflow:
    """Return a valid workflow whose jobs are as `checked` leaves them.

    Raises:
        InvalidWorkflow: it is not valid.
    """
    workflow.validate()
    context = registry.context()
    return workflow.with_jobs(lambda job: _checked(registry, job, context))


def _checked(registry: Registry, job: NewJob, context: dict[str, object]) -> NewJob:
    if not isinstance(job, NewJob):
        raise InvalidJob(f"{job!r} is not a job; .new() of a worker makes one")
    job = registry.checked(job)
    return replace(job, context=context) if context else job
