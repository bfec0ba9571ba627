"""How a workflow stands: what a person or a page looks at."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from baton.states import State


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A step of a workflow, as the view ``workflow_nodes`` shows it.

    Attributes:
        state: a job's state; the step's outcome once it has ended.
        deps: names of the steps that it waits for.
        result: what it returned; ``None`` when it returned nothing.
        error: the newest error while it is open; then why it was discarded, cancelled or skipped,
            or completed without a worker.
        duration: seconds that the newest attempt took, or has been running.
        worker, queue, attempt: of its job; ``None`` when the job was pruned.
        kind: ``job``, ``signal``, ``approval``, ``sleep`` or ``workflow``; a worker performs
            only a job.
        skipped: whether it counts as completed without having run.
        run_on: ``completed``, ``failed`` or ``done``: after which end of its dependencies it runs.
        condition: the condition that decides whether it is skipped.
        signal: the signal that it waits for, or will wait for.
        parked_at: since when it waits for something outside its workflow.
        until: when that waiting ends whatever happens.
        grafted_by: the job of the step that added it while the workflow ran.
        subworkflow_id: the workflow that it is, when its kind is ``workflow``.
        question, asks: what people are asked, and who, when its kind is ``approval``.
    """

    step_name: str
    state: State
    deps: Sequence[str]
    result: Any
    error: str | None
    duration: float | None
    worker: str | None
    queue: str | None
    attempt: int | None
    started_at: datetime | None
    finished_at: datetime | None
    inserted_at: datetime
    job_id: int
    kind: str = "job"
    skipped: bool = False
    run_on: str = "completed"
    condition: str | None = None
    signal: str | None = None
    parked_at: datetime | None = None
    until: datetime | None = None
    grafted_by: int | None = None
    subworkflow_id: UUID | None = None
    question: str | None = None
    asks: str | None = None

    @property
    def waits(self) -> bool:
        """Whether it waits for something outside its workflow."""
        return self.parked_at is not None and self.state is State.SUSPENDED

    @property
    def word(self) -> str:
        """What people say of it: ``skipped``, ``waiting`` while it is parked, or its state."""
        if self.skipped and self.state is State.COMPLETED:
            return "skipped"
        if self.waits:
            return "waiting"
        return self.state.value


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a workflow is: its own steps, counted; a sub-workflow is one of them.

    Attributes:
        total: how many steps there are, those included that were added while it ran.
        completed: how many completed, without the skipped ones.
        skipped: how many count as completed without having run.
        discarded: how many were discarded.
        cancelled: how many were cancelled.
    """

    total: int = 0
    completed: int = 0
    skipped: int = 0
    discarded: int = 0
    cancelled: int = 0

    @classmethod
    def of(cls, nodes: Sequence[Node]) -> "Progress":
        """Count steps."""
        skipped = sum(node.skipped for node in nodes)
        counts = Counter(node.state for node in nodes)
        return cls(
            total=len(nodes),
            completed=counts[State.COMPLETED] - skipped,
            skipped=skipped,
            discarded=counts[State.DISCARDED],
            cancelled=counts[State.CANCELLED],
        )

    @property
    def done(self) -> int:
        """How many steps have ended, however they did."""
        return self.completed + self.skipped + self.discarded + self.cancelled

    @property
    def open(self) -> int:
        """How many steps have not ended."""
        return max(0, self.total - self.done)

    @property
    def failed(self) -> int:
        """How many steps were discarded or cancelled."""
        return self.discarded + self.cancelled

    @property
    def fraction(self) -> float:
        """How much of it is done, from 0 to 1."""
        return min(1.0, self.done / self.total) if self.total else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowStatus:
    """A workflow and its nodes, in topological order; ``nodes`` is empty in lists.

    Attributes:
        state: ``executing``, ``completed`` or ``failed``.
        counts: how many steps are in each state; in lists the open steps of large workflows are
            left out, and ``progress.open`` says how many there are.
        progress: how far it is.
        tags: its labels; read in lists.
        template, template_version: what it was made from, if anything; read in lists.
        failed_steps: names of the steps that were discarded or cancelled.
    """

    id: UUID
    name: str | None
    state: str
    inserted_at: datetime
    finished_at: datetime | None
    counts: Counter[State]
    nodes: Sequence[Node] = ()
    progress: Progress = Progress()
    tags: Sequence[str] = ()
    template: str | None = None
    template_version: int | None = None

    @property
    def is_finished(self) -> bool:
        """Whether every step has ended."""
        return self.state != "executing"

    @property
    def failed_steps(self) -> list[str]:
        """Names of the steps that were discarded or cancelled."""
        failed = {State.DISCARDED, State.CANCELLED}
        return [node.step_name for node in self.nodes if node.state in failed]
