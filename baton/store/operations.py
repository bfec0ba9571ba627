"""Operations on jobs that are in the table: cancel, retry, delete and update.

Those on many jobs are generators that say which statement is next and get its rows, so that one
plan serves connections of both kinds. Each statement is bounded, and commits by itself unless the
caller's transaction is used.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from anyio import CancelScope
from psycopg import AsyncConnection, Connection
from psycopg.pq import TransactionStatus

from baton import documents
from baton.changes import Changed
from baton.filters import Criteria
from baton.jobs import Job
from baton.outcomes import MESSAGE_LIMIT
from baton.states import State
from baton.store import door, matching
from baton.store.asking import Asking, Statement
from baton.store.jobs import job_columns
from baton.store.rows import to_job
from baton.store.translation import translated

BATCH = 1_000  # jobs that a statement changes
WINDOW = 10_000  # jobs that a statement looks at

T = TypeVar("T")
Planned = Asking[T]
Plan = Planned[int]
Tell = Callable[[float, int], None]
Runner = Callable[[str, Mapping[str, Any], str], Awaitable[Sequence[door.Row]]]
SyncRunner = Callable[[str, Mapping[str, Any], str], Sequence[door.Row]]

_COLUMNS = {
    "queue": "queues",
    "worker": "workers",
    "args": "args",
    "meta": "metas",
    "tags": "tags",
    "priority": "priorities",
    "max_attempts": "max_attempts",
    "timeout": "timeouts",
    "deadline": "deadlines",
    "weight": "weights",
}


@dataclass(frozen=True, slots=True)
class Action:
    """What is done to jobs.

    Attributes:
        query: the statement that does it.
        states: in which it can be done.
        usual: in which it is done when neither ids nor states were asked for.
    """

    query: str
    states: tuple[State, ...]
    usual: tuple[State, ...]


_WAITING = (State.AVAILABLE, State.SCHEDULED, State.SUSPENDED, State.RETRYABLE)
_FAILED = (State.DISCARDED, State.CANCELLED)
_DELETABLE = tuple(state for state in State if state is not State.EXECUTING)

CANCEL = Action("jobs_cancel", (*_WAITING, State.EXECUTING), (*_WAITING, State.EXECUTING))
RETRY = Action(
    "jobs_retry",
    (State.COMPLETED, *_FAILED, State.SCHEDULED, State.RETRYABLE),
    (*_FAILED, State.RETRYABLE),
)
DELETE = Action("jobs_delete", _DELETABLE, _DELETABLE)
EDIT = Action("job_update", tuple(State), tuple(State))

ACTIONS: Mapping[str, Action] = {
    "cancel": CANCEL,
    "retry": RETRY,
    "delete": DELETE,
    "edit": EDIT,
}


def plan(
    action: Action,
    criteria: Criteria,
    *,
    reason: str | None = None,
    dry_run: bool = False,
    progress: Tell | None = None,
) -> Plan:
    """Plan an action on the jobs that fit; the generator returns how many it was done to.

    Args:
        action: what is done.
        criteria: to which jobs.
        reason: of a cancellation.
        dry_run: only count them.
        progress: is told how much of the table was gone through, and how many jobs that were.
    """
    states = _states(action, criteria)
    params = {
        "states": states,
        "reason": None if reason is None else documents.storable(reason, MESSAGE_LIMIT),
    }
    if not states:
        return 0
    if criteria.is_list and not dry_run:
        return (yield from _act(action, criteria.ids or (), params))
    count = 0
    fits = matching.jobs(criteria.where)
    walk = _walk(criteria, states) | fits.params
    while True:
        [(found, upto, last)] = yield Statement("jobs_match", walk, fits.sql)
        ids = _among(criteria, found)
        count += len(ids) if dry_run else (yield from _act(action, ids, params))
        if progress is not None:
            progress(min(1.0, (upto or last or 1) / (last or 1)), count)
        if upto is None or upto >= last:
            return count
        walk = {**walk, "after": upto, "last": last}


def find(
    criteria: Criteria, action: Action = EDIT, progress: Tell | None = None
) -> Planned[list[int]]:
    """Return the ids, ascending, of the jobs that fit and that an action would be done to."""
    fits = matching.jobs(criteria.where)
    walk = _walk(criteria, _states(action, criteria)) | fits.params
    found: list[int] = []
    while True:
        [(ids, upto, last)] = yield Statement("jobs_match", walk, fits.sql)
        found += _among(criteria, ids)
        if progress is not None:
            progress(min(1.0, (upto or last or 1) / (last or 1)), len(found))
        if upto is None or upto >= last:
            return found
        walk = {**walk, "after": upto, "last": last}


def _among(criteria: Criteria, ids: Sequence[int]) -> Sequence[int]:
    """Return those that were seen before, where only they are meant."""
    return ids if criteria.among is None else [each for each in ids if each in criteria.among]


def _act(action: Action, ids: Sequence[int], params: Mapping[str, Any]) -> Plan:
    count = 0
    for start in range(0, len(ids), BATCH):
        batch = list(ids[start : start + BATCH])
        [(done,)] = yield Statement(action.query, {**params, "ids": batch})
        count += done
    return count


def _states(action: Action, criteria: Criteria) -> list[str]:
    if criteria.states is not None:
        return [state.value for state in action.states if state in criteria.states]
    return [state.value for state in (action.usual if criteria.ids is None else action.states)]


def _walk(criteria: Criteria, states: Sequence[str]) -> dict[str, Any]:
    return {
        "states": states,
        "ids": None if criteria.ids is None else list(criteria.ids),
        "queue": criteria.queue,
        "worker": criteria.worker,
        "tags": None if criteria.tags is None else list(criteria.tags),
        "args": criteria.args,
        "meta": criteria.meta,
        "inserted_after": criteria.inserted_after,
        "inserted_before": criteria.inserted_before,
        "after": 0,
        "last": None,
        "window": WINDOW,
    }


async def carry_out(run: Runner, planned: Planned[T]) -> T:
    """Run the statements of a plan one after the other; return what it returns."""
    rows: Sequence[door.Row] | None = None
    while True:
        try:
            statement = planned.send(rows) if rows is not None else next(planned)
        except StopIteration as end:
            found: T = end.value
            return found
        rows = await run(*statement)


def carry_out_sync(run: SyncRunner, planned: Planned[T]) -> T:
    """Do what `carry_out` does, without an event loop."""
    rows: Sequence[door.Row] | None = None
    while True:
        try:
            statement = planned.send(rows) if rows is not None else next(planned)
        except StopIteration as end:
            found: T = end.value
            return found
        rows = run(*statement)


async def update(
    conn: AsyncConnection[Any],
    schema: str,
    job_id: int,
    decide: Callable[[Job], Changed],
    *,
    limit: int,
) -> Job | None:
    """Change a job in one transaction and return it; ``None`` when there is none of that id.

    Args:
        conn: in whose transaction, or in one of its own.
        schema: the schema.
        job_id: which job.
        decide: called with the locked job; what it raises undoes everything.
        limit: bytes that arguments and meta may take as JSON.
    """
    # as a whole, or a cancellation would leave the transaction open
    with CancelScope(shield=True), translated(schema):
        if _begins_by_itself(conn):
            await conn.execute("select")
        async with conn.transaction():
            found = await door.run(conn, schema, "job_lock", {"id": job_id})
            if not found:
                return None
            job = to_job(found[0])
            params = _change(job, decide(job), limit)
            [row] = await door.run(conn, schema, "job_update", params)
    return to_job(row[:-1])


def update_sync(
    conn: Connection[Any],
    schema: str,
    job_id: int,
    decide: Callable[[Job], Changed],
    *,
    limit: int,
) -> Job | None:
    """Do what `update` does, on a synchronous connection."""
    with translated(schema):
        if _begins_by_itself(conn):
            conn.execute("select")
        with conn.transaction():
            found = door.run_sync(conn, schema, "job_lock", {"id": job_id})
            if not found:
                return None
            job = to_job(found[0])
            [row] = door.run_sync(conn, schema, "job_update", _change(job, decide(job), limit))
    return to_job(row[:-1])


def _begins_by_itself(conn: AsyncConnection[Any] | Connection[Any]) -> bool:
    """Whether the next statement begins a transaction of the caller.

    It must have begun before ``transaction()``, which would otherwise commit it; inside one, it is
    a savepoint.
    """
    return not conn.autocommit and conn.info.transaction_status == TransactionStatus.IDLE


def _change(job: Job, changed: Changed, limit: int) -> dict[str, Any]:
    columns = job_columns([(changed.job, changed.identity)], limit=limit)
    [delay], [scheduled_at] = columns["delays"], columns["scheduled_ats"]
    return {
        "id": job.id,
        **{
            field: columns[column][0] if field in changed.fields else None
            for field, column in _COLUMNS.items()
        },
        "delay": delay,
        "scheduled_at": scheduled_at,
        "sets_timeout": "timeout" in changed.fields,
        "sets_deadline": "deadline" in changed.fields,
    }
