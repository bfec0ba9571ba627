"""What the pages show that are lists: workflows, jobs, queues, workers and so on."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from baton.errors import FilterTimeout, InvalidFilter
from baton.failures import ErrorGroup
from baton.queues import QueueStatus
from baton.search import (
    ApprovalSearch,
    AuditSearch,
    CronSearch,
    ErrorSearch,
    JobSearch,
    ProcessSearch,
    QueueSearch,
    WorkflowSearch,
)
from baton.states import State
from baton.status import WorkflowStatus
from baton.store import pages
from baton.store.failures import LOOKED_AT
from baton.store.pages import Rate
from baton.store.queues import COUNTED
from baton.web import charts
from baton.web.access import Resource
from baton.web.desk import Desk, digits
from baton.web.scope import Scope
from baton.web.view import Context, Load, Params, View

T = TypeVar("T")

PAGE = 50
TROUBLED = 5  # workflows of a kind that the overview shows
LIVE = ("available", "scheduled", "executing", "retryable")


def _page(name: str) -> Any:
    return lambda _params: Resource("page", name)


async def overview(desk: Desk, _params: Params, scope: Scope) -> Context:
    """Read how everything stands, as far as it is seen.

    How many jobs have ended is only known of all queues together, so it is told to those alone who
    see everything.
    """
    queues: Sequence[QueueStatus] = ()
    groups: Sequence[ErrorGroup] = ()
    troubled: Sequence[WorkflowStatus] = ()
    rates: Sequence[Rate] | None = None
    partial = False
    if scope.sees("queues"):
        queues = await desk.client.queues.list(scope.narrow(QueueSearch), count=COUNTED)
    if scope.sees("errors"):
        groups = await desk.client.errors(scope.narrow(ErrorSearch), limit=5)
    if scope.sees("workflows"):
        troubled = await _troubled(desk, scope)
    if scope.sees("jobs"):
        rates, partial = await pages.rates(desk.database, scope.narrow(JobSearch))
    counts = {state: sum(queue.counts.get(state, 0) for queue in queues) for state in LIVE}
    estimated: list[str] = []
    if scope.is_everything:
        totals = await pages.totals(desk.database)
        counts = {state: counts.get(state, totals.jobs.get(state, 0)) for state in State}
        estimated = [] if totals.exact else [each for each in State if each not in LIVE]
    return {
        "counts": [(str(state), count) for state, count in counts.items()],
        "cut": {state for queue in queues for state in queue.cut},
        "estimated": estimated,
        "queues": queues,
        "rates": rates,
        "partial": partial,
        "throughput": None if rates is None else charts.throughput(rates),
        "latency": None if rates is None else charts.latency(rates),
        "groups": groups,
        "troubled": troubled,
    }


async def _troubled(desk: Desk, scope: Scope) -> list[WorkflowStatus]:
    """Return the newest workflows that failed, after those that go on with steps that did."""
    going = scope.narrow(WorkflowSearch, "state:executing")
    bad = scope.narrow(WorkflowSearch, "state:failed")
    found = await desk.client.list_workflows(where=going, limit=PAGE)
    found = [each for each in found if each.progress.failed][:TROUBLED]
    return found + await desk.client.list_workflows(where=bad, limit=TROUBLED)


async def workflows(desk: Desk, params: Params, scope: Scope) -> Context:
    """Read a page of workflows."""
    found = desk.client.list_workflows(
        where=scope.narrow(WorkflowSearch, params.get("filter", "")),
        before=_moment(params.get("before")),
        limit=PAGE + 1,
    )
    return await _paged(
        "workflows", params, found, lambda each: f"{each.inserted_at.isoformat()},{each.id}"
    )


async def jobs(desk: Desk, params: Params, scope: Scope) -> Context:
    """Read a page of jobs."""
    found = desk.client.list_jobs(
        where=scope.narrow(JobSearch, params.get("filter", "")),
        before=_number(params, "before"),
        limit=PAGE + 1,
    )
    return await _paged("jobs", params, found, lambda each: each.id)


async def approvals(desk: Desk, params: Params, scope: Scope) -> Context:
    """Read a page of what people are asked now."""
    found = desk.client.approvals(
        where=scope.narrow(ApprovalSearch, params.get("filter", "")),
        after=_number(params, "after"),
        shown=False,
        limit=PAGE + 1,
    )
    return await _paged("approvals", params, found, lambda each: each.job_id)


async def queues(desk: Desk, params: Params, scope: Scope) -> Context:
    """Read a page of queues."""
    found = desk.client.queues.list(
        scope.narrow(QueueSearch, params.get("filter", "")),
        after=params.get("after") or None,
        limit=PAGE + 1,
        count=COUNTED,
    )
    return await _paged("queues", params, found, lambda each: each.name)


async def workers(desk: Desk, params: Params, scope: Scope) -> Context:
    """Read a page of worker processes."""
    found = desk.client.processes(
        scope.narrow(ProcessSearch, params.get("filter", "")),
        after=_number(params, "after"),
        limit=PAGE + 1,
    )
    return await _paged("workers", params, found, lambda each: each.lease)


async def crons(desk: Desk, params: Params, scope: Scope) -> Context:
    """Read a page of cron entries."""
    found = desk.client.crons.list(
        scope.narrow(CronSearch, params.get("filter", "")),
        after=params.get("after") or None,
        limit=PAGE + 1,
    )
    return await _paged("crons", params, found, lambda each: each.name)


async def errors(desk: Desk, params: Params, scope: Scope) -> Context:
    """Read a page of the newest errors, in groups."""
    found = desk.client.errors(
        scope.narrow(ErrorSearch, params.get("filter", "")),
        after=params.get("after") or None,
        limit=PAGE + 1,
    )
    shown = await _paged("groups", params, found, lambda each: each.place)
    return {**shown, "looked_at": LOOKED_AT}


async def deeds(desk: Desk, params: Params, scope: Scope) -> Context:
    """Read a page of what people did."""
    found = desk.client.audit.list(
        scope.narrow(AuditSearch, params.get("filter", "")),
        before=_number(params, "before"),
        limit=PAGE + 1,
    )
    return await _paged("deeds", params, found, lambda each: each.id)


async def _paged(
    name: str,
    params: Params,
    asked: Awaitable[Sequence[T]],
    place: Callable[[T], object],
) -> dict[str, Any]:
    """Return a page of a list, and where the next one begins if there is one.

    A filter that takes too long is told where the list would be.
    """
    try:
        found = await asked
    except FilterTimeout as error:
        return {name: [], "more": None, "params": params, "slow": str(error)}
    more = place(found[PAGE - 1]) if len(found) > PAGE else None
    return {name: found[:PAGE], "more": more, "params": params, "slow": None}


def _number(params: Params, name: str) -> int | None:
    given = params.get(name)
    if not given:
        return None
    if (number := digits(given)) is None:
        raise InvalidFilter(f"{name} must be a number, not {given[:40]!r}")
    return number


def _moment(given: str | None) -> tuple[datetime, UUID] | None:
    if not given:
        return None
    at, _, number = given.partition(",")
    try:
        # a plus that was not encoded in an address is a space there
        return datetime.fromisoformat(at.replace(" ", "+")), UUID(number)
    except ValueError:
        raise InvalidFilter(f"before must be a place in the list, not {given[:60]!r}") from None


def _list(name: str, load: Load, place: str = "after") -> View:
    return View(
        name,
        f"/{name}",
        f"{name}.html",
        ("list",),
        load,
        _page(name),
        known=frozenset({"filter", place}),
    )


VIEWS = (
    View("overview", "/", "overview.html", ("counts", "trouble", "errors", "queues", "rates"),
         overview, _page("overview")),
    _list("workflows", workflows, "before"),
    _list("approvals", approvals),
    _list("jobs", jobs, "before"),
    _list("queues", queues),
    _list("workers", workers),
    _list("crons", crons),
    _list("errors", errors),
    _list("audit", deeds, "before"),
)  # fmt: skip
