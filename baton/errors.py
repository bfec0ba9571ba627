"""Every error that Baton raises on purpose; each writes its own message from facts."""

from collections.abc import Collection, Iterable


class BatonError(Exception):
    """The base of all errors that Baton raises on purpose."""


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
            f"{what} take {size:,} bytes as JSON and the limit is {limit:,}; keep large data "
            f"elsewhere and pass a reference, or raise {setting}"
        )


class InvalidChange(InvalidJob):
    """A change that can't be made to a job."""


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


class InvalidCondition(BatonError):
    """A function that can't be a condition."""


class DuplicateCondition(InvalidCondition):
    """Two conditions want the same name."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"a condition named {name!r} is registered already; give one of them another name="
        )
        self.name = name


class UnknownCondition(BatonError):
    """A step names a condition that this process did not register."""

    def __init__(self, name: str, known: Collection[str]) -> None:
        knows = ", ".join(sorted(known)) or "none"
        super().__init__(f"no condition named {name!r}; this process knows {knows}")
        self.name = name


class ConditionFailed(BatonError):
    """A condition raised, or returned something else than true or false."""

    def __init__(self, name: str, what: str) -> None:
        super().__init__(f"condition {name} {what}")
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


class InvalidWorkflow(BatonError):
    """A workflow that can't be inserted."""


class InvalidFlow(InvalidWorkflow):
    """A workflow as data that can't be made into one."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__(f"the workflow can't be read: {'; '.join(self.problems[:20])}")


class DuplicateStep(InvalidWorkflow):
    """Two steps of a workflow want the same name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"the workflow already has a step named {name!r}")
        self.name = name


class UnknownDependency(InvalidWorkflow):
    """A step waits for a step that is not in the workflow."""

    def __init__(self, step: str, dependency: str) -> None:
        super().__init__(
            f"step {step!r} depends on {dependency!r}, which is not a step of the workflow"
        )
        self.step = step
        self.dependency = dependency


class CyclicWorkflow(InvalidWorkflow):
    """Steps wait for each other in a circle."""

    def __init__(self, cycle: Iterable[str]) -> None:
        self.cycle = tuple(cycle)
        super().__init__(f"the steps wait for each other in a circle: {' -> '.join(self.cycle)}")


class StepTaken(InvalidWorkflow):
    """A step is to be added to a workflow that has one of its name, which somebody else added."""

    def __init__(self, step: str) -> None:
        super().__init__(f"the workflow already has a step named {step!r}; name the new one anew")
        self.step = step


class StepBegun(InvalidWorkflow):
    """Steps are to be added before a step that does not wait any more."""

    def __init__(self, step: str, state: str) -> None:
        super().__init__(f"step {step!r} can't wait for more: it is {state}")
        self.step = step
        self.state = state


class WorkflowFinished(BatonError):
    """Steps are to be added to a workflow that has ended."""

    def __init__(self, workflow_id: object) -> None:
        super().__init__(f"workflow {workflow_id} has ended; nothing can be added to it")
        self.workflow_id = workflow_id


class DuplicateWorkflow(BatonError):
    """A workflow with this id exists already."""

    def __init__(self, workflow_id: object) -> None:
        super().__init__(f"a workflow with the id {workflow_id} exists already")
        self.workflow_id = workflow_id


class InvalidSignal(BatonError):
    """Something that can't be said to a workflow."""


class WorkflowEnded(BatonError):
    """Something is to be said to a workflow that has ended."""

    def __init__(self, workflow_id: object) -> None:
        super().__init__(f"workflow {workflow_id} has ended: nobody waits for a signal")
        self.workflow_id = workflow_id


class NothingToWaitFor(BatonError):
    """A plain job wants to wait for a signal, which only workflows get."""

    def __init__(self, signal: str) -> None:
        super().__init__(
            f"it can't wait for the signal {signal!r}: only a step of a workflow can, for signals "
            f"are said to workflows"
        )
        self.signal = signal


class NotADependency(BatonError):
    """A step asks for the result of a step that it does not depend on."""

    def __init__(self, step: str, asked: str, deps: Collection[str]) -> None:
        has = ", ".join(deps) or "none"
        super().__init__(
            f"{asked!r} is not a dependency of {step!r}, whose dependencies are: {has}; "
            f"declare it in deps to read its result"
        )
        self.step = step
        self.asked = asked


class NotAStep(BatonError):
    """A plain job asks for what only a step of a workflow has."""

    def __init__(self, worker: str) -> None:
        super().__init__(
            f"this job of {worker} is not a step of a workflow: it has no dependencies with "
            f"results, and nothing can be grafted onto it"
        )


