"""What steps tell together: what failed first, what took longest, what is not normal."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from baton.llm.figures import StepFigures
from baton.states import State
from baton.status import Node
from baton.store.pages import Attempts, Try
from baton.trees import WorkflowTree
from baton.web.norms import Norms, Usual

BAD = frozenset({State.DISCARDED, State.CANCELLED})
BLINK = timedelta(seconds=0.05)  # between the end of an attempt and that of its step


@dataclass(frozen=True, slots=True)
class Failures:
    """The steps that failed, or are being tried again.

    Attributes:
        first: those that failed by themselves, in the order of their ends.
        cascades: those that were cancelled because of others.
    """

    first: Sequence[Node]
    cascades: Sequence[Node]


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of the life of a step.

    Attributes:
        kind: ``waiting`` for dependencies, ``queued``, ``running``, ``backoff`` after a failure,
            ``parked``: waiting for an answer, a signal, a time or the end of a sub-workflow, or
            ``earlier``: attempts before the newest 50.
    """

    kind: str
    begins: datetime
    ends: datetime

    @property
    def seconds(self) -> float:
        """How long it lasted."""
        return max(0.0, (self.ends - self.begins).total_seconds())


@dataclass(frozen=True, slots=True)
class StepRow:
    """A row of the table of steps: a step, how long it usually takes, and what it used."""

    node: Node
    usual: Usual | None
    used: StepFigures | None


def failures(tree: WorkflowTree) -> Failures:
    """Tell failures from what they cascaded to."""
    nodes = {node.step_name: node for node in tree.status.nodes}
    parents = tree.dependencies()
    first, cascades = [], []
    for node in tree.status.nodes:
        if node.state is State.CANCELLED and any(
            nodes[name].state in BAD for name in parents[node.step_name]
        ):
            cascades.append(node)
        elif node.state in BAD or node.state is State.RETRYABLE:
            first.append(node)
    last = max((node.finished_at for node in first if node.finished_at), default=None)
    first.sort(key=lambda node: (node.finished_at is None, node.finished_at or last, node.job_id))
    return Failures(first, cascades)


def critical_path(tree: WorkflowTree, now: datetime) -> list[Node]:
    """Return the steps that decided how long the workflow took, in their order.

    It leads from the step that ended last, or goes on, to the dependency that ended last, and so
    on.
    """
    nodes = {node.step_name: node for node in tree.status.nodes}
    begun = [node for node in nodes.values() if node.started_at or node.finished_at]
    if not begun:
        return []
    parents = tree.dependencies()
    running = [node for node in begun if node.finished_at is None]

    def end(node: Node) -> tuple[datetime, int]:
        return node.finished_at or now, node.job_id

    if running:
        step = min(running, key=lambda node: (node.started_at or now, node.job_id))
    else:
        step = max(begun, key=end)
    path = [step]
    seen = {step.step_name}
    while known := [
        nodes[name]
        for name in parents[path[-1].step_name]
        if nodes[name].finished_at is not None and name not in seen
    ]:
        path.append(max(known, key=end))
        seen.add(path[-1].step_name)
    return path[::-1]


def segments(
    node: Node, parents: Sequence[Node], attempts: Attempts | None, now: datetime
) -> list[Segment]:
    """Split the life of a step.

    Args:
        node: the step.
        parents: its dependencies.
        attempts: when it is due and which attempts failed, if that says something.
        now: the end of what goes on.
    """
    ends = node.finished_at or now
    if node.kind != "job":
        return _outside(node, parents, ends)
    due = attempts.scheduled_at if attempts else node.inserted_at
    tries = _tries(node, attempts, ends)
    is_open = any(parent.finished_at is None for parent in parents)
    gate = max((each.finished_at for each in parents if each.finished_at), default=node.inserted_at)
    limit = tries[0].begins if tries else ends
    ready = max(gate, tries[0].due if tries else due)
    here = limit if is_open or ready > limit else max(ready, node.inserted_at)
    found = [Segment("waiting", node.inserted_at, here)]
    for number, each in enumerate(tries):
        begins = max(here, each.begins)
        if number:
            found += _pause(here, each.due, begins, gate)
        else:
            found.append(
                Segment("earlier" if attempts and attempts.partial else "queued", here, begins)
            )
        here = max(begins, each.ends)
        found.append(Segment("running", begins, here))
    if node.state.is_final:
        found.append(Segment("backoff" if tries and ends - here > BLINK else "", here, ends))
    elif node.state is not State.EXECUTING:
        found += _pause(here, due, ends, ends if is_open else gate)
    return [part for part in found if part.kind and part.ends > part.begins]


def _outside(node: Node, parents: Sequence[Node], ends: datetime) -> list[Segment]:
    """Split the life of a step that no worker performs."""
    gate = max((each.finished_at for each in parents if each.finished_at), default=node.inserted_at)
    begins = node.parked_at or (ends if any(not each.finished_at for each in parents) else gate)
    begins = min(max(begins, node.inserted_at), ends)
    found = [Segment("waiting", node.inserted_at, begins), Segment("parked", begins, ends)]
    return [part for part in found if part.ends > part.begins]


def _tries(node: Node, attempts: Attempts | None, ends: datetime) -> list[Try]:
    """Return the attempts that failed, and the one that runs or ended the step."""
    failed = attempts.failed if attempts else ()
    started = node.started_at
    goes_on = node.state is State.EXECUTING or node.state.is_final
    if started is None or not goes_on or (failed and started <= failed[-1].begins):
        return list(failed)
    due = attempts.scheduled_at if attempts else node.inserted_at
    return [*failed, Try(due, started, ends)]


def _pause(begins: datetime, due: datetime, ends: datetime, gate: datetime) -> list[Segment]:
    """Split the time after an attempt: backoff, or dependencies that ran again, and the queue."""
    kind = "waiting" if gate > begins else "backoff"
    queued = min(max(begins, gate, due), ends)
    return [Segment(kind, begins, queued), Segment("queued", queued, ends)]


def rows(tree: WorkflowTree, norms: Norms, costs: Mapping[str, StepFigures]) -> list[StepRow]:
    """Return what the table of steps shows."""
    return [
        StepRow(node, norms.usual(node), costs.get(node.step_name)) for node in tree.status.nodes
    ]
