"""Opens what a process needs once, and closes it in reverse."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from baton.errors import InvalidHook
from baton.hooks import Lifespan


@asynccontextmanager
async def opened(lifespans: Sequence[Lifespan]) -> AsyncIterator[dict[str, Any]]:
    """Enter lifespans in their order; give what they yield, by name.

    Raises:
        InvalidHook: one yields something that is not a mapping, or a name for the second time.
    """
    resources: dict[str, Any] = {}
    async with AsyncExitStack() as stack:
        for lifespan in lifespans:
            yielded = await stack.enter_async_context(lifespan())
            if yielded is None:
                continue
            if not isinstance(yielded, Mapping):
                raise InvalidHook(f"{lifespan!r} must yield resources by name, not {yielded!r}")
            if twice := resources.keys() & yielded.keys():
                names = ", ".join(sorted(map(str, twice)))
                raise InvalidHook(f"two lifespans yield the resource {names}")
            resources.update(yielded)
        yield resources
