"""What the pages of one workflow, and of one job, show."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import anyio.to_thread

from baton.errors import NotFound
from baton.graphs.sheets import LOOKS
from baton.llm.figures import StepFigures
from baton.states import State
from baton.status import Node
from baton.store import audit, pages
from baton.store.asking import answer
from baton.store.audit import Deed
from baton.store.pages import Norm
from baton.trees import WorkflowTree
from baton.web import charts, graph, seen
from baton.web.access import Resource
from baton.web.analysis import BAD, critical_path, failures, rows
from baton.web.desk import Desk, canonical, job_number
from baton.web.norms import Norms
from baton.web.scope import Scope
from baton.web.view import Context, Params, View
from baton.why import Reason, Why

STEPS = 200  # rows of the table, unless all are asked for
WHOLE = 5_000  # boxes of the graph, and rows, where all are
NAMED = 12  # steps of the critical path, and failures, that are shown
FRESH = 60.0  # seconds for which what is normal is remembered
KEPT = 200
NEAR = 50  # dependencies, and dependents, that the page of a step lists
WHERE_QUEUES = {
    Reason.PAUSED,
    Reason.STOPPED,
    Reason.UNSERVED,
    Reason.GLOBAL_LIMIT,
    Reason.RATE_LIMIT,
    Reason.BUSY,
    Reason.TURN,
}
DEAREST = 50  # steps whose cost is listed
DEEDS = 20
NEAR_DEEDS = 200  # of the workflow, that are looked through for those that name a step


async def workflow(desk: Desk, params: Params, scope: Scope) -> Context:
    """Read a workflow."""
    await seen.check(desk, scope, "workflow", params["id"])
    found = await desk.client.find_workflow(params["id"])
    why = await desk.client.why(found)
    tree = await desk.client.get_workflow_tree(found)
    attempts = await pages.attempts(desk.database, found)
    norms = await _normal(desk, found, len(tree.status.nodes))
    processes = await desk.client.running_steps(found)
    now = datetime.now(UTC)
    about = await pages.about(desk.database, found)
    if about is not None and about.parent_id is not None:
        parent = str(about.parent_id)
        is_part = await seen.is_seen(desk, scope, "workflow", parent)
        about = about if is_part else replace(about, parent_id=None)
    near = audit.deeds(kind="workflow", subject=str(found), limit=DEEDS)
    used = await desk.client.stats.steps_for_workflow(found)
    total = await desk.client.stats.workflow_totals(found) if used else None
    budgets = await desk.client.budgets(workflow=found)
    facts = await anyio.to_thread.run_sync(lambda: _drawn(tree, attempts, now, params, norms, used))
    return {
        "why": why,
        "status": tree.status,
        "processes": processes,
        "about": about,
        "signals": await pages.signals(desk.database, found),
        "deeds": await answer(desk.database, near),
        "goto": _goto(why, tree),
        "heard": _heard(tree.status.nodes),
        "total": total,
        "budget": budgets[0] if budgets else None,
        "used": sorted(used, key=_dear)[:DEAREST],
        "cheap": max(0, len(used) - DEAREST),
        "subworkflows": tree.subworkflows,
        "params": params,
        "asked": [each for each in tree.status.nodes if each.kind == "approval" and each.waits],
        **facts,
    }


def _drawn(
    tree: WorkflowTree,
    attempts: dict[int, pages.Attempts],
    now: datetime,
    params: Params,
    norms: Sequence[Norm],
    used: Sequence[StepFigures],
) -> dict[str, Any]:
    """Compute what takes a while, for large workflows; done in a thread."""
    path = critical_path(tree, now)
    names = [node.step_name for node in path]
    root = params["root"]
    whole = params.get("whole") == "1" and len(tree.status.nodes) <= WHOLE
    failed = failures(tree)
    causes = {node.step_name for node in failed.first}
    picture, boxes = graph.drawn(tree, root, frozenset(names), causes, whole=whole)
    life = charts.timeline(tree, attempts, now, frozenset(names))
    costs = {each.step_name: each for each in used}
    steps = rows(tree, Norms(norms, tree.status.nodes), costs)
    hidden = 0
    most = WHOLE if params.get("steps") == "all" else STEPS
    if len(steps) > most:
        hidden = len(steps) - most
        steps.sort(key=lambda row: _calm(row.node))
        del steps[most:]
    return {
        "graph": picture,
        "boxes": boxes,
        "critical": path,
        "failures": failed,
        "named": NAMED,
        "life": life,
        "kinds": [kind for kind in charts.KINDS if any(row.seconds(kind) for row in life)],
        "gantt": charts.gantt(life, root, names),
        "words": sorted({node.word for node in tree.status.nodes}, key=list(LOOKS).index),
        "steps": steps,
        "hidden": hidden,
        "now": now,
    }


def _calm(node: Node) -> tuple[int, int]:
    order = (State.DISCARDED, State.RETRYABLE, State.EXECUTING, State.CANCELLED, State.AVAILABLE)
    return (order.index(node.state) if node.state in order else len(order)), node.job_id


def _heard(nodes: Sequence[Node]) -> list[str]:
    """Return the signals that steps wait for, or will."""
    open_ones = (node for node in nodes if node.kind == "signal" and not node.state.is_final)
    return sorted({node.signal for node in open_ones if node.signal is not None})


@dataclass(frozen=True, slots=True)
class Goto:
    """Where something can be done about what holds a workflow up."""

    step: Node | None
    queue: str | None


def _goto(why: Why, tree: WorkflowTree) -> Goto:
    """Return the step, and the queue, that an answer ends with."""
    root = why.root
    name = root.subject.removeprefix("step ")
    step = next((each for each in tree.status.nodes if each.step_name == name), None)
    queues = (fact.values.get("queue") for fact in root.evidence)
    queue = next((each for each in queues if isinstance(each, str)), None)
    if queue is None and root.reason in WHERE_QUEUES and step is not None:
        queue = step.queue
    return Goto(step if root is not why else None, queue)


def _dear(each: StepFigures) -> tuple[Decimal, int]:
    return -(each.cost or Decimal()), -each.total_tokens


async def _normal(desk: Desk, workflow_id: UUID, steps: int) -> Sequence[Norm]:
    """Return how long its steps usually take; what earlier runs took is not read at every look."""
    known = desk.norms.get(workflow_id)
    if known is None or time.monotonic() - known[0] > FRESH:
        found = await pages.norms(desk.database, workflow_id, steps=steps)
        known = desk.norms[workflow_id] = time.monotonic(), found
        while len(desk.norms) > KEPT:
            desk.norms.popitem(last=False)
    return known[1]


async def job(desk: Desk, params: Params, scope: Scope) -> Context:
    """Read a job, or the step whose job was pruned."""
    number = job_number(params["id"])
    await seen.check(desk, scope, "job", params["id"])
    step = await pages.step_of(desk.database, number)
    node, usual = None, None
    before: Sequence[Node] = ()
    after: Sequence[Node] = ()
    if step is not None:
        status = await desk.client.get_workflow(step[0])
        node = next((each for each in status.nodes if each.job_id == number), None)
        if node is not None:
            norms = await _normal(desk, step[0], len(status.nodes))
            usual = Norms(norms, status.nodes).usual(node)
            if await seen.is_seen(desk, scope, "workflow", str(step[0])):
                needed = set(node.deps)
                before = [each for each in status.nodes if each.step_name in needed]
                after = [each for each in status.nodes if step[2] in each.deps]
    asked = None
    if node is not None and node.kind == "approval" and step is not None:
        asked = await desk.client.get_approval(step[0], node.step_name)
    try:
        found = await desk.client.get_job(number)
    except NotFound:
        if node is None:
            raise
        found = None
    return {
        "number": number,
        "job": found,
        "node": node,
        "usual": usual,
        "before": before,
        "after": after,
        "named": NEAR,
        "step": step,
        "asked": asked,
        "why": await desk.client.why(number),
        "usage": await pages.usage(desk.database, number),
        "captured": await pages.captured(desk.database, number),
        "deeds": await _deeds(desk, number, step),
        "bad": BAD,
    }


async def _deeds(desk: Desk, number: int, step: tuple[Any, ...] | None) -> list[Deed]:
    """Return what people did to a job, and to its workflow where that names this step."""
    near = audit.deeds(kind="job", subject=str(number), limit=DEEDS)
    found = await answer(desk.database, near)
    if step is not None:
        near = audit.deeds(kind="workflow", subject=str(step[0]), limit=NEAR_DEEDS)
        found += [
            each
            for each in await answer(desk.database, near)
            if _names(each.details.get("step"), step[2])
        ]
    return sorted(found, key=lambda each: each.id, reverse=True)[:DEEDS]


def _names(said: Any, step: str) -> bool:
    return step in said if isinstance(said, list) else said == step


VIEWS = (
    View(
        "workflow", "/workflows/{id}", "workflow.html",
        ("why", "graph", "failures", "timeline", "steps", "cost", "about"), workflow,
        lambda params: Resource("workflow", canonical("workflow", params["id"])),
        lambda params: canonical("workflow", params["id"]),
        frozenset({"whole", "steps"}),
    ),
    View(
        "job", "/jobs/{id}", "job.html", ("facts",), job,
        lambda params: Resource("job", canonical("job", params["id"])),
    ),
)  # fmt: skip
