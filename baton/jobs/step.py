"""What a job knows while a worker performs it: its place in a workflow, and what holds it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Protocol
from uuid import UUID

from baton.frozen import frozen

if TYPE_CHECKING:
    from baton.jobs.job import Job


@dataclass(frozen=True, slots=True)
class Waited:
    """What came of the newest time that a step waited for something outside.

    Attributes:
        signal: the signal that it waited for; ``None`` when it waited for a time.
        arrived: whether the signal came; otherwise the time ran out.
        payload: what came with the signal.
    """

    signal: str | None
    arrived: bool = False
    payload: Any = None


@frozen(frozen=True, slots=True, kw_only=True)
class Step:
    """What a job knows of the workflow that it is a step of.

    Attributes:
        workflow_id: the workflow.
        workflow_label: the workflow's name.
        name: the step's name.
        deps: names of its dependencies.
        results: what they returned, by name; those that returned nothing are missing.
        stored: whether an earlier attempt stored a result of this step.
        gate: ``open``, ``waiting`` (for a dependency) or ``poisoned`` (by one).
        cause: why it waits or is poisoned.
        condition: the registered condition that decides whether it runs.
        context: what all steps of the workflow know.
        grafts: names of the dependencies that were added while the workflow ran, in the order in
            which they were, by the name of the step that added them.
        waited: what came of waiting for something outside, when it did.
        keeper: finds results that are kept outside the database, while a worker performs it.
    """

    workflow_id: UUID
    workflow_label: str | None
    name: str
    deps: tuple[str, ...] = ()
    results: Mapping[str, Any] = field(default_factory=dict)
    stored: bool = False
    gate: str = "open"
    cause: str | None = None
    condition: str | None = None
    context: Mapping[str, Any] = field(default_factory=dict)
    grafts: Mapping[str, Sequence[str]] = field(default_factory=dict)
    waited: Waited | None = None
    keeper: "Keeper | None" = field(default=None, compare=False, repr=False)


class Keeper(Protocol):
    """Keeps large results outside the database, and finds them again."""

    async def keep(self, job: "Job", text: str) -> str: ...
    def keep_sync(self, job: "Job", text: str) -> str: ...
    async def resolve(self, value: Any) -> Any: ...
    def resolve_sync(self, value: Any) -> Any: ...


class Addition(Protocol):
    """Steps that are to be added to a workflow; `Graft` collects them."""

    result: Any
    wait: bool

    def step_names(self) -> list[str]: ...


@dataclass(frozen=True, slots=True)
class Grafted:
    """What became of a graft.

    Attributes:
        added: names of the steps that were added.
        kept: names of those that an earlier attempt of the same step had added.
    """

    added: Sequence[str] = ()
    kept: Sequence[str] = ()


class Meter(Protocol):
    """Records what a job uses of language models."""

    def record(
        self, job: "Job", response: Any, *, model: str | None = None, provider: str | None = None
    ) -> Decimal | None: ...


class Claim(Protocol):
    """What a worker process holds a job with.

    With it a worker completes its job in a transaction, or stores its result before it ends.

    Attributes:
        lease: the lease under which the job was claimed.
        completed: whether the worker did so, in a transaction that may be open or rolled back.
        release: which row of ``workflow_releases`` that transaction holds.
        meter: what records its use of language models, while a worker performs it.
        tally: what it has used so far, a ``Tally``; ``None`` when there is nothing to be told.
    """

    lease: int
    completed: bool
    release: int | None
    meter: Meter | None
    tally: Any

    async def complete(self, job: "Job", conn: Any, result: Any) -> None: ...
    def complete_sync(self, job: "Job", conn: Any, result: Any) -> None: ...
    async def graft(self, job: "Job", graft: Addition) -> Grafted: ...
    def graft_sync(self, job: "Job", graft: Addition) -> Grafted: ...
    async def store(self, job: "Job", result: Any) -> None: ...
    def store_sync(self, job: "Job", result: Any) -> None: ...
