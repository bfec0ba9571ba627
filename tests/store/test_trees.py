"""A workflow is read with its sub-workflows and with the dependencies that the engine goes by."""

from uuid import uuid4

import pytest

from baton import Client, SyncClient, Workflow
from baton.cli.tree import lines as told
from baton.errors import NotFound
from tests.support import done, job, process, rows

pytestmark = pytest.mark.anyio


async def insert(database: str, *flows: Workflow) -> None:
    async with Client(database) as client:
        for flow in flows:
            await client.insert_workflow(flow)


async def hold(database: str, outer: Workflow, step: str, inner: Workflow) -> None:
    """Make a step the holder of a workflow, by hand."""
    query = """
      with holder as (
        update baton.workflow_steps set kind = 'workflow', subworkflow_id = %s
        where workflow_id = %s and step_name = %s returning job_id
      ), inner_one as (
        update baton.workflows set parent_job_id = (select job_id from holder) where id = %s
      )
      insert into baton.workflow_edges (parent_id, child_id)
      select holder.job_id, step.job_id from holder, baton.workflow_steps as step
      where step.workflow_id = %s and step.deps = '{}'
      returning child_id
    """
    await rows(
        database, query, inner.workflow_id, outer.workflow_id, step, inner.workflow_id,
        inner.workflow_id,
    )  # fmt: skip


def chain(name: str, *steps: str) -> Workflow:
    flow = Workflow(name)
    for step, dep in zip(steps, ((), *((each,) for each in steps)), strict=False):
        flow.add(step, job(), deps=dep)
    return flow


async def test_sub_workflows_are_read_inside_the_steps_that_they_are(database: str) -> None:
    outer, middle, inner = (
        chain("outer", "a", "b", "c"),
        chain("middle", "x", "y"),
        chain("in", "z"),
    )
    await insert(database, outer, middle, inner)
    await hold(database, outer, "b", middle)
    await hold(database, middle, "y", inner)
    async with Client(database) as client:
        tree = await client.get_workflow_tree(str(outer.workflow_id)[:8])
    assert tree.status.name == "outer"
    assert tree.edges == [("a", "b"), ("b", "c")]
    assert tree.subworkflows["b"].edges == [("x", "y")]
    assert tree.subworkflows["b"].subworkflows["y"].status.id == inner.workflow_id
    with SyncClient(database) as sync_client:
        assert sync_client.get_workflow_tree(outer.workflow_id) == tree
    paths = ["/".join(path) for path, _ in tree.walk()]
    assert paths == ["a", "b", "b/x", "b/y", "b/y/z", "c"]
    kinds = {node.step_name: (node.kind, node.subworkflow_id) for _, node in tree.walk()}
    assert kinds["b"] == ("workflow", middle.workflow_id)
    assert kinds["z"] == ("job", None)


async def test_what_a_graft_added_to_the_edges_is_read_though_nothing_declared_it(
    database: str,
) -> None:
    flow = chain("f", "split", "join")
    await insert(database, flow.add("late", job(), deps=["split"]))
    await rows(
        database,
        """
        with late as (
          update baton.workflow_steps set grafted_by = 1 where step_name = 'late' returning job_id
        )
        insert into baton.workflow_edges
        select late.job_id, step.job_id from late, baton.workflow_steps as step
        where step.step_name = 'join' returning child_id
        """,
    )
    async with Client(database) as client:
        tree = await client.get_workflow_tree(flow.workflow_id)
    assert sorted(tree.dependencies()["join"]) == ["late", "split"]
    assert {node.step_name: node.grafted_by for node in tree.status.nodes}["late"] == 1
    [join] = [node for node in tree.status.nodes if node.step_name == "join"]
    assert join.deps == ("split",)


async def test_results_are_read_when_they_are_wanted(database: str) -> None:
    flow = chain("f", "a")
    await insert(database, flow)
    async with process(database) as worker, Client(database) as client:
        [fetched] = await worker.fetch()
        await worker.acknowledge(done(fetched, '{"rows": 3}'))
        without = await client.get_workflow_tree(flow.workflow_id)
        wanted = await client.get_workflow_tree(flow.workflow_id, results=True)
    assert (without.status.nodes[0].result, wanted.status.nodes[0].result) == (None, {"rows": 3})


async def test_what_a_parked_step_waits_for_is_read_while_it_waits(database: str) -> None:
    flow = chain("f", "approval", "after")
    await insert(database, flow)
    await rows(
        database,
        """
        with parked as (
          update baton.workflow_steps set kind = 'signal', signal = 'approved', parked_at = now()
          where step_name = 'approval' returning job_id, workflow_id
        )
        insert into baton.workflow_waits (job_id, workflow_id, signal, until, on_timeout)
        select job_id, workflow_id, 'approved', '2030-01-01 00:00+00', 'discarded' from parked
        returning job_id
        """,
    )
    async with Client(database) as client:
        tree = await client.get_workflow_tree(flow.workflow_id)
        approval, after = tree.status.nodes
        assert (approval.kind, approval.signal) == ("signal", "approved")
        assert approval.parked_at is not None
        assert approval.until is not None
        assert (approval.until.year, after.signal, after.until) == (2030, None, None)
        await rows(database, "update baton.workflow_waits set woken_at = now() returning 1")
        tree = await client.get_workflow_tree(flow.workflow_id)
        assert tree.status.nodes[0].until is None


async def test_a_workflow_that_is_not_there_is_said_not_to_be(database: str) -> None:
    async with Client(database) as client:
        with pytest.raises(NotFound, match="there is no workflow"):
            await client.get_workflow_tree(uuid4())


async def test_what_the_engine_parks_and_skips_is_told_in_tree_and_graph(database: str) -> None:
    payment = Workflow("payment").add("charge", job())
    flow = (
        Workflow("order")
        .add("take", job())
        .wait_for("approved", deps=["take"], timeout=3600)
        .sleep("rest", 3600, deps=["take"])
        .add("pay", payment, deps=["take"])
        .add("clean", job(), deps=["take"], run_on="failed")
        .add("send", job(), deps=["approved", "rest", "pay"], run_on="done")
    )
    await insert(database, flow)
    async with process(database) as worker, Client(database) as client:
        [take] = await worker.fetch()
        charge = [*await worker.complete(take, capacity=1), *await worker.fetch()]
        assert [each.step_name for each in charge] == ["charge"]
        tree = await client.get_workflow_tree(flow.workflow_id)
    words = {node.step_name: node.word for _, node in tree.walk()}
    assert words == {
        "approved": "waiting",
        "rest": "scheduled",
        "pay": "executing",
        "charge": "executing",
        "take": "completed",
        "clean": "skipped",
        "send": "suspended",
    }
    lines = "\n".join(told(tree))
    assert "waiting    approved  signal approved  until 20" in lines
    assert "scheduled  rest  sleep  until 20" in lines
    assert "executing  pay/charge" in lines
    assert "suspended  send  runs in any case  after approved, rest, pay" in lines
    mermaid = tree.graph().to_mermaid()
    assert '{{"◇ approved<br/>waiting · signal approved' in mermaid
    assert '(["◷ rest<br/>scheduled · sleep' in mermaid
    assert 'subgraph n4["▶ pay<br/>executing · workflow' in mermaid
