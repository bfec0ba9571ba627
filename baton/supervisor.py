"""The parent of several worker processes: starts them, replaces those that die, ends them.

Each child is the same command in an interpreter of its own, tied to the parent by a `leash`. The
parent loads none of the user's code and has no connection, so there is little that could end it; if
something does, the children notice, finish what they have in hand and end too.
"""

import os
import signal
import socket
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from random import uniform
from time import monotonic

import structlog
from anyio import (
    Event,
    create_task_group,
    move_on_after,
    open_process,
    sleep,
    wait_readable,
)
from anyio.abc import Process

from baton.leash import DRAIN, FORCE, READY, VARIABLE

log = structlog.get_logger("baton.supervisor")

FIRST_DELAY = 0.5  # seconds before what died is replaced; doubled with each death in a row
LONGEST_DELAY = 30.0
HEALTHY = 60.0  # seconds of life after which a death is the first one again
FORCE_TIME = 15.0  # seconds that a child has to end without the grace
UNFINISHED = 5  # the exit code of a child that gave jobs back


class Supervisor:
    """Keeps worker processes running until it is stopped.

    Args:
        command: what each child runs.
        count: how many there are.
    """

    def __init__(self, command: Sequence[str], count: int) -> None:
        self._command = command
        self._count = count
        self._children: set[_Child] = set()
        self._codes: list[int] = []
        self._worked = False
        self._settled = Event()
        self._stopping = Event()
        self._forced = Event()

    def stop(self) -> None:
        """Let the children finish what they have in hand; called again, end them at once."""
        forced = self._stopping.is_set()
        log.info("supervisor.stopping", processes=len(self._children), forced=forced)
        if forced:
            self._forced.set()
        self._stopping.set()
        self._settled.set()
        self._tell(FORCE if forced else DRAIN)

    async def run(self) -> int:
        """Serve until `stop` is called, or until the first child ends before it works.

        Returns:
            The worst of the exit codes with which the children ended.
        """
        log.info("supervisor.started", processes=self._count)
        async with create_task_group() as tasks:
            tasks.start_soon(self._end_at_last)
            async with create_task_group() as keeping:
                # one goes ahead, so that what hinders all is said once
                keeping.start_soon(self._keep, 1)
                await self._settled.wait()
                for place in range(2, self._count + 1):
                    keeping.start_soon(self._keep, place)
            tasks.cancel_scope.cancel()
        code = worst(self._codes)
        log.info("supervisor.stopped", code=code)
        return code

    async def _keep(self, place: int) -> None:
        """Have one child running at all times."""
        deaths = 0
        while not self._stopping.is_set():
            began = monotonic()
            child = await self._start(place)
            try:
                code = await child.wait()
            finally:
                self._children.discard(child)
            self._settled.set()
            if self._stopping.is_set():
                # a signal to all can end one that does not listen yet, and has done nothing
                self._codes.append(code if child.is_ready or code > 0 else 0)
                return
            if code > 0 and not self._worked:
                self._codes.append(code)
                self.stop()
                return
            deaths = 1 if monotonic() - began >= HEALTHY else deaths + 1
            await self._back_off(place, deaths)

    async def _start(self, place: int) -> "_Child":
        ours, theirs = socket.socketpair()
        with theirs:
            process = await open_process(
                self._command,
                stdin=None,
                stdout=None,
                stderr=None,
                env={**os.environ, VARIABLE: f"{theirs.fileno()}:{place}"},
                pass_fds=[theirs.fileno()],
                start_new_session=True,  # what is typed at the terminal goes to the parent alone
            )
        child = _Child(place, process, ours, self._ready)
        self._children.add(child)
        log.info("process.started", place=place, pid=process.pid)
        if self._stopping.is_set():
            child.tell(FORCE if self._forced.is_set() else DRAIN)
        return child

    async def _back_off(self, place: int, deaths: int) -> None:
        seconds = delay(deaths)
        log.info("process.restarting", place=place, deaths=deaths, seconds=round(seconds, 2))
        with move_on_after(seconds):
            await self._stopping.wait()

    async def _end_at_last(self) -> None:
        await self._forced.wait()
        await sleep(FORCE_TIME)
        for child in self._children:
            log.warning("process.killed", place=child.place, pid=child.process.pid)
            child.process.kill()

    def _tell(self, word: bytes) -> None:
        for child in self._children:
            child.tell(word)

    def _ready(self) -> None:
        self._worked = True
        self._settled.set()


class _Child:
    def __init__(
        self, place: int, process: Process, end: socket.socket, on_ready: Callable[[], None]
    ) -> None:
        self.place = place
        self.process = process
        self.is_ready = False
        self._end = end
        self._end.setblocking(False)
        self._on_ready = on_ready

    def tell(self, word: bytes) -> None:
        with suppress(OSError):  # it has just ended
            self._end.send(word)

    async def wait(self) -> int:
        """Wait for its end and return its exit code, negative when a signal ended it."""
        with self._end:
            async with create_task_group() as tasks:
                tasks.start_soon(self._hear)
                code = await self.process.wait()
                tasks.cancel_scope.cancel()
        how = {"status": code} if code >= 0 else {"signal": _signal_name(-code)}
        write = log.info if code == 0 else log.warning
        write("process.exited", place=self.place, pid=self.process.pid, **how)
        return code

    async def _hear(self) -> None:
        await wait_readable(self._end)
        with suppress(OSError):  # it ended with a word unread
            if self._end.recv(1) == READY:
                self.is_ready = True
                log.info("process.ready", place=self.place, pid=self.process.pid)
                self._on_ready()


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # the real-time ones have no names
        return str(number)


def delay(deaths: int) -> float:
    """Return how many seconds to wait after so many deaths in a row."""
    longest = min(LONGEST_DELAY, FIRST_DELAY * 2.0 ** min(deaths - 1, 16))
    return longest * uniform(0.5, 1.0)  # noqa: S311


def worst(codes: Iterable[int]) -> int:
    """Return the exit code that says most: of an error, of jobs given back, or 0.

    A child that a signal ended counts as shells have it, 128 and the signal's number.
    """

    def severity(code: int) -> tuple[bool, bool, int]:
        return code not in {0, UNFINISHED}, code == UNFINISHED, code

    shown = [code if code >= 0 else 128 - code for code in codes]
    return max(shown, key=severity, default=0)
