"""Passes on what is said between processes: which queues have work, and what was changed."""

from collections.abc import Callable, Mapping
from random import uniform

import structlog
from anyio import sleep
from anyio.abc import TaskStatus

from baton.errors import DatabaseError
from baton.store.listener import CONTROL, JOBS, listening
from baton.verbosity import report_error

log = structlog.get_logger("baton.notifier")


class Notifier:
    """Listens, and listens again after the connection was lost; until then the lookout is the net.

    Whoever may NOTIFY can say anything: words that nobody knows are passed over, and a handler
    that raises is logged.

    Args:
        dsn: where; a pooler in transaction mode can't pass notifications on.
        schema: the schema.
        timeout: seconds that a statement may take.
        wake: called with the name of each queue that has work, or with ``None`` after a gap.
        controls: what to call for each word on the control channel, with its particulars, or with
            an empty text after a gap.
    """

    def __init__(
        self,
        dsn: str,
        schema: str,
        *,
        timeout: float,
        wake: Callable[[str | None], None],
        controls: Mapping[str, Callable[[str], None]],
    ) -> None:
        self._dsn = dsn
        self._schema = schema
        self._timeout = timeout
        self._wake = wake
        self._controls = controls

    async def run(self, *, task_status: TaskStatus[None]) -> None:
        """Listen until cancelled; started once the first connection listens."""
        started = False
        while True:
            try:
                async with listening(self._dsn, self._schema, timeout=self._timeout) as listener:
                    if not started:
                        task_status.started()
                        started = True
                    self._catch_up()
                    await listener.pass_on(self._pass_on)
            except DatabaseError as error:
                if not started:
                    raise
                log.debug("listener.lost", reason=str(error))
            await sleep(uniform(0.2, 0.6))  # noqa: S311

    def _catch_up(self) -> None:
        """Have everybody look for what was said while nobody listened."""
        self._wake(None)
        for word in self._controls:
            self._pass_on(CONTROL, word)

    def _pass_on(self, channel: str, payload: str) -> None:
        try:
            if channel == JOBS:
                self._wake(payload)
            elif channel == CONTROL:
                word, _, particulars = payload.partition(" ")
                handler = self._controls.get(word)
                if handler is not None:
                    handler(particulars)
        except Exception:
            report_error(log, "notification.failed", channel=channel, payload=payload[:200])
