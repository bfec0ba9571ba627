"""The page in a real browser, beside a real worker, on a real PostgreSQL."""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page, expect

from baton import Client, Job, Registry, Workflow
from baton.states import State
from tests.services.test_node import finished, running, until
from tests.support import connection, ended, job, process, value
from tests.web.browsers import chromium, program, served, tab

pytestmark = pytest.mark.anyio
WRONG = {"moderate", "serious", "critical"}
expect.set_options(timeout=60_000)  # ms; a busy machine may take a while


@pytest.fixture(scope="module")
async def browser() -> AsyncIterator[Browser]:
    program()
    async with chromium() as found:
        yield found


@asynccontextmanager
async def looking(browser: Browser, dsn: str, **options: Any) -> AsyncIterator[Page]:
    async with served(dsn) as address, tab(browser, address, **options) as page:
        yield page


async def is_live(page: Page) -> None:
    await expect(page.locator("#live")).to_have_text("live")


class Fragile:
    """Workers of a diamond whose left side fails as long as it is told to."""

    def __init__(self) -> None:
        self.registry = Registry()
        self.fails = False
        self.go = anyio.Event()

        @self.registry.worker()
        async def first(_job: Job) -> dict[str, int]:
            return {"cups": 3}

        @self.registry.worker(max_attempts=1)
        async def side(_job: Job) -> None:
            await self.go.wait()
            if self.fails:
                raise ValueError("no such source <b>17</b>")

        self.flow = (
            Workflow(name="diamond")
            .add("fetch", first.new())
            .add("left", side.new(), deps=["fetch"])
            .add("right", first.new(), deps=["fetch"])
            .add("join", first.new(), deps=["left", "right"])
        )


async def test_a_diamond_runs_to_its_end_without_a_reload(browser: Browser, database: str) -> None:
    fragile = Fragile()
    async with Client(database) as client:
        await client.insert_workflow(fragile.flow)
    async with looking(browser, database) as page:
        await page.goto(f"/workflows/{fragile.flow.workflow_id}")
        await page.evaluate("window.here = true")
        await is_live(page)
        await expect(page.locator("a.node.s-suspended")).to_have_count(3)
        await expect(page.get_by_text("Cancel…")).to_be_visible()
        async with running(database, fragile.registry):
            await expect(page.get_by_label("left: executing")).to_be_visible()
            fragile.go.set()
            await expect(page.get_by_text("workflow diamond completed")).to_be_visible()
        await expect(page.locator("a.node.s-completed")).to_have_count(4)
        for done_with in ("Cancel…", "Signal…", "Retry what failed…"):
            await expect(page.get_by_text(done_with)).to_be_hidden()
        await expect(page.get_by_text("Retry everything…")).to_be_visible()
        assert await page.evaluate("window.here")


async def test_a_failed_step_is_retried_from_its_page(browser: Browser, database: str) -> None:
    fragile = Fragile()
    fragile.fails = True
    fragile.go.set()
    async with running(database, fragile.registry) as (_, client):
        await client.insert_workflow(fragile.flow)
        await until(finished(database))
        async with looking(browser, database) as page:
            await page.goto(f"/workflows/{fragile.flow.workflow_id}")
            await is_live(page)
            await expect(page.get_by_text("no such source <b>17</b>").first).to_be_visible()
            await page.locator(".failures a").get_by_text("left").click()
            await page.get_by_role("link", name="Retry from this step…").click()
            await expect(page.get_by_text("2 steps will run again")).to_be_visible()
            fragile.fails = False
            await page.get_by_role("button", name="Run just these again").click()
            await expect(page.get_by_text("2 steps run again").first).to_be_visible()
            await expect(page.get_by_text("workflow diamond completed")).to_be_visible()
    assert await value(database, "select outcome from baton.audit_log") == "done"


async def test_a_queue_is_steered_on_the_page_and_its_buttons_follow_what_others_do(
    browser: Browser, database: str
) -> None:
    async with Client(database) as client, looking(browser, database) as page:
        await page.goto("/queues")
        await is_live(page)
        await client.insert(job(queue="mail"))
        await page.get_by_role("button", name="Pause queue mail").click()
        await expect(page.get_by_text("starts nothing any more")).to_be_visible()
        await is_live(page)
        await page.get_by_label("mail: slots each").fill("7")
        await client.queues.resume("mail")
        # the row is another one now, and what was typed is still there
        await expect(page.get_by_role("button", name="Pause queue mail")).to_be_visible()
        await expect(page.get_by_role("button", name="Resume queue mail")).to_have_count(0)
        await expect(page.get_by_label("mail: slots each")).to_have_value("7")
        await expect(page.get_by_label("mail: slots each")).to_be_focused()
        await client.queues.pause("mail", by="bob")
        await expect(page.get_by_text("paused by bob")).to_be_visible()
        await page.get_by_role("button", name="Scale queue mail").click()
        await expect(page.get_by_text("runs 7 jobs of queue mail")).to_be_visible()
    assert await value(database, "select slots from baton.queues where name = 'mail'") == 7


