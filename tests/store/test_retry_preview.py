"""A preview of a retry is what the retry does, on random workflows that ended in random ways."""

import random

import pytest

from baton import Client, Workflow
from baton.errors import NothingToRetry
from baton.states import State
from tests.store.test_workflow_operations import sweep
from tests.support import Process, done, ended, job, process, rows

pytestmark = pytest.mark.anyio

ENDS = """
  select job_id, outcome::text, finished_at, skipped, kind from baton.workflow_steps
"""
BAD = '{"kind": "error", "message": "no"}'


def workflow(dice: random.Random, depth: int = 1) -> Workflow:
    flow = Workflow(f"depth {depth}")
    for n in range(dice.randint(2, 7)):
        deps = dice.sample([f"s{m}" for m in range(n)], k=min(n, dice.randint(0, 2)))
        inner = depth > 0 and dice.random() < 0.25
        flow.add(
            f"s{n}",
            workflow(dice, depth - 1) if inner else job(),
            deps=deps,
            run_on=dice.choice(["completed", "completed", "failed", "done"])
            if deps
            else "completed",
            ignore_discarded=dice.random() < 0.2,
            ignore_skipped=dice.random() < 0.3,
        )
    return flow


async def perform(database: str, worker: Process, dice: random.Random, failing: float) -> set[int]:
    """Run what can run, some of it into the ground; return the jobs that ran."""

    ran: set[int] = set()
    await sweep(database)
    while jobs := await worker.fetch(10):
        ran |= {each.id for each in jobs}
        acks = []
        for each in jobs:
            bad = dice.random() < failing
            acks.append(ended(each, State.DISCARDED, error=BAD) if bad else done(each))
        await worker.acknowledge(*acks)
        await sweep(database)
    return ran


@pytest.mark.parametrize("seed", range(6))
async def test_what_a_preview_lists_runs_again_and_nothing_else(database: str, seed: int) -> None:
    dice = random.Random(seed)  # noqa: S311  it decides on nothing secret
    async with Client(database) as client, process(database) as worker:
        for _ in range(5):
            flow = workflow(dice)
            await client.insert_workflow(flow)
            await perform(database, worker, dice, failing=0.3)
            steps = dice.choice([None, None, "all", dice.sample(flow.step_names(), k=1)])
            before = {row[0]: row[1:] for row in await rows(database, ENDS)}
            try:
                planned = await client.retry_workflow(flow.workflow_id, steps, dry_run=True)
            except NothingToRetry:
                continue
            assert await client.retry_workflow(flow.workflow_id, steps) == planned
            listed = {step.job_id for step in planned.steps}

            ran = await perform(database, worker, dice, failing=0.0)
            after = {row[0]: row[1:] for row in await rows(database, ENDS)}
            assert all(outcome is not None for outcome, *_ in after.values())
            changed = {job_id for job_id, end in after.items() if before[job_id] != end}
            assert changed == listed
            rest = {job_id for job_id in listed - ran if after[job_id][3] == "job"}
            # what did not run again decided anew not to, or waits for something that did not
            assert all(after[job_id][2] or after[job_id][0] == "cancelled" for job_id in rest)
            assert ran <= listed
