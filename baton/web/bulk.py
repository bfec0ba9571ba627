"""What is done to all that fit a filter: counted first, then to those alone that were counted."""

from collections.abc import Collection
from datetime import UTC, datetime
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response

from baton.errors import InvalidFilter, NotFound, NothingToRetry
from baton.filters import JobFilter, search_of
from baton.search import JobSearch, WorkflowSearch
from baton.steering import Steered
from baton.web import reach
from baton.web.access import Action, Resource, User
from baton.web.desk import Desk
from baton.web.forms import Form, InvalidForm
from baton.wording import counted, cut, inert

AT_ONCE = 500  # workflows that one request steers
NAMED = 20  # of them that are shown
AFFECTED = {Action.CANCEL: "executing", Action.RETRY: "failed"}  # unless the filter says states


async def cancel_jobs(desk: Desk, subject: str, form: Form, user: User) -> str:
    reason = form.get("reason") or f"cancelled by {user.name}"
    which = _which(desk, user, subject, form)
    return f"cancelled {counted(await desk.client.cancel_jobs(reason=reason, **which), 'job')}"


async def retry_jobs(desk: Desk, subject: str, form: Form, user: User) -> str:
    which = _which(desk, user, subject, form)
    return f"retried {counted(await desk.client.retry_jobs(**which), 'job')}"


async def delete_jobs(desk: Desk, subject: str, form: Form, user: User) -> str:
    which = _which(desk, user, subject, form)
    return f"deleted {counted(await desk.client.delete_jobs(**which), 'job')}"


async def cancel_workflows(desk: Desk, subject: str, form: Form, user: User) -> str:
    reason = form.get("reason") or f"cancelled by {user.name}"
    among = _among(form)
    return _told(
        "cancelled",
        await desk.client.cancel_workflows(_seen(desk, user, subject), reason, among=among),
    )


async def retry_workflows(desk: Desk, subject: str, form: Form, user: User) -> str:
    search, among = _seen(desk, user, subject), _among(form)
    fits = await desk.client.retry_workflows(search, dry_run=True, among=among)
    steps = workflows = spared = 0
    for workflow in fits.found:
        try:
            closed = await reach.closed(desk, user, workflow)
            async with desk.database.connection() as conn, conn.transaction():
                done = await desk.client.retry_workflow(workflow, conn=conn)
                reach.check(user, done, closed)
        except reach.OutOfReach:
            spared += 1
        except (NotFound, NothingToRetry):
            continue  # pruned meanwhile, or somebody was faster
        else:
            workflows += 1
            steps += len(done.steps)
    told = _told("retried", Steered(workflows=workflows, steps=steps))
    return f"{told}; {counted(spared, 'part')} of others left alone" if spared else told


async def preview_jobs(request: Request) -> Response:
    """Show how many jobs an action is about, with the form that does it."""
    desk: Desk = request.app.state.desk
    operations = {
        Action.CANCEL: desk.client.cancel_jobs,
        Action.RETRY: desk.client.retry_jobs,
        Action.DELETE: desk.client.delete_jobs,
    }
    action, subject = _asked(request, operations)
    user = desk.require(request, action, Resource("jobs", subject))
    form = Form([("shown_at", datetime.now(UTC).isoformat())])
    count = await operations[action](dry_run=True, **_which(desk, user, subject, form))
    context = {
        "here": "jobs",
        "action": action.value,
        "filter": subject,
        "count": count,
        "shown_at": form.get("shown_at"),
    }
    return desk.page(request, "bulk.html", context)


async def preview_workflows(request: Request) -> Response:
    """Show which workflows an action is about, with the form that does it to these alone."""
    desk: Desk = request.app.state.desk
    operations = {
        Action.CANCEL: desk.client.cancel_workflows,
        Action.RETRY: desk.client.retry_workflows,
    }
    action, subject = _asked(request, operations)
    user = desk.require(request, action, Resource("workflows", subject))
    search = desk.access.seen(user).narrow(WorkflowSearch, _meant(action, subject))
    found = (await operations[action](search, dry_run=True)).found
    chosen = found[:AT_ONCE]
    named = await desk.client.list_workflows(where=search, limit=NAMED) if chosen else []
    context = {
        "here": "workflows",
        "action": action.value,
        "filter": subject,
        "state": None
        if _meant(action, subject) == search_of(WorkflowSearch, subject)
        else AFFECTED[action],
        "count": len(found),
        "chosen": chosen,
        "named": [each for each in named if each.id in chosen],
    }
    return desk.page(request, "bulk_workflows.html", context)


def _asked(request: Request, known: Collection[str]) -> tuple[Action, str]:
    given = str(request.path_params["action"])
    if given not in known:
        raise NotFound("bulk action", cut(inert(given), 40))
    return Action(given), request.query_params.get("filter", "").strip()


def _meant(action: Action, subject: str) -> WorkflowSearch:
    search = search_of(WorkflowSearch, subject)
    if search.is_empty:
        raise InvalidFilter("a bulk action needs a filter")
    return search.in_state(AFFECTED[action])


def _seen(desk: Desk, user: User, subject: str) -> WorkflowSearch:
    """Return which workflows are meant, of those that somebody sees."""
    return desk.access.seen(user).narrow(WorkflowSearch, subject)


def _which(desk: Desk, user: User, subject: str, form: Form) -> JobFilter:
    """Return which jobs are meant: those that were there when they were counted."""
    try:
        shown = datetime.fromisoformat(form.get("shown_at"))
    except ValueError:
        raise InvalidForm("shown_at must be the time when the jobs were counted") from None
    found = search_of(JobSearch, subject)
    if found.is_empty:
        raise InvalidFilter("a bulk action needs a filter")
    where = desk.access.seen(user).narrow(JobSearch, found)
    return {"where": where, "inserted_before": shown}


def _among(form: Form) -> list[UUID]:
    """Return which workflows were shown; of these, those are left alone that fit no more."""
    given = form.get("among").split()
    if not given or len(given) > AT_ONCE:
        raise InvalidForm(f"among must be the ids of 1 to {AT_ONCE} workflows that were shown")
    try:
        return [UUID(each) for each in given]
    except ValueError:
        raise InvalidForm("among must be the ids of workflows") from None


def _told(participle: str, done: Steered) -> str:
    return f"{participle} {counted(done.steps, 'step')} of {counted(done.workflows, 'workflow')}"