async def test_a_click_hits_what_it_was_meant_for_while_the_page_changes(
    browser: Browser, database: str
) -> None:
    async with Client(database) as client, looking(browser, database) as page:
        await client.insert(job(queue="mail"))
        await page.goto("/queues")
        await is_live(page)
        await page.evaluate(
            "document.body.addEventListener('htmx:sseBeforeMessage',"
            " (event) => { document.body.dataset.held = event.defaultPrevented; })"
        )
        await page.get_by_role("link", name="mail").hover()
        await page.mouse.down()
        await client.insert(job(queue="post"))
        await page.locator("body[data-held=true]").wait_for()
        await expect(page.get_by_role("link", name="post")).to_have_count(0)
        await page.mouse.up()
        await expect(page.get_by_role("heading", name="Jobs")).to_be_visible()
        # what was held back is shown when nothing was clicked
        await page.goto("/queues")
        await is_live(page)
        await page.evaluate(
            "document.body.addEventListener('htmx:sseBeforeMessage',"
            " (event) => { document.body.dataset.held = event.defaultPrevented; })"
        )
        await page.get_by_role("heading", name="Queues").hover()
        await page.mouse.down()
        await client.insert(job(queue="late"))
        await page.locator("body[data-held=true]").wait_for()
        await page.mouse.up()
        await expect(page.get_by_role("link", name="late")).to_be_visible()


async def test_a_database_that_is_killed_is_told_and_the_page_recovers(
    browser: Browser, database: str
) -> None:
    async with Client(database) as client, looking(browser, database) as page:
        await page.goto("/queues")
        await is_live(page)
        name = await value(database, "select current_database()")
        async with connection(database.replace(str(name), "postgres")) as server:
            await server.execute(f'alter database "{name}" allow_connections false'.encode())
            try:
                await server.execute(
                    "select pg_terminate_backend(pid) from pg_stat_activity where datname = %s",
                    [name],
                )
                await expect(page.locator("#live")).to_have_text("disconnected")
            finally:
                await server.execute(f'alter database "{name}" allow_connections true'.encode())
        await client.insert(job(queue="mail"))
        await is_live(page)
        await expect(page.get_by_role("link", name="mail")).to_be_visible()


async def test_a_server_that_went_away_is_told_and_found_again(
    browser: Browser, database: str
) -> None:
    async with Client(database) as client:
        with socket.socket() as kept:
            # nobody else takes the port while no server listens at it
            kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            kept.bind(("127.0.0.1", 0))
            port = kept.getsockname()[1]
            async with served(database, port=port) as address:
                context = await browser.new_context(base_url=address)
                page = await context.new_page()
                await page.goto("/queues")
                await is_live(page)
            await expect(page.locator("#live")).to_have_text("disconnected")
            await client.insert(job(queue="mail"))
            async with served(database, port=port):
                await is_live(page)
                await expect(page.get_by_role("link", name="mail")).to_be_visible()
                await context.close()


