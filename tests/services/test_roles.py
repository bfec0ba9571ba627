"""Worker processes, programs and people whose roles may do no more than they need."""

from contextlib import AsyncExitStack, aclosing
from typing import Any

import anyio
import pytest
from psycopg.errors import InsufficientPrivilege

from baton import Client, Job, Registry, Snooze, SyncClient, Unique, Workflow
from baton.errors import DatabaseError
from tests.roles import role
from tests.services.test_node import running, until
from tests.support import job, rows, value

pytestmark = pytest.mark.anyio


def registry() -> Registry:
    made = Registry()

    @made.worker(name="first", backoff=lambda _job, _error: 0)
    async def first(job: Job) -> dict[str, int]:
        if job.attempt == 1:
            raise RuntimeError("once more")
        return {"attempt": job.attempt}

    @made.worker(name="second")
    def second(job: Job) -> Any:
        return job.result("first") or Snooze(1)

    @made.worker(name="ticks", cron="* * * * *")
    async def ticks(_job: Job) -> None: ...

    @made.worker(name="quick")
    async def quick(_job: Job) -> None: ...

    return made


def flow() -> Workflow:
    return (
        Workflow("of a role")
        .add("first", job("first"))
        .wait_for("approved", deps=["first"])
        .add("second", job("second"), deps=["first", "approved"])
    )


OLD = """
  with job as (
    insert into baton.jobs (id, worker, state, inserted_at, completed_at) overriding system value
    values (900001, 'old', 'completed', now() - interval '2 days', now() - interval '1 day')
  )
  insert into baton.workflows (name, state, inserted_at, finished_at)
  values ('old', 'completed', now() - interval '1 day', now() - interval '1 day')
  returning 1
"""
PRUNED = """
  select not exists (select from baton.jobs where worker = 'old')
    and not exists (select from baton.workflows where name = 'old')
"""


async def test_a_worker_role_runs_everything_that_a_worker_process_does(database: str) -> None:
    workers = registry()
    async with AsyncExitStack() as stack:
        await rows(database, OLD)
        dsn = stack.enter_context(role(database, "worker"))
        _, client = await stack.enter_async_context(
            running(dsn, workers, prune="completed=1h", prune_workflows=3600, sweep_interval=1)
        )
        await client.queues.limit("default", global_limit=5, rate_limit=1000, rate_period=1)
        made = flow()
        await client.insert_workflow(made)
        await client.signal_workflow(made.workflow_id, "approved", {"by": "ada"})
        done = "select count(*) from baton.workflow_completions"
        await until(lambda: value(database, done))
        await client.queues.pause("default", by="ada")
        held = await client.insert(job("quick"))
        await client.crons.run_now("ticks")
        await client.cancel_job(held.id)
        await client.retry_job(held.id)
        await client.queues.resume("default")
        await until(lambda: value(database, PRUNED))
        await client.crons.pause("ticks")
        assert (await client.queues.check("default"))[0].node


async def test_jobs_of_a_process_that_died_are_rescued_by_a_worker_role(database: str) -> None:
    with role(database, "worker") as dsn:
        async with Client(dsn) as client:
            lost = await client.insert(job("quick"))
        await rows(
            database,
            """
            with dead as (
              insert into baton.leases (node, expires_at) values ('gone', now() - interval '1 min')
              returning id
            )
            update baton.jobs
            set state = 'executing', attempt = 1, epoch = 1, attempted_by = dead.id
            from dead
            returning jobs.id
            """,
        )
        async with running(dsn, registry()) as (_, client):
            await until(lambda: _completed(client, lost.id))


async def _completed(client: Client, job_id: int) -> bool:
    return (await client.get_job(job_id)).state == "completed"


async def test_a_client_role_inserts_in_every_way_and_looks(database: str) -> None:
    made = flow()
    with role(database, "client") as dsn:
        async with Client(dsn) as client:
            [single] = await client.insert_all([job("quick")])
            assert await client.insert_many(job("quick") for _ in range(2_000)) == 2_000
            for conflict in ("skip", "reschedule", "skip"):
                unique = Unique(on_conflict=conflict)
                await client.insert(job("quick", args={"u": 1}, unique=unique))
            await client.insert_workflow(made)
            big = Workflow("wide")
            for number in range(1_500):
                big.add(f"step {number}", job("quick"))
            await client.insert_workflow(big)
            assert (await client.get_job(single.id)).worker == "quick"
            assert (await client.get_workflow(made.workflow_id)).name == "of a role"
            assert await client.why(single.id)
            assert await client.why(made.workflow_id)
            assert len(await client.list_workflows()) == 2
            assert await client.queues.list()
            await client.progress(big.workflow_id)
            async with aclosing(
                client.events.subscribe_workflow(made.workflow_id, seed=True)
            ) as events:
                assert (await anext(events)).workflow_id == made.workflow_id
        with SyncClient(dsn) as sync:
            sync.insert(job("quick"))


FLOW = flow()


async def _run(dsn: str) -> None:
    try:
        async with running(dsn, registry()):
            await anyio.sleep_forever()
    except BaseExceptionGroup as group:
        raised: BaseException = group
        while isinstance(raised, BaseExceptionGroup):
            [raised] = raised.exceptions
        raise raised from raised.__cause__


REFUSED = {
    "run": lambda client, _: _run(client._database.dsn),
    "cancel_job": lambda client, known: client.cancel_job(known),
    "delete_job": lambda client, known: client.delete_job(known),
    "pause": lambda client, _: client.queues.pause("default"),
    "limit": lambda client, _: client.queues.limit("default", global_limit=1),
    "cron": lambda client, _: client.crons.add("quick", "* * * * *"),
    "signal": lambda client, _: client.signal_workflow(FLOW.workflow_id, "approved"),
}


@pytest.mark.parametrize("access", ["client", "reader"])
@pytest.mark.parametrize("action", REFUSED)
async def test_only_a_worker_role_steers_and_runs(database: str, access: Any, action: str) -> None:
    async with Client(database) as owner:
        known = (await owner.insert(job("quick"))).id
        await owner.insert_workflow(FLOW)
    with role(database, access) as dsn:
        async with Client(dsn) as client:
            with pytest.raises(DatabaseError, match="permission denied") as refused:
                await REFUSED[action](client, known)
    assert isinstance(refused.value.__cause__, InsufficientPrivilege)
    assert await value(database, "select state::text from baton.jobs where id = %s", known) == (
        "available"
    )


async def test_a_reader_role_looks_and_inserts_nothing(database: str) -> None:
    made = flow()
    async with Client(database) as owner:
        await owner.insert_workflow(made)
    with role(database, "reader") as dsn:
        async with Client(dsn) as client:
            assert (await client.get_workflow_tree(made.workflow_id)).status.name == "of a role"
            assert len(await client.list_jobs()) == 3
            assert await client.why(made.workflow_id, "second")
            for insert in (client.insert(job("quick")), client.insert_workflow(flow())):
                with pytest.raises(DatabaseError, match="permission denied"):
                    await insert
