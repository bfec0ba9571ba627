"""``baton workflow watch``: one workflow as it goes on."""

import math
from contextlib import aclosing
from typing import Annotated
from uuid import UUID

import anyio
import typer
from rich.console import Console

from baton import logs
from baton.cli import values
from baton.cli.frame import ExitCode
from baton.cli.live import follow
from baton.cli.options import Dsn, Schema
from baton.cli.tree import inert
from baton.cli.workflow_look import WorkflowId, checked
from baton.client import Client
from baton.errors import CannotListen, DatabaseError, DatabaseUnavailable, TimedOut
from baton.settings import Settings, load
from baton.trees import WorkflowTree

SHORTEST_PAUSE = 0.25  # seconds between two looks
LONGEST_PAUSE = 1.0
REST = 4  # times as long as a look took, so that a large workflow is not read all the time


def watch(
    workflow_id: WorkflowId,
    timeout: Annotated[
        str | None,
        typer.Option(
            "--timeout",
            envvar="BATON_WATCH_TIMEOUT",
            help="How long to wait: 90, 15m, 1.5h; exit code 124 then. [without end]",
        ),
    ] = None,
    dsn: Dsn = None,
    schema: Schema = None,
) -> None:
    """Show a workflow until it is finished; the exit code is 0 when it completed, 1 when it failed.

    A terminal gets a tree that is drawn anew, a pipe a line for each change of a step. While the
    database is away it waits for it.
    """
    logs.configure("warning", "console")
    console = Console(highlight=False, soft_wrap=True)
    seconds = math.inf if timeout is None else values.delay("--timeout", timeout)
    settings = load(dsn=dsn, schema=schema)
    tree = anyio.run(_watch, settings, checked(workflow_id), console, seconds)
    if tree.status.state != "completed":
        raise typer.Exit(ExitCode.FAILED)


async def _watch(
    settings: Settings, workflow_id: str, console: Console, seconds: float
) -> WorkflowTree:
    async with Client(settings=settings) as client:
        looks = _Looks(client, await client.find_workflow(workflow_id))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(looks.listen)
            tree = None
            with anyio.move_on_after(seconds):
                tree = await follow(looks.poll, console, pause=looks.pause)
            tasks.cancel_scope.cancel()
    if tree is None:
        raise TimedOut(f"workflow {workflow_id} did not finish", seconds)
    return tree


class _Looks:
    """Reads a workflow when something was told of it, and every second anyway."""

    def __init__(self, client: Client, workflow_id: UUID) -> None:
        self._client = client
        self._id = workflow_id
        self._told = anyio.Event()
        self._next = 0.0

    async def listen(self) -> None:
        """Wake `pause` when something is told; where nothing can listen, it waits its full time."""
        try:
            async with aclosing(self._client.events.subscribe_workflow(self._id)) as events:
                async for _ in events:
                    self._told.set()
        except (CannotListen, DatabaseError):
            return  # it is read every second anyway

    async def poll(self) -> WorkflowTree:
        """Read the workflow."""
        self._told = anyio.Event()  # before the look: what is told during it is kept
        begun = anyio.current_time()
        tree = await self._look()
        ended = anyio.current_time()
        self._next = ended + max(SHORTEST_PAUSE, REST * (ended - begun))
        return tree

    async def _look(self) -> WorkflowTree:
        away = False
        while True:
            try:
                tree = await self._client.get_workflow_tree(self._id)
            except DatabaseUnavailable as error:
                if not away:
                    typer.echo(f"the database is away: {inert(str(error))}", err=True)
                away = True
                await anyio.sleep(LONGEST_PAUSE)
            else:
                if away:
                    typer.echo("the database is back", err=True)
                return tree

    async def pause(self) -> None:
        """Wait until there is something to see."""
        with anyio.move_on_after(LONGEST_PAUSE):
            await self._told.wait()
        await anyio.sleep(max(0.0, self._next - anyio.current_time()))
