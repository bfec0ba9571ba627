"""What is known of a job, its queue and its workflow when somebody asks why.

The fields are those of the JSON that the statements ``why_*.sql`` return.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependency:
    """A dependency that keeps a gate closed.

    Attributes:
        state: of its job; its outcome; ``waiting``: for something outside; or ``gone``.
        poisons: whether waiting for it is hopeless.
    """

    name: str
    job_id: int
    state: str
    poisons: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StepFacts:
    """The step that a job is; `Node` says what most attributes mean.

    Attributes:
        has_job: whether its job is there.
        cause: why it was cancelled, discarded or skipped.
        unmet: the first of the dependencies that keep its gate closed.
        unmet_count: how many there are.
    """

    workflow_id: UUID
    name: str
    kind: str = "job"
    has_job: bool = True
    skipped: bool = False
    cause: str | None = None
    parked_at: datetime | None = None
    run_on: str = "completed"
    condition: str | None = None
    subworkflow_id: UUID | None = None
    unmet: Sequence[Dependency] = ()
    unmet_count: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitFacts:
    """What a parked step waits for.

    Attributes:
        on_timeout: what becomes of it then; ``resume``: it runs on.
        sent_at: when the signal came, if it did.
        question, asks: what people are asked, and who, when it is an approval.
    """

    signal: str | None
    since: datetime
    until: datetime | None
    on_timeout: str
    sent_at: datetime | None = None
    question: str | None = None
    asks: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldFacts:
    """The budget that keeps a job from starting; `BudgetStatus` says what most attributes mean.

    Attributes:
        cost, tokens: what the job may use at most; 0 when nobody said.
        crowded: whether it would fit but for what is reserved.
    """

    workflow_id: UUID | None
    workflow: str | None
    queue: str | None
    max_cost: Decimal | None
    max_tokens: int | None
    spent_cost: Decimal
    spent_tokens: int
    reserved_cost: Decimal
    reserved_tokens: int
    cost: Decimal
    tokens: int
    crowded: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessFacts:
    """The process that runs a job.

    Attributes:
        alive: whether its lease holds.
        renewed_at: when it was last heard of.
    """

    node: str
    alive: bool
    renewed_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFacts:
    """A job as it stands.

    Attributes:
        now: the time of the database.
        state: of the job, or the outcome of the step; ``None`` when the job was deleted.
        error: the message of its newest error.
    """

    id: int
    now: datetime
    state: str | None
    queue: str | None = None
    worker: str | None = None
    attempt: int | None = None
    max_attempts: int | None = None
    scheduled_at: datetime | None = None
    attempted_at: datetime | None = None
    ended_at: datetime | None = None
    deadline: datetime | None = None
    timeout: float | None = None
    error: str | None = None
    process: ProcessFacts | None = None
    step: StepFacts | None = None
    wait: WaitFacts | None = None
    hold: HoldFacts | None = None

    @property
    def subject(self) -> str:
        """What it is called."""
        return f"job {self.id}" if self.step is None else f"step {self.step.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PausedNode:
    """A process in which alone a queue is paused."""

    node: str
    at: datetime
    by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueFacts:
    """A queue as one job of it meets it.

    Attributes:
        stopped: whether it was told to run no job at once.
        processes: how many live processes serve it.
        slots: how many of its jobs they run at once, those included in which it is not paused.
        free: how many of these are free.
        paused_nodes: some of the processes in which alone it is paused.
        partition: the partition of the job.
        global_limit: how many jobs run at once in all processes, in each partition.
        running_count, running: how many do, and some of them.
        full: whether the global limit is reached.
        room_in: seconds until the rate limit lets a job start; ``None`` when it does now.
        ahead: how many jobs are to be started before it; ``None`` when it is not available.
    """

    name: str
    paused_at: datetime | None = None
    paused_by: str | None = None
    stopped: bool = False
    processes: int = 1
    slots: int = 1
    free: int = 1
    paused_nodes: Sequence[PausedNode] = ()
    partition: str | None = None
    global_limit: int | None = None
    running_count: int = 0
    running: Sequence[int] = ()
    rate_limit: int | None = None
    rate_period: float | None = None
    full: bool = False
    room_in: float | None = None
    ahead: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bunch:
    """Steps that could move by themselves and have their state, queue and kind in common.

    Attributes:
        steps: how many were seen.
        names: the first of them.
        job_id: the one that stands for them.
    """

    steps: int
    names: Sequence[str]
    job_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowFacts:
    """A workflow as it stands.

    Attributes:
        bunches: steps that could move by themselves.
        suspended: a step that waits for others.
        failed: the step that failed first.
        looked_at: how many steps all of that was found among.
    """

    id: UUID
    name: str | None
    now: datetime
    state: str
    inserted_at: datetime
    finished_at: datetime | None = None
    deadline: datetime | None = None
    bunches: Sequence[Bunch] = ()
    suspended: int | None = None
    failed: int | None = None
    looked_at: int = 0

    @property
    def subject(self) -> str:
        """What it is called."""
        return f"workflow {self.name or self.id}"
