"""The class form of a worker."""

import inspect
from abc import abstractmethod
from datetime import timedelta
from typing import Any, ClassVar, Unpack

from baton.ambient import ambient
from baton.definitions import (
    Definition,
    DepCallback,
    ExecutorName,
    JobOptions,
    WorkerOptions,
    define,
    name_of,
    split,
)
from baton.errors import InvalidWorker
from baton.jobs import Job, NewJob
from baton.workers import WorkerFunction, current_registry


class Worker:
    """The class form of a worker, for those that need more than a function.

    Subclasses define ``perform(self, job, …)``, async or not; its parameters after ``job`` are the
    arguments. Options are class arguments: ``class Send(Worker, queue="mail", max_attempts=3)``.
    Each job gets a new object. A method ``backoff(self, job, error)`` returns the delay before the
    next attempt. Methods ``on_dep_cancelled(self, reason, job)`` and ``on_dep_discarded(self,
    reason, job)``, async or not, are called once, in some worker process, when a step of this
    worker was cancelled because a dependency was cancelled, or was discarded or is gone.
    """

    _definition: ClassVar[Definition]
    _defaults: ClassVar[JobOptions] = {}
    _executor: ClassVar[ExecutorName] = "auto"

    def __init_subclass__(
        cls,
        *,
        name: str | None = None,
        abstract: bool = False,
        executor: ExecutorName | None = None,
        **given: Unpack[WorkerOptions],
    ) -> None:
        """Register the subclass, unless it is ``abstract`` or defines no ``perform``."""
        super().__init_subclass__()
        defaults, schedule = split(given)  # a schedule is not inherited
        cls._defaults = {**cls._defaults, **defaults}
        cls._executor = executor or cls._executor
        if abstract or cls.perform is Worker.perform:
            return
        cls._definition = cls._define(
            name or name_of(cls),
            backoff=cls._backoff if hasattr(cls, "backoff") else None,
            executor=cls._executor,
            on_dep_cancelled=cls._callback("on_dep_cancelled"),
            on_dep_discarded=cls._callback("on_dep_discarded"),
        )
        current_registry().add_scheduled(cls._definition, schedule)

    @abstractmethod
    def perform(self, job: Job, /, *args: Any, **kwargs: Any) -> Any:
        """Perform the job; what may be returned is the same as for functions."""
        raise NotImplementedError

    @classmethod
    def new(cls, **args: Any) -> NewJob:
        """Make a job with these arguments.

        Raises:
            InvalidArguments: they don't fit ``perform``, or are not JSON.
            InvalidJob: an option is out of range.
        """
        return cls._defined().new({}, (), args)

    @classmethod
    async def insert(cls, **args: Any) -> Job:
        """Make a job with these arguments and insert it with the default client."""
        return await ambient.client.insert(cls.new(**args))

    @classmethod
    def insert_sync(cls, **args: Any) -> Job:
        """Do what `insert` does, for programs without an event loop."""
        return ambient.sync_client.insert(cls.new(**args))

    @classmethod
    def with_options(cls, **options: Unpack[JobOptions]) -> "WorkerFunction[..., Any]":
        """Return a maker of this worker's jobs with other options: queue, schedule_in and so on."""
        return WorkerFunction(cls._perform_new, cls._defined(), options)

    @classmethod
    def resolved(cls) -> tuple[Definition, JobOptions]:
        """Return what is known of the worker, and no options of its own."""
        return cls._defined(), {}

    @classmethod
    def _define(cls, name: str, **options: Any) -> Definition:
        return define(name, cls.perform, cls._defaults, lambda: cls().perform, skip=1, **options)

    @classmethod
    def _perform_new(cls, job: Job, /, *args: Any, **kwargs: Any) -> Any:
        return cls().perform(job, *args, **kwargs)

    @classmethod
    def _backoff(cls, job: Job, error: BaseException) -> float | timedelta:
        made: Any = cls()
        delay: float | timedelta = made.backoff(job, error)
        return delay

    @classmethod
    def _callback(cls, name: str) -> DepCallback | None:
        method = getattr(cls, name, None)
        if method is None:
            return None

        def hear(reason: str, job: Job) -> Any:
            return getattr(cls(), name)(reason, job)

        async def hear_async(reason: str, job: Job) -> None:
            await getattr(cls(), name)(reason, job)

        return hear_async if inspect.iscoroutinefunction(method) else hear

    @classmethod
    def _defined(cls) -> Definition:
        if "_definition" not in cls.__dict__:
            raise InvalidWorker(f"{cls.__qualname__} defines no perform(self, job)")
        return cls._definition
