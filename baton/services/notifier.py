"""Wakes the producer when somebody says that a queue has work."""

from collections.abc import Callable
from random import uniform

import structlog
from anyio import sleep
from anyio.abc import TaskStatus

from baton.errors import DatabaseError
from baton.store.listener import listening

log = structlog.get_logger("baton.notifier")


class Notifier:
    """Listens, and listens again after the connection was lost; until then polling is the net.

    Args:
        dsn: where; a pooler in transaction mode can't pass notifications on.
        schema: the schema.
        timeout: seconds that a statement may take.
        wake: called with the name of each queue that has work, or with ``None`` after a gap.
    """

    def __init__(
        self, dsn: str, schema: str, *, timeout: float, wake: Callable[[str | None], None]
    ) -> None:
        self._dsn = dsn
        self._schema = schema
        self._timeout = timeout
        self._wake = wake

    async def run(self, *, task_status: TaskStatus[None]) -> None:
        """Listen until cancelled; started once the first connection listens."""
        started = False
        while True:
            try:
                async with listening(self._dsn, self._schema, timeout=self._timeout) as payloads:
                    if not started:
                        task_status.started()
                        started = True
                    self._wake(None)  # what was said while nobody listened
                    async for queue in payloads:
                        self._wake(queue)
            except DatabaseError as error:
                if not started:
                    raise
                log.debug("listener.lost", reason=str(error))
            await sleep(uniform(0.2, 0.6))  # noqa: S311
