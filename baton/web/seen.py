"""Whether one thing is among those that somebody sees: the database is asked with their scope."""

from uuid import UUID

from baton.errors import NotFound
from baton.search import CronSearch, JobSearch, QueueSearch, WorkflowSearch, quoted
from baton.web.desk import Desk, canonical
from baton.web.scope import Scope


async def check(desk: Desk, scope: Scope, kind: str, subject: str) -> None:
    """Check that somebody sees a workflow, a job, a queue or a cron entry.

    Raises:
        NotFound: they don't, or there is none; which of the two is not told.
    """
    if scope.is_everything:
        return
    subject = canonical(kind, subject)
    client = desk.client
    found: object = True
    match kind:
        case "workflow":
            flows = scope.narrow(WorkflowSearch, f"id:{subject}")
            found = await client.list_workflows(where=flows, limit=1)
        case "job":
            jobs = scope.narrow(JobSearch, f"id:{subject}")
            found = await client.list_jobs(where=jobs, limit=1)
        case "queue":
            queues = scope.narrow(QueueSearch, f"queue:{quoted(subject)}")
            found = await client.queues.list(queues, limit=1, count=1)
        case "cron":
            crons = scope.narrow(CronSearch, f"name:{quoted(subject)}")
            found = await client.crons.list(crons, limit=1)
    if not found:
        raise NotFound(kind if kind != "cron" else "cron entry", subject)


async def is_seen(desk: Desk, scope: Scope, kind: str, subject: str) -> bool:
    """Say whether somebody sees it, as `check` does."""
    try:
        await check(desk, scope, kind, subject)
    except NotFound:
        return False
    return True


async def workflow(desk: Desk, scope: Scope, given: str) -> UUID:
    """Return the workflow whose id begins so, of those that somebody sees.

    Raises:
        NotFound: they see none, or several.
    """
    if scope.is_everything:
        return await desk.client.find_workflow(given)
    search = scope.narrow(WorkflowSearch, f"id:{quoted(given)}")
    found = await desk.client.list_workflows(where=search, limit=2)
    if len(found) != 1:
        raise NotFound("workflow" if not found else "single workflow", given)
    return found[0].id
