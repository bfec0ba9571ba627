"""The guide to the live page does what it says."""

import sys
from pathlib import Path

import httpx
import psycopg
import pytest

from baton import Client
from tests.docs.markdown import blocks
from tests.docs.test_documents import ROOT, commands, place
from tests.support import job
from tests.web.pages import SAME

__all__ = ["place"]  # the fixture
pytestmark = pytest.mark.anyio


async def test_the_example_is_mounted_and_asks_the_host_application(
    place: Path, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = blocks(ROOT / "docs" / "live_page.md")
    [example] = [block for block in found if block.file]
    (place / example.file).write_text(example.text)
    monkeypatch.syspath_prepend(str(place))
    async with Client(database) as client:
        await client.insert(job(queue="payroll"))
    module = __import__("app")
    try:
        transport = httpx.ASGITransport(module.app)
        async with (
            module.lifespan(module.app),
            httpx.AsyncClient(transport=transport, base_url="https://shop.example") as client,
        ):
            assert (await client.get("/baton/queues")).status_code == 401
            client.cookies.set("session", "a-session-of-bob")
            shown = await client.get("/baton/queues")
            assert (shown.status_code, "payroll" in shown.text) == (200, False)
            assert (await client.get("/baton/workflows")).status_code == 200
            assert (await client.get("/baton/workers")).status_code == 403
            data = {"name": "mail", "new": "1"}
            answer = await client.post("/baton/queues/pause", data=data, headers=SAME)
            assert answer.status_code == 403
            client.cookies.set("session", "a-session-of-ada")
            assert "payroll" in (await client.get("/baton/queues")).text
            answer = await client.post("/baton/queues/pause", data=data, headers=SAME)
            assert answer.headers["location"].startswith("/baton/queues")
            assert "mail" in (await client.get(answer.headers["location"])).text
            answer = await client.get("/baton/bulk/delete?filter=state:available")
            assert answer.status_code == 403
            answer = await client.post(
                "/baton/queues/pause", data={"name": "payroll"}, headers=SAME
            )
            assert answer.status_code == 403
    finally:
        sys.modules.pop("app", None)
    [sql] = [block for block in found if block.language == "sql"]
    with psycopg.connect(database) as conn:
        [deed] = conn.execute(sql.text.encode()).fetchall()
    assert deed[1:7] == ("ada", "127.0.0.1", "web", "pause", "queue", "mail")


def test_the_commands_of_the_guide_are_those_of_the_program() -> None:
    found = blocks(ROOT / "docs" / "live_page.md")
    said = [command for block in found if block.language == "sh" for command in commands(block)]
    assert [command for command in said if command.startswith("baton")] == [
        "baton web",
        "baton web --bind 0.0.0.0:4000 --allowed-host baton.example.com",
    ]
