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
        error: the newest error, or why it was cancelled.
        duration: seconds that the newest attempt took, or has been running.
        worker, queue, attempt: of its job; ``None`` when the job was pruned.
        kind: ``job``, ``signal``, ``sleep`` or ``workflow``; only a job is performed by a worker.
        skipped: whether it counts as completed without having run.
        run_on: ``completed``, ``failed`` or ``done``: after which end of its dependencies it runs.
        condition: the condition that decides whether it is skipped.
        signal: the signal that it waits for, or will wait for.
        parked_at: since when it waits for something outside its workflow.
        until: when that waiting ends whatever happens.
        grafted_by: the job of the step that added it while the workflow ran.
        subworkflow_id: the workflow that it is, when its kind is ``workflow``.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowStatus:
    """A workflow and its nodes, in topological order; ``nodes`` is empty in lists.

    Attributes:
        state: ``executing``, ``completed`` or ``failed``.
        counts: how many steps are in each state.
        failed_steps: names of the steps that were discarded or cancelled.
    """

    id: UUID
    name: str | None
    state: str
    inserted_at: datetime
    finished_at: datetime | None
    counts: Counter[State]
    nodes: Sequence[Node] = ()

    @property
    def is_finished(self) -> bool:
        """Whether every step has ended."""
        return self.state != "executing"

    @property
    def failed_steps(self) -> list[str]:
        """Names of the steps that were discarded or cancelled."""
        failed = {State.DISCARDED, State.CANCELLED}
        return [node.step_name for node in self.nodes if node.state in failed]
