"""How clients look at workflows: one, its jobs, lists of them, and how far they are."""

from typing import Self, Unpack
from uuid import UUID

from baton.filters import Place, WorkflowFilter, WorkflowPage, check_limit
from baton.jobs import Job
from baton.status import Progress, WorkflowStatus
from baton.store import looking
from baton.store import why as why_store
from baton.store.asking import answer, answer_sync
from baton.store.pools import Database, SyncDatabase
from baton.store.trees import workflow_tree
from baton.trees import WorkflowTree
from baton.why import Why


class Looking:
    """What `Client` can tell of workflows; nothing here locks or writes.

    Where a workflow is named, the beginning of its id will do, of at least four characters. Every
    method raises `DatabaseError` when the database refuses or is away.
    """

    _database: Database

    async def looking(self) -> Self:
        """Return this client; `Query` asks the default client for the one that it stands for."""
        return self

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

    def why(self, subject: UUID | str | int, step: str | None = None) -> Why:
        """Do what `Looking.why` does."""
        return answer_sync(self._database, why_store.why(subject, step))
