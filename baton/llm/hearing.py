"""Notes what one stream uses and says, as it says so."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any
from uuid import uuid4

import structlog

from baton.errors import MissingPackage
from baton.jobs import Job
from baton.llm.capture import contents
from baton.llm.meter import Meter
from baton.llm.responses import readable
from baton.llm.transcript import Transcript, raw
from baton.llm.usage import Usage

log = structlog.get_logger("baton.llm")


class Hearing:
    """Records what one stream uses as it says so, and captures what it said once it is over."""

    def __init__(self, meter: Meter, job: Job) -> None:
        self._meter = meter
        self._job = job
        self._name = f"stream {uuid4()}"  # its events may have no id, or one each
        self._used: Usage | None = None
        self._transcript = Transcript() if meter.captures(job) else None
        self._over = Lock()  # taken by the first who says that it is over
        self._complained = False

    def hear(self, event: Any) -> None:
        """Take in the next event: later ones say more of the same response."""
        try:
            self._record(raw(event))
            if self._transcript is not None:
                self._transcript.add(event)
        except MissingPackage:
            raise
        except Exception as error:
            self._complain(error)

    def _complain(self, error: Exception) -> None:
        if not self._complained:
            self._complained = True
            told = self._meter.clean(self._job, error)
            log.warning("stream.unheard", job_id=self._job.id, error=told)

    def _record(self, event: Any) -> None:
        used = readable(event)
        if not used and self._used is not None:
            # Anthropic's message_delta says no more than this
            said = getattr(getattr(event, "usage", None), "output_tokens", None)
            used = [Usage(output_tokens=said)] if isinstance(said, int) else []
        if used:
            self._used = used[-1] if self._used is None else self._used.followed_by(used[-1])
            self._meter.record(self._job, self._used, stream=self._name)

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Know how the reading ends."""
        try:
            yield
        except Exception as error:
            self.end("broken", error)
            raise
        except BaseException:
            self.end("left")
            raise
        else:
            self.end("completed")

    @contextmanager
    def opening(self) -> Iterator[None]:
        """Capture what opening the stream raises."""
        try:
            yield
        except Exception as error:
            self._meter.capture(self._job, "error", error)
            raise

    def take(self, run: Any) -> None:
        """Record and capture a run of pydantic-ai, which is read by methods of its own."""
        try:
            if callable(messages := getattr(run, "new_messages", None)):
                self._meter.listen(self._job, run)
                self._meter.capture(self._job, "response", messages())
        except Exception as error:
            self._complain(error)

    def end(self, how: str, error: Exception | None = None) -> None:
        """Capture what was said until now, unless that was done before; nothing is raised."""
        if self._transcript is None or not self._over.acquire(blocking=False):
            return
        try:
            said = {**self._transcript.content(), "ended": how}
            if error is not None:
                said["error"] = contents(self._job, "error", error, self._meter.clean)
        except Exception as problem:
            self._complain(problem)
        else:
            self._meter.capture(self._job, "response", said)
