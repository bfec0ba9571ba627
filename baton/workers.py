"""Workers: the code that performs jobs, and the registry that finds it by name.

Only what is registered can run. A worker is a function under `worker`, or a subclass of `Worker`;
either way the registry holds a `Definition`, which is all that an executor needs.
"""

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from copy import copy
from typing import Any, Concatenate, Generic, ParamSpec, Protocol, Self, TypeVar, Unpack

from baton.ambient import ambient
from baton.conditions import Conditions
from baton.crons import CronOptions, NewCron, Schedules, entry_of, with_defaults
from baton.crontab import CatchUp
from baton.definitions import (
    Backoff,
    Definition,
    DepCallback,
    ExecutorName,
    JobOptions,
    Resolvable,
    WorkerOptions,
    define,
    name_of,
    split,
)
from baton.errors import DuplicateWorker, InvalidCron, InvalidWorker, UnknownWorker
from baton.hooks import Hooks
from baton.jobs import Job, NewJob
from baton.llm.hooks import LLMHooks
from baton.result_stores import ResultStores

P = ParamSpec("P")
R_co = TypeVar("R_co", covariant=True)
R = TypeVar("R")


class Registry(Hooks, Conditions, ResultStores, Schedules, LLMHooks):
    """Workers by name, the hooks around their jobs, conditions, result stores and cron entries.

    Most programs never meet it: there is a default one.
    """

    def __init__(self) -> None:
        super().__init__()
        self._definitions: dict[str, Definition] = {}

    def add(self, definition: Definition) -> None:
        """Register a worker.

        Raises:
            DuplicateWorker: other code has the name.
        """
        present = self._definitions.get(definition.name)
        if present is not None and present.origin != definition.origin:
            raise DuplicateWorker(definition.name)
        self._definitions[definition.name] = definition

    def find(self, name: str) -> Definition:
        """Return the worker of that name.

        Raises:
            UnknownWorker: there is none.
        """
        try:
            return self._definitions[name]
        except KeyError:
            raise UnknownWorker(name, self._definitions.keys()) from None

    def known(self, name: str) -> Definition | None:
        """Return the worker of that name, or ``None``."""
        return self._definitions.get(name)

    def definitions(self) -> list[Definition]:
        """Return the registered workers, sorted by name."""
        return [self._definitions[name] for name in self.names()]

    def names(self) -> list[str]:
        """Return the registered names, sorted."""
        return sorted(self._definitions)

    def worker(
        self,
        *,
        name: str | None = None,
        backoff: Backoff | None = None,
        executor: ExecutorName = "auto",
        on_dep_cancelled: DepCallback | None = None,
        on_dep_discarded: DepCallback | None = None,
        **defaults: Unpack[WorkerOptions],
    ) -> "Decorator":
        """Do what `baton.worker` does, in this registry."""
        return decorator(
            self,
            name,
            defaults,
            backoff=backoff,
            executor=executor,
            on_dep_cancelled=on_dep_cancelled,
            on_dep_discarded=on_dep_discarded,
        )

    def cron(
        self,
        worker: "WorkerName",
        expression: str,
        *,
        name: str | None = None,
        timezone: str = "UTC",
        catch_up: CatchUp = "none",
        args: Mapping[str, Any] | None = None,
        **options: Unpack[CronOptions],
    ) -> NewCron:
        """Do what `baton.cron` does, in this registry."""
        definition, chosen = resolve(worker, self)
        made = entry_of(
            definition,
            expression,
            name=name,
            timezone=timezone,
            catch_up=catch_up,
            args=args,
            options={**chosen, **options},
        )
        made = with_defaults(made, definition)
        self._schedule(made)
        return made

    def add_scheduled(self, definition: Definition, schedule: Mapping[str, Any]) -> None:
        """Register a worker, and its cron entry when ``schedule`` has one.

        Raises:
            DuplicateWorker, DuplicateCron: other code has the name.
            InvalidCron: the entry can't be.
        """
        made = None
        if schedule:
            if "cron" not in schedule:
                raise InvalidCron(f"{definition.name}: {', '.join(schedule)} go with cron")
            given = {"args" if key == "cron_args" else key: schedule[key] for key in schedule}
            made = with_defaults(entry_of(definition, given.pop("cron"), **given), definition)
        self.add(definition)
        if made is not None:
            self._schedule(made, again=True)

    @contextmanager
    def collecting(self) -> "Iterator[Self]":
        """Make this the registry that `worker` and `Worker` use inside the block."""
        token = _current.set(self)
        try:
            yield self
        finally:
            _current.reset(token)


