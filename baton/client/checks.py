"""What a client does to new jobs before it goes to the database."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from baton.errors import InvalidJob, InvalidWorkflow
from baton.jobs import NewJob
from baton.workers import Registry
from baton.workflows import Workflow


def checked(registry: Registry, jobs: Iterable[NewJob]) -> list[NewJob]:
    """Return jobs as the hooks of a registry leave them, with the context that they carry.

    Raises:
        InvalidJob: one is something else.
        Exception: what a check before an insert raised to refuse it.
    """
    return list(each_checked(registry, jobs))


def each_checked(registry: Registry, jobs: Iterable[NewJob]) -> Iterator[NewJob]:
    """Do what `checked` does, one job at a time."""
    context = registry.context()
    if not context and not registry.has_checks:
        return map(_job, jobs)
    return (_checked(registry, job, context) for job in jobs)


def checked_job(registry: Registry, job: NewJob) -> NewJob:
    """Do what `checked` does, for one job."""
    return _checked(registry, job, registry.context())


def checked_workflows(registry: Registry, workflows: Iterable[Workflow]) -> list[Workflow]:
    """Return valid workflows whose jobs are as `checked` leaves them.

    Raises:
        InvalidWorkflow: one is not valid, or no workflow.
    """
    given = list(workflows)
    for workflow in given:
        if not isinstance(workflow, Workflow):
            raise InvalidWorkflow(f"{workflow!r} is not a workflow")
        workflow.validate()
    context = registry.context()
    return [workflow.with_jobs(lambda job: _checked(registry, job, context)) for workflow in given]


def _job(given: NewJob) -> NewJob:
    if not isinstance(given, NewJob):
        raise InvalidJob(f"{given!r} is not a job; .new() of a worker makes one")
    return given


def _checked(registry: Registry, job: NewJob, context: dict[str, object]) -> NewJob:
    job = registry.checked(_job(job))
    # what a check has put into the context stays
    return replace(job, context={**job.context, **context}) if context else job
