"""Worker processes as they stand."""

from baton.queues import WorkerProcess
from baton.search import ProcessSearch
from baton.store import matching
from baton.store.asking import Asking, Statement
from baton.store.door import Row
from baton.store.rows import document


def processes(
    search: ProcessSearch, *, after: int | None = None, limit: int | None = None
) -> Asking[list[WorkerProcess]]:
    """Return the worker processes that fit, the oldest first; ``after`` is a lease."""
    fits = matching.processes(search.conditions)
    params = {"after": after, "limit": limit, **fits.params}
    return [_process(row) for row in (yield Statement("process_list", params, fits.sql))]


def _process(row: Row) -> WorkerProcess:
    lease, node, queues, started_at, renewed_at, alive, executing = row
    return WorkerProcess(
        lease=lease,
        node=node,
        queues=document(queues),
        started_at=started_at,
        renewed_at=renewed_at,
        alive=alive,
        executing=executing,
    )
