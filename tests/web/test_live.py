"""Pages that are kept up to date: what is told, how often it is read, who waits for whom."""

from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from typing import Any

import anyio
import pytest
from starlette.requests import Request

import baton
from baton import Client, Workflow
from baton.web import views
from baton.web.access import only_queues
from baton.web.app import LivePage
from baton.web.live import Crowded, Live, Message
from baton.web.scope import Scope
from baton.web.view import Asked, View
from tests.services.test_node import until
from tests.support import connection, job, process, rows, value

pytestmark = pytest.mark.anyio

LISTENERS = """
  select count(*) from pg_stat_activity
  where datname = current_database() and application_name = 'baton events'
"""
CUT = """
  select pg_terminate_backend(pid) from pg_stat_activity
  where datname = current_database() and application_name like 'baton%%'
"""


def asked(name: str, **path: str) -> Asked:
    [view] = [each for each in views.VIEWS if each.name == name]
    scope = {
        "type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": [],
        "path_params": path,
    }  # fmt: skip
    return Asked.of(view, Request(scope))


class Browser:
    """Follows a page, and takes what comes when it is told to."""

    def __init__(self, live: Live, page: Asked) -> None:
        self.parts: dict[str, str] = {}
        self.pulses: list[str] = []
        self.taken = 0
        self._live = live
        self._page = page

    async def read(self) -> None:
        async with aclosing(self._live.follow(self._page)) as messages:
            async for message in messages:
                self.take(message)

    def take(self, message: Message) -> None:
        self.taken += 1
        if message["event"] == "pulse":
            self.pulses.append(message["data"])
        else:
            self.parts[message["event"]] = message["data"]

    def shows(self, part: str, text: str) -> Any:
        async def check() -> bool:
            return text in self.parts.get(part, "")

        return check


@asynccontextmanager
async def opened(dsn: str, **options: Any) -> AsyncIterator[LivePage]:
    async with baton.web(dsn, **options) as page:
        yield page


async def test_what_happens_to_a_workflow_is_told_without_being_asked(database: str) -> None:
    flow = Workflow(name="told").add("a", job()).add("b", job(), deps=["a"])
    async with Client(database) as client, process(database) as worker:
        await client.insert_workflow(flow)
        async with opened(database) as page, anyio.create_task_group() as tasks:
            browser = Browser(page.live, asked("workflow", id=str(flow.workflow_id)))
            tasks.start_soon(browser.read)
            await until(browser.shows("why", "0/2"))
            assert set(browser.parts) >= {"why", "graph", "failures", "timeline", "steps", "cost"}
            await worker.run_all()
            await until(browser.shows("why", "workflow told completed"))
            await until(browser.shows("graph", "b: completed"))
            tasks.cancel_scope.cancel()
        assert page.live.pages == 0
        assert page.live.browsers == 0


