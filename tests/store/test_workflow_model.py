"""Random workflows and whatever may happen to them, compared with a model of the gate."""

import asyncio
from random import Random
from typing import Any, ClassVar
from uuid import uuid4

import anyio
import psycopg
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from baton import SyncClient
from baton.errors import NothingToRetry, StepCompleted
from baton.jobs import Job
from baton.outcomes import Ack, Closed, settle
from baton.states import State
from baton.store.cycles import CycleConnection
from baton.store.leases import LeaseConnection
from baton.workflows import Graft, Workflow
from tests.store.gate_model import Model, Step
from tests.store.grafting import complete_with, completed_ack
from tests.support import ended, job, process, rows

pytestmark = pytest.mark.anyio

STUCK = """
  select finding from baton.stuck_steps(
    array(
      select job_id from baton.workflow_steps where workflow_id = %s and outcome is null
    ),
    0
  )
"""
SLOW_SWEEP = "select unfinished from baton.sweep_slowly(0, 0, 0, 10000)"
SWEEP = "select swept, unfinished from baton.sweep_releases(0, 0, 1000, true)"
STATES = """
  select
    step_name,
    case
      when skipped then 'skipped'
      when state in ('suspended', 'scheduled') and parked_at is not null then 'parked'
      else state
    end
  from baton.workflow_nodes where workflow_id = %s
"""
ENDS = {"completed": 6, "discarded": 2, "cancelled": 1, "retryable": 1, "scheduled": 1}
FLAGS = ("cancelled", "discarded", "skipped")

steps = st.fixed_dictionaries(
    {
        "deps": st.sets(st.integers(1, 6), max_size=4),
        "run_on": st.sampled_from(["completed", "completed", "completed", "failed", "done"]),
        "ignore": st.sets(st.sampled_from(FLAGS)),
        "kind": st.sampled_from(["job", "job", "job", "job", "signal"]),
    }
)


def build(shapes: list[dict[str, Any]], queue: str) -> tuple[Workflow, Model]:
    """A workflow and its model; each step depends on some of those shortly before it."""
    flow, model = Workflow(f"flow {queue}"), Model()
    for number, shape in enumerate(shapes):
        name = f"s{number}"
        deps = tuple(sorted(f"s{number - back}" for back in shape["deps"] if back <= number))
        run_on = shape["run_on"] if deps else "completed"
        ignore = frozenset(shape["ignore"])
        if shape["kind"] == "signal":
            ignore = frozenset()
            flow.wait_for(name, deps=deps, run_on=run_on)
        else:
            flow.add(
                name,
                job(queue=queue),
                deps=deps,
                run_on=run_on,
                ignore_cancelled="cancelled" in ignore,
                ignore_discarded="discarded" in ignore,
                ignore_skipped="skipped" in ignore,
            )
        model.add(Step(name, deps, run_on, ignore, shape["kind"]))
    model.settle()
    return flow, model


