"""A workflow as a person reads it: a tree of its steps, plain lines, or JSON."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from rich.text import Text
from rich.tree import Tree

from baton.states import State
from baton.status import Node, WorkflowStatus

DEEPEST = 8
"""Levels of indentation; what is deeper stands beside its dependency and names it."""
NAME_LIMIT = 60
ERROR_LIMIT = 300
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
_URGENCY = (
    (State.EXECUTING, State.DISCARDED, State.RETRYABLE),
    (State.CANCELLED, State.AVAILABLE, State.SCHEDULED),
    (State.SUSPENDED,),
    (State.COMPLETED,),
)
_WITH_ERROR = {State.RETRYABLE, State.DISCARDED, State.CANCELLED}


class _Place(NamedTuple):
    """Where a step stands: the branch that its dependents go to, and how deep the step is."""

    branch: Tree
    depth: int


def render(status: WorkflowStatus, *, limit: int | None = None) -> Tree:
    """Return the workflow as a tree for a rich console, one that can print more than ASCII.

    Each step stands once, under the deepest of its dependencies, and names the others. Names and
    errors are shown as `inert` text: neither read as markup nor obeyed by a terminal.

    Args:
        status: the workflow.
        limit: at most so many lines of steps; what runs or failed is shown before what is done.
    """
    chosen = _chosen(status.nodes, limit)
    tree = Tree(_title(status), guide_style="dim")
    places: dict[str, _Place] = {}
    for node in chosen:
        parent = _parent(node, places)
        place = _Place(tree, 0) if parent is None else places[parent]
        indented = place.depth < DEEPEST
        others = [name for name in node.deps if name != parent or not indented]
        label = _label(node, _after(others, also=parent is not None and indented))
        branch = place.branch.add(label)
        sideways = place.depth + 1 >= DEEPEST
        places[node.step_name] = _Place(place.branch if sideways else branch, place.depth + 1)
    if hidden := len(status.nodes) - len(chosen):
        tree.add(Text(f"and {hidden:,} more steps", style="dim"))
    return tree


def lines(status: WorkflowStatus) -> Iterator[str]:
    """Return the workflow as plain lines: a headline and one for each step."""
    yield headline(status)
    for node in status.nodes:
        yield f"  {line(node)}"


def headline(status: WorkflowStatus) -> str:
    """Say in a plain line what the workflow is and how far it is."""
    return f"workflow {_name(status)} {status.id} {inert(status.state)}: {tally(status)}"


def line(node: Node) -> str:
    """Say in a plain line how a step stands."""
    parts = [f"{node.state.value:<9}", _cut(inert(node.step_name), NAME_LIMIT), *_facts(node)]
    if after := _after(node.deps, also=False):
        parts.append(after)
    if error := error_line(node):
        parts.append(f"error: {error}")
    return "  ".join(parts)


def tally(status: WorkflowStatus) -> str:
    """Count the steps by state, as in ``3 completed, 1 executing``."""
    counts = [(state, status.counts[state]) for state in State if status.counts[state]]
    return ", ".join(f"{count:,} {state.value}" for state, count in counts) or "no steps"


def as_json(status: WorkflowStatus) -> dict[str, Any]:
    """Return everything that is known of the workflow as JSON values."""
    return {
        "id": str(status.id),
        "name": status.name,
        "state": status.state,
        "inserted_at": _iso(status.inserted_at),
        "finished_at": _iso(status.finished_at),
        "counts": {state.value: status.counts[state] for state in State if status.counts[state]},
        "failed_steps": status.failed_steps,
        "steps": [_node_as_json(node) for node in status.nodes],
    }


def inert(text: str) -> str:
    r"""Return a text that a terminal prints on one line: control characters become ``\x1b``."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def duration(seconds: float) -> str:
    """Return a duration as people write it: 0.61 s, 12.3 s, 4 min 05 s, 3 h 12 min."""
    if seconds < 10:  # noqa: PLR2004
        return f"{max(0.0, seconds):.2f} s"
    if seconds < 60:  # noqa: PLR2004
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:  # noqa: PLR2004
        return f"{minutes} min {rest:02} s"
    return f"{minutes // 60:,} h {minutes % 60:02} min"


def error_line(node: Node) -> str | None:
    """Return a step's error on one line, when its state is the error's doing."""
    if not node.error or node.state not in _WITH_ERROR:
        return None
    return _cut(inert(" ".join(node.error[: 2 * ERROR_LIMIT].split())), ERROR_LIMIT)


def _chosen(nodes: Sequence[Node], limit: int | None) -> Sequence[Node]:
    """Choose the nodes for so many lines, the urgent ones first; they stay in their order."""
    if limit is None or sum(map(_height, nodes)) <= limit:
        return nodes
    left = limit
    kept: set[str] = set()
    for states in _URGENCY:
        for node in nodes:
            if node.state in states and _height(node) <= left:
                kept.add(node.step_name)
                left -= _height(node)
    return [node for node in nodes if node.step_name in kept]


def _height(node: Node) -> int:
    return 1 if error_line(node) is None else 2


def _parent(node: Node, places: Mapping[str, _Place]) -> str | None:
    """Return the deepest dependency that is placed; of equals, the last one named."""
    placed = [name for name in node.deps if name in places]
    return max(reversed(placed), key=lambda name: places[name].depth, default=None)


def _title(status: WorkflowStatus) -> Text:
    title = Text(no_wrap=True, overflow="ellipsis")
    title.append(_name(status), "bold")
    title.append(f"  {inert(status.state)}", STYLES.get(status.state, ""))
    title.append(f"  {status.id}", "dim")
    return title


def _name(status: WorkflowStatus) -> str:
    return "(no name)" if status.name is None else _cut(inert(status.name), NAME_LIMIT)


def _label(node: Node, after: str) -> Text:
    look = LOOKS[node.state]
    label = Text(no_wrap=True, overflow="ellipsis")
    label.append(f"{look.icon} ", look.style)
    label.append(_cut(inert(node.step_name), NAME_LIMIT))
    label.append(f"  {node.state.value}", look.style)
    label.append("".join(f"  {fact}" for fact in _facts(node)), "dim")
    if after:
        label.append(f"  ({after})", "dim")
    if error := error_line(node):
        label.append(f"\n{error}", "red")
    return label


def _facts(node: Node) -> Iterator[str]:
    if node.duration is not None:
        yield duration(node.duration)
    if node.attempt is not None and node.attempt > 1:
        yield f"attempt {node.attempt}"


def _after(deps: Sequence[str], *, also: bool) -> str:
    if not deps:
        return ""
    named = ", ".join(_cut(inert(name), NAME_LIMIT) for name in deps[:NAMED_DEPS])
    more = f" and {len(deps) - NAMED_DEPS:,} more" if len(deps) > NAMED_DEPS else ""
    return f"{'also after' if also else 'after'} {named}{more}"


def _node_as_json(node: Node) -> dict[str, Any]:
    return {
        "name": node.step_name,
        "state": node.state.value,
        "deps": list(node.deps),
        "result": node.result,
        "error": node.error,
        "duration": node.duration,
        "worker": node.worker,
        "queue": node.queue,
        "attempt": node.attempt,
        "job_id": node.job_id,
        "inserted_at": _iso(node.inserted_at),
        "started_at": _iso(node.started_at),
        "finished_at": _iso(node.finished_at),
    }


def _iso(time: datetime | None) -> str | None:
    return None if time is None else time.isoformat()


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[: limit - 3]}..."
