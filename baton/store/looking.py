"""Looking at workflows: one, its jobs, lists of them, and how far they are."""

import re
from collections import Counter
from datetime import datetime
from uuid import UUID

from baton.errors import NotFound
from baton.filters import LARGEST_ID, WorkflowPage
from baton.jobs import Job
from baton.states import State
from baton.status import Progress, WorkflowStatus
from baton.store import matching
from baton.store.asking import Asking, Statement
from baton.store.door import Row
from baton.store.rows import document, texts, to_job, to_node, to_workflow

_ID_PREFIX = re.compile(r"[0-9a-f-]{4,36}")
_DIGITS = re.compile(r"[0-9a-f]{1,32}")


def workflow_id(given: UUID | str) -> Asking[UUID]:
    """Return the id of the workflow that is meant by an id, or by the beginning of one.

    Raises:
        NotFound: there is none, or there are several.
    """
    if isinstance(given, UUID):
        return given
    prefix = given.strip().lower()
    if not _ID_PREFIX.fullmatch(prefix):
        raise NotFound("workflow", given)
    found = yield from workflow_ids(prefix, limit=5)
    if len(found) > 1:
        ids = ", ".join(map(str, found))
        raise NotFound("single workflow", f"{given}: it may be {ids}")
    if not found:
        raise NotFound("workflow", given)
    return found[0]


def workflow_ids(prefix: str, *, limit: int) -> Asking[list[UUID]]:
    """Return the ids that begin with a text, with or without hyphens, the newest first."""
    digits = prefix.lower().replace("-", "")
    if not _DIGITS.fullmatch(digits):
        return []
    found = yield Statement("workflow_find", {"digits": digits, "limit": limit})
    return [row[0] for row in found]


def workflow(given: UUID | str, *, results: bool = True) -> Asking[WorkflowStatus]:
    """Return a workflow and its nodes.

    Args:
        given: which one.
        results: whether to read what the steps returned, which may be large.

    Raises:
        NotFound: there is none.
    """
    found = yield from workflow_id(given)
    rows = yield Statement("workflow_get", {"id": found})
    if not rows:
        raise NotFound("workflow", given)
    [row] = rows
    # after the workflow: one that is finished is not shown with steps from before its end
    steps = yield Statement("workflow_nodes", {"ids": [found], "results": results})
    nodes = [to_node(step[1:]) for step in steps]
    return to_workflow(row, Counter(node.state for node in nodes), nodes)


def workflow_jobs(
    given: UUID | str, *, after: int = 0, limit: int | None = None
) -> Asking[list[Job]]:
    """Return the jobs of the steps of a workflow; ``after`` is the last id of the page before.

    Raises:
        NotFound: there is no such workflow.
    """
    found = yield from workflow_id(given)
    if not (yield Statement("workflow_get", {"id": found})):
        raise NotFound("workflow", given)
    params = {
        "id": found,
        "after": max(0, min(after, LARGEST_ID)),
        "limit": LARGEST_ID if limit is None else limit,
    }
    return [to_job(row) for row in (yield Statement("workflow_jobs", params))]


def progress(given: UUID | str) -> Asking[Progress]:
    """Return how far a workflow is.

    Raises:
        NotFound: there is none.
    """
    found = yield from progress_of((yield from workflow_id(given)))
    if found is None:
        raise NotFound("workflow", given)
    return found


def progress_of(found: UUID) -> Asking[Progress | None]:
    """Return how far the workflow of an id is, if there is one."""
    rows = yield Statement("workflow_progress", {"id": found})
    return _progress(rows[0]) if rows else None


def workflows(page: WorkflowPage) -> Asking[list[WorkflowStatus]]:
    """Return the newest workflows that fit, without their nodes.

    Raises:
        NotFound: there is no workflow that was named, as the parent or as the last one before.
    """
    before, before_id = yield from _place(page)
    fits = matching.workflows(page.where)
    rows = yield Statement(
        "workflow_list",
        {
            "state": page.state,
            "name": page.name,
            "tags": None if page.tags is None else list(page.tags),
            "since": page.inserted_after,
            "until": page.inserted_before,
            "parent": None if page.parent is None else (yield from workflow_id(page.parent)),
            "template": page.template,
            "before": before,
            "before_id": before_id,
            "limit": page.limit,
            **fits.params,
        },
        fits.sql,
    )
    return [_listed(row) for row in rows]


def _place(page: WorkflowPage) -> Asking[tuple[datetime | None, UUID | None]]:
    """Return where the page before ended."""
    if page.before is None:
        return None, None
    if isinstance(page.before, tuple):
        return page.before
    found = yield from workflow_id(page.before)
    rows = yield Statement("workflow_get", {"id": found})
    if not rows:
        raise NotFound("workflow", page.before)
    return rows[0][3], found


def _listed(row: Row) -> WorkflowStatus:
    *columns, tags, template, version, total, completed, skipped, discarded, cancelled, open_ = row
    far = _progress((total, completed, skipped, discarded, cancelled))
    counts = Counter(
        {
            State.COMPLETED: far.completed + far.skipped,
            State.DISCARDED: far.discarded,
            State.CANCELLED: far.cancelled,
        }
    )
    counts.update({State(state): number for state, number in open_.items()})
    return WorkflowStatus(
        **dict(zip(("id", "name", "state", "inserted_at", "finished_at"), columns, strict=True)),
        counts=+counts,
        progress=far,
        tags=texts(document(tags)),
        template=template,
        template_version=version,
    )


def _progress(row: Row) -> Progress:
    # a page of a list may come between a workflow and its steps
    total, completed, skipped, discarded, cancelled = (int(number or 0) for number in row)
    return Progress(
        total=total,
        completed=completed,
        skipped=skipped,
        discarded=discarded,
        cancelled=cancelled,
    )