class Life(RuleBasedStateMachine):
    """A workflow, one worker process played by hand, and a crash now and then."""

    dsn: ClassVar[str]

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.conn = psycopg.connect(self.dsn, autocommit=True)
        self.client = SyncClient(self.dsn)
        self.cycles = CycleConnection(self.dsn, "baton", timeout=30)
        self.runner.run(self.cycles.connect())
        self.leases = LeaseConnection(self.dsn, "baton", ttl=3_600, timeout=30)
        self.lease = self.leases.acquire("tests", {})
        self.queue = uuid4().hex
        self.executing: dict[str, Job] = {}
        self.grafts = 0

    def teardown(self) -> None:
        self.conn.execute("delete from baton.jobs where queue = %s", [self.queue])
        self.runner.run(self.cycles.close())
        self.runner.close()
        self.leases.release(self.lease)
        self.leases.close()
        self.client.close()
        self.conn.close()

    @initialize(shapes=st.lists(steps, min_size=1, max_size=12))
    def insert(self, shapes: list[dict[str, Any]]) -> None:
        self.flow, self.model = build(shapes, self.queue)
        self.client.insert_workflow(self.flow)

    @rule(count=st.integers(1, 4))
    def fetch(self, count: int) -> None:
        self._take(self._cycle([], count))

    @precondition(lambda self: self.executing)
    @rule(
        data=st.data(),
        crash=st.sampled_from([None, None, "death", "loss"]),
        count=st.integers(0, 3),
    )
    def finish(self, data: st.DataObject, crash: str | None, count: int) -> None:
        """Some attempts end in one batch; the process may die before it has looked what follows.

        When even what is owed then is lost, the slow sweep finds it.
        """
        names = data.draw(st.sets(st.sampled_from(sorted(self.executing)), min_size=1, max_size=3))
        weights = [state for state, weight in ENDS.items() for _ in range(weight)]
        acks = []
        for name in sorted(names):
            state = data.draw(st.sampled_from(weights))
            acks.append(ended(self.executing.pop(name), State(state)))
            self.model.steps[name].state = state
        self.model.settle()
        if crash is not None:
            self._first_half(acks)
            if crash == "loss":
                self.conn.execute("delete from baton.workflow_releases")
                self._sweep_slowly()
        else:
            self._take(self._cycle(acks, count))

    @precondition(lambda self: self.executing)
    @rule(
        data=st.data(), shapes=st.lists(st.sets(st.integers(1, 2)), max_size=3), dies=st.booleans()
    )
    def graft(self, data: st.DataObject, shapes: list[set[int]], dies: bool) -> None:
        """An attempt returns steps; the process may die before it acknowledges."""
        grafter = data.draw(st.sampled_from(sorted(self.executing)))
        done = self.executing.pop(grafter)
        graft, added = Graft(), []
        for number, backs in enumerate(shapes):
            deps = tuple(f"g{self.grafts}.{number - back}" for back in backs if back <= number)
            graft.add(f"g{self.grafts}.{number}", job(queue=self.queue), deps=deps)
            added.append(Step(f"g{self.grafts}.{number}", deps))
        self.grafts += 1
        self.runner.run(complete_with(self.dsn, done, graft))
        self.model.graft(grafter, added)
        if not dies:
            self._cycle([completed_ack(done)], 0)

    @precondition(lambda self: self.model.named("retryable", "scheduled"))
    @rule()
    def stage(self) -> None:
        self.conn.execute(
            "update baton.jobs set scheduled_at = now() where queue = %s", [self.queue]
        )
        self.conn.execute("select baton.stage_jobs(1000)")
        for name in self.model.named("retryable", "scheduled"):
            self.model.steps[name].state = "available"

    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.model.steps)))
        self.conn.execute(
            """
            select from baton.workflow_steps as step
            cross join lateral baton.cancel_jobs(array[step.job_id])
            where step.workflow_id = %s and step.step_name = %s
            """,
            [self.flow.workflow_id, name],
        )
        self.model.cancel([name])
        self.executing.pop(name, None)

    @rule()
    def cancel_workflow(self) -> None:
        names = [step.name for step in self.model.steps.values() if not step.ended]
        assert self.client.cancel_workflow(self.flow.workflow_id) == len(names)
        self.model.cancel(names)
        self.executing.clear()

    @rule(data=st.data(), how=st.sampled_from(["failed", "named", "all"]))
    def retry_workflow(self, data: st.DataObject, how: str) -> None:
        self._sweep()
        names = sorted(self.model.steps)
        match how:
            case "failed":
                chosen, expected = None, self.model.retried_by_default()
            case "all":
                chosen, expected = "all", set(names)
            case _:
                chosen = sorted(data.draw(st.sets(st.sampled_from(names), min_size=1, max_size=2)))
                expected = self.model.after(chosen)
        suspended = set(self.model.named("suspended"))  # these go on waiting
        try:
            planned = self.client.retry_workflow(self.flow.workflow_id, chosen, dry_run=True)
        except NothingToRetry:
            assert expected <= suspended
            return
        gone = self.model.retry(expected)
        assert set(planned.step_names) == expected - suspended - gone
        assert {step.step_name for step in planned.removed} == gone
        assert self.client.retry_workflow(self.flow.workflow_id, chosen) == planned
        for name in expected:
            self.executing.pop(name, None)
            self._heard_nothing(name)

    @rule(data=st.data())
    def skip(self, data: st.DataObject) -> None:
        self._sweep()
        name = data.draw(st.sampled_from(sorted(self.model.steps)))
        if self.model.steps[name].state in {"completed", "skipped"}:
            with pytest.raises(StepCompleted):
                self.client.skip_step(self.flow.workflow_id, name)
            return
        self.client.skip_step(self.flow.workflow_id, name, {"skipped": True})
        self.executing.pop(name, None)
        self.model.skip(name)

    @precondition(lambda self: self.model.named("parked"))
    @rule(data=st.data())
    def signal(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(self.model.named("parked")))
        self._sweep()
        self.conn.execute(
            "insert into baton.workflow_signals (workflow_id, name) values (%s, %s)",
            [self.flow.workflow_id, name],
        )
        self.conn.execute(
            """
            insert into baton.workflow_releases (job_ids, inserted_at)
            select array_agg(job_id), '-infinity' from baton.workflow_waits where workflow_id = %s
            """,
            [self.flow.workflow_id],
        )
        self.model.end(name, "completed")

    @invariant()
    def the_tables_say_what_the_model_says(self) -> None:
        self._sweep()
        found = dict(self.conn.execute(STATES, [self.flow.workflow_id]).fetchall())
        assert found == {name: step.state for name, step in self.model.steps.items()}
        [(state, completions)] = self.conn.execute(
            """
            select state::text, (
              select count(*) from baton.workflow_completions where workflow_id = workflow.id
            )
            from baton.workflows as workflow where id = %s
            """,
            [self.flow.workflow_id],
        ).fetchall()
        assert state == self.model.outcome
        assert completions == (state != "executing")
        stuck = self.conn.execute(STUCK, [self.flow.workflow_id]).fetchall()
        assert stuck == []

    def _sweep_slowly(self) -> None:
        while self.conn.execute(SLOW_SWEEP).fetchone() == (True,):
            pass

    def _sweep(self) -> None:
        while any(self.conn.execute(SWEEP).fetchall()[0]):
            pass

    def _heard_nothing(self, name: str) -> None:
        query = "select count(*) from baton.workflow_signals where workflow_id = %s and name = %s"
        found = self.conn.execute(query, [self.flow.workflow_id, name]).fetchone()
        assert found == (0,)

    def _cycle(self, acks: list[Ack], count: int) -> list[Job]:
        capacities = {self.queue: count} if count else {}
        return list(self.runner.run(self.cycles.cycle(self.lease, acks, capacities)).jobs)

    def _take(self, jobs: list[Job]) -> None:
        closed = []
        for each in jobs:
            assert each.step_name is not None
            assert each.step is not None
            step = self.model.steps[each.step_name]
            assert step.state == "available"
            if each.step.gate == "open":
                # one that was skipped after this was released holds it up no more
                assert self.model.gate(step) in {"available", "skipped"}
                step.state = "executing"
                self.executing[step.name] = each
            else:
                # it was released before a dependency was retried: it gates itself
                assert self.model.gate(step) in {"suspended", "cancelled"}
                step.state = "suspended"
                closed.append(settle(each, Closed("a dependency is open")))
        if closed:
            self.model.settle()
            self._cycle(closed, 0)

    def _first_half(self, acks: list[Ack]) -> None:
        self.conn.execute(
            """
            select baton.finish_jobs(
              %s, %s::bigint[], %s::bigint[], %s::text[]::baton.job_state[],
              array_fill(0.0::double precision, array[%s]), array_fill(false, array[%s]),
              array_fill(null::text, array[%s]), array_fill(null::text, array[%s]),
              array_fill(true, array[%s])
            )
            """,
            [
                self.lease,
                [ack.id for ack in acks],
                [ack.epoch for ack in acks],
                [ack.state.value for ack in acks],
                *[len(acks)] * 5,
            ],
        )


