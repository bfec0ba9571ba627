"""Asks the condition of a step whether it is to run."""

from collections.abc import Callable, Hashable
from typing import Any, Protocol

from baton.errors import ConditionFailed
from baton.jobs import Job
from baton.outcomes import Skipped
from baton.workers import Registry


class Caller(Protocol):
    """Calls plain functions somewhere else than on the event loop; `Threads` does."""

    async def run(self, key: Hashable, function: Callable[[], Any], /) -> Any: ...


async def skips(registry: Registry, job: Job, threads: Caller | None) -> Skipped | None:
    """Return why the step is skipped; ``None`` when it is to run.

    Args:
        registry: where the condition is found.
        job: of the step.
        threads: where plain functions run; without them, where the caller is.

    Raises:
        UnknownCondition: this process did not register it.
        ConditionFailed: it raised, or returned no bool.
    """
    if job.step is None or job.step.condition is None:
        return None
    condition = registry.find_condition(job.step.condition)
    try:
        if condition.is_async:
            answer = await condition(job)
        elif threads is None:
            answer = condition(job)
        else:
            answer = await threads.run((job.id, job.epoch), lambda: condition(job))
    except Exception as error:
        raise ConditionFailed(
            condition.name, f"raised {type(error).__qualname__}: {error}"
        ) from error
    if not isinstance(answer, bool):
        raise ConditionFailed(condition.name, f"must return True or False, not {answer!r}")
    return None if answer else Skipped(f"condition {condition.name} said no")
