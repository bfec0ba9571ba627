"""A real browser, and the page served to it."""

import asyncio
import os
import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn
from playwright.async_api import Browser, ConsoleMessage, Page, async_playwright

import baton

SWITCHES = ["--disable-dev-shm-usage", "--disable-gpu", "--no-first-run"]
POLICY = """
  document.addEventListener("securitypolicyviolation", (event) => {
    console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`);
  });
"""


def program() -> str:
    """Where Chromium is; without it a test is skipped, but not where everything has to be run."""
    names = ("chromium", "chromium-browser", "google-chrome")
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None and os.environ.get("CI"):
        pytest.fail("Chromium is not installed; run: apt-get install chromium")
    if found is None:
        pytest.skip("Chromium is not installed; apt-get install chromium runs these tests as well")
    return found


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """A browser."""
    switches = [*SWITCHES, *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program(), args=switches)
        try:
            yield browser
        finally:
            await browser.close()


@asynccontextmanager
async def served(dsn: str, *, port: int = 0, **options: Any) -> AsyncIterator[str]:
    """The address of a live page that is served in this event loop."""
    async with baton.web(dsn, **options) as page:
        config = uvicorn.Config(page, log_level="warning", lifespan="off", access_log=False)
        server = uvicorn.Server(config)
        with socket.socket() as place:
            place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            place.bind(("127.0.0.1", port))
            place.listen(100)
            place.setblocking(False)
            serving = asyncio.create_task(server._serve([place]))
            try:
                yield f"http://127.0.0.1:{place.getsockname()[1]}"
            finally:
                server.should_exit = True
                await page.live.close()
                await serving


@asynccontextmanager
async def tab(
    browser: Browser, address: str, *, trouble: bool = False, **options: Any
) -> AsyncIterator[Page]:
    """A tab; what the console says is wrong with it fails the test.

    Args:
        browser: whose.
        address: where relative addresses lead.
        trouble: whether requests are expected to fail.
        options: of the context.
    """
    context = await browser.new_context(base_url=address, **options)
    wrong: list[str] = []

    def said(message: ConsoleMessage) -> None:
        harmless = trouble and "Failed to load resource" in message.text
        if message.type in {"error", "warning"} and not harmless:
            wrong.append(message.text)

    page = await context.new_page()
    page.on("console", said)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    await page.add_init_script(POLICY)
    page.set_default_timeout(60_000)
    try:
        yield page
        assert not wrong
    finally:
        await context.close()
