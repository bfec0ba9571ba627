"""Pruning of workflows: those that finished and have no jobs any more, and nothing else."""

from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest

from baton.client import Client
from baton.services.pruner import workflow_pruner
from baton.store.pools import Database
from baton.telemetry import Telemetry
from baton.workflows import Workflow
from tests.support import connection, job, process, rows, value

pytestmark = pytest.mark.anyio

PRUNE = """
  select pruned, unfinished
  from baton.prune_workflows(%s::double precision, %s::double precision, 0, 0, %s)
"""
TABLES = (
    "workflows",
    "workflow_steps",
    "workflow_edges",
    "workflow_waits",
    "workflow_signals",
    "workflow_callbacks",
    "workflow_completions",
    "workflow_progress",
    "workflow_step_stats",
    "workflow_debug_logs",
)


async def insert(database: str, *workflows: Workflow) -> None:
    async with Client(database) as client:
        for workflow in workflows:
            await client.insert_workflow(workflow)


async def run(database: str, *workflows: Workflow) -> None:
    """Insert workflows and run them to their end."""
    await insert(database, *workflows)
    sweep = "select swept from baton.sweep_releases(0, 0, 100)"
    async with process(database) as worker:
        while await worker.run_all() or await value(database, sweep):
            pass


async def by_hand(database: str, statement: str, *params: Any) -> None:
    async with connection(database) as conn:
        await conn.execute(statement.encode(), params or None)


async def forget_jobs(database: str, *names: str) -> None:
    if names:
        where = "where meta ->> 'workflow_name' = any (%s)"
        await by_hand(database, f"delete from baton.jobs {where}", list(names))
    else:
        await by_hand(database, "delete from baton.jobs")


async def prune(
    database: str, age: float | None = 0, log_age: float | None = None, most: int = 1_000
) -> dict[str, int]:
    """Make one whole pass; return how many rows went of which table."""
    gone: dict[str, int] = {}
    unfinished = True
    while unfinished:
        [(pruned, unfinished)] = await rows(database, PRUNE, age, log_age, most)
        for name, count in pruned.items():
            assert count <= most
            gone[name] = gone.get(name, 0) + count
    return gone


async def counts(database: str) -> dict[str, int]:
    return {
        name: found
        for name in TABLES
        if (found := await value(database, f"select count(*) from baton.{name}"))
    }


async def fill_beside(database: str) -> None:
    """A row per step of everything that engines and people write down about steps."""
    await by_hand(
        database,
        """
        insert into baton.workflow_step_stats (job_id, epoch, lease, attempt, queue, worker)
        select job_id, 1, 1, 1, 'default', 'w' from baton.workflow_steps
        """,
    )
    await by_hand(
        database,
        """
        insert into baton.workflow_debug_logs (job_id, attempt, kind, content)
        select job_id, 1, 'request', '{}' from baton.workflow_steps
        """,
    )
    await by_hand(
        database,
        """
        insert into baton.workflow_callbacks (job_id, worker, kind, reason)
        select job_id, 'w', 'cancelled', '' from baton.workflow_steps
        """,
    )
    await by_hand(
        database,
        """
        insert into baton.workflow_progress (workflow_id, completed)
        select id, 1 from baton.workflows cross join generate_series(1, 2)
        """,
    )
    await by_hand(
        database,
        """
        insert into baton.workflow_signals (workflow_id, name)
        select id, 'said' from baton.workflows
        """,
    )


def diamond(name: str = "diamond") -> Workflow:
    return (
        Workflow(name)
        .add("fetch", job())
        .add("left", job(), deps=["fetch"])
        .add("right", job(), deps=["fetch"])
        .add("join", job(), deps=["left", "right"])
    )


def nested() -> Workflow:
    inner = Workflow("inner").add("x", job()).add("deeper", Workflow("deeper").add("y", job()))
    return Workflow("outer").add("a", job()).add("inner", inner, deps=["a"]).sleep("nap", 0)


