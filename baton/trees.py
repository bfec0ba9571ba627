"""A workflow with what its steps really wait for, and with its sub-workflows."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from baton.graphs.graph import WorkflowGraph
from baton.graphs.order import forward
from baton.graphs.sheets import Box, Sheet
from baton.states import State
from baton.status import Node, WorkflowStatus
from baton.wording import cut, duration, inert

NAME_LIMIT = 60
ERROR_LIMIT = 300
SHORT_ID = 8
_WITH_ERROR = {State.RETRYABLE, State.DISCARDED, State.CANCELLED}
_RUNS_ON = {"failed": "runs if one fails", "done": "runs in any case"}


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowTree:
    """How a workflow stands, with its dependencies and, inside it, its sub-workflows.

    Attributes:
        status: the workflow and its steps.
        edges: pairs of names: a dependency, and the step that waits for it. They are what the
            engine goes by; `Node.deps` is what was declared, which grafts add to.
        subworkflows: the workflows that steps are, by the name of the step.
    """

    status: WorkflowStatus
    edges: Sequence[tuple[str, str]]
    subworkflows: Mapping[str, "WorkflowTree"] = field(default_factory=dict)

    @classmethod
    def of(cls, status: WorkflowStatus) -> "WorkflowTree":
        """Return a tree of one workflow, with the dependencies that its steps declare."""
        names = {node.step_name for node in status.nodes}
        pairs = [(dep, node.step_name) for node in status.nodes for dep in node.deps]
        return cls(status=status, edges=[pair for pair in pairs if pair[0] in names])

    def dependencies(self) -> dict[str, list[str]]:
        """Return the names of the steps that each step waits for."""
        found: dict[str, list[str]] = {node.step_name: [] for node in self.status.nodes}
        for parent, child in self.edges:
            found[child].append(parent)
        return found

    def walk(self, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Node]]:
        """Yield all steps, those of a sub-workflow after the step that it is, each with its path.

        The path of a step is its name after the names of the steps that it is inside.
        """
        for node in self.status.nodes:
            here = (*path, node.step_name)
            yield here, node
            if inner := self.subworkflows.get(node.step_name):
                yield from inner.walk(here)

    def adders(self) -> dict[int, str]:
        """Return the names of the steps that added others while the workflow ran, by their jobs."""
        nodes = [node for _, node in self.walk()]
        wanted = {node.grafted_by for node in nodes} - {None}
        return {node.job_id: node.step_name for node in nodes if node.job_id in wanted}

    def graph(self) -> WorkflowGraph:
        """Return the graph of the workflow as it stands, to be drawn."""
        return WorkflowGraph(_sheet(self, self.adders()))


def facts(node: Node, adders: Mapping[int, str]) -> Iterator[str]:
    """Say what is known of a step beside its state; ``adders`` as `WorkflowTree` has them."""
    if node.duration is not None:
        yield duration(node.duration)
    if node.attempt is not None and node.attempt > 1:
        yield f"attempt {node.attempt}"
    if node.kind != "job" or node.signal is not None:
        yield _kind(node)
    if node.until is not None:
        yield f"until {node.until.astimezone():%Y-%m-%d %H:%M:%S}"
    if node.condition is not None:
        yield f"if {cut(inert(node.condition), NAME_LIMIT)}"
    if node.run_on in _RUNS_ON:
        yield _RUNS_ON[node.run_on]
    if node.grafted_by is not None:
        adder = adders.get(node.grafted_by)
        yield "added" if adder is None else f"added by {cut(inert(adder), NAME_LIMIT)}"


def error_line(node: Node) -> str | None:
    """Return a step's error on one line, when its state is the error's doing."""
    if not node.error or node.state not in _WITH_ERROR:
        return None
    return cut(inert(" ".join(node.error[: 2 * ERROR_LIMIT].split())), ERROR_LIMIT)


def _kind(node: Node) -> str:
    if node.kind == "approval":
        whom = "" if node.asks is None else f" of {cut(inert(node.asks), NAME_LIMIT)}"
        asked = "" if node.question is None else f': "{cut(inert(node.question), NAME_LIMIT)}"'
        return f"asks for approval{whom}{asked}"
    name = "" if node.signal is None else cut(inert(node.signal), NAME_LIMIT)
    if node.kind == "workflow" and node.subworkflow_id is not None:
        name = str(node.subworkflow_id)[:SHORT_ID]
    return f"{'signal' if node.kind == 'job' else node.kind} {name}".rstrip()


def _sheet(tree: WorkflowTree, adders: Mapping[int, str]) -> Sheet:
    nodes = tree.status.nodes
    numbers = {node.step_name: number for number, node in enumerate(nodes)}
    edges = [(numbers[parent], numbers[child]) for parent, child in tree.edges]
    return Sheet(
        name=tree.status.name or "(no name)",
        facts=(tree.status.state, str(tree.status.id)),
        boxes=[_box(node, tree, adders) for node in nodes],
        edges=forward(len(nodes), edges),
    )


def _box(node: Node, tree: WorkflowTree, adders: Mapping[int, str]) -> Box:
    inner = tree.subworkflows.get(node.step_name)
    return Box(
        name=node.step_name,
        word=node.word,
        kind=node.kind,
        facts=tuple(facts(node, adders)),
        error=error_line(node),
        run_on=node.run_on,
        worker=node.worker if node.kind == "job" else None,
        inner=None if inner is None else _sheet(inner, adders),
    )
