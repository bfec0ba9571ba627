"""A workflow with what its steps really wait for, and with its sub-workflows."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from baton.status import Node, WorkflowStatus


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
