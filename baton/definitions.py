"""Definitions: what is known of a worker once it is registered, whatever form its code has."""

import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal, Protocol, TypedDict, cast, get_args

from baton.arguments import Arguments
from baton.crontab import CatchUp
from baton.errors import InvalidJob, InvalidWorker
from baton.jobs import Job, NewJob, seconds
from baton.llm.budgets import Most
from baton.unique import Unique

DepCallback = Callable[[str, Job], Any]
Backoff = Callable[[Job, BaseException], float | timedelta]
ExecutorName = Literal["auto", "process"]

DURATIONS = frozenset({"schedule_in", "timeout"})


class JobOptions(TypedDict, total=False):
    """Options of one job, over the defaults of its worker; `NewJob` says what they mean."""

    queue: str
    priority: int
    max_attempts: int
    tags: Sequence[str]
    meta: Mapping[str, Any]
    scheduled_at: datetime
    schedule_in: float | timedelta
    timeout: float | timedelta | None
    deadline: datetime
    weight: int
    unique: Unique | None


class WorkerOptions(JobOptions, total=False):
    """Options of the jobs of a worker, and when to insert one again and again.

    ``cron`` is the expression, ``timezone`` and ``catch_up`` are those of `Registry.cron`, and
    ``cron_args`` are the arguments of the jobs that it inserts.
    """

    cron: str
    timezone: str
    catch_up: CatchUp
    cron_args: Mapping[str, Any]


SCHEDULE = WorkerOptions.__annotations__.keys() - JobOptions.__annotations__.keys()


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """A registered worker.

    Attributes:
        name: what jobs call it.
        arguments: checks what it is called with.
        bind: returns what is called: the function, or ``perform`` of a new object.
        is_async: whether calling it gives an awaitable; otherwise it runs in a thread.
        defaults: the options of its jobs.
        backoff: returns the delay before the next attempt, given the job and the error; ``None``
            for the general formula.
        executor: ``process`` runs it in a child process.
        on_dep_cancelled, on_dep_discarded: called with the reason and the job when a step was
            cancelled because a dependency of it was.
        spends: what an attempt uses of language models at most; ``None`` when it calls none, so
            that no budget is asked.
    """

    name: str
    arguments: Arguments
    bind: Callable[[], Callable[..., Any]] = field(repr=False)
    is_async: bool
    defaults: JobOptions
    backoff: Backoff | None = None
    executor: ExecutorName = "auto"
    on_dep_cancelled: DepCallback | None = None
    on_dep_discarded: DepCallback | None = None
    spends: Most | None = None
    _plain: NewJob | None = field(default=None, init=False, repr=False, compare=False)

    def callback(self, kind: Literal["cancelled", "discarded"]) -> DepCallback | None:
        """Return what wants to hear that a dependency ended so."""
        return self.on_dep_cancelled if kind == "cancelled" else self.on_dep_discarded

    @property
    def has_callbacks(self) -> bool:
        """Whether the worker wants to hear that a dependency ended badly."""
        return self.on_dep_cancelled is not None or self.on_dep_discarded is not None

    def new(self, options: JobOptions, args: Sequence[Any], kwargs: Mapping[str, Any]) -> NewJob:
        """Make a job.

        Raises:
            InvalidArguments: they don't fit the signature, or are not JSON.
            InvalidJob: an option is out of range.
        """
        bound = self.arguments.bind(*args, **kwargs)
        if options:
            return self._model(options).with_args(bound)
        if self._plain is None:
            object.__setattr__(self, "_plain", self._model({}))
        return cast("NewJob", self._plain).with_args(bound)

    def _model(self, options: JobOptions) -> NewJob:
        chosen: dict[str, Any] = {**self.defaults, **options}
        for option in DURATIONS & chosen.keys():
            if chosen[option] is None:
                continue
            try:
                chosen[option] = seconds(chosen[option])
            except (TypeError, ValueError) as error:
                raise InvalidJob(f"{option}: {error}") from None
        return NewJob(worker=self.name, callbacks=self.has_callbacks, **chosen)

    @property
    def origin(self) -> tuple[str, int]:
        """The file and line that define it; the same twice means the same code imported twice."""
        called = inspect.unwrap(self.bind())
        code = getattr(called, "__func__", called).__code__
        return str(Path(code.co_filename).resolve()), code.co_firstlineno


class Resolvable(Protocol):
    """A worker in either of its forms."""

    def resolved(self) -> tuple[Definition, JobOptions]: ...


def split(given: WorkerOptions) -> tuple[JobOptions, dict[str, Any]]:
    """Divide options into those of the jobs and those of the schedule."""
    schedule: dict[str, Any] = {key: value for key, value in given.items() if key in SCHEDULE}
    defaults = {key: value for key, value in given.items() if key not in SCHEDULE}
    return cast("JobOptions", defaults), schedule


def define(
    name: str,
    function: Callable[..., Any],
    defaults: JobOptions,
    bind: Callable[[], Callable[..., Any]],
    *,
    skip: int = 0,
    backoff: Backoff | None = None,
    executor: ExecutorName = "auto",
    on_dep_cancelled: DepCallback | None = None,
    on_dep_discarded: DepCallback | None = None,
    spends: Most | None = None,
) -> Definition:
    """Make the definition of a worker.

    Args:
        name: what jobs call it.
        function: what runs.
        defaults: the options of its jobs.
        bind: returns what is called.
        skip: how many parameters of the function stand before the job.
        backoff: returns the delay before the next attempt.
        executor: where it runs.
        on_dep_cancelled, on_dep_discarded: what hears that a dependency ended badly.
        spends: what an attempt uses of language models at most.

    Raises:
        InvalidWorker: it can't be one.
    """
    if executor not in get_args(ExecutorName):
        raise InvalidWorker(f"{name}: executor must be auto or process, not {executor!r}")
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise InvalidWorker(f"{name} is a generator; a worker returns one value")
    for callback in (on_dep_cancelled, on_dep_discarded):
        _check_callback(name, callback)
    try:
        definition = Definition(
            name=name,
            arguments=Arguments(name, function, skip=skip),
            bind=bind,
            is_async=inspect.iscoroutinefunction(function),
            defaults=defaults,
            backoff=backoff,
            executor=executor,
            on_dep_cancelled=on_dep_cancelled,
            on_dep_discarded=on_dep_discarded,
            spends=spends,
        )
        # an option that is out of range is an error where the worker is defined
        NewJob(worker=name, **{k: v for k, v in defaults.items() if k not in DURATIONS})  # type: ignore[arg-type]
    except InvalidJob as error:
        raise InvalidWorker(f"{name}: {error}") from None
    except TypeError as error:
        raise InvalidWorker(f"{name}: unknown option: {error}") from None
    return definition


def _check_callback(name: str, callback: DepCallback | None) -> None:
    if callback is None:
        return
    try:
        inspect.signature(callback).bind("", None)
    except TypeError:
        raise InvalidWorker(
            f"{name}: on_dep_cancelled and on_dep_discarded must be functions of the reason and "
            f"the job, not {callback!r}"
        ) from None


def name_of(defined: Callable[..., Any]) -> str:
    """Return the name of a function or class, as worker processes import it."""
    # a script calls itself __main__; worker processes import it by its own name
    module = defined.__module__
    if module == "__main__":
        main = sys.modules["__main__"]
        spec = getattr(main, "__spec__", None)
        module = spec.name if spec else Path(getattr(main, "__file__", "__main__")).stem
    return f"{module}.{defined.__qualname__}"