class InvalidQueue(BatonError):
    """Something that can't be said about a queue."""


class NotFound(BatonError):
    """A job or workflow that does not exist."""

    def __init__(self, what: str, key: object) -> None:
        super().__init__(f"there is no {what} {key}")
        self.key = key


class UnknownSteps(NotFound):
    """Steps that a workflow does not have."""

    def __init__(self, names: Collection[str], workflow: object, near: Collection[str]) -> None:
        listed = ", ".join(map(repr, names))
        hint = f"; did you mean {' or '.join(map(repr, near))}?" if near else ""
        super().__init__(f"step {listed} in workflow", f"{workflow}{hint}")
        self.names = tuple(names)
        self.near = tuple(near)


class NothingToRetry(BatonError):
    """A retry that no step would run again for."""

    def __init__(self, workflow: object, gone: Collection[str]) -> None:
        why = f"the jobs of {', '.join(gone)} were deleted" if gone else "no step has failed"
        super().__init__(
            f"there is nothing to retry in workflow {workflow}: {why}; name steps, or say all"
        )
        self.workflow = workflow


class StepCompleted(BatonError):
    """A step is to be skipped, but it has completed."""

    def __init__(self, step: str) -> None:
        super().__init__(f"step {step!r} has completed; only one that has not can be skipped")
        self.step = step


class InvalidFilter(BatonError):
    """Criteria that don't say which jobs are meant."""


class ConfigurationError(BatonError):
    """A setting that can't be used."""


class CannotListen(ConfigurationError):
    """Somebody subscribes to events where no connection can listen."""

    def __init__(self) -> None:
        super().__init__(
            "events need a connection that listens, and these settings have none: set listen_dsn "
            "to an address past the pooler"
        )


class InvalidConnection(BatonError, TypeError):
    """What was passed as ``conn`` can't be used."""


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


class DatabaseError(BatonError):
    """The database refused, failed or could not be reached; the driver's error is the cause."""


class DatabaseUnavailable(DatabaseError):
    """There is no connection to the database, or it was lost."""


class StatementConflict(DatabaseError):
    """A deadlock or a serialization failure: the transaction was undone and may be tried again."""


class InvalidData(DatabaseError):
    """The database refused a value."""


class SchemaMissing(DatabaseError):
    """The database has no Baton schema."""

    def __init__(self, schema: str) -> None:
        super().__init__(
            f'the database has no Baton tables in schema "{schema}"; run: '
            f"baton migrate{'' if schema == 'baton' else f' --schema {schema}'}"
        )


class SchemaDamaged(DatabaseError):
    """Something is missing in the schema, though its version is right."""

    def __init__(self, schema: str, reason: str) -> None:
        super().__init__(
            f'the schema "{schema}" lacks what this Baton needs ({reason}); run: '
            f"baton migrate{'' if schema == 'baton' else f' --schema {schema}'}"
        )


class SchemaOutdated(DatabaseError):
    """The schema is older than this Baton needs."""

    def __init__(self, schema: str, found: int, needed: int) -> None:
        super().__init__(
            f'the schema "{schema}" is at migration {found} and this Baton needs {needed}; run: '
            f"baton migrate{'' if schema == 'baton' else f' --schema {schema}'}"
        )


class SchemaTooNew(DatabaseError):
    """The schema was made by a newer Baton."""

    def __init__(self, schema: str, found: int, known: int) -> None:
        super().__init__(
            f'the schema "{schema}" is at migration {found} and this Baton knows only {known}; '
            f"run: pip install --upgrade baton"
        )


class MigrationChanged(DatabaseError):
    """An applied migration differs from the one that this Baton ships."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"migration {name} was applied with other contents than this Baton ships; "
            f"restore the installed package, or migrate with the version that applied it"
        )
        self.name = name


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


class MaintenanceBusy(DatabaseError):
    """Two sessions want to rebuild the indexes of a schema at once."""

    def __init__(self, schema: str) -> None:
        super().__init__(f'another "baton maintain --reindex" is at work on schema "{schema}"')


class RebuildHeldUp(DatabaseError):
    """An index was not rebuilt, because a transaction of somebody else did not end."""

    def __init__(self, index: str, seconds: float, holders: Collection[str]) -> None:
        by = ", ".join(holders) or "a transaction that this user can't see"
        super().__init__(
            f"{index} was not rebuilt: for {seconds:g} s it was held up by {by}; "
            f"end that, or try again later"
        )
        self.index = index