async def test_any_number_of_browsers_cost_one_look_and_one_connection(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = 0
    true_parts = Asked.parts

    async def counted(self: Asked, desk: Any) -> dict[str, str]:
        nonlocal looks
        looks += 1
        return await true_parts(self, desk)

    monkeypatch.setattr(Asked, "parts", counted)
    async with Client(database) as client, opened(database) as page:
        async with anyio.create_task_group() as tasks:
            browsers = [Browser(page.live, asked("queues")) for _ in range(40)]
            for browser in browsers:
                tasks.start_soon(browser.read)
            await until(browsers[-1].shows("list", "No queue is known yet"))
            await client.insert(job(queue="mail"))
            for browser in browsers:
                await until(browser.shows("list", "mail"))
            assert page.live.pages == 1
            assert await value(database, LISTENERS) == 1
            told = sum(len(browser.pulses) for browser in browsers)
            assert looks < told / 10
            tasks.cancel_scope.cancel()

    async def silent() -> bool:
        return int(await value(database, LISTENERS)) == 0

    await until(silent)


async def test_a_browser_that_takes_nothing_holds_up_nobody_and_then_gets_the_newest(
    database: str,
) -> None:
    async with Client(database) as client, opened(database) as page:
        slow = page.live.follow(asked("queues"))
        first = await anext(slow)  # and then it takes no more
        assert first["event"] == "list"
        async with anyio.create_task_group() as tasks:
            quick = Browser(page.live, asked("queues"))
            tasks.start_soon(quick.read)
            for number in range(3):
                await client.insert(job(queue=f"queue {number}"))
                await until(quick.shows("list", f"queue {number}"))
            tasks.cancel_scope.cancel()
        await anext(slow)  # the pulse of the first look
        newest = await anext(slow)
        assert "queue 2" in newest["data"]
        await slow.aclose()


async def test_only_what_changed_is_sent_again_and_who_comes_back_gets_everything(
    database: str,
) -> None:
    flow = Workflow(name="parts").add("a", job())
    async with Client(database) as client, opened(database) as page:
        await client.insert_workflow(flow)
        page_asked = asked("workflow", id=str(flow.workflow_id))
        channel: Any = None
        async with anyio.create_task_group() as tasks:
            browser = Browser(page.live, page_asked)
            tasks.start_soon(browser.read)
            await until(browser.shows("why", "parts"))
            [channel] = page.live._channels.values()
            before = {name: look for name, (look, _) in channel.parts.items()}
            channel.mark()

            async def looked_again() -> bool:
                return len(browser.pulses) > 1

            await until(looked_again)
            after = {name: look for name, (look, _) in channel.parts.items()}
            assert after["failures"] == before["failures"]
            tasks.cancel_scope.cancel()
        async with anyio.create_task_group() as tasks:
            again = Browser(page.live, page_asked)
            tasks.start_soon(again.read)
            await until(again.shows("why", "parts"))
            assert set(again.parts) == set(browser.parts)
            tasks.cancel_scope.cancel()


async def test_a_database_that_is_away_is_told_and_so_is_its_return(database: str) -> None:
    async with Client(database) as client, opened(database) as page:
        async with anyio.create_task_group() as tasks:
            browser = Browser(page.live, asked("queues"))
            tasks.start_soon(browser.read)
            await until(browser.shows("list", "No queue"))
            name = await value(database, "select current_database()")
            async with connection(database.replace(str(name), "postgres")) as server:
                await server.execute(f'alter database "{name}" allow_connections false'.encode())
                try:
                    await server.execute(
                        "select pg_terminate_backend(pid) from pg_stat_activity "
                        "where datname = %s", [name]
                    )  # fmt: skip
                    for channel in page.live._channels.values():
                        channel.mark()

                    async def away() -> bool:
                        return "away" in browser.pulses

                    await until(away)
                finally:
                    await server.execute(f'alter database "{name}" allow_connections true'.encode())
            await client.insert(job(queue="mail"))
            await until(browser.shows("list", "mail"))
            assert browser.pulses[-1] == "live"
            tasks.cancel_scope.cancel()


async def test_where_nothing_can_listen_pages_are_read_again_and_again(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("baton.web.live.POLL", 0.05)
    settings = baton.Settings(dsn=database, no_listen=True)  # type: ignore[arg-type]
    async with Client(database) as client, opened(database, settings=settings) as page:
        async with anyio.create_task_group() as tasks:
            browser = Browser(page.live, asked("queues"))
            tasks.start_soon(browser.read)
            await until(browser.shows("list", "No queue"))
            await client.insert(job(queue="mail"))
            await until(browser.shows("list", "mail"))
            assert await value(database, LISTENERS) == 0
            tasks.cancel_scope.cancel()


async def test_who_sees_less_gets_a_look_of_their_own(database: str) -> None:
    scope = Scope.of(only_queues("mail"))
    async with Client(database) as client, opened(database) as page:
        await client.insert(job(queue="mail"))
        async with anyio.create_task_group() as tasks:
            everybody = Browser(page.live, asked("queues"))
            bob = Browser(page.live, replace(asked("queues"), scope=scope))
            tasks.start_soon(everybody.read)
            tasks.start_soon(bob.read)
            await until(bob.shows("list", "mail"))
            await client.insert(job(queue="payroll"))
            await until(everybody.shows("list", "payroll"))
            await client.insert(job(queue="mail"))
            await until(bob.shows("list", '<td class="n">2</td>'))
            assert "payroll" not in bob.parts["list"]
            assert page.live.pages == 2
            tasks.cancel_scope.cancel()


async def test_a_workflow_that_is_deleted_ends_its_page(database: str) -> None:
    flow = Workflow().add("a", job())
    async with Client(database) as client, opened(database) as page:
        await client.insert_workflow(flow)
        async with anyio.create_task_group() as tasks:
            browser = Browser(page.live, asked("workflow", id=str(flow.workflow_id)))
            tasks.start_soon(browser.read)
            await until(browser.shows("why", "0/1"))
            await rows(database, "delete from baton.workflows returning 1")
            for channel in page.live._channels.values():
                channel.mark()
        assert browser.pulses[-1] == "gone"
        assert page.live.pages == 0


async def test_closing_ends_every_follower(database: str) -> None:
    async with anyio.create_task_group() as tasks:
        async with opened(database) as page:
            browser = Browser(page.live, asked("queues"))
            tasks.start_soon(browser.read)
            await until(browser.shows("list", "No queue"))
    assert browser.pulses[0] == "live"


async def test_no_more_pages_are_kept_than_can_be(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("baton.web.live.CHANNELS", 1)
    async with opened(database) as page, anyio.create_task_group() as tasks:
        page.live.check()
        browser = Browser(page.live, asked("queues"))
        tasks.start_soon(browser.read)
        await until(browser.shows("list", "No queue"))
        with pytest.raises(Crowded):
            page.live.check()
        tasks.cancel_scope.cancel()


def test_every_page_has_a_live_counterpart() -> None:
    paths = {route.path for route in views.routes()}
    for view in views.VIEWS:
        assert isinstance(view, View)
        assert f"/live{view.path}" in paths