@pytest.mark.timeout(600)  # a failure is made smaller, which takes its time
def test_whatever_happens_a_workflow_is_as_the_model_says(database: str) -> None:
    class There(Life):
        dsn = database

    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        There,
        settings=settings(
            max_examples=50,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.parametrize("seed", range(4))
async def test_four_processes_end_random_workflows_as_the_model_does(
    database: str, seed: int
) -> None:
    """What each attempt comes to is fixed by its name, so there is one right end."""
    random = Random(seed)  # noqa: S311
    pairs = []
    for _ in range(12):
        shapes = [
            {
                "deps": {random.randint(1, 12) for _ in range(random.randint(0, 4))},
                "run_on": random.choice(["completed"] * 4 + ["failed", "done"]),
                "ignore": {flag for flag in FLAGS if random.random() < 0.3},
                "kind": "job",
            }
            for _ in range(60)
        ]
        pairs.append(build(shapes, "default"))
    ends = {
        (flow.workflow_id, name): random.choice(["completed"] * 12 + ["discarded", "cancelled"])
        for flow, _ in pairs
        for name in flow.step_names()
    }
    with SyncClient(database) as client:
        for flow, model in pairs:
            client.insert_workflow(flow)
            while names := model.named("available"):
                model.end(names[0], ends[flow.workflow_id, names[0]])
    finished = "select count(*) from baton.workflow_completions"

    async def work() -> None:
        async with process(database) as worker:
            while (await rows(database, finished))[0][0] < len(pairs):
                jobs = await worker.fetch(7)
                acks = [
                    ended(each, State(ends[each.workflow_id, each.step_name]))  # type: ignore[index]
                    for each in jobs
                ]
                await worker.acknowledge(*acks)
                await rows(database, SWEEP)

    with anyio.fail_after(240):
        async with anyio.create_task_group() as tasks:
            for _ in range(4):
                tasks.start_soon(work)
    for flow, model in pairs:
        found = dict(await rows(database, STATES, flow.workflow_id))
        assert found == {name: step.state for name, step in model.steps.items()}
