"""Runs a workflow through in a test, step by step in topological order."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, Literal

from baton.jobs import Grafted, Job, NewJob, Step
from baton.outcomes import Outcome, Skipped, Success, WaitForSignal
from baton.states import State
from baton.store.plans import identity_of, job_of
from baton.store.rows import document
from baton.testing.gates import End, gate_of
from baton.testing.grafting import Growth, PlayedClaim
from baton.testing.making import cancelled, completed, failed
from baton.testing.saying import Signals, decision
from baton.workflows import Graft, NewStep, Workflow

Make = Callable[[NewJob, Mapping[str, Any]], Job]
Hear = Callable[[Literal["cancelled", "discarded"], str, Job], Awaitable[None]]
Run = Callable[[Job], Awaitable[tuple[Job, Outcome | None]]]


@dataclass(slots=True)
class Flow:
    """One workflow that is performed.

    Time passes at once: a sleep is over, and so is a wait for a signal that has a limit.

    Attributes:
        workflow: what is performed.
        make: makes the job of a step, given what Baton adds to its meta.
        run: performs a job.
        hear: tells the worker of a step that was cancelled how a dependency ended, and which.
        check: has the hooks look at the jobs of steps that a worker adds.
        signals: what was said to it.
        around: what the step that this workflow is may read, by name.
        inherited: the names of what it depends on.
        jobs: the jobs of the steps, by name.
        ends: where the steps stand.
        results: what they returned.
        growth: its steps, with those that workers add.
    """

    workflow: Workflow
    make: Make
    run: Run
    hear: Hear
    check: Callable[[Graft], Graft]
    signals: Signals
    around: Mapping[str, Any] = field(default_factory=dict)
    inherited: Sequence[str] = ()
    jobs: dict[str, Job] = field(default_factory=dict)
    ends: dict[str, End] = field(default_factory=dict)
    results: dict[str, Any] = field(default_factory=dict)
    growth: Growth = field(default_factory=lambda: Growth({}))

    async def perform(self) -> None:
        """Perform the steps; nothing is performed when the job of one can't be stored."""
        with self.signals.of(self.workflow.workflow_id):
            await self._perform()

    async def _perform(self) -> None:
        self.growth = Growth({step.name: step for step in self.workflow.steps()})
        self._make(self.growth.steps.values())
        while (step := self._next()) is not None:
            job, skipped = await self._step(step)
            self.jobs[step.name] = job
            self.ends[step.name] = End(job.state, skipped)

    def _next(self) -> NewStep | None:
        """Return the first step that was not dealt with and whose dependencies were."""
        return next(
            (
                step
                for step in self.growth.steps.values()
                if step.name not in self.ends and all(dep in self.ends for dep in step.deps)
            ),
            None,
        )

    def _make(self, steps: Iterable[NewStep]) -> None:
        flow = self.workflow
        self.jobs.update(
            {step.name: self.make(job_of(flow, step), identity_of(flow, step)) for step in steps}
        )

    def _graft(self, step: NewStep, graft: Graft, returned: bool) -> Grafted:
        graft = self.check(graft)
        fresh = self.growth.add(step.name, graft, returned=returned)
        self._make(fresh)
        added = {new.name for new in fresh}
        kept = [name for name in graft.step_names() if name not in added]
        return Grafted(tuple(added), tuple(kept))

    async def _step(self, step: NewStep) -> tuple[Job, bool]:
        gate = gate_of(step, self.ends)
        job = self.jobs[step.name]
        match gate.state:
            case "poisoned":
                job = cancelled(job, gate.cause, datetime.now(UTC))
                place = replace(self._place(step), gate="poisoned", cause=gate.cause)
                await self.hear(gate.kind, gate.cause, replace(job, step=place))
                return job, False
            case "waiting":
                return replace(job, state=State.SUSPENDED), False
            case "skipped":
                return completed(job, datetime.now(UTC)), True
        if step.workflow is not None:
            return await self._inner(step.workflow, job, step), False
        if step.kind == "sleep":
            return completed(job, datetime.now(UTC)), False
        if step.kind in {"signal", "approval"}:
            return self._wait(step, job), False
        claim = PlayedClaim(partial(self._graft, step))
        job, outcome = await self._run(replace(job, step=self._place(step), claim=claim))
        if isinstance(outcome, Success) and outcome.result is not None:
            self.results[step.name] = document(outcome.result)
        return job, isinstance(outcome, Skipped)

    async def _run(self, job: Job) -> tuple[Job, Outcome | None]:
        """Perform a job, and again for every signal that it wants to wait for."""
        claim = job.claim
        while True:
            job, outcome = await self.run(job)
            if not isinstance(outcome, WaitForSignal) or job.step is None:
                return job, outcome
            limited = outcome.timeout is not None
            waited = self.signals.heard(job.step.workflow_id, outcome.signal, limited=limited)
            if waited is None:
                return job, outcome
            job = replace(job, step=replace(job.step, waited=waited), claim=claim)

    def _wait(self, step: NewStep, job: Job) -> Job:
        limited = step.wait_seconds is not None
        waited = self.signals.heard(self.workflow.workflow_id, step.signal, limited=limited)
        if waited is None:
            return replace(job, state=State.SUSPENDED)
        now = datetime.now(UTC)
        if waited.arrived:
            self.results[step.name] = waited.payload
            if step.kind == "approval" and not waited.payload["approved"]:
                cause = f"rejected by {waited.payload['by']}"
                return failed(job, State(step.job.args["on_rejected"]), cause, now)
            return completed(job, now)
        if step.kind == "approval":
            if step.on_timeout == "completed":
                self.results[step.name] = decision(approved=True, by=None)
            cause = f"nobody answered within {step.wait_seconds:g} s"
        else:
            cause = f"signal {step.signal} did not come within {step.wait_seconds:g} s"
        return failed(job, State(step.on_timeout), cause, now)

    async def _inner(self, workflow: Workflow, job: Job, step: NewStep) -> Job:
        workflow = workflow.inside(self.workflow)
        inner = Flow(
            workflow,
            self.make,
            self.run,
            self.hear,
            self.check,
            self.signals,
            around=self._known(step),
            inherited=step.deps or self.inherited,
        )
        await inner.perform()
        states = {end.state for end in inner.ends.values()}
        if not all(state.is_final for state in states):
            return replace(job, state=State.SUSPENDED)
        now = datetime.now(UTC)
        if states - {State.COMPLETED}:
            bad = State.DISCARDED if State.DISCARDED in states else State.CANCELLED
            names = [name for name, end in inner.ends.items() if end.state != State.COMPLETED]
            ended = failed(job, bad, f"its workflow failed: {', '.join(names)}", now)
        else:
            ended = completed(job, now)
            if (result := inner.result()) is not None:
                self.results[step.name] = result
        return ended

    def result(self) -> Any:
        """Return what the workflow returned, as a step of another."""
        if self.workflow.output is not None:
            return self.results.get(self.workflow.output)
        waited_for = {name for step in self.growth.steps.values() for name in step.deps}
        return {
            name: value for name, value in self.results.items() if name not in waited_for
        } or None

    def _place(self, step: NewStep) -> Step:
        return Step(
            workflow_id=self.workflow.workflow_id,
            workflow_label=self.workflow.name,
            name=step.name,
            deps=step.deps or tuple(self.inherited),
            results=self._known(step),
            condition=step.condition,
            context=self.workflow.context,
            grafts=self.growth.grafts(step),
        )

    def _known(self, step: NewStep) -> dict[str, Any]:
        own = {name: self.results[name] for name in step.deps if name in self.results}
        return own if step.deps else {**self.around, **own}
