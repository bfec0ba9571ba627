"""Reading a workflow together with its sub-workflows. Nothing here locks or writes."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from uuid import UUID

from baton.errors import NotFound
from baton.status import Node, WorkflowStatus
from baton.store.asking import Asking, Statement
from baton.store.door import Row
from baton.store.looking import workflow_id
from baton.store.rows import to_node, to_workflow
from baton.trees import WorkflowTree

DEEPEST = 20
"""Levels of sub-workflows that are read; the step of one that is deeper stands alone."""


def workflow_tree(given: UUID | str, *, results: bool) -> Asking[WorkflowTree]:
    """Return a workflow with its sub-workflows.

    Args:
        given: the id, or the beginning of one.
        results: whether to read what the steps returned, which may be large.

    Raises:
        NotFound: there is none.
    """
    found = yield from workflow_id(given)
    family = yield Statement("workflow_family", {"id": found, "depth": DEEPEST})
    ids = [row[0] for row in family]
    # in this order: a workflow that is finished is not shown with steps from before its end, and a
    # step that is shown has all its edges
    nodes = yield Statement("workflow_nodes", {"ids": ids, "results": results})
    edges = yield Statement("workflow_edges", {"ids": ids})
    tree = _tree(family, nodes, edges)
    if tree is None:
        raise NotFound("workflow", given)
    return tree


def _tree(
    family: Sequence[Row], node_rows: Sequence[Row], edge_rows: Sequence[Row]
) -> WorkflowTree | None:
    """Put the rows together, the innermost workflows first."""
    nodes: defaultdict[UUID, list[Node]] = defaultdict(list)
    owners: dict[int, tuple[UUID, str]] = {}
    for row in node_rows:
        node = to_node(row[1:])
        nodes[row[0]].append(node)
        owners[node.job_id] = (row[0], node.step_name)
    edges = _edges(edge_rows, owners)
    inside: defaultdict[UUID, dict[str, WorkflowTree]] = defaultdict(dict)
    tree = None
    for *workflow, holder in reversed(family):
        status = _status(workflow, nodes[workflow[0]])
        tree = WorkflowTree(
            status=status, edges=edges[status.id], subworkflows=inside.pop(status.id, {})
        )
        if holder in owners:
            outer, name = owners[holder]
            inside[outer][name] = tree
    return tree


def _edges(
    rows: Sequence[Row], owners: Mapping[int, tuple[UUID, str]]
) -> defaultdict[UUID, list[tuple[str, str]]]:
    """Name the edges of each workflow; those that lead into a sub-workflow are its own place."""
    found: defaultdict[UUID, list[tuple[str, str]]] = defaultdict(list)
    for parent_id, child_id in rows:
        if parent_id in owners and child_id in owners:
            (outer, parent), (inner, child) = owners[parent_id], owners[child_id]
            if outer == inner:
                found[inner].append((parent, child))
    return found


def _status(workflow: Sequence[object], nodes: Sequence[Node]) -> WorkflowStatus:
    return to_workflow(workflow, Counter(node.state for node in nodes), nodes)
