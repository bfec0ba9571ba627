"""Errors of jobs, workers and attempts."""

from collections.abc import Collection, Iterable

from baton.errors.base import BatonError


class InvalidJob(BatonError):
    """A job that can't be inserted: an option out of range, or arguments that don't fit."""


class InvalidArguments(InvalidJob):
    """Arguments that don't fit the signature of the worker, or can't be stored as JSON."""

    def __init__(self, worker: str, problems: Iterable[str]) -> None:
        self.worker = worker
        self.problems = tuple(problems)
        super().__init__(f"arguments of {worker} don't fit: {'; '.join(self.problems)}")


class TooLarge(InvalidJob):
    """A document that is larger than the configured limit."""

    def __init__(self, what: str, size: int, limit: int, setting: str) -> None:
        self.size = size
        self.limit = limit
        super().__init__(
            f"{what} may take {limit:,} bytes as JSON, not {size:,}; keep large data elsewhere "
            f"and pass a reference, or raise {setting}"
        )


class InvalidChange(InvalidJob):
    """A change that can't be made to a job."""


class ChangeRefused(InvalidChange):
    """A change that a job as it stands does not allow."""


class JobStateRefused(BatonError):
    """Something that can't be done to a job in its state."""

    def __init__(self, job_id: int, state: str, participle: str) -> None:
        hint = "; cancel it first" if (state, participle) == ("executing", "deleted") else ""
        super().__init__(f"job {job_id} is {state}: it can't be {participle}{hint}")
        self.job_id = job_id
        self.state = state


class InvalidResult(BatonError):
    """A value that a step returned and that can't be stored."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the result can't be stored: {reason}")


class ResultMismatch(BatonError):
    """The result of a dependency is not of the type that was asked for."""

    def __init__(self, step: str, wanted: str, problems: Iterable[str]) -> None:
        self.step = step
        self.problems = tuple(problems)
        super().__init__(
            f"the result of step {step!r} does not fit {wanted}: {'; '.join(self.problems[:10])}"
        )


class InvalidResultStore(BatonError):
    """An object that can't keep results."""


class DuplicateResultStore(InvalidResultStore):
    """Two result stores want the same name."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"a result store named {name!r} is registered already; give one of them another name="
        )
        self.name = name


class UnknownResultStore(BatonError):
    """A result is kept in a store that this process did not register."""

    def __init__(self, name: str, reference: str, known: Collection[str]) -> None:
        knows = ", ".join(sorted(known)) or "none"
        super().__init__(
            f"the result is kept in result store {name!r} as {reference!r}; this process has "
            f"registered: {knows}"
        )
        self.name = name
        self.reference = reference


class UnknownWorker(BatonError):
    """A job names a worker that this process did not register."""

    def __init__(self, name: str, known: Collection[str]) -> None:
        knows = ", ".join(sorted(known)) or "none; name the module with --app"
        super().__init__(f"no worker named {name!r}; this process knows {knows}")
        self.name = name


class UnreadableJob(BatonError):
    """A job was claimed and can't be read: somebody has edited its row, or one of its workflow."""

    def __init__(self, job: int, reason: str) -> None:
        super().__init__(
            f"job {job} can't be read: its row, or one of its workflow, holds what no program has "
            f"written ({reason})"
        )
        self.job = job


class UnreadableDocument(BatonError):
    """A document of a row is JSON that Python can't hold."""

    def __init__(self, what: str, size: int, reason: str) -> None:
        super().__init__(f"its {what}, {size:,} characters of JSON: {reason}")
        self.what = what


class DuplicateWorker(BatonError):
    """Two workers want the same name."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"a worker named {name!r} is registered already; give one of them another name="
        )
        self.name = name


class InvalidWorker(BatonError):
    """A function or class that can't be a worker."""


class InvalidCron(BatonError):
    """A cron entry that can't be: its expression, time zone, options or arguments are wrong."""


class DuplicateCron(InvalidCron):
    """Two cron entries want the same name."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"there is a cron entry named {name!r} already; give one of them another name"
        )
        self.name = name


class InvalidHook(BatonError):
    """A hook that can't be used as one."""


class DuplicateHandler(BatonError):
    """A telemetry handler of this name is attached already."""

    def __init__(self, name: str) -> None:
        super().__init__(f"a handler named {name!r} is attached already; detach it first")
        self.name = name


class MissingResource(BatonError):
    """A worker asks for a resource that no lifespan of the process yields."""

    def __init__(self, worker: str, name: str, known: Collection[str]) -> None:
        has = ", ".join(sorted(known)) or "none"
        super().__init__(
            f"{worker} asks for the resource {name!r}; the lifespans of this process yield: {has}"
        )
        self.name = name


class AttemptFailed(BatonError):
    """A worker returned `Error`; what its backoff is told."""


class AttemptTimeout(BatonError, TimeoutError):
    """An attempt took longer than it may."""

    def __init__(self, timeout: float) -> None:
        super().__init__(f"it took longer than {timeout:g} s")
        self.timeout = timeout


class ProcessDied(BatonError):
    """The child process that ran an attempt died."""

    def __init__(self, status: int | None) -> None:
        how = "ended" if status is None else f"ended with status {status}"
        if status is not None and status < 0:
            how = f"was killed by signal {-status}"
        super().__init__(f"the child process that ran the attempt {how}")
        self.status = status


class NotPerformed(BatonError):
    """A job is to be completed by somebody who does not perform it."""

    def __init__(self, job: int) -> None:
        super().__init__(
            f"job {job} can be completed in a transaction only by its worker, with the job that "
            f"the worker was called with"
        )


class JobLost(BatonError):
    """A job is to be completed, but it was cancelled, or given to others, meanwhile."""

    def __init__(self, job: int) -> None:
        super().__init__(
            f"job {job} is not this worker's any more: it was cancelled, rescued or given back; "
            f"roll the transaction back"
        )
        self.job = job


class CompletedTwice(BatonError):
    """A worker completes its job a second time, and the first time stands."""

    def __init__(self, job: int) -> None:
        super().__init__(f"job {job} is completed already; complete it once, in one transaction")
        self.job = job


class CompletionRolledBack(BatonError):
    """A worker completed its job in a transaction that was rolled back, and returned."""

    def __init__(self) -> None:
        super().__init__("the transaction that completed the job was rolled back")


class InlineTooDeep(BatonError):
    """Jobs that insert jobs, performed one inside the other, with no end in sight."""

    def __init__(self, worker: str, deepest: int) -> None:
        super().__init__(
            f"inline jobs inserted each other more than {deepest} deep, the last one of {worker}; "
            f"leave those with a later time aside with inline(with_scheduled=False), or use "
            f"drain_queue(with_limit=…)"
        )


class NothingKept(BatonError):
    """`Query` inside `baton.testing.inline`, which performs jobs and keeps them nowhere."""

    def __init__(self) -> None:
        super().__init__("inline keeps nothing that could be looked at; use baton.testing.manual")
