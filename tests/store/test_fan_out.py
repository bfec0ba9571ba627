"""Fan-outs in the database: what those that wait for them read, and the empty ones."""

import pytest

from baton.client import Client
from baton.workflows import Workflow
from tests.support import done, job, process, rows, value

pytestmark = pytest.mark.anyio


async def test_a_fan_in_reads_what_the_fan_out_returned_by_key_and_in_order(database: str) -> None:
    flow = (
        Workflow("w")
        .add("a", job())
        .fan_out("part", {"b": job(), "a": job(), "none": job()})
        .add("join", job(), deps=["a", "part:*"])
    )
    async with Client(database) as client, process(database) as worker:
        await client.insert_workflow(flow)
        jobs = {each.step_name: each for each in await worker.fetch(10)}
        await worker.acknowledge(
            done(jobs["a"]),
            done(jobs["part:a"], "1"),
            done(jobs["part:b"], "2"),
            done(jobs["part:none"]),
        )
        [join] = await worker.fetch(10)
    assert list(join.results("part").items()) == [("b", 2), ("a", 1), ("none", None)]
    assert join.results("other") == {}


async def test_a_step_that_waits_for_an_empty_fan_out_runs_at_once(database: str) -> None:
    flow = Workflow("w").fan_out("part", []).add("join", job(), deps=["part:*"])
    async with Client(database) as client, process(database) as worker:
        await client.insert_workflow(flow)
        [join] = await worker.fetch(10)
    assert join.results("part") == {}


async def test_nothing_of_an_empty_fan_out_has_failed(database: str) -> None:
    flow = Workflow("w").fan_out("part", []).add("notify", job(), deps=["part:*"], run_on="failed")
    async with Client(database) as client, process(database) as worker:
        await client.insert_workflow(flow)
        assert await worker.fetch(10) == []
        while await value(database, "select swept from baton.sweep_releases(0, 0, 100)"):
            pass
    assert await rows(database, "select cause from baton.workflow_steps where skipped") == [
        ("no dependency failed",)
    ]
    assert await value(database, "select state::text from baton.workflows") == "completed"
