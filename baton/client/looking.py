"""How clients look at jobs and workflows: one, lists of them, and how far they are."""

from typing import Self, Unpack
from uuid import UUID

from baton.errors import NotFound
from baton.failures import ErrorGroup
from baton.filters import (
    LARGEST_ID,
    Place,
    WorkflowFilter,
    WorkflowPage,
    check_limit,
    read_states,
    search_of,
)
from baton.jobs import Job
from baton.overview import Overview
from baton.queues import WorkerProcess
from baton.search import ErrorSearch, JobSearch, ProcessSearch
from baton.states import State
from baton.status import Progress, WorkflowStatus
from baton.store import failures, looking, overviews, processes, reading
from baton.store import why as why_store
from baton.store.asking import Asking, answer, answer_sync
from baton.store.pools import Database, SyncDatabase
from baton.store.trees import workflow_tree
from baton.trees import WorkflowTree
from baton.why import Why


class Looking:
    """What `Client` can tell of jobs and workflows; nothing here locks or writes.

    Where a workflow is named, the beginning of its id will do, of at least four characters. Every
    method raises `DatabaseError` when the database refuses or is away.
    """

    _database: Database

    async def looking(self) -> Self:
        """Return this client; `Query` asks the default client for the one that it stands for."""
        return self

    async def get_job(self, job_id: int) -> Job:
        """Return a job as it stands.

        Raises:
            NotFound: there is none of that id.
        """
        job = await answer(self._database, reading.job(job_id))
        if job is None:
            raise NotFound("job", job_id)
        return job

    async def list_jobs(
        self,
        *,
        where: str | JobSearch = "",
        state: State | str | None = None,
        queue: str | None = None,
        worker: str | None = None,
        before: int | None = None,
        limit: int = 50,
    ) -> list[Job]:
        """Return the newest jobs that fit.

        Args:
            where: a filter, such as ``state:retryable worker:Send* args.user_id:42 since:1h``.
            state: the state that they are in.
            queue: the queue that they are of.
            worker: the name of their worker.
            before: the last id of the page before.
            limit: how many at most.

        Raises:
            InvalidFilter: a word of the filter can't be understood, there is no such state, or the
                limit is no number above 0.
            DatabaseError: the database refused or is away.
        """
        search = _narrowed(where, state, queue, worker)
        asking = reading.jobs(search, before=before, limit=check_limit(limit))
        return await answer(self._database, asking)

    async def running_steps(self, workflow_id: UUID) -> dict[str, str]:
        """Return the names of the steps that run right now, each with its process: host and pid."""
        return await answer(self._database, reading.running_steps(workflow_id))

    async def find_workflow(self, workflow_id: UUID | str) -> UUID:
        """Return the whole id of a workflow.

        Raises:
            NotFound: none begins so, or several do.
        """
        return await answer(self._database, looking.workflow_id(workflow_id))

    async def get_workflow(self, workflow_id: UUID | str) -> WorkflowStatus:
        """Return how a workflow and its steps stand.

        Args:
            workflow_id: the id, or the beginning of one, of at least four characters.

        Raises:
            NotFound: there is none of that id, or there are several that begin so.
        """
        return await answer(self._database, looking.workflow(workflow_id))

    async def get_workflow_tree(
        self, workflow_id: UUID | str, *, results: bool = False
    ) -> WorkflowTree:
        """Return how a workflow and its sub-workflows stand, with all dependencies.

        Args:
            workflow_id: the id, or the beginning of one, of at least four characters.
            results: whether to read what the steps returned, which may be large.

        Raises:
            NotFound: there is none of that id, or there are several that begin so.
        """
        return await answer(self._database, workflow_tree(workflow_id, results=results))

    async def get_workflow_jobs(
        self, workflow_id: UUID | str, *, after: int = 0, limit: int | None = None
    ) -> list[Job]:
        """Return the jobs of the steps of a workflow, ids ascending.

        Args:
            workflow_id: which workflow.
            after: the last id of the page before.
            limit: how many at most; all of them unless said otherwise.

        Raises:
            NotFound: there is no such workflow.
            InvalidFilter: the limit is no number above 0.
        """
        limit = None if limit is None else check_limit(limit)
        asking = looking.workflow_jobs(workflow_id, after=after, limit=limit)
        return await answer(self._database, asking)

    async def list_workflows(
        self,
        *,
        before: Place | None = None,
        limit: int = 50,
        **which: Unpack[WorkflowFilter],
    ) -> list[WorkflowStatus]:
        """Return the newest workflows that fit, without their nodes.

        The steps of a workflow of 1,000 steps or more are not looked at, however many there are.

        Args:
            before: the last one of the page before: its id, or ``(inserted_at, id)``, which it need
                not be there any more for.
            limit: how many at most.
            which: criteria; `WorkflowFilter` says what they mean.

        Raises:
            InvalidFilter: a criterion can't be used.
            NotFound: there is no workflow that was named, as the parent or as the last one before.
        """
        page = WorkflowPage.of(which, before=before, limit=limit)
        return await answer(self._database, looking.workflows(page))

    async def progress(self, workflow_id: UUID | str) -> Progress:
        """Return how far a workflow is; a million steps are not counted to know it.

        Raises:
            NotFound: there is no such workflow.
        """
        return await answer(self._database, looking.progress(workflow_id))

    async def overview(self, *, most: int = 10) -> Overview:
        """Return how everything goes right now: queues, rates, what runs, and what failed.

        Args:
            most: how many running jobs and failures at most.
        """
        return await answer(self._database, overviews.overview(check_limit(most)))

    async def processes(
        self,
        where: str | ProcessSearch = "",
        *,
        after: int | None = None,
        limit: int | None = None,
    ) -> list[WorkerProcess]:
        """Return the worker processes that fit, the oldest first.

        Args:
            where: a filter, such as ``state:lost queue:mail``.
            after: the lease of the last one of the page before.
            limit: how many at most; all of them by default.

        Raises:
            InvalidFilter: the filter or the limit can't be used.
        """
        return await answer(self._database, _processes(where, after, limit))

    async def errors(
        self,
        where: str | ErrorSearch = "",
        *,
        after: str | None = None,
        limit: int | None = None,
    ) -> list[ErrorGroup]:
        """Return the newest errors in groups of those that are alike, the most frequent first.

        The newest 2,000 discarded jobs that fit are looked at, and as many to be tried again.

        Args:
            where: a filter, such as ``queue:mail kind:TimeoutError jobs:5.. since:1h``.
            after: the ``place`` of the last group of the page before.
            limit: how many groups at most; all of them by default.

        Raises:
            InvalidFilter: the filter, the place or the limit can't be used.
        """
        return await answer(self._database, _errors(where, after, limit))

    async def why(self, subject: UUID | str | int, step: str | None = None) -> Why:
        """Say why a job, a workflow, or a step of one waits, runs, or ended as it did.

        What is read is bounded, however large a workflow is.

        Args:
            subject: the id of a workflow, or a number: that of a job.
            step: the name of a step of the workflow.

        Raises:
            NotFound: there is no such job, workflow or step.
        """
        return await answer(self._database, why_store.why(subject, step))