async def test_a_page_that_hears_nothing_says_how_old_it_is(
    browser: Browser, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with looking(browser, database) as page:
        await page.clock.install()
        await page.goto("/queues")
        await is_live(page)
        monkeypatch.setattr("baton.web.live.POLL", 3_600.0)

        # a look that was planned before may still come
        async def is_stale() -> bool:
            await page.clock.fast_forward(12_000)
            told = await page.locator("#live").text_content()
            return told is not None and told.startswith("stale 1")

        await until(is_stale, 60)


async def test_a_thousand_steps_are_drawn_around_their_trouble(
    browser: Browser, database: str
) -> None:
    flow = Workflow(name="large").add("first", job())
    for number in range(997):
        flow.add(f"fetch:{number}", job(), deps=["first"])
    flow.add("merge", job(), deps=[f"fetch:{number}" for number in range(997)])
    flow.add("last", job(), deps=["merge"])
    async with Client(database) as client, process(database) as worker:
        await client.insert_workflow(flow)
        [first] = await worker.fetch()
        [bad, *_] = await worker.complete(first, capacity=2)
        error = '{"kind": "ValueError", "message": "bad"}'
        async with looking(browser, database) as page:
            await page.goto(f"/workflows/{flow.workflow_id}")
            await is_live(page)
            assert await page.locator("a.node").count() <= 300
            await worker.acknowledge(ended(bad, State.DISCARDED, error=error))
            await expect(page.locator("a.node.s-discarded")).to_be_visible()
            await page.keyboard.press("n")
            focused = "document.activeElement.getAttribute('aria-label')"
            assert "discarded" in await page.evaluate(focused)
            await page.get_by_role("link", name="Draw every step").click()
            await expect(page.locator("a.node")).to_have_count(1000)


async def test_arrow_keys_walk_the_graph_and_keys_are_listed(
    browser: Browser, database: str
) -> None:
    fragile = Fragile()
    async with Client(database) as client:
        await client.insert_workflow(fragile.flow)
    async with looking(browser, database) as page:
        await page.goto(f"/workflows/{fragile.flow.workflow_id}")
        await is_live(page)
        await page.keyboard.press("g")
        walked = []
        for key in ("ArrowRight", "ArrowDown", "ArrowUp", "ArrowRight", "ArrowLeft", "ArrowLeft"):
            await page.keyboard.press(key)
            label = await page.evaluate("document.activeElement.getAttribute('aria-label')")
            walked.append(label.split(":")[0])
        assert walked[3] == "join"
        assert {walked[0], walked[1]} == {"left", "right"}
        assert walked[5] == "fetch"
        # a part that is replaced gives the focus back
        async with process(database) as worker:
            await worker.fetch()
            await expect(page.get_by_label("fetch: executing")).to_be_focused()
        await page.keyboard.press("?")
        await expect(page.get_by_role("dialog")).to_be_visible()
        await page.keyboard.press("Escape")
        await expect(page.get_by_role("dialog")).to_be_hidden()
        await page.keyboard.press("g")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", name="Step fetch")).to_be_visible()


async def test_keys_lead_to_what_failed_by_itself_and_to_the_filter(
    browser: Browser, database: str
) -> None:
    fragile = Fragile()
    fragile.fails = True
    fragile.go.set()
    async with running(database, fragile.registry) as (_, client):
        await client.insert_workflow(fragile.flow)
        await until(finished(database))
        async with looking(browser, database) as page:
            await page.goto(f"/workflows/{fragile.flow.workflow_id}")
            await is_live(page)
            for key in ("n", "n", "p"):
                await page.keyboard.press(key)
                await expect(page.get_by_label("left: discarded")).to_be_focused()
            await page.goto("/workflows")
            await page.keyboard.press("/")
            await expect(page.get_by_label("filter")).to_be_focused()
            await page.keyboard.type("state:failed/")
            await expect(page.get_by_label("filter")).to_have_value("state:failed/")


async def test_a_signal_that_is_waited_for_is_sent_without_typing_its_name(
    browser: Browser, database: str
) -> None:
    flow = Workflow("bank").add("a", job()).wait_for("bank:answer", deps=["a"])
    async with Client(database) as client, looking(browser, database) as page:
        await client.insert_workflow(flow)
        await page.goto(f"/workflows/{flow.workflow_id}")
        await page.get_by_text("Signal…").click()
        await expect(page.get_by_label("signal", exact=True)).to_have_value("bank:answer")
        await page.get_by_label("bank:answer: suspended").click()
        await expect(page.get_by_role("link", name="a", exact=True)).to_be_visible()
        await page.get_by_label("payload").fill('{"ok": true}')
        await page.get_by_role("button", name="Send signal bank:answer").click()
        await expect(page.get_by_text("signal bank:answer was sent").first).to_be_visible()
    assert await value(database, "select payload from baton.workflow_signals") == {"ok": True}


async def test_without_javascript_everything_can_be_seen_and_done(
    browser: Browser, database: str
) -> None:
    flow = Workflow(name="plain").add("a", job()).add("b", job(), deps=["a"])
    async with Client(database) as client:
        await client.insert_workflow(flow)
    async with looking(browser, database, java_script_enabled=False) as page:
        await page.goto("/workflows")
        await page.get_by_role("link", name="plain").click()
        await expect(page.get_by_text("not live: reload")).to_be_visible()
        await expect(page.locator("a.node")).to_have_count(2)
        await page.get_by_text("Cancel…").click()
        await page.get_by_label("reason").fill("enough of it")
        await page.get_by_role("button", name="Cancel all open steps").click()
        await expect(page.get_by_text("cancelled 2 steps").first).to_be_visible()
        await page.get_by_role("link", name="reload").click()
        await expect(page.get_by_text("done (2 steps cancelled)")).to_be_visible()
        await page.get_by_role("link", name="Audit", exact=True).click()
        await expect(page.get_by_text("anonymous").first).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_nothing_that_axe_finds_keeps_anybody_out(
    browser: Browser, database: str, scheme: str
) -> None:
    fragile = Fragile()
    fragile.fails = True
    fragile.go.set()
    waiting = Workflow(name="waits").add("ask", job(queue="mail")).wait_for("yes", deps=["ask"])
    async with running(database, fragile.registry) as (_, client):
        jobs = await client.insert_workflow(fragile.flow)
        await client.insert_workflow(waiting)
        await client.crons.add("shop.nightly", "@daily", name="nightly")
        await client.queues.pause("mail", by="ada")
        await until(finished(database))
        root = f"/workflows/{fragile.flow.workflow_id}"
        left = next(each.id for each in jobs if each.step_name == "left")
        paths = [
            "/", "/workflows", "/jobs", "/jobs?filter=queue:mail", "/queues", "/workers", "/crons",
            "/errors", "/audit", root, f"/workflows/{waiting.workflow_id}", f"/jobs/{left}",
            f"{root}/retry", "/bulk/cancel?filter=queue:mail", "/nowhere",
        ]  # fmt: skip
        async with looking(browser, database, trouble=True, color_scheme=scheme) as page:
            for path in paths:
                await page.goto(path)
                found = await Axe().run(page)
                serious = [
                    (each["id"], [node["html"][:120] for node in each["nodes"]][:3])
                    for each in found.response["violations"]
                    if each["impact"] in WRONG
                ]
                assert not serious, path
