"""The inline mode: what is inserted is performed at once, and no database is needed."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from itertools import count
from typing import Any, Literal

import structlog

from baton import changes
from baton.ambient import ambient
from baton.approvals import Answer, Decision
from baton.client import Client
from baton.client.checks import checked, checked_workflows
from baton.errors import InlineTooDeep, NotFound, NothingKept, NotPerformed
from baton.jobs import Grafted, Job, NewJob
from baton.outcomes import Failure, Outcome
from baton.services.asking import Caller
from baton.services.callbacks import call
from baton.settings import load
from baton.states import State
from baton.testing.flows import Flow
from baton.testing.making import made, started
from baton.testing.performing import Observed, Performed, perform, worker_threads
from baton.testing.saying import Signals
from baton.testing.threads import CallingThread
from baton.verbosity import report_error
from baton.workers import Registry, current_registry
from baton.workflows import Graft, Workflow

log = structlog.get_logger("baton.testing")

DEEPEST = 30  # jobs inside jobs, of some 20 frames each, of which Python bears 1,000

_depth: ContextVar[int] = ContextVar("baton_inline_depth", default=0)


@contextmanager
def inline(
    *,
    registry: Registry | None = None,
    resources: Mapping[str, Any] | None = None,
    with_scheduled: bool = True,
    raise_errors: bool = False,
    signals: Mapping[str, Any] | None = None,
    approvals: Mapping[str, bool] | None = None,
) -> Iterator[list[Performed]]:
    """Perform what is inserted inside the block at once, where it is inserted.

    It holds for ``.insert()``, ``baton.insert`` and everything else that uses the default client.
    The job comes back as it stands afterwards. A workflow runs through in topological order; what
    depends on a step that is to be retried stays suspended. Time passes at once: a sleep is over,
    and a wait for a signal that was not said ends as if it had not come in time. A wait without
    limit, and what depends on it, stays suspended.

    Args:
        registry: where workers and hooks are; by default the default registry.
        resources: what workers ask for; without them the lifespans are opened for each job.
        with_scheduled: whether a job with a later time is performed too, now.
        raise_errors: whether an insert raises what made the job fail.
        signals: what is said to every workflow, by name of the signal; what is said inside the
            block with `Workflow.signal` is heard by the steps that come later.
        approvals: what is said to approvals, yes or no by name of the step; others end as if nobody
            had answered in time.

    Yields:
        A list that grows with every attempt: the job, what it returned, what it raised.
    """
    engine = _Engine(
        registry,
        resources,
        with_scheduled=with_scheduled,
        raise_errors=raise_errors,
        signals=Signals(signals or {}, approvals or {}),
    )
    with ambient.using(InlineClient(engine), InlineSyncClient(engine)):
        yield engine.performed


class _Engine:
    def __init__(
        self,
        registry: Registry | None,
        resources: Mapping[str, Any] | None,
        *,
        with_scheduled: bool,
        raise_errors: bool,
        signals: Signals,
    ) -> None:
        self._registry = registry
        self._resources = resources
        self._with_scheduled = with_scheduled
        self._raise_errors = raise_errors
        self._ids = count(1)
        self.signals = signals
        self.performed: list[Performed] = []

    @property
    def registry(self) -> Registry:
        return self._registry or current_registry()

    async def run_jobs(self, given: Iterable[NewJob], caller: Caller) -> list[Job]:
        now = datetime.now(UTC)
        # all or none: the last one may be one that can't be stored
        jobs = [self._made(new, now) for new in checked(self.registry, given)]
        return [(await self._run(job, caller))[0] for job in jobs]

    async def run_workflow(self, given: Workflow, caller: Caller) -> list[Job]:
        [workflow] = checked_workflows(self.registry, [given])
        now = datetime.now(UTC)

        def make(new: NewJob, identity: Mapping[str, Any]) -> Job:
            return self._made(new, now, identity)

        async def run(job: Job) -> tuple[Job, Outcome | None]:
            return await self._run(job, caller)

        async def hear(kind: Literal["cancelled", "discarded"], reason: str, job: Job) -> None:
            try:
                await call(self.registry, caller, kind, reason, job)
            except Exception:
                report_error(log, "callback.failed", worker=job.worker)
                if self._raise_errors:
                    raise

        def check(graft: Graft) -> Graft:
            return graft.checked(self.registry)

        flow = Flow(workflow, make, run, hear, check, self.signals)
        await flow.perform()
        return [flow.jobs[name] for name in workflow.step_names()]

    def _made(self, new: NewJob, now: datetime, identity: Mapping[str, Any] | None = None) -> Job:
        limit = load().max_args_bytes
        return made(new, next(self._ids), now, limit=limit, identity=identity)

    async def _run(self, job: Job, caller: Caller) -> tuple[Job, Outcome | None]:
        if job.state is State.SCHEDULED and not self._with_scheduled:
            return job, None
        if _depth.get() >= DEEPEST:
            raise InlineTooDeep(job.worker, DEEPEST)
        token = _depth.set(_depth.get() + 1)
        try:
            performed, outcome = await perform(
                started(job, datetime.now(UTC)), Observed(self.registry), caller, self._resources
            )
        finally:
            _depth.reset(token)
        self.performed.append(performed)
        # Ctrl-C in a test is for the test
        stops = self._raise_errors or isinstance(performed.error, InlineTooDeep | KeyboardInterrupt)
        if stops and isinstance(outcome, Failure) and performed.error is not None:
            raise performed.error
        return performed.job, outcome


class InlineClient:
    """The default client for asynchronous code inside `inline`."""

    def __init__(self, engine: _Engine) -> None:
        self._engine = engine

    async def insert(self, job: NewJob, *, conn: Any = None) -> Job:
        """Perform a job; ``conn`` is not looked at."""
        [performed] = await self.insert_all([job], conn=conn)
        return performed

    async def insert_all(self, jobs: Iterable[NewJob], *, conn: Any = None) -> Sequence[Job]:
        """Perform jobs, one after the other."""
        del conn
        return await self._engine.run_jobs(jobs, worker_threads())

    async def insert_many(self, jobs: Iterable[NewJob], *, conn: Any = None) -> int:
        """Perform jobs, one after the other, and return how many those were."""
        return len(await self.insert_all(jobs, conn=conn))

    async def insert_workflow(self, workflow: Workflow, *, conn: Any = None) -> Sequence[Job]:
        """Perform a workflow."""
        del conn
        return await self._engine.run_workflow(workflow, worker_threads())

    async def cancel_job(self, job_id: int, reason: str | None = None, *, conn: Any = None) -> bool:
        """Return false: whatever was inserted has been performed, and is kept nowhere."""
        del job_id, reason, conn
        return False

    async def retry_job(self, job_id: int, *, conn: Any = None) -> bool:
        """Return false, as `cancel_job` does."""
        del job_id, conn
        return False

    async def delete_job(self, job_id: int, *, conn: Any = None) -> bool:
        """Return false, as `cancel_job` does."""
        del job_id, conn
        return False

    async def update_job(self, job_id: int, change: changes.Change, *, conn: Any = None) -> Job:
        """Raise `NotFound`, as for a job that is kept nowhere."""
        del change, conn
        raise NotFound("job", job_id)

    async def cancel_workflow(
        self, workflow_id: Any, reason: str | None = None, *, conn: Any = None
    ) -> int:
        """Return 0: whatever was inserted has been performed, and is kept nowhere."""
        del workflow_id, reason, conn
        return 0

    async def retry_workflow(
        self, workflow_id: Any, steps: Any = None, *, dry_run: bool = False, conn: Any = None
    ) -> Any:
        """Raise `NotFound`, as for a workflow that is kept nowhere."""
        del steps, dry_run, conn
        raise NotFound("workflow", workflow_id)

    async def skip_step(
        self,
        workflow_id: Any,
        step: str,
        result: Any = None,
        *,
        reason: str | None = None,
        conn: Any = None,
    ) -> State:
        """Raise `NotFound`, as for a workflow that is kept nowhere."""
        del step, result, reason, conn
        raise NotFound("workflow", workflow_id)

    async def signal_workflow(
        self,
        workflow_id: Any,
        name: str,
        payload: Any = None,
        *,
        sent_by: str | None = None,
        conn: Any = None,
    ) -> bool:
        """Say something to a workflow that is being performed: what comes later in it hears it."""
        del sent_by, conn
        return self._engine.signals.say(workflow_id, name, payload)

    async def answer_approval(
        self, workflow_id: Any, step: str, answer: Answer, *, conn: Any = None
    ) -> Decision:
        """Answer an approval of a workflow that is being performed, before it is asked."""
        del conn
        return self._engine.signals.answer(workflow_id, step, answer)

    async def graft(
        self, workflow_id: Any, graft: Graft, *, before: Any = (), conn: Any = None
    ) -> Grafted:
        """Raise `NotFound`, as for a workflow that is kept nowhere."""
        del graft, before, conn
        raise NotFound("workflow", workflow_id)

    async def graft_job(self, job: Job, graft: Graft) -> Grafted:
        """Raise `NotPerformed`: the jobs that are performed here are held by other claims."""
        del graft
        raise NotPerformed(job.id)

    async def looking(self) -> Client:
        """Raise `NothingKept`: there is no database to look at."""
        raise NothingKept


class InlineSyncClient:
    """The default client for code without an event loop inside `inline`."""

    def __init__(self, engine: _Engine) -> None:
        self._engine = engine

    def insert(self, job: NewJob, *, conn: Any = None) -> Job:
        """Perform a job; ``conn`` is not looked at."""
        [performed] = self.insert_all([job], conn=conn)
        return performed

    def insert_all(self, jobs: Iterable[NewJob], *, conn: Any = None) -> Sequence[Job]:
        """Perform jobs, one after the other."""
        del conn
        caller = CallingThread()
        return caller.serve(self._engine.run_jobs(jobs, caller))

    def insert_many(self, jobs: Iterable[NewJob], *, conn: Any = None) -> int:
        """Perform jobs, one after the other, and return how many those were."""
        return len(self.insert_all(jobs, conn=conn))

    def insert_workflow(self, workflow: Workflow, *, conn: Any = None) -> Sequence[Job]:
        """Perform a workflow."""
        del conn
        caller = CallingThread()
        return caller.serve(self._engine.run_workflow(workflow, caller))

    def signal_workflow(
        self,
        workflow_id: Any,
        name: str,
        payload: Any = None,
        *,
        sent_by: str | None = None,
        conn: Any = None,
    ) -> bool:
        """Do what `InlineClient.signal_workflow` does."""
        del sent_by, conn
        return self._engine.signals.say(workflow_id, name, payload)

    def answer_approval(
        self, workflow_id: Any, step: str, answer: Answer, *, conn: Any = None
    ) -> Decision:
        """Do what `InlineClient.answer_approval` does."""
        del conn
        return self._engine.signals.answer(workflow_id, step, answer)

    def graft(
        self, workflow_id: Any, graft: Graft, *, before: Any = (), conn: Any = None
    ) -> Grafted:
        """Raise `NotFound`, as for a workflow that is kept nowhere."""
        del graft, before, conn
        raise NotFound("workflow", workflow_id)

    def graft_job(self, job: Job, graft: Graft) -> Grafted:
        """Raise `NotPerformed`, as the asynchronous client does."""
        del graft
        raise NotPerformed(job.id)