class SyncLooking:
    """Does what `Looking` does, for programs without an event loop."""

    _database: SyncDatabase

    def get_job(self, job_id: int) -> Job:
        """Do what `Looking.get_job` does."""
        job = answer_sync(self._database, reading.job(job_id))
        if job is None:
            raise NotFound("job", job_id)
        return job

    def list_jobs(
        self,
        *,
        where: str | JobSearch = "",
        state: State | str | None = None,
        queue: str | None = None,
        worker: str | None = None,
        before: int | None = None,
        limit: int = 50,
    ) -> list[Job]:
        """Do what `Looking.list_jobs` does."""
        search = _narrowed(where, state, queue, worker)
        asking = reading.jobs(search, before=before, limit=check_limit(limit))
        return answer_sync(self._database, asking)

    def running_steps(self, workflow_id: UUID) -> dict[str, str]:
        """Do what `Looking.running_steps` does."""
        return answer_sync(self._database, reading.running_steps(workflow_id))

    def find_workflow(self, workflow_id: UUID | str) -> UUID:
        """Do what `Looking.find_workflow` does."""
        return answer_sync(self._database, looking.workflow_id(workflow_id))

    def get_workflow(self, workflow_id: UUID | str) -> WorkflowStatus:
        """Do what `Looking.get_workflow` does."""
        return answer_sync(self._database, looking.workflow(workflow_id))

    def get_workflow_tree(self, workflow_id: UUID | str, *, results: bool = False) -> WorkflowTree:
        """Do what `Looking.get_workflow_tree` does."""
        return answer_sync(self._database, workflow_tree(workflow_id, results=results))

    def get_workflow_jobs(
        self, workflow_id: UUID | str, *, after: int = 0, limit: int | None = None
    ) -> list[Job]:
        """Do what `Looking.get_workflow_jobs` does."""
        limit = None if limit is None else check_limit(limit)
        asking = looking.workflow_jobs(workflow_id, after=after, limit=limit)
        return answer_sync(self._database, asking)

    def list_workflows(
        self,
        *,
        before: Place | None = None,
        limit: int = 50,
        **which: Unpack[WorkflowFilter],
    ) -> list[WorkflowStatus]:
        """Do what `Looking.list_workflows` does."""
        page = WorkflowPage.of(which, before=before, limit=limit)
        return answer_sync(self._database, looking.workflows(page))

    def progress(self, workflow_id: UUID | str) -> Progress:
        """Do what `Looking.progress` does."""
        return answer_sync(self._database, looking.progress(workflow_id))

    def overview(self, *, most: int = 10) -> Overview:
        """Do what `Looking.overview` does."""
        return answer_sync(self._database, overviews.overview(check_limit(most)))

    def processes(
        self,
        where: str | ProcessSearch = "",
        *,
        after: int | None = None,
        limit: int | None = None,
    ) -> list[WorkerProcess]:
        """Do what `Looking.processes` does."""
        return answer_sync(self._database, _processes(where, after, limit))

    def errors(
        self,
        where: str | ErrorSearch = "",
        *,
        after: str | None = None,
        limit: int | None = None,
    ) -> list[ErrorGroup]:
        """Do what `Looking.errors` does."""
        return answer_sync(self._database, _errors(where, after, limit))

    def why(self, subject: UUID | str | int, step: str | None = None) -> Why:
        """Do what `Looking.why` does."""
        return answer_sync(self._database, why_store.why(subject, step))


def _narrowed(
    where: str | JobSearch, state: State | str | None, queue: str | None, worker: str | None
) -> JobSearch:
    states = None if state is None else read_states(state)
    return search_of(JobSearch, where).narrowed(states=states, queue=queue, worker=worker)


def _processes(
    where: str | ProcessSearch, after: int | None, limit: int | None
) -> Asking[list[WorkerProcess]]:
    return processes.processes(
        search_of(ProcessSearch, where),
        after=None if after is None else max(0, min(after, LARGEST_ID)),
        limit=None if limit is None else check_limit(limit),
    )


def _errors(
    where: str | ErrorSearch, after: str | None, limit: int | None
) -> Asking[list[ErrorGroup]]:
    limit = None if limit is None else check_limit(limit)
    return failures.errors(search_of(ErrorSearch, where), after=after, limit=limit)
