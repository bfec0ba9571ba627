"""Operations on all workflows that fit a filter, one after the other; for both clients."""

from collections.abc import Callable, Iterable
from datetime import datetime
from uuid import UUID

from baton.errors import InvalidFilter, NotFound, NothingToRetry
from baton.search import WorkflowSearch
from baton.steering import Retry, RetryChoice, Steered
from baton.store import matching, steering
from baton.store.asking import Asking, Statement

PAGE = 10_000  # ids that one statement returns
Tell = Callable[[float, int], None]
Among = Iterable[UUID | str] | None


def cancel(
    search: WorkflowSearch,
    reason: str | None,
    *,
    dry_run: bool,
    progress: Tell | None,
    among: Among,
) -> Asking[Steered]:
    """Cancel the workflows that fit; those that execute, unless the filter says states.

    Args:
        search: which.
        reason: what the errors of their steps say.
        dry_run: only count the workflows.
        progress: is told which part of them is done, and how many steps that were.
        among: leave alone all but these.

    Raises:
        InvalidFilter: the filter is empty.
    """

    def act(flow: UUID) -> Asking[int]:
        return (yield from steering.cancel(flow, reason, dry_run=False, portions=True))

    return (yield from _each(search.in_state("executing"), search, act, dry_run, progress, among))


def retry(
    search: WorkflowSearch, *, dry_run: bool, progress: Tell | None, among: Among
) -> Asking[Steered]:
    """Run the failed steps of the workflows that fit again; of those that failed, unless it says.

    It takes and raises what `cancel` does.
    """

    def act(flow: UUID) -> Asking[int]:
        done: Retry = yield from steering.retry(flow, RetryChoice.of(None), dry_run=False)
        return len(done.steps)

    return (yield from _each(search.in_state("failed"), search, act, dry_run, progress, among))


def _each(
    narrowed: WorkflowSearch,
    given: WorkflowSearch,
    act: Callable[[UUID], Asking[int]],
    dry_run: bool,
    progress: Tell | None,
    among: Among,
) -> Asking[Steered]:
    if given.is_empty:
        raise InvalidFilter(
            "the filter is empty, and would fit every workflow; say which are meant"
        )
    found = yield from _matching(narrowed)
    if among is not None:
        known = {str(each) for each in among}
        found = [flow for flow in found if str(flow) in known]
    if dry_run:
        return Steered(workflows=len(found), steps=0, found=found)
    workflows = steps = 0
    for number, flow in enumerate(found, 1):
        try:
            done = yield from act(flow)
        except (NotFound, NothingToRetry):
            done = 0  # pruned meanwhile, or somebody was faster
        workflows += done > 0
        steps += done
        if progress is not None:
            progress(number / len(found), steps)
    return Steered(workflows=workflows, steps=steps, found=found)


def _matching(search: WorkflowSearch) -> Asking[list[UUID]]:
    fits = matching.workflows(search.conditions)
    found: list[UUID] = []
    before: datetime | None = None
    while True:
        place = {"before": before, "before_id": found[-1] if found else None, "limit": PAGE}
        rows = yield Statement("workflow_match", {**place, **fits.params}, fits.sql)
        found += [flow for _, flow in rows]
        if len(rows) < PAGE:
            return found
        before = rows[-1][0]