@pytest.mark.parametrize("most", [1, 3, 4, 1_000])
async def test_a_finished_workflow_without_jobs_goes_with_all_that_belongs_to_it(
    database: str, most: int
) -> None:
    await run(database, diamond(), nested(), diamond())
    await fill_beside(database)
    await forget_jobs(database)
    before = await counts(database)
    assert set(before) == set(TABLES)
    assert await prune(database, most=most) == before
    assert await counts(database) == {}
    assert await prune(database) == {}


async def test_a_workflow_stays_while_one_of_its_jobs_does(database: str) -> None:
    await run(database, diamond())
    before = await counts(database)
    await forget_jobs(database, "left", "right", "join")
    assert await prune(database) == {}
    await forget_jobs(database)
    assert await prune(database) == before


async def test_a_family_goes_together_or_not_at_all(database: str) -> None:
    await run(database, nested())
    everything = await counts(database)
    for last in (["y"], ["x"], ["a"]):
        names = {"y", "x", "a", "inner", "deeper", "nap"} - set(last)
        await by_hand(database, "create table saved as select * from baton.jobs")
        await forget_jobs(database, *names)
        assert await prune(database) == {}
        assert await counts(database) == everything
        await by_hand(
            database,
            """
            insert into baton.jobs overriding system value
            select * from saved on conflict do nothing
            """,
        )
        await by_hand(database, "drop table saved")
    await forget_jobs(database)
    assert await prune(database) == everything


async def test_nothing_of_an_executing_workflow_goes_nor_a_part_of_one(database: str) -> None:
    flow = (
        Workflow("outer")
        .add("inner", Workflow("inner").add("x", job()))
        .add("late", job(queue="nobody"), deps=["inner"])
    )
    await run(database, flow)
    states = "select name, state::text from baton.workflows order by name"
    assert await rows(database, states) == [("inner", "completed"), ("outer", "executing")]
    await forget_jobs(database, "x", "inner")
    before = await counts(database)
    assert await prune(database) == {}
    # a finished workflow whose sub-workflow is not done yet
    await by_hand(
        database,
        """
        update baton.workflows set
          state = case name
            when 'outer' then 'completed' else 'executing'
          end::baton.workflow_state,
          finished_at = case name when 'outer' then now() end
        """,
    )
    await forget_jobs(database)
    assert await prune(database) == {}
    assert await counts(database) == before


async def test_a_pruned_dependency_still_counts_while_its_workflow_lives(database: str) -> None:
    flow = Workflow("w").add("a", job()).add("b", job(queue="later"), deps=["a"])
    await run(database, flow)
    await forget_jobs(database, "a")
    assert await prune(database) == {}
    async with process(database) as worker:
        [b] = await worker.fetch(queue="later")
        assert b.step_name == "b"
        await worker.complete(b)
    assert await value(database, "select state::text from baton.workflows") == "completed"


async def test_workflows_are_kept_for_an_age_after_their_end(database: str) -> None:
    old, young = diamond("old"), diamond("young")
    await run(database, old, young)
    await forget_jobs(database)
    await by_hand(
        database,
        """
        update baton.workflows set
          inserted_at = now() - interval '9 days',
          finished_at = now() - case name when 'old' then interval '8 days' else '6 days' end
        """,
    )
    assert (await prune(database, age=7 * 86_400))["workflows"] == 1
    assert await rows(database, "select name from baton.workflows") == [("young",)]


