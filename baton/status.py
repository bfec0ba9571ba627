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
