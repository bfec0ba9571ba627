"""How a workflow and its steps are put into words: headlines, plain lines, and JSON."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from baton.states import State
from baton.status import Node, WorkflowStatus
from baton.trees import ERROR_LIMIT, NAME_LIMIT, SHORT_ID, WorkflowTree, error_line, facts
from baton.wording import cut, duration, inert

__all__ = [
    "ERROR_LIMIT",
    "LOOKS",
    "NAME_LIMIT",
    "SHORT_ID",
    "STYLES",
    "after",
    "as_json",
    "cut",
    "duration",
    "error_line",
    "facts",
    "headline",
    "inert",
    "line",
    "lines",
    "look",
    "name_of",
    "tally",
    "tally_of",
]

NAMED_DEPS = 3


class Look(NamedTuple):
    """How a state is shown, beside its name."""

    icon: str
    style: str


LOOKS: Mapping[State, Look] = {
    State.AVAILABLE: Look("○", "cyan"),
    State.SCHEDULED: Look("◷", "cyan"),
    State.SUSPENDED: Look("·", "dim"),
    State.EXECUTING: Look("▶", "bold blue"),
    State.RETRYABLE: Look("↻", "yellow"),
    State.COMPLETED: Look("✓", "green"),
    State.DISCARDED: Look("✗", "bold red"),
    State.CANCELLED: Look("⊘", "magenta"),
}
STYLES: Mapping[str, str] = {"executing": "bold blue", "completed": "green", "failed": "bold red"}
_SKIPPED = Look("↷", "green")
_WAITING = Look("◇", "cyan")


def lines(tree: WorkflowTree) -> Iterator[str]:
    """Return the workflow as plain lines: a headline and one for each step."""
    yield headline(tree.status)
    names = tree.adders()
    for path, node in tree.walk():
        yield f"  {line(node, path=path, adders=names)}"


def headline(status: WorkflowStatus) -> str:
    """Say in a plain line what the workflow is and how far it is."""
    return f"workflow {name_of(status)} {status.id} {inert(status.state)}: {tally(status)}"


def line(
    node: Node, *, path: Sequence[str] | None = None, adders: Mapping[int, str] | None = None
) -> str:
    """Say in a plain line how a step stands.

    Args:
        node: the step.
        path: its name after the names of the steps that it is inside.
        adders: the names of the steps that added others, by their jobs.
    """
    name = cut(inert("/".join(path or (node.step_name,))), NAME_LIMIT)
    parts = [f"{node.word:<9}", name, *facts(node, adders or {})]
    if told := after(node.deps, also=False):
        parts.append(told)
    if error := error_line(node):
        parts.append(f"error: {error}")
    return "  ".join(parts)


def tally(status: WorkflowStatus) -> str:
    """Count the steps by state, as in ``3 completed, 1 executing``."""
    if status.nodes:
        return tally_of(status.nodes)
    counts = [(status.counts[state], state.value) for state in State if status.counts[state]]
    return _counted(counts) or "no steps"


def tally_of(nodes: Iterable[Node]) -> str:
    """Count steps by what is said of their states."""
    counts = Counter((node.state, node.word) for node in nodes)
    order = {state: number for number, state in enumerate(State)}
    found = sorted(counts.items(), key=lambda each: (order[each[0][0]], each[0][1]))
    return _counted((count, said) for (_, said), count in found)


def look(node: Node) -> Look:
    """Return how a step is shown."""
    match node.word:
        case "skipped":
            return _SKIPPED
        case "waiting":
            return _WAITING
        case _:
            return LOOKS[node.state]


def as_json(tree: WorkflowTree) -> dict[str, Any]:
    """Return everything that is known of the workflow as JSON values."""
    status = tree.status
    return {
        "id": str(status.id),
        "name": status.name,
        "state": status.state,
        "inserted_at": _iso(status.inserted_at),
        "finished_at": _iso(status.finished_at),
        "counts": {state.value: status.counts[state] for state in State if status.counts[state]},
        "failed_steps": status.failed_steps,
        "steps": [_node_as_json(node, tree) for node in status.nodes],
        "edges": [list(edge) for edge in tree.edges],
    }


def name_of(status: WorkflowStatus) -> str:
    """Return what a workflow is called."""
    return "(no name)" if status.name is None else cut(inert(status.name), NAME_LIMIT)


def after(deps: Sequence[str], *, also: bool) -> str:
    """Name a few of the steps that a step waits for, and count the others."""
    if not deps:
        return ""
    named = ", ".join(cut(inert(name), NAME_LIMIT) for name in deps[:NAMED_DEPS])
    more = f" and {len(deps) - NAMED_DEPS:,} more" if len(deps) > NAMED_DEPS else ""
    return f"{'also after' if also else 'after'} {named}{more}"


def _counted(counts: Iterable[tuple[int, str]]) -> str:
    return ", ".join(f"{count:,} {said}" for count, said in counts)


def _node_as_json(node: Node, tree: WorkflowTree) -> dict[str, Any]:
    inner = tree.subworkflows.get(node.step_name)
    return {
        "name": node.step_name,
        "state": node.state.value,
        "kind": node.kind,
        "skipped": node.skipped,
        "deps": list(node.deps),
        "run_on": node.run_on,
        "condition": node.condition,
        "signal": node.signal,
        "question": node.question,
        "asks": node.asks,
        "until": _iso(node.until),
        "result": node.result,
        "error": node.error,
        "duration": node.duration,
        "worker": node.worker,
        "queue": node.queue,
        "attempt": node.attempt,
        "job_id": node.job_id,
        "grafted_by": node.grafted_by,
        "inserted_at": _iso(node.inserted_at),
        "started_at": _iso(node.started_at),
        "parked_at": _iso(node.parked_at),
        "finished_at": _iso(node.finished_at),
        "subworkflow_id": None if node.subworkflow_id is None else str(node.subworkflow_id),
        **({} if inner is None else {"subworkflow": as_json(inner)}),
    }


def _iso(time: datetime | None) -> str | None:
    return None if time is None else time.isoformat()