default_registry = Registry()
_current: ContextVar[Registry] = ContextVar("baton_registry", default=default_registry)


class WorkerFunction(Generic[P, R_co]):
    """A function under `worker`: callable as before, and the maker of its jobs."""

    def __init__(
        self,
        function: Callable[Concatenate[Job, P], R_co],
        definition: Definition,
        options: JobOptions,
    ) -> None:
        self._function = function
        self._definition = definition
        self._options = options
        self.__name__ = getattr(function, "__name__", definition.name)
        self.__doc__ = function.__doc__
        self.__wrapped__ = function

    def __call__(self, job: Job, /, *args: P.args, **kwargs: P.kwargs) -> R_co:
        return self._function(job, *args, **kwargs)

    def __repr__(self) -> str:
        return f"<worker {self.name}>"

    @property
    def name(self) -> str:
        """The registered name."""
        return self._definition.name

    def with_options(self, **options: Unpack[JobOptions]) -> "WorkerFunction[P, R_co]":
        """Return this worker with other options for its jobs: queue, schedule_in and so on."""
        other = copy(self)
        other._options = {**self._options, **options}  # noqa: SLF001
        return other

    def resolved(self) -> tuple[Definition, JobOptions]:
        """Return what is known of the worker, and the options of `with_options`."""
        return self._definition, self._options

    def new(self, *args: P.args, **kwargs: P.kwargs) -> NewJob:
        """Make a job with these arguments.

        Raises:
            InvalidArguments: they don't fit the function's signature, or are not JSON.
            InvalidJob: an option is out of range.
        """
        return self._definition.new(self._options, args, kwargs)

    async def insert(self, *args: P.args, **kwargs: P.kwargs) -> Job:
        """Make a job with these arguments and insert it with the default client.

        Raises:
            InvalidJob: as `new` does.
            DatabaseError: the database refused or is away.
        """
        return await ambient.client.insert(self.new(*args, **kwargs))

    def insert_sync(self, *args: P.args, **kwargs: P.kwargs) -> Job:
        """Do what `insert` does, for programs without an event loop."""
        return ambient.sync_client.insert(self.new(*args, **kwargs))


WorkerName = str | Resolvable


def resolve(worker: WorkerName, registry: Registry) -> tuple[Definition, JobOptions]:
    """Return the definition of a worker, and the options that `with_options` gave it.

    Raises:
        UnknownWorker: it is a name that the registry does not know.
        InvalidWorker: it is no worker.
    """
    if isinstance(worker, str):
        return registry.find(worker), {}
    if not hasattr(worker, "resolved"):
        raise InvalidWorker(f"{worker!r} is neither a worker nor the name of one")
    return worker.resolved()


class Decorator(Protocol):
    """What `worker` returns: takes a function whose first parameter is the job."""

    def __call__(self, function: Callable[Concatenate[Job, P], R], /) -> WorkerFunction[P, R]: ...


def current_registry() -> Registry:
    """Return the registry that `worker`, `Worker` and the functions for hooks use here."""
    return _current.get()


def _itself(function: Any) -> Any:
    return function


def decorator(
    registry: Registry,
    name: str | None,
    given: WorkerOptions,
    *,
    around: Callable[[Any], Any] = _itself,
    **options: Any,
) -> Decorator:
    """Return what makes a worker of a function.

    Args:
        registry: where it is registered.
        name: what jobs call it; by default the module and the function's name.
        given: the options of its jobs, and its schedule.
        around: returns what is called instead of the function.
        options: what else `define` takes.
    """
    defaults, schedule = split(given)

    def decorate(function: Any) -> Any:
        if not callable(function) or inspect.isclass(function):
            raise InvalidWorker(f"@worker() takes a function, not {function!r}; subclass Worker")
        called = around(function)
        definition = define(
            name or name_of(function), function, defaults, lambda: called, **options
        )
        registry.add_scheduled(definition, schedule)
        return WorkerFunction(function, definition, {})

    return decorate
