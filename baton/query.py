"""`Query`: looking at workflows with the default client."""

from typing import Unpack, cast
from uuid import UUID

from baton.ambient import ambient
from baton.client import Client
from baton.filters import Place, WorkflowFilter
from baton.jobs import Job
from baton.status import Progress, WorkflowStatus
from baton.trees import WorkflowTree
from baton.why import Why


class Query:
    """Looks at workflows with the default client; nothing is locked or written.

    `Client` and `SyncClient` have the same methods. Where a workflow is named, the beginning of its
    id will do, of at least four characters. Every method raises `DatabaseError` when the database
    refuses or is away.
    """

    @staticmethod
    async def get_workflow(workflow_id: UUID | str) -> WorkflowStatus:
        """Return how a workflow and its steps stand; `Client.get_workflow` says more."""
        return await (await _client()).get_workflow(workflow_id)

    @staticmethod
    async def get_workflow_tree(workflow_id: UUID | str, *, results: bool = False) -> WorkflowTree:
        """Return it with its sub-workflows; `Client.get_workflow_tree` says more."""
        return await (await _client()).get_workflow_tree(workflow_id, results=results)

    @staticmethod
    async def get_workflow_jobs(
        workflow_id: UUID | str, *, after: int = 0, limit: int | None = None
    ) -> list[Job]:
        """Return the jobs of a workflow; `Client.get_workflow_jobs` says more."""
        return await (await _client()).get_workflow_jobs(workflow_id, after=after, limit=limit)

    @staticmethod
    async def list_workflows(
        *,
        before: Place | None = None,
        limit: int = 50,
        **which: Unpack[WorkflowFilter],
    ) -> list[WorkflowStatus]:
        """Return the newest workflows that fit; `Client.list_workflows` says more."""
        return await (await _client()).list_workflows(before=before, limit=limit, **which)

    @staticmethod
    async def progress(workflow_id: UUID | str) -> Progress:
        """Return how far a workflow is; `Client.progress` says more."""
        return await (await _client()).progress(workflow_id)

    @staticmethod
    async def why(subject: UUID | str | int, step: str | None = None) -> Why:
        """Say why a job, a workflow or a step is as it is; `Client.why` says more."""
        return await (await _client()).why(subject, step)


async def _client() -> Client:
    return cast(Client, await ambient.client.looking())
