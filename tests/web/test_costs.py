"""What the page of a workflow says of money."""

import pytest

from baton import Client, Workflow
from baton.llm import Budget
from baton.store.pools import Database
from tests.store.test_budgets import ask
from tests.support import job, process, rows
from tests.web.pages import page

pytestmark = pytest.mark.anyio


async def test_a_workflow_says_what_it_cost_and_what_has_no_price(database: str) -> None:
    flow = Workflow("brief").add("plan", job()).add("write", job(), deps=["plan"])
    insert = (
        "insert into baton.workflow_step_stats (job_id, epoch, lease, attempt, workflow_id,"
        " step_name, queue, worker, model, calls, input_tokens, output_tokens, cost, state) values"
        " (%s, %s, 1, 1, %s, %s, 'q', 'w', %s, %s, 1200, 300, %s, %s) returning 1"
    )
    async with Client(database) as client, page(database) as browser:
        plan, write = await client.insert_workflow(flow)
        root = f"workflows/{flow.workflow_id}"
        free = (await browser.get(root)).text
        mine = flow.workflow_id
        await rows(database, insert, plan.id, 1, mine, "plan", "own", 2, None, "completed")
        unpriced = (await browser.get(root)).text
        await rows(database, insert, write.id, 1, mine, "write", "big", 1, 0.25, "retryable")
        await rows(database, insert, write.id, 2, mine, "write", "big", 1, 0.5, "completed")
        priced = (await browser.get(root)).text
        own = (await browser.get(f"jobs/{plan.id}")).text
    assert "<h2>Cost</h2>" not in free
    assert "<strong>no price known</strong> for 2 calls" in unpriced
    assert "$" not in unpriced.partition("<main")[2]
    assert "<strong>$0.7500</strong> for 4 calls" in priced
    assert "3,600 tokens sent, 900 received" in priced
    assert "$0.2500 of it was spent in attempts that did not complete" in priced
    assert "2 calls have no known price, and are not in this sum" in priced
    costs = priced.partition("<h2>Cost</h2>")[2]
    assert costs.index("write") < costs.index("plan")
    assert "no price known" in own


async def test_a_workflow_shows_its_budget_and_what_that_holds_back(database: str) -> None:
    flow = Workflow("brief", budget=Budget("0.75", tokens=9_000)).add("plan", job())
    async with (
        Client(database) as client,
        Database(database, "baton") as own,
        process(database) as worker,
        page(database) as browser,
    ):
        await client.insert_workflow(flow)
        root = f"workflows/{flow.workflow_id}"
        fresh = (await browser.get(root)).text
        [plan] = await worker.fetch()
        await client.set_budget(workflow=flow.workflow_id, cost=0, tokens=None)
        assert await ask(own, plan) == "held"
        holding = (await browser.get(root)).text
    assert "<strong>$0.75, 9,000 tokens</strong>" in fresh
    assert "$0.00, 0 tokens are spent." in fresh
    assert "back.</strong>" not in fresh
    assert "It may spend <strong>$0.00</strong>" in holding
    assert "It holds 1 job back." in holding
