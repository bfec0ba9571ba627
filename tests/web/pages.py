"""The page in the test's event loop, without a network."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx

import baton

SAME = {"sec-fetch-site": "same-origin"}


@asynccontextmanager
async def page(
    dsn: str, root: str = "", *, peer: Any = ("127.0.0.1", 123), **options: Any
) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a live page, at the address of the peer."""
    async with baton.web(dsn, **options) as app:
        transport = httpx.ASGITransport(
            app, root_path=root, raise_app_exceptions=False, client=peer
        )
        async with httpx.AsyncClient(
            transport=transport, base_url=f"http://localhost{root}/"
        ) as client:
            yield client
