"""What can be done on the page. Each deed asks who may, is written down before, and again after."""

import hashlib
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import quote
from uuid import UUID

import structlog
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from baton.errors import BatonError, InvalidQueue, InvalidSignal, NotFound
from baton.steering import Retry
from baton.store import audit
from baton.web import bulk, forms, reach, seen
from baton.web.access import Action, Resource, User
from baton.web.desk import Desk, canonical, job_number
from baton.web.forms import Form, InvalidForm
from baton.wording import counted, cut, inert

log = structlog.get_logger("baton.web")


class Changed(BatonError):
    """Something else would be done than what somebody has seen and agreed to."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} changed since it was shown; look at it again")


class NothingDone(BatonError):
    """The state of a job does not allow what was asked for."""

    def __init__(self, job_id: int, action: str) -> None:
        super().__init__(f"job {job_id} can't be {action} in the state that it is in now")


@dataclass(frozen=True, slots=True)
class Deed:
    """Something that can be done.

    Attributes:
        action: what ``authorize`` is asked for.
        kind: what it is done to.
        path: where the form is sent; without an id the form has a field ``name``.
        do: does it, and says in a sentence what it came to.
        back: the page that is shown afterwards.
        told: the fields of the form that the audit log keeps.
    """

    action: Action
    kind: str
    path: str
    do: Callable[[Desk, str, Form, User], Awaitable[str]]
    back: str
    told: tuple[str, ...] = ()


async def act(deed: Deed, request: Request) -> Response:
    """Do something that somebody asked for."""
    desk: Desk = request.app.state.desk
    form = await forms.read(request)
    subject = str(request.path_params["id"]) if "id" in request.path_params else form.get("name")
    subject = canonical(deed.kind, subject)
    user = desk.require(request, deed.action, Resource(deed.kind, subject))
    await seen.check(desk, desk.access.seen(user), deed.kind, subject)
    if deed.kind == "queue" and form.get("new") != "1":
        await desk.client.queues.check_known(subject)
    address = request.client.host if request.client is not None else None
    intent = audit.Intent(
        actor=user.name,
        address=address,
        source="web",
        action=deed.action.value,
        kind=deed.kind,
        subject=subject,
        details=form.some(deed.told),
        age=desk.audit_age,
    )
    async with audit.recorded(desk.database, intent) as record:
        record.message = await deed.do(desk, subject, form, user)
    log.info("page.acted", action=deed.action.value, kind=deed.kind, subject=subject, by=user.name)
    root = request.scope.get("root_path", "").rstrip("/")
    back = f"{root}{deed.back.format(id=quote(subject, safe=''))}"
    return RedirectResponse(f"{back}{'&' if '?' in back else '?'}done={record.id}", 303)


async def cancel_workflow(desk: Desk, subject: str, form: Form, user: User) -> str:
    reason = form.get("reason") or f"cancelled by {user.name}"
    count = await desk.client.cancel_workflow(subject, reason)
    return f"cancelled {counted(count, 'step')}"


def chosen_steps(form: Form) -> Any:
    """Return which steps a retry is about, as the client takes it."""
    if form.get("all") == "1":
        return "all"
    return form.all("step") or None


def promise(retry: Retry) -> str:
    """Return what stands for all that a retry does: the same only when that is the same."""
    concerned = [
        sorted(step.job_id for step in steps) for steps in (retry.steps, retry.removed, retry.gone)
    ]
    return hashlib.sha256(json.dumps(concerned).encode()).hexdigest()


async def retry_workflow(desk: Desk, subject: str, form: Form, user: User) -> str:
    closed = await reach.closed(desk, user, UUID(subject))
    async with desk.database.connection() as conn, conn.transaction():
        done = await desk.client.retry_workflow(subject, chosen_steps(form), conn=conn)
        reach.check(user, done, closed)
        if promise(done) != form.get("expect"):
            # the transaction is rolled back
            raise Changed("what would run again")
    removed = f", removed {counted(len(done.removed), 'step')}" if done.removed else ""
    return f"{counted(len(done.steps), 'step')} run again{removed}"


async def skip_step(desk: Desk, subject: str, form: Form, user: User) -> str:
    step = _step(form)
    reason = form.get("reason") or f"skipped by {user.name}"
    was = await desk.client.skip_step(
        subject, step, _json(form.get("result"), "the result"), reason=reason
    )
    return f"step {cut(inert(step), 80)} counts as completed; it was {was.value}"


async def signal_workflow(desk: Desk, subject: str, form: Form, user: User) -> str:
    name = form.get("signal")
    if not name:
        raise InvalidSignal("a signal must be named")
    payload = _json(form.get("payload"), "the payload")
    if not await desk.client.signal_workflow(subject, name, payload, sent_by=user.name):
        return f"signal {cut(inert(name), 80)} had been sent before; that one stays"
    return f"signal {cut(inert(name), 80)} was sent"


async def approve_step(desk: Desk, subject: str, form: Form, user: User) -> str:
    step = _step(form)
    await desk.client.approve(subject, step, by=user.name, comment=form.get("comment"))
    return f"approved step {cut(inert(step), 80)}"


async def reject_step(desk: Desk, subject: str, form: Form, user: User) -> str:
    step = _step(form)
    await desk.client.reject(subject, step, by=user.name, comment=form.get("comment"))
    return f"rejected step {cut(inert(step), 80)}"


async def cancel_job(desk: Desk, subject: str, form: Form, user: User) -> str:
    number = job_number(subject)
    reason = form.get("reason") or f"cancelled by {user.name}"
    if not await desk.client.cancel_job(number, reason):
        raise await _nothing(desk, number, "cancelled")
    return f"cancelled job {number}"


async def retry_job(desk: Desk, subject: str, _form: Form, _user: User) -> str:
    number = job_number(subject)
    if not await desk.client.retry_job(number):
        raise await _nothing(desk, number, "retried")
    return f"job {number} runs again"


async def delete_job(desk: Desk, subject: str, _form: Form, _user: User) -> str:
    number = job_number(subject)
    if not await desk.client.delete_job(number):
        raise await _nothing(desk, number, "deleted")
    return f"deleted job {number}"


async def pause_queue(desk: Desk, subject: str, _form: Form, user: User) -> str:
    await desk.client.queues.pause(subject, by=user.name)
    return f"queue {subject} starts nothing any more"


async def resume_queue(desk: Desk, subject: str, _form: Form, _user: User) -> str:
    await desk.client.queues.resume(subject)
    return f"queue {subject} goes on"


async def scale_queue(desk: Desk, subject: str, form: Form, _user: User) -> str:
    slots = form.get("slots")
    if not slots.isascii() or not slots.isdecimal() or len(slots) > 9:  # noqa: PLR2004
        raise InvalidQueue(f"slots must be a number, not {slots[:40]!r}")
    await desk.client.queues.scale(subject, int(slots))
    return f"each process runs {int(slots):,} jobs of queue {subject} at once"


async def run_cron(desk: Desk, subject: str, _form: Form, _user: User) -> str:
    job = await desk.client.crons.run_now(subject)
    return f"inserted job {job.id} of cron entry {subject}"


async def pause_cron(desk: Desk, subject: str, _form: Form, user: User) -> str:
    await desk.client.crons.pause(subject, by=user.name)
    return f"cron entry {subject} inserts nothing any more"


async def resume_cron(desk: Desk, subject: str, _form: Form, _user: User) -> str:
    await desk.client.crons.resume(subject)
    return f"cron entry {subject} goes on"


async def preview_retry(request: Request) -> Response:
    """Show what a retry would run again, with the form that does just that."""
    desk: Desk = request.app.state.desk
    subject = canonical("workflow", str(request.path_params["id"]))
    user = desk.require(request, Action.RETRY, Resource("workflow", subject))
    await seen.check(desk, desk.access.seen(user), "workflow", subject)
    form = Form(request.query_params.multi_items())
    steps = chosen_steps(form)
    retry = await desk.client.retry_workflow(subject, steps, dry_run=True)
    reach.check(user, retry, await reach.closed(desk, user, UUID(subject)))
    context = {
        "here": "workflow",
        "retry": retry,
        "steps_chosen": steps if isinstance(steps, list) else [],
        "everything": steps == "all",
        "promise": promise(retry),
    }
    return desk.page(request, "retry.html", context)


DEEDS = (
    Deed(Action.CANCEL, "workflow", "/workflows/{id}/cancel", cancel_workflow,
         "/workflows/{id}", ("reason",)),
    Deed(Action.RETRY, "workflow", "/workflows/{id}/retry", retry_workflow,
         "/workflows/{id}", ("step", "all")),
    Deed(Action.SKIP, "workflow", "/workflows/{id}/skip", skip_step,
         "/workflows/{id}", ("step", "reason")),
    Deed(Action.SIGNAL, "workflow", "/workflows/{id}/signal", signal_workflow,
         "/workflows/{id}", ("signal",)),
    Deed(Action.APPROVE, "workflow", "/workflows/{id}/approve", approve_step,
         "/workflows/{id}", ("step", "comment")),
    Deed(Action.REJECT, "workflow", "/workflows/{id}/reject", reject_step,
         "/workflows/{id}", ("step", "comment")),
    Deed(Action.CANCEL, "job", "/jobs/{id}/cancel", cancel_job, "/jobs/{id}", ("reason",)),
    Deed(Action.RETRY, "job", "/jobs/{id}/retry", retry_job, "/jobs/{id}"),
    Deed(Action.DELETE, "job", "/jobs/{id}/delete", delete_job, "/jobs"),
    Deed(Action.CANCEL, "jobs", "/bulk/cancel", bulk.cancel_jobs,
         "/jobs?filter={id}", ("reason",)),
    Deed(Action.RETRY, "jobs", "/bulk/retry", bulk.retry_jobs, "/jobs?filter={id}"),
    Deed(Action.DELETE, "jobs", "/bulk/delete", bulk.delete_jobs, "/jobs?filter={id}"),
    Deed(Action.CANCEL, "workflows", "/bulk/workflows/cancel", bulk.cancel_workflows,
         "/workflows?filter={id}", ("reason",)),
    Deed(Action.RETRY, "workflows", "/bulk/workflows/retry", bulk.retry_workflows,
         "/workflows?filter={id}"),
    Deed(Action.PAUSE, "queue", "/queues/pause", pause_queue, "/queues"),
    Deed(Action.RESUME, "queue", "/queues/resume", resume_queue, "/queues"),
    Deed(Action.SCALE, "queue", "/queues/scale", scale_queue, "/queues", ("slots",)),
    Deed(Action.RUN, "cron", "/crons/run", run_cron, "/crons"),
    Deed(Action.PAUSE, "cron", "/crons/pause", pause_cron, "/crons"),
    Deed(Action.RESUME, "cron", "/crons/resume", resume_cron, "/crons"),
)  # fmt: skip


def routes() -> list[Route]:
    """Return the routes."""
    found = [
        Route(deed.path, partial(act, deed), methods=["POST"], name=deed.path) for deed in DEEDS
    ]
    found.append(Route("/workflows/{id}/retry", preview_retry, methods=["GET"]))
    found.append(Route("/bulk/{action}", bulk.preview_jobs, methods=["GET"]))
    found.append(Route("/bulk/workflows/{action}", bulk.preview_workflows, methods=["GET"]))
    return found


async def _nothing(desk: Desk, number: int, action: str) -> BatonError:
    try:
        await desk.client.get_job(number)
    except NotFound as error:
        return error
    return NothingDone(number, action)


def _step(form: Form) -> str:
    step = form.get("step")
    if not step:
        raise InvalidForm("a step must be named")
    return step


def _json(text: str, what: str) -> Any:
    try:
        return json.loads(text) if text else None
    except (ValueError, RecursionError):  # the latter when it is nested too deep
        raise InvalidForm(f"{what} must be JSON, not {text[:40]!r}") from None
