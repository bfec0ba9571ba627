"""Takes the pictures of the documents from the running page: make screenshots."""

from pathlib import Path

import anyio

from baton import Job, Registry, Workflow
from baton.testing import databases
from tests.services.test_node import running, until
from tests.support import rows, states, value
from tests.web.browsers import chromium, served, tab

DOCS = Path(__file__).parents[2] / "docs"
SIZE = {"width": 1280, "height": 860}

registry = Registry()


@registry.worker()
async def fetch(_job: Job, source: str) -> dict[str, str]:
    await anyio.sleep(0.15 + len(source) / 20)
    return {"source": source}


@registry.worker(max_attempts=1)
async def parse(_job: Job, source: str) -> None:
    await anyio.sleep(0.2)
    if source == "minutes":
        raise ValueError("page 17 of 'minutes.pdf' has no text")


@registry.worker()
async def summarize(_job: Job) -> dict[str, int]:
    await anyio.sleep(0.3)
    return {"words": 412}


@registry.worker()
async def review(_job: Job) -> None:
    await anyio.sleep(3_600)


def brief(number: int) -> Workflow:
    flow = Workflow(name="brief").add("plan", summarize.new())
    for source in ("archive", "minutes", "news"):
        if source != "minutes" or number == 0:
            flow.add(f"fetch:{source}", fetch.new(source=source), deps=["plan"])
            flow.add(f"parse:{source}", parse.new(source=source), deps=[f"fetch:{source}"])
    parsed = [name for name in flow.step_names() if name.startswith("parse")]
    flow.add("summarize", summarize.new(), deps=parsed)
    flow.add("review", review.new() if number == 0 else summarize.new(), deps=["parse:news"])
    return flow.add("publish", summarize.new(), deps=["summarize", "review"])


EARLIER = """
  insert into baton.jobs
    (queue, worker, state, inserted_at, scheduled_at, attempted_at, completed_at)
  select 'mail', 'shop.Send', 'completed', due, due, due + interval '0.2 s',
    due + interval '0.2 s' + (0.4 + 0.3 * sin(number / 70.0)) * interval '1 s'
  from generate_series(1, 2000) as number,
    lateral (select now() - interval '30 min' * power(number / 2000.0, 0.8)) as moment (due)
  returning 1
"""


async def take(dsn: str) -> None:
    """Run workflows, and take the pictures."""
    await rows(dsn, EARLIER)
    async with running(dsn, registry) as (_, client):
        for number in (4, 3, 2, 1):
            await client.insert_workflow(brief(number))

        async def are_done() -> bool:
            await anyio.sleep(0.05)
            return int(await value(dsn, "select count(*) from baton.workflow_completions")) == 4

        await until(are_done)
        flow = brief(0)
        await client.insert_workflow(flow)

        async def is_in_trouble() -> bool:
            await anyio.sleep(0.05)
            found = await states(dsn)
            return found["parse:minutes"] == "discarded" and found["review"] == "executing"

        await until(is_in_trouble)
        async with served(dsn) as address, chromium() as browser:
            for scheme, path, name in (
                ("light", f"/workflows/{flow.workflow_id}", "live_page"),
                ("dark", "/", "live_page_overview_dark"),
            ):
                async with tab(browser, address, color_scheme=scheme, viewport=SIZE) as page:
                    await page.goto(path)
                    await page.locator("#live[data-state=live]").wait_for()
                    await page.screenshot(path=DOCS / f"{name}.png")
        await client.cancel_workflow(flow.workflow_id)


def main() -> None:
    """Take the pictures on a server of its own."""
    with databases.server() as server, databases.template(server, schema="baton") as template:
        with databases.database(server, template=template) as dsn:
            anyio.run(take, dsn)


if __name__ == "__main__":
    main()
