"""What programs put above their code: each registers it in the registry of the program."""

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any, Unpack

from baton.conditions import A, Condition
from baton.crons import CronOptions, NewCron
from baton.crontab import CatchUp
from baton.definitions import (
    Backoff,
    DepCallback,
    ExecutorName,
    WorkerOptions,
)
from baton.hooks import B, E, L, M
from baton.jobs import Job
from baton.result_stores import THRESHOLD, S
from baton.workers import Decorator, WorkerName, current_registry


def worker(
    *,
    name: str | None = None,
    backoff: Backoff | None = None,
    executor: ExecutorName = "auto",
    on_dep_cancelled: DepCallback | None = None,
    on_dep_discarded: DepCallback | None = None,
    **defaults: Unpack[WorkerOptions],
) -> Decorator:
    """Register a function as a worker; the result can be called as before and makes jobs.

    The function takes the `Job` first; its other parameters are the arguments of the job, checked
    by their annotations (pydantic's types included). An ``async def`` runs on the event loop, a
    ``def`` in a thread.

    Args:
        name: what jobs call it; by default the module and the function's name.
        backoff: called with the job and the error after a failed attempt; returns the delay before
            the next one, in seconds or as a timedelta. One that raises counts as not given.
        executor: ``process`` runs it in a child process of its own, for work that needs the CPU or
            that may crash; it must then be importable from the module that ``--app`` names.
        on_dep_cancelled, on_dep_discarded: called with the reason and the job when a step of this
            worker was cancelled because a dependency was cancelled, or was discarded or is gone;
            once, in a worker process, async or in a thread.
        defaults: options of its jobs, as `NewJob` has them: queue, priority, max_attempts, tags,
            meta, timeout, weight, unique and so on. With ``cron`` a job is inserted again and
            again; ``timezone``, ``catch_up`` and ``cron_args`` are the ``timezone``, ``catch_up``
            and ``args`` of the function `cron`.

    Raises:
        InvalidWorker: its first parameter is not the job, or the others have no names.
        DuplicateWorker: another worker has the name.
        InvalidCron: the cron entry can't be.
    """
    return current_registry().worker(
        name=name,
        backoff=backoff,
        executor=executor,
        on_dep_cancelled=on_dep_cancelled,
        on_dep_discarded=on_dep_discarded,
        **defaults,
    )


def cron(
    worker: "WorkerName",
    expression: str,
    *,
    name: str | None = None,
    timezone: str = "UTC",
    catch_up: CatchUp = "none",
    args: Mapping[str, Any] | None = None,
    **options: Unpack[CronOptions],
) -> NewCron:
    """Have a job inserted again and again, by every process that runs this program's workers.

    Args:
        worker: a worker of this program, or its name.
        expression: when, in cron syntax; `baton.crontab.parse` says which.
        name: identifies the entry; by default the worker's name.
        timezone: the IANA name of the zone in which the expression is read.
        catch_up: how many ticks to make up for that no process was there for: ``none``, ``latest``,
            or a number, of which the newest are meant.
        args: the arguments of the jobs.
        options: options of the jobs, over those of the worker.

    Raises:
        InvalidCron: something of it can't be.
        DuplicateCron: another entry has the name.
        UnknownWorker: there is no worker of that name.
    """
    return current_registry().cron(
        worker,
        expression,
        name=name,
        timezone=timezone,
        catch_up=catch_up,
        args=args,
        **options,
    )


def middleware(around: M) -> M:
    """Do what `Registry.middleware` does, in the default registry."""
    return current_registry().middleware(around)


def before_insert(check: B) -> B:
    """Do what `Registry.before_insert` does, in the default registry."""
    return current_registry().before_insert(check)


def redact_errors(redact: E) -> E:
    """Do what `Registry.redact_errors` does, in the default registry."""
    return current_registry().redact_errors(redact)


def lifespan(opened: L) -> L:
    """Do what `Registry.lifespan` does, in the default registry."""
    return current_registry().lifespan(opened)


def condition(*, name: str | None = None) -> Callable[[Callable[[Job], A]], Condition[A]]:
    """Register a predicate of the job as a condition, for ``when=`` of `Workflow.add`.

    It is asked when an attempt of a step starts, in the process that performs it and before its
    worker; it sees ``job.results()`` and ``job.context``. When it returns false the step is
    skipped. An ``async def`` runs on the event loop, a ``def`` in a thread.

    Args:
        name: what steps call it; by default the function's name.

    Raises:
        InvalidCondition: it is no function of the job.
        DuplicateCondition: another condition has the name.
    """
    return current_registry().condition(name=name)


def result_store(*, threshold: int = THRESHOLD, name: str = "default") -> Callable[[S], S]:
    """Register a class, or an object, that keeps large results outside the database.

    ``put(job, data)`` is given a result as bytes of JSON and returns a reference, a text, which the
    database holds instead; ``get(reference)`` returns the bytes, when a result is read. Both may be
    ``async``; then they run on an event loop of their own, which the stores of a process share.

    Args:
        threshold: results of more bytes than this are kept there; ``max_result_bytes`` then limits
            the others.
        name: what references call it. Of several the one that is registered last takes new results,
            and the others are read.

    Raises:
        InvalidResultStore: it has no ``put`` and ``get``, or an option is out of range.
        DuplicateResultStore: another store has the name.
    """
    return current_registry().result_store(threshold=threshold, name=name)


def carry(variable: ContextVar[Any], name: str | None = None) -> None:
    """Do what `Registry.carry` does, in the default registry."""
    current_registry().carry(variable, name)
