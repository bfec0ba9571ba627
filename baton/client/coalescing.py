"""Inserts of single jobs that happen at the same time go to the database together.

A commit waits for the disk, and a statement for the network, whether it inserts one job or a
hundred. So while one statement is under way, later jobs gather, and when it has ended they go in
one statement. A job that comes alone is inserted at once, by the task or thread that asked for it.
"""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, NamedTuple, TypeVar, cast

from baton.errors import BatonError, DatabaseUnavailable

J = TypeVar("J")
R = TypeVar("R")

LARGEST = 500  # jobs of one statement


class _Waiting(NamedTuple, Generic[J, R]):
    job: J
    inserted: asyncio.Future[R]

    def settle(self, inserted: R) -> None:
        if not self.inserted.done():
            self.inserted.set_result(inserted)

    def refuse(self, error: Exception) -> None:
        if not self.inserted.done():
            self.inserted.set_exception(error)


class Coalescer(Generic[J, R]):
    """Inserts jobs one by one for those who ask, and together where they meet.

    Those that gathered are inserted by a task of its own, so that nobody who is cancelled takes
    others along. Whoever is cancelled before it starts isn't inserted.

    Args:
        insert: inserts jobs in one statement, all or none, and returns them in the same order.
    """

    def __init__(self, insert: Callable[[Sequence[J]], Awaitable[Sequence[R]]]) -> None:
        self._insert = insert
        self._loop: asyncio.AbstractEventLoop | None = None  # where a statement is under way
        self._waiting: list[_Waiting[J, R]] = []
        self._task: asyncio.Task[None] | None = None

    async def insert(self, job: J) -> R:
        """Insert a job.

        Raises:
            BatonError: what inserting this one raised.
        """
        loop = asyncio.get_running_loop()
        if self._loop is loop:
            waiting: _Waiting[J, R] = _Waiting(job, loop.create_future())
            self._waiting.append(waiting)
            return await waiting.inserted
        self._loop, self._waiting = loop, []  # a loop that was left in the middle is forgotten
        try:
            [inserted] = await self._insert([job])
            return inserted
        finally:
            self._go_on(loop)

    def _go_on(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._loop is not loop:
            return
        if self._waiting:
            self._task = loop.create_task(self._insert_gathered(loop), name="baton inserts")
        else:
            self._loop = None

    async def _insert_gathered(self, loop: asyncio.AbstractEventLoop) -> None:
        gathered, self._waiting = self._waiting[:LARGEST], self._waiting[LARGEST:]
        try:
            await self._insert_together([each for each in gathered if not each.inserted.done()])
            # who was answered goes on first: otherwise the next of them would be inserted alone,
            # and the others wait for that
            await asyncio.sleep(0)
        finally:
            for each in gathered:
                each.inserted.cancel()  # only when this task was: all others are done
            self._go_on(loop)

    async def _insert_together(self, gathered: Sequence[_Waiting[J, R]]) -> None:
        if not gathered:
            return
        try:
            inserted = await self._insert([each.job for each in gathered])
        except Exception as error:
            await self._refuse(gathered, error)
        else:
            for each, job in zip(gathered, inserted, strict=True):
                each.settle(job)

    async def _refuse(self, gathered: Sequence[_Waiting[J, R]], error: Exception) -> None:
        if len(gathered) == 1 or _is_shared(error):
            for each in gathered:
                each.refuse(error)
        else:  # nothing was inserted, and some of them are to blame
            for each in gathered:
                await self._insert_together([each])


class _Turn(Generic[J, R]):
    """The insert of a thread that waits until it is done, or until it is to do it for all."""

    __slots__ = ("_gate", "error", "inserted", "job", "leads")

    def __init__(self, job: J) -> None:
        self.job = job
        self.leads = False
        self.inserted: R | None = None
        self.error: BaseException | None = None
        self._gate = threading.Lock()
        self._gate.acquire()

    def wait(self) -> None:
        self._gate.acquire()

    def call(self) -> None:
        self._gate.release()


class SyncCoalescer(Generic[J, R]):
    """Does what `Coalescer` does, for threads: the first of those that gathered inserts for all.

    A thread that comes here again in the middle of an insert of its own, from the handler of a
    signal, waits for nobody: it would wait for itself.

    Args:
        insert: inserts jobs in one statement, all or none, and returns them in the same order.
    """

    def __init__(self, insert: Callable[[Sequence[J]], Sequence[R]]) -> None:
        self._insert = insert
        self._lock = threading.Lock()
        self._inside: set[int] = set()  # threads
        self._at_work = False
        self._waiting: list[_Turn[J, R]] = []

    @property
    def gathered(self) -> int:
        """How many inserts wait for the next statement."""
        return len(self._waiting)

    def insert(self, job: J) -> R:
        """Insert a job.

        Raises:
            BatonError: what inserting this one raised.
        """
        thread = threading.get_ident()
        if thread in self._inside:
            [inserted] = self._insert([job])
            return inserted
        self._inside.add(thread)
        try:
            return self._insert_in_turn(job)
        finally:
            self._inside.discard(thread)

    def _insert_in_turn(self, job: J) -> R:
        with self._lock:
            alone, self._at_work = not self._at_work, True
            if not alone:
                turn: _Turn[J, R] = _Turn(job)
                self._waiting.append(turn)
        if alone:
            try:
                [inserted] = self._insert([job])
                return inserted
            finally:
                self._go_on()
        try:
            turn.wait()
            if turn.leads:
                self._lead(turn)
        except BaseException:
            self._leave(turn)
            raise
        if turn.error is not None:
            raise turn.error
        return cast("R", turn.inserted)

    def _leave(self, turn: _Turn[J, R]) -> None:
        """Let the others go on without a thread that was interrupted."""
        with self._lock:
            if turn in self._waiting:
                self._waiting.remove(turn)
        if turn.leads:
            self._go_on()

    def _go_on(self) -> None:
        """Call the first of those that gathered to insert for all; it does this again."""
        with self._lock:
            if not self._waiting:
                self._at_work = False
                return
            first = self._waiting.pop(0)
            first.leads = True
        first.call()

    def _lead(self, first: _Turn[J, R]) -> None:
        with self._lock:
            gathered = [first, *self._waiting[: LARGEST - 1]]
            del self._waiting[: LARGEST - 1]
        try:
            self._insert_together(gathered)
        except BaseException:
            # this thread was interrupted, perhaps after the commit
            for each in gathered:
                each.error = each.error or DatabaseUnavailable("the insert was interrupted")
            raise
        finally:
            for each in gathered[1:]:
                each.call()
            first.leads = False
            self._go_on()

    def _insert_together(self, gathered: Sequence[_Turn[J, R]]) -> None:
        try:
            inserted = self._insert([each.job for each in gathered])
        except Exception as error:
            if len(gathered) == 1 or _is_shared(error):
                for each in gathered:
                    each.error = error
            else:  # nothing was inserted, and some of them are to blame
                for each in gathered:
                    self._insert_together([each])
        else:
            for each, job in zip(gathered, inserted, strict=True):
                each.inserted = job


def _is_shared(error: Exception) -> bool:
    """Whether an error would meet each of the jobs alone too."""
    return isinstance(error, DatabaseUnavailable) or not isinstance(error, BatonError)
