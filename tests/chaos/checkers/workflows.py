"""Workflows: gates, cascades, and ends."""

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

from tests.chaos.checkers.checker import RETRIES, checker
from tests.chaos.history import FINAL, History, Move, Step


@checker(
    "no step starts while one of its dependencies is open, or has ended in a way that forbids it"
)
def no_start_behind_a_closed_gate(history: History) -> Iterator[str]:
    parents: dict[int, list[int]] = defaultdict(list)
    for parent, child in history.edges:
        parents[child].append(parent)
    times = {job: [move.at for move in moves] for job, moves in history.moves_of.items()}
    for child, deps in parents.items():
        step = history.steps.get(child)
        if step is None:
            continue
        started = {start.epoch for start in history.starts_of.get(child, ())}
        for claim in history.moves_of.get(child, ()):
            if not claim.claims or claim.epoch not in started:
                continue
            for dep in deps:
                place = bisect_right(times.get(dep, []), claim.at)
                if place == 0:
                    continue  # grafted later
                state = history.moves_of[dep][place - 1].became
                if not _is_met(step, history.steps.get(dep), state):
                    yield f"step {child} was claimed at {claim.at:.3f} while {dep} was {state}"


def _is_met(step: Step, dep: Step | None, state: str | None) -> bool:
    if dep is not None and dep.subworkflow == step.workflow:
        return True
    if step.run_on != "completed":
        return state in FINAL or state is None
    return (
        state == "completed"
        or (state == "cancelled" and step.ignore_cancelled)
        or (state == "discarded" and step.ignore_discarded)
    )


@checker(
    "what a cascade cancelled had not started, and every step that did not complete has a cause"
)
def cancelled_by_a_cascade_never_started(history: History) -> Iterator[str]:
    for step in history.steps.values():
        if step.outcome in {"cancelled", "discarded"} and not step.cause:
            yield f"step {step.job} was {step.outcome} without a cause"
        if step.outcome != "cancelled" or not (step.cause or "").startswith("dependency "):
            continue
        life: list[Move] = []
        for move in history.moves_of.get(step.job, ()):
            life = [] if move.was in FINAL or move.was is None else [*life, move]
        last = life[-1] if life else None
        if last is not None and last.was != "suspended":
            yield f"step {step.job} was cancelled by a cascade while it was {last.was}"
        if history.steered(step.job, *RETRIES):
            continue
        started = {start.epoch for start in history.starts_of.get(step.job, ())}
        if any(move.claims and move.epoch in started for move in life):
            yield f"step {step.job} was cancelled by a cascade after it had started"


@checker("no waiting step is ready")
def no_waiting_step_is_ready(history: History) -> Iterator[str]:
    parents: dict[int, list[int]] = defaultdict(list)
    for parent, child in history.edges:
        parents[child].append(parent)
    for step in history.steps.values():
        job = history.jobs.get(step.job)
        if step.outcome is not None or step.parked or job is None or job.state != "suspended":
            continue
        states = {dep: history.jobs[dep].state for dep in parents[step.job] if dep in history.jobs}
        if all(_is_met(step, history.steps.get(dep), state) for dep, state in states.items()):
            yield f"step {step.job} ({step.name}) waits, and nothing keeps it from running"


@checker("the row of a step says the same as that of its job")
def steps_and_jobs_agree(history: History) -> Iterator[str]:
    for step in history.steps.values():
        job = history.jobs.get(step.job)
        if job is not None and job.state in FINAL and step.outcome != job.state:
            yield f"step {step.job} is {step.outcome}, its job {job.state}"
        if job is None or not isinstance(step.result, dict) or "epoch" not in step.result:
            continue
        if step.outcome == "completed" and step.result["epoch"] != job.epoch:
            yield (
                f"step {step.job} has the result of claim {step.result['epoch']} and was completed "
                f"by claim {job.epoch}"
            )


@checker("the end of a workflow is announced exactly once")
def completions_are_announced_once(history: History) -> Iterator[str]:
    endings: dict[str, list[Any]] = defaultdict(list)
    for ending in history.endings:
        endings[ending.workflow].append(ending)
    members: dict[str, list[int]] = defaultdict(list)
    for step in history.steps.values():
        members[step.workflow].append(step.job)
    told = Counter(
        job.meta.get("finished_workflow", {}).get("workflow_id")
        for job in history.jobs.values()
        if job.worker == "chaos.finished"
    )
    for flow in history.flows.values():
        story = endings[flow.id]
        finished = [ending for ending in story if ending.became != "executing"]
        begun = [ending for ending in story if ending.became == "executing"]
        if len(finished) != len(begun):
            yield f"workflow {flow.id} began {len(begun)} times and ended {len(finished)} times"
        if flow.id not in history.completions:
            yield f"the end of workflow {flow.id} was not announced"
        if flow.reacts and told[flow.id] != len(finished):
            yield (
                f"workflow {flow.id} ended {len(finished)} times, its job came "
                f"{told[flow.id]} times"
            )
        bad = any(history.steps[step].outcome != "completed" for step in members[flow.id])
        if (flow.state == "failed") != bad and flow.state != "executing":
            yield f"workflow {flow.id} is {flow.state}, its steps say otherwise"


@checker("no workflow ends before its last step")
def workflows_end_after_their_steps(history: History) -> Iterator[str]:
    members: dict[str, list[int]] = defaultdict(list)
    for step in history.steps.values():
        members[step.workflow].append(step.job)
    for ending in history.endings:
        if ending.became == "executing":
            continue
        for step in members[ending.workflow]:
            before = [move for move in history.moves_of.get(step, ()) if move.at <= ending.at]
            if before and before[-1].became not in FINAL:
                yield (
                    f"workflow {ending.workflow} ended at {ending.at:.3f} while step {step} was "
                    f"{before[-1].became}"
                )
