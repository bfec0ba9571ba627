"""What runs in a child process: the workers of the same program, with clients of their own.

A child lives for many jobs. It keeps one event loop, on which its lifespans are opened once and its
coroutines run; the module that ``--app`` names is imported when the first job comes.
"""

import asyncio
import atexit
import signal
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from threading import Event, Thread
from typing import Any

import structlog

from baton import logs
from baton.ambient import ambient
from baton.client import Client, SyncClient
from baton.errors import BatonError
from baton.jobs import Job
from baton.lifespans import opened
from baton.llm.making import meter_of
from baton.llm.meter import Capture
from baton.llm.tally import Ledger, Tally
from baton.loading import load_registry
from baton.outcomes import Cancel, Completed, Discard, Failure, Outcome, failure
from baton.services.performer import Performer
from baton.services.processes import Report
from baton.settings import Settings

log = structlog.get_logger("baton.child")


def perform(settings: Settings, job: Job) -> Report:
    """Perform a job here and return what came of it, in a form that can be pickled."""
    try:
        if not _made:
            _made.append(_Child(settings))
        outcome = _made[0].perform(job)
    except BaseException as error:
        outcome = failure(error)
    captures = _made[0].captures() if _made else ()
    tally = None if job.claim is None else job.claim.tally
    return Report(_picklable(outcome), tally, captures)


def _picklable(outcome: Outcome) -> Outcome:
    match outcome:
        case Completed(otherwise):
            return replace(outcome, otherwise=_picklable(otherwise))
        case Failure():
            return replace(outcome, error=None)
        case Discard(reason) | Cancel(reason):
            return replace(outcome, reason=str(reason))
        case _:
            return outcome


class _Child:
    def __init__(self, settings: Settings) -> None:
        # Ctrl-C goes to every process of the terminal; the parent decides what it means
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        if settings.app is None:
            raise BatonError(
                "a worker with executor=process must be importable: name its module with --app"
            )
        logs.configure(settings.log_level, settings.log_format)
        self._registry = load_registry(settings.app)
        self._limit = settings.max_result_bytes
        self._args_limit = settings.max_args_bytes
        self._captures: list[Capture] = []
        self._client = Client(settings=settings, registry=self._registry)
        self._sync_client = SyncClient(settings=settings, registry=self._registry)
        self._bookkeeper = Bookkeeper(self._sync_client.store_usage)
        self._meter = meter_of(
            settings,
            self._registry,
            self._bookkeeper.note,
            self._captures.append,
            announces=False,
        )
        ambient.use(self._client, self._sync_client)
        self._runner = asyncio.Runner()
        self._stack = AsyncExitStack()
        self._resources: dict[str, Any] | None = None
        atexit.register(self._close)

    def perform(self, job: Job) -> Outcome:
        return self._runner.run(self._perform(job))

    def captures(self) -> Sequence[Capture]:
        """Return what was captured of the newest job, and forget it."""
        taken = tuple(self._captures)
        self._captures.clear()
        return taken

    async def _perform(self, job: Job) -> Outcome:
        if self._resources is None:
            lifespans = self._registry.lifespans
            self._resources = await self._stack.enter_async_context(opened(lifespans))
        performer = Performer(
            self._registry,
            max_result_bytes=self._limit,
            max_args_bytes=self._args_limit,
            resources=self._resources,
            meter=self._meter,
        )
        return await performer.perform(job)

    def _close(self) -> None:
        self._runner.run(self._stack.aclose())
        self._runner.run(self._client.close())
        self._runner.close()
        self._sync_client.close()


class Bookkeeper:
    """Writes down what a job used while it runs, in a thread of its own: a child may be killed.

    What can't be written is with the parent once the job is done.

    Args:
        write: writes tallies down.
    """

    def __init__(self, write: Callable[[list[Tally]], None]) -> None:
        self._write = write
        self._ledger = Ledger()
        self._woken = Event()
        self._ledger.tell(self._woken.set)
        Thread(target=self._run, name="baton-bookkeeper", daemon=True).start()

    def note(self, tally: Tally) -> None:
        """Have a tally written."""
        self._ledger.note(tally)

    def _run(self) -> None:
        while self._woken.wait():
            self._woken.clear()  # before it is taken: what comes meanwhile wakes it again
            try:
                self._write(self._ledger.take())
            except Exception as error:
                log.warning("usage.unwritten", error=str(error))


_made: list[_Child] = []  # a child process serves one parent, and so one program
