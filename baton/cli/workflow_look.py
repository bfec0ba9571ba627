"""``baton workflow show``, ``tree`` and ``watch``: one workflow as it stands, and as it goes on."""

import json
import re
from typing import Annotated

import anyio
import typer
from rich.console import Console

from baton.cli import branches, table, tree
from baton.cli.frame import ExitCode
from baton.cli.live import follow
from baton.cli.options import Dsn, Json, Schema
from baton.client import Client
from baton.errors import ConfigurationError
from baton.settings import Settings, load
from baton.trees import WorkflowTree

SHORTEST_PAUSE = 0.25  # seconds between two looks of `watch`
REST = 4  # times as long as a look took
_TOO_SHORT = re.compile(r"[0-9a-f]{1,3}", re.IGNORECASE)

WorkflowId = Annotated[
    str,
    typer.Argument(
        metavar="ID", help="The id of the workflow, or its first characters, four at least."
    ),
]


def show(
    workflow_id: WorkflowId,
    dsn: Dsn = None,
    schema: Schema = None,
    *,
    as_json: Json = False,
) -> None:
    """Show all steps of a workflow as a tree."""
    found = anyio.run(read, load(dsn=dsn, schema=schema), checked(workflow_id), as_json)
    _print(found, together=False, as_json=as_json)


def tree_(
    workflow_id: WorkflowId,
    dsn: Dsn = None,
    schema: Schema = None,
    *,
    every: Annotated[
        bool,
        typer.Option("--all", envvar="BATON_ALL_STEPS", help="Give every step a line of its own."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Show a workflow as a tree in which many steps that are alike are one line."""
    found = anyio.run(read, load(dsn=dsn, schema=schema), checked(workflow_id), as_json)
    _print(found, together=not every, as_json=as_json)


def watch(workflow_id: WorkflowId, dsn: Dsn = None, schema: Schema = None) -> None:
    """Show a workflow until it is finished; the exit code is 0 when it completed, 1 when it failed.

    A terminal gets a tree that is drawn anew, a pipe a line for each change of a step.
    """
    console = Console(highlight=False, soft_wrap=True)
    status = anyio.run(_watch, load(dsn=dsn, schema=schema), checked(workflow_id), console).status
    if status.state != "completed":
        raise typer.Exit(ExitCode.FAILED)


def checked(workflow_id: str) -> str:
    """Return an id, or the beginning of one, that is long enough.

    Raises:
        ConfigurationError: it is not.
    """
    if _TOO_SHORT.fullmatch(workflow_id):
        raise ConfigurationError(
            f"{workflow_id} could be many workflows; give 4 characters or more"
        )
    return workflow_id


async def read(settings: Settings, workflow_id: str, results: bool = False) -> WorkflowTree:
    """Read a workflow with its sub-workflows."""
    async with Client(settings=settings) as client:
        return await client.get_workflow_tree(workflow_id, results=results)


async def _watch(settings: Settings, workflow_id: str, console: Console) -> WorkflowTree:
    async with Client(settings=settings) as client:
        found = (await client.get_workflow_tree(workflow_id)).status.id
        took = 0.0

        async def poll() -> WorkflowTree:
            nonlocal took
            before = anyio.current_time()
            try:
                return await client.get_workflow_tree(found)
            finally:
                took = anyio.current_time() - before

        async def pause() -> None:
            await anyio.sleep(max(SHORTEST_PAUSE, REST * took))

        return await follow(poll, console, pause=pause)


def _print(found: WorkflowTree, *, together: bool, as_json: bool) -> None:
    if as_json:
        print(json.dumps(tree.as_json(found)))
    elif table.console().options.ascii_only:
        for line in tree.lines(found):
            print(line)
    else:
        table.show(branches.render(found, together=together))
