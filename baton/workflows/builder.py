"""Collects steps that are not inserted yet."""

from collections.abc import Callable, Iterable, Mapping
from copy import copy
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Self

from baton.conditions import Condition
from baton.documents import NAME_BYTES
from baton.errors import DuplicateStep, InvalidWorkflow, UnknownDependency
from baton.jobs import NewJob
from baton.workflows.approving import Approvals
from baton.workflows.checks import check_name, checked, in_seconds
from baton.workflows.models import Models
from baton.workflows.steps import ALL, NewStep, OnTimeout, RunOn

if TYPE_CHECKING:
    from baton.workflows.workflow import Workflow


class StepBuilder(Approvals):
    """Collects steps by name.

    Args:
        ignore_cancelled: whether a cancelled dependency counts as done, for all steps.
        ignore_discarded: whether a discarded dependency counts as done, for all steps.
        ignore_skipped: whether a skipped dependency counts as done, for all steps.
    """

    def __init__(
        self,
        *,
        ignore_cancelled: bool = False,
        ignore_discarded: bool = False,
        ignore_skipped: bool = False,
    ) -> None:
        self._ignore_cancelled = ignore_cancelled
        self._ignore_discarded = ignore_discarded
        self._ignore_skipped = ignore_skipped
        self._steps: dict[str, NewStep] = {}
        self._fan_outs: dict[str, tuple[str, ...]] = {}
        self.models = Models()

    def add(
        self,
        name: str,
        job: "NewJob | Workflow",
        *,
        deps: Iterable[str] = (),
        ignore_cancelled: bool | None = None,
        ignore_discarded: bool | None = None,
        ignore_skipped: bool | None = None,
        run_on: RunOn = "completed",
        when: str | Condition[Any] | None = None,
    ) -> Self:
        """Add a step and return the builder, so that calls can be chained.

        Args:
            name: the step's name, unique in the workflow.
            job: what it runs, from ``.new()`` of a worker, or a workflow that is this step.
            deps: names of the steps that must be done before; they may be added later.
                ``"fetch:*"`` stands for all steps of the fan-out ``fetch``.
            ignore_cancelled: overrides the workflow's choice for this step.
            ignore_discarded: overrides the workflow's choice for this step.
            ignore_skipped: overrides the workflow's choice for this step; a step that does not
                ignore it is skipped with a dependency.
            run_on: ``completed`` runs it when its dependencies completed and cancels it when one
                did not; ``failed`` when all have ended and one did not complete, otherwise it is
                skipped; ``done`` when all have ended, whatever became of them.
            when: a condition, or the name of one, that is asked before the worker; if it says no
                the step is skipped. A name may be that of another program's condition.

        Raises:
            DuplicateStep: there is a step of that name.
            InvalidWorkflow: the name is blank or too long, ``job`` is neither, or something does
                not fit.
        """
        check_name(name)
        facts: dict[str, Any]
        if isinstance(job, NewJob):
            facts = {"job": job}
        elif isinstance(job, StepBuilder):
            facts = {"job": NewJob(worker="baton.workflow"), "kind": "workflow", "workflow": job}
        else:
            raise InvalidWorkflow(
                f"step {name!r} must be given a job, as .new() of a worker makes it, or a "
                f"workflow, not {job!r}"
            )
        return self._put(
            name,
            deps,
            ignore_cancelled=ignore_cancelled,
            ignore_discarded=ignore_discarded,
            ignore_skipped=ignore_skipped,
            run_on=run_on,
            condition=None if when is None else _condition(name, when),
            **facts,
        )

    def fan_out(
        self,
        name: str,
        jobs: "Mapping[Any, NewJob | Workflow] | Iterable[NewJob | Workflow]",
        *,
        deps: Iterable[str] = (),
        ignore_cancelled: bool | None = None,
        ignore_discarded: bool | None = None,
        ignore_skipped: bool | None = None,
        run_on: RunOn = "completed",
        when: str | Condition[Any] | None = None,
    ) -> Self:
        """Add a step for each job of a collection, which may be empty.

        Steps are named ``<name>:<key>``, or ``<name>:0`` and so on. Others wait for all of them
        with ``deps=["<name>:*"]`` and read what they returned with ``job.results("<name>")``.

        Args:
            name: the name of the fan-out, unique in the workflow.
            jobs: what the steps run, by key or in order.
            deps: what each of them waits for.
            ignore_cancelled, ignore_discarded, ignore_skipped, run_on, when: as `add` has them.

        Raises:
            DuplicateStep, InvalidWorkflow: as `add` does.
        """
        check_name(name)
        if name in self._fan_outs:
            raise DuplicateStep(name + ALL)
        deps = deps if isinstance(deps, str) else list(deps)
        items = jobs.items() if isinstance(jobs, Mapping) else enumerate(jobs)
        named = [(f"{name}:{key}", job) for key, job in items]
        for step, job in named:
            self.add(
                step,
                job,
                deps=deps,
                ignore_cancelled=ignore_cancelled,
                ignore_discarded=ignore_discarded,
                ignore_skipped=ignore_skipped,
                run_on=run_on,
                when=when,
            )
        self._fan_outs[name] = tuple(step for step, _ in named)
        return self

    def wait_for(
        self,
        name: str,
        signal: str | None = None,
        *,
        deps: Iterable[str] = (),
        timeout: float | timedelta | None = None,
        on_timeout: OnTimeout = "discarded",
        run_on: RunOn = "completed",
    ) -> Self:
        """Add a step that waits for a signal from outside; its result is what comes with it.

        No worker is kept busy by it.

        Args:
            name: the step's name.
            signal: which signal; by default the one of the step's name.
            deps: what must be done before it begins to wait; a signal that comes sooner is kept.
            timeout: how long it waits, in seconds or as a timedelta; ``None`` without limit.
            on_timeout: what becomes of the step when the signal does not come in time.
            run_on: as `add` has it.

        Raises:
            DuplicateStep, InvalidWorkflow: as `add` does.
        """
        check_name(name)
        return self._put(
            name,
            deps,
            job=NewJob(worker="baton.signal"),
            kind="signal",
            signal=checked("the signal", name if signal is None else signal, most=NAME_BYTES),
            wait_seconds=None if timeout is None else in_seconds(name, timeout),
            on_timeout=on_timeout,
            run_on=run_on,
        )

    def sleep(
        self,
        name: str,
        delay: float | timedelta,
        *,
        deps: Iterable[str] = (),
        run_on: RunOn = "completed",
    ) -> Self:
        """Add a step that lets time pass; no worker is kept busy by it, and restarts don't matter.

        Args:
            name: the step's name.
            delay: how long, in seconds or as a timedelta, from when its dependencies are done.
            deps: what must be done before.
            run_on: as `add` has it.

        Raises:
            DuplicateStep, InvalidWorkflow: as `add` does.
        """
        check_name(name)
        return self._put(
            name,
            deps,
            job=NewJob(worker="baton.sleep"),
            kind="sleep",
            wait_seconds=in_seconds(name, delay),
            run_on=run_on,
        )

    def jobs(self) -> list[NewJob]:
        """Return the jobs of the steps, in the order in which they were added."""
        return [step.job for step in self._noted().values()]

    def with_jobs(self, change: Callable[[NewJob], NewJob]) -> Self:
        """Return a copy with every job as ``change`` returns it, in sub-workflows too."""
        other = copy(self)
        steps = {name: _changed(step, change) for name, step in self._noted().items()}
        other._steps = steps  # noqa: SLF001  a copy of this very class
        other.models = Models()  # they stand in the jobs, and are what became of them there
        return other

    def step_names(self) -> list[str]:
        """Return the names of the steps, in the order in which they were added."""
        return list(self._steps)

    def _resolved(self) -> dict[str, NewStep]:
        """Return the steps by name, with the fan-outs among their deps taken apart."""
        return {
            name: replace(step, deps=self._taken_apart(step))
            if any(dep.endswith(ALL) for dep in step.deps)
            else step
            for name, step in self._noted().items()
        }

    def _noted(self) -> dict[str, NewStep]:
        """Return the steps by name, with the models that were chosen in the meta of their jobs."""
        return self.models.noted(self._steps, self._fan_outs)

    def _taken_apart(self, step: NewStep) -> tuple[str, ...]:
        names: dict[str, None] = {}
        whole: list[str] = []
        for dep in step.deps:
            fan_out = dep.removesuffix(ALL)
            if fan_out == dep:
                names[dep] = None
            elif fan_out in self._fan_outs:
                names.update(dict.fromkeys(self._fan_outs[fan_out]))
                whole.append(fan_out)
            else:
                raise UnknownDependency(step.name, dep)
        for fan_out in whole:
            foreign = names.keys() - set(self._fan_outs[fan_out])
            if like := sorted(name for name in foreign if name.startswith(f"{fan_out}:")):
                raise InvalidWorkflow(
                    f"step {step.name!r} waits for fan-out {fan_out!r} and for step {like[0]!r}, "
                    f"which is named like a part of it and is none; its results could not be told "
                    f"from those of the fan-out"
                )
        return tuple(names)

    def _put(
        self,
        name: str,
        deps: Iterable[str],
        *,
        ignore_cancelled: bool | None = None,
        ignore_discarded: bool | None = None,
        ignore_skipped: bool | None = None,
        run_on: RunOn = "completed",
        **facts: Any,
    ) -> Self:
        if name in self._steps:
            raise DuplicateStep(name)
        if isinstance(deps, str):
            raise InvalidWorkflow(f"deps of step {name!r} must be a list of names: [{deps!r}]")
        names = tuple(dict.fromkeys(deps))
        if run_on == "failed" and not names:
            raise InvalidWorkflow(f"step {name!r} runs when a dependency failed: it needs deps")
        self._steps[name] = NewStep(
            name=name,
            deps=names,
            run_on=run_on,
            ignore_cancelled=_chosen(ignore_cancelled, self._ignore_cancelled),
            ignore_discarded=_chosen(ignore_discarded, self._ignore_discarded),
            ignore_skipped=_chosen(ignore_skipped, self._ignore_skipped),
            **facts,
        )
        return self


def _condition(name: str, when: object) -> str:
    if isinstance(when, Condition):
        return when.name
    if not isinstance(when, str):
        raise InvalidWorkflow(
            f"when of step {name!r} must be a condition, as @condition() makes it, or the name of "
            f"one, not {when!r}"
        )
    return checked(f"when of step {name!r}", when)


def _changed(step: NewStep, change: Callable[[NewJob], NewJob]) -> NewStep:
    if step.workflow is not None:
        return replace(step, workflow=step.workflow.with_jobs(change))
    if step.kind != "job":
        return step
    job = change(step.job)
    return step if job is step.job else replace(step, job=job)


def _chosen(own: bool | None, general: bool) -> bool:
    return general if own is None else own
