"""Writes what was captured of steps, behind their backs: a capture never keeps a step waiting."""

from collections import deque
from collections.abc import Callable
from threading import RLock

import structlog

from baton import documents
from baton.errors import DatabaseError, InvalidData
from baton.llm.meter import Capture
from baton.services.duty import Duty
from baton.store.pools import Database

log = structlog.get_logger("baton.llm")

PORTION = 4_000_000  # bytes of captures in one statement, at about
MOST = 64_000_000  # bytes that wait to be written; beyond it the oldest are dropped
PAUSE = 1.0  # seconds after a failure


class Scribe:
    """Keeps captures until they are written.

    Args:
        database: where.
        interval: seconds after which to look whether anything was left.
    """

    def __init__(self, database: Database, *, interval: float) -> None:
        self._database = database
        self._waiting: deque[Capture] = deque()
        self._size = 0
        self._dropped = 0
        # re-entrant: the garbage collector may find a stream, which is captured, at any time
        self._lock = RLock()
        self._wake: Callable[[], None] = lambda: None
        self.duty = Duty("debug log", interval=interval, perform=self._write)

    def tell(self, wake: Callable[[], None]) -> None:
        """Call this, in whichever thread, when there is something to write."""
        self._wake = wake

    def note(self, capture: Capture) -> None:
        """Have a capture written."""
        size = len(capture.content)
        with self._lock:
            self._waiting.append(capture)
            self._size += size
            while self._size > MOST:
                self._size -= len(self._waiting.popleft().content)
                self._dropped += 1
        self._wake()

    async def drain(self) -> None:
        """Write what is left."""
        while self._waiting and await self._write() is None:
            pass

    async def _write(self) -> float | None:
        portion = self._take()
        if not portion:
            return None
        try:
            await self._insert(portion)
        except InvalidData as error:
            log.warning("captures.refused", count=len(portion), reason=str(error))
        except DatabaseError:
            self._put_back(portion)
            return PAUSE
        return 0.0 if self._waiting else None

    async def _insert(self, portion: list[Capture]) -> None:
        rows = documents.encode([capture.row for capture in portion])
        contents = [capture.content for capture in portion]
        await self._database.run("llm_log_insert", {"rows": rows, "contents": contents})

    def _take(self) -> list[Capture]:
        taken: list[Capture] = []
        size = 0
        with self._lock:
            while self._waiting and size < PORTION:
                taken.append(self._waiting.popleft())
                size += len(taken[-1].content)
            self._size -= size
            dropped, self._dropped = self._dropped, 0
        if dropped:
            log.warning("captures.dropped", count=dropped)
        return taken

    def _put_back(self, portion: list[Capture]) -> None:
        with self._lock:
            self._waiting.extendleft(reversed(portion))
            self._size += sum(len(capture.content) for capture in portion)
