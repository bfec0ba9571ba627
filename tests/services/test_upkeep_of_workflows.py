"""A worker process finds the steps that were lost, and prunes the workflows that are left over."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from baton import Registry, Workflow
from baton.telemetry import Telemetry
from tests.services.test_node import running, until
from tests.support import job, rows, value

pytestmark = pytest.mark.anyio

LONG_AGO = """
  update baton.workflows set inserted_at = inserted_at - interval '1 day' returning id
"""


def is_empty(database: str, table: str) -> Callable[[], Awaitable[bool]]:
    async def check() -> bool:
        return not await value(database, f"select count(*) from baton.{table}")

    return check


async def test_a_process_sees_to_a_step_whose_job_is_gone_and_prunes_the_rest(
    database: str,
) -> None:
    flow = Workflow("w").add("a", job(queue="nobody")).add("b", job(), deps=["a"])
    told: list[Any] = []
    Telemetry.attach("test", "baton.plugin.*", lambda event, *_: told.append(event))
    try:
        async with running(
            database, Registry(), sweep_interval=1, prune_workflows=True, prune="all=1"
        ) as (_, client):
            await client.insert_workflow(flow)
            await rows(database, LONG_AGO)
            await rows(
                database,
                "delete from baton.jobs where meta ->> 'workflow_name' = 'a' returning id",
            )
            failed = "select count(*) from baton.workflow_completions where outcome = 'failed'"

            async def cascaded() -> bool:
                return bool(await value(database, failed))

            await until(cascaded)
            await rows(database, "delete from baton.jobs returning id")
            await until(is_empty(database, "workflows"))

            async def is_told() -> bool:
                return {"baton.plugin.sweep", "baton.plugin.pruned"} <= set(told)

            await until(is_told)  # a moment after it was done
    finally:
        Telemetry.detach("test")
    assert not await value(database, "select count(*) from baton.workflow_steps")


async def test_without_a_word_about_it_workflows_stay(database: str) -> None:
    async with running(database, Registry(), sweep_interval=1) as (_, client):
        await client.insert_workflow(Workflow("w").add("a", job(queue="nobody")))
        slow = """
          select count(*) from baton.duties
          where name = 'slow sweep' and last_run_at > '-infinity'
        """

        async def swept() -> bool:
            return bool(await value(database, slow))

        await until(swept)
    pruned = "select last_run_at = '-infinity' from baton.duties where name = 'workflow prune'"
    assert await value(database, pruned)