async def test_many_workflows_go_in_portions(database: str) -> None:
    await by_hand(
        database,
        """
        insert into baton.workflows (id, name, state, finished_at, inserted_at)
        select
          gen_random_uuid(), n::text, 'completed', now(), now() - (n / 7) * interval '1 minute'
        from generate_series(1, 500) as n
        """,
    )
    await by_hand(
        database,
        """
        insert into baton.workflow_steps (job_id, workflow_id, step_name, outcome, finished_at)
        select 1000000 + row_number() over (), id, 'a', 'completed', now() from baton.workflows
        """,
    )
    await by_hand(
        database,
        """
        insert into baton.jobs (id, worker, state) overriding system value
        select job_id, 'w', 'completed' from baton.workflow_steps where job_id %% 10 = 0
        """.replace("%%", "%"),
    )
    assert await prune(database, most=30) == {"workflows": 450, "workflow_steps": 450}
    assert await counts(database) == {"workflows": 50, "workflow_steps": 50}


async def test_a_workflow_that_somebody_holds_is_passed_over(database: str) -> None:
    await run(database, diamond("held"), diamond("free"))
    await forget_jobs(database)
    async with connection(database) as holder:
        async with holder.transaction():
            await holder.execute(
                "select from baton.workflows where name = 'held' for no key update"
            )
            with anyio.fail_after(60):
                assert (await prune(database))["workflows"] == 1
        assert (await prune(database))["workflows"] == 1


async def test_logs_of_debugging_go_by_their_age_alone(database: str) -> None:
    await insert(database, diamond())
    await fill_beside(database)
    await by_hand(
        database,
        """
        update baton.workflow_debug_logs
        set inserted_at = now() - interval '2 days'
        where id in (select id from baton.workflow_debug_logs order by id limit 3)
        """,
    )
    before = await counts(database)
    for most, left in ((2, 1), (1_000, 1)):
        gone = await prune(database, age=None, log_age=86_400, most=most)
        assert gone == ({"workflow_debug_logs": 3} if most == 2 else {})
        assert await counts(database) == before | {"workflow_debug_logs": left}


async def test_what_was_used_of_language_models_goes_by_its_age_alone(database: str) -> None:
    await insert(database, diamond())
    await fill_beside(database)
    await by_hand(
        database,
        """
        update baton.workflow_step_stats set workflow_id = null, inserted_at = '2020-01-01'
        where job_id in (select job_id from baton.workflow_step_stats order by job_id limit 3)
        """,
    )
    before = await counts(database)
    call = "select pruned, unfinished from baton.prune_workflows(null, null, 0, 0, 2, 86400)"
    found = [await rows(database, call) for _ in range(2)]
    assert found == [[({"workflow_step_stats": 2}, True)], [({"workflow_step_stats": 1}, False)]]
    assert await counts(database) == before | {"workflow_step_stats": 1}


async def test_one_process_at_a_time_prunes(database: str) -> None:
    await run(database, diamond())
    await forget_jobs(database)
    async with connection(database) as one, one.transaction():
        await one.execute(PRUNE.encode(), (0, None, 1))
        assert await rows(database, PRUNE, 0, None, 1) == [({}, False)]


@pytest.fixture
async def open_database(database: str) -> AsyncIterator[Database]:
    async with Database(database, "baton", size=1) as opened:
        yield opened


async def test_the_duty_tells_what_went(database: str, open_database: Database) -> None:
    await run(database, diamond())
    await forget_jobs(database)
    told: list[Any] = []
    heard = anyio.Event()

    def hear(_event: str, measurements: Any, metadata: Any) -> None:
        told.append((measurements["count"], dict(metadata)))
        heard.set()

    Telemetry.attach("test", "baton.plugin.pruned", hear)
    try:
        duty = workflow_pruner(open_database, age=0, log_age=None, limit=100, interval=60)
        with anyio.fail_after(60):
            async with anyio.create_task_group() as tasks:
                await tasks.start(duty.run)
                await heard.wait()
                tasks.cancel_scope.cancel()
    finally:
        Telemetry.detach("test")
    assert told == [
        (
            10,
            {
                "plugin": "workflow prune",
                "workflows": 1,
                "workflow_steps": 4,
                "workflow_edges": 4,
                "workflow_completions": 1,
            },
        )
    ]
