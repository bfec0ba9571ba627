"""What the page says when a statement takes longer than it may."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest

from baton import Client, SyncClient
from baton.errors import FilterTimeout, StatementTimeout
from baton.settings import Settings
from tests.services.test_node import until
from tests.support import connection, job
from tests.web.pages import page
from tests.web.test_live import Browser, asked, opened

pytestmark = pytest.mark.anyio
SHORT = 2  # seconds; what nothing is in the way of has to be done in it on any machine


@asynccontextmanager
async def locked(database: str) -> AsyncIterator[None]:
    """Nobody can read jobs or workflows; a statement that wants to takes as long as it may."""
    async with connection(database) as holder, holder.transaction():
        await holder.execute("lock table baton.jobs, baton.workflows in access exclusive mode")
        yield


async def test_a_filter_that_takes_too_long_says_so_and_how_to_narrow_it(database: str) -> None:
    async with page(database, statement_timeout=SHORT) as client:
        assert "No job fits" in (await client.get("jobs?filter=args.x:1")).text
        async with locked(database):
            for address in ("jobs?filter=args.x:1", "workflows?filter=name:brief*"):
                answer = await client.get(address)
                assert answer.status_code == 200
                assert "this filter takes too long" in answer.text
                assert "narrow the filter by an id, by a workflow, or by a state" in answer.text
                assert 'name="filter" value="' in answer.text  # to be changed right there
            assert (await client.get("jobs")).status_code == 503


async def test_a_live_list_tells_of_its_filter_and_a_slow_page_of_the_database(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("baton.web.live.POLL", 0.1)
    monkeypatch.setattr("baton.web.live.SHARE", 0)
    async with opened(database, statement_timeout=SHORT) as app:
        async with anyio.create_task_group() as tasks:
            filtered = Browser(app.live, asked("jobs", filter="args.x:1"))
            whole = Browser(app.live, asked("jobs"))
            for browser in (filtered, whole):
                tasks.start_soon(browser.read)
                await until(browser.shows("list", "No job fits"))

            async def slow() -> bool:
                return "slow" in whole.pulses

            async with locked(database):
                await until(filtered.shows("list", "this filter takes too long"))
                await until(slow)
            await until(filtered.shows("list", "No job fits"))
            assert set(filtered.pulses) == {"live"}
            tasks.cancel_scope.cancel()


async def test_a_list_of_a_program_tells_of_its_filter_too(database: str) -> None:
    settings = Settings(dsn=database, statement_timeout=SHORT)  # type: ignore[arg-type]
    async with Client(settings=settings) as client:
        await client.insert(job())
        with SyncClient(settings=settings) as sync_client:
            async with locked(database):
                with pytest.raises(FilterTimeout, match="narrow the filter"):
                    await client.list_jobs(where="args.x:1")
                with pytest.raises(FilterTimeout, match="narrow the filter"):
                    await anyio.to_thread.run_sync(
                        lambda: sync_client.list_workflows(where="name:brief*")
                    )
                with pytest.raises(StatementTimeout) as caught:
                    await client.list_jobs()
        assert not isinstance(caught.value, FilterTimeout)
        assert len(await client.list_jobs()) == 1  # and goes on
