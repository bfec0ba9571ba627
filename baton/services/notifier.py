"""Passes on what is said between processes: which queues have work, and what was changed."""

from collections.abc import Callable, Mapping
from random import uniform

import structlog
from anyio import sleep
from anyio.abc import TaskStatus

from baton.errors import DatabaseError
from baton.store.listener import CONTROL, JOBS, listening

log = structlog.get_logger("baton.notifier")


class Notifier:
    """Listens, and listens again after the connection was lost; until then polling is the net.

    Where it can't listen, it has everybody look as after a gap, again and again.

    Whoever may NOTIFY can say anything: words that nobody knows are passed over, and a handler
    that raises is logged.

    Args:
        dsn: where; a pooler in transaction mode can't pass notifications on. ``None``: nowhere.
        schema: the schema.
        timeout: seconds that a statement may take.
        poll_interval: seconds between two looks where it can't listen.
        wake: called with the name of each queue that has work, or with ``None`` after a gap.
        controls: what to call for each word on the control channel, with its particulars, or with
            an empty text after a gap.
    """

    def __init__(
        self,
        dsn: str | None,
        schema: str,
        *,
        timeout: float,
        poll_interval: float,
        wake: Callable[[str | None], None],
        controls: Mapping[str, Callable[[str], None]],
    ) -> None:
        self._dsn = dsn
        self._schema = schema
        self._timeout = timeout
        self._poll_interval = poll_interval
        self._wake = wake
        self._controls = controls

    async def run(self, *, task_status: TaskStatus[None]) -> None:
        """Listen until cancelled; started once the first connection listens."""
        if self._dsn is None:
            log.info("listener.off", poll_interval=self._poll_interval)
            task_status.started()
            await self._poll()
        else:
            await self._listen(self._dsn, task_status)

    async def _poll(self) -> None:
        while True:
            self._catch_up()
            await sleep(self._poll_interval * uniform(0.9, 1.0))  # noqa: S311

    async def _listen(self, dsn: str, task_status: TaskStatus[None]) -> None:
        started = False
        while True:
            try:
                async with listening(dsn, self._schema, timeout=self._timeout) as heard:
                    if not started:
                        task_status.started()
                        started = True
                    self._catch_up()
                    async for channel, payload in heard:
                        self._pass_on(channel, payload)
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
            log.exception("notification.failed", channel=channel, payload=payload[:200])
