"""``baton workflow``: workflows as they stand."""

import json
from typing import Annotated, Any

import anyio
import typer
from rich.console import Console
from rich.text import Text

from baton.cli import tree
from baton.cli.job import listing, moment, print_listing
from baton.cli.options import Dsn, Json, Limit, Schema
from baton.client import Client
from baton.errors import ConfigurationError
from baton.jobs import State
from baton.settings import Settings, load
from baton.status import WorkflowStatus

STATES = ("executing", "completed", "failed")


def list_(
    dsn: Dsn = None,
    schema: Schema = None,
    state: Annotated[
        str | None,
        typer.Option(envvar="BATON_WORKFLOW_STATE", help="executing, completed or failed."),
    ] = None,
    name: Annotated[
        str | None, typer.Option(envvar="BATON_WORKFLOW_NAME", help="Only workflows of this name.")
    ] = None,
    limit: Limit = 20,
    *,
    as_json: Json = False,
) -> None:
    """List the newest workflows."""
    if state is not None and state not in STATES:
        raise ConfigurationError(f"--state {state}: it is one of {', '.join(STATES)}")
    settings = load(dsn=dsn, schema=schema)

    async def fetch() -> list[WorkflowStatus]:
        async with Client(settings=settings) as client:
            return await client.list_workflows(state=state, name=name, limit=limit)

    found = anyio.run(fetch)
    if as_json:
        print(json.dumps([_plain(status) for status in found]))
        return
    table = listing("id", "name", "state", "steps done", "inserted", "duration")
    for status in found:
        table.add_row(
            str(status.id),
            Text(tree.inert(status.name or "")),
            Text(status.state, tree.STYLES[status.state]),
            f"{_ended(status)}/{status.counts.total()}",
            moment(status.inserted_at),
            _duration(status),
        )
    print_listing(table)


def show(
    workflow_id: Annotated[
        str, typer.Argument(metavar="ID", help="The id of the workflow, or its first characters.")
    ],
    dsn: Dsn = None,
    schema: Schema = None,
    *,
    as_json: Json = False,
) -> None:
    """Show the steps of one workflow as a tree."""
    status = anyio.run(_get, load(dsn=dsn, schema=schema), workflow_id)
    console = Console()
    if as_json:
        print(json.dumps(tree.as_json(status)))
    elif console.options.ascii_only:
        for line in tree.lines(status):
            print(line)
    else:
        console.print(tree.render(status))


async def _get(settings: Settings, workflow_id: str) -> WorkflowStatus:
    async with Client(settings=settings) as client:
        return await client.get_workflow(workflow_id)


def _ended(status: WorkflowStatus) -> int:
    return sum(count for state, count in status.counts.items() if State(state).is_final)


def _duration(status: WorkflowStatus) -> str:
    if status.finished_at is None:
        return ""
    return tree.duration((status.finished_at - status.inserted_at).total_seconds())


def _plain(status: WorkflowStatus) -> dict[str, Any]:
    return {
        "id": str(status.id),
        "name": status.name,
        "state": status.state,
        "inserted_at": status.inserted_at.isoformat(),
        "finished_at": status.finished_at.isoformat() if status.finished_at else None,
        "counts": {str(state): count for state, count in status.counts.items()},
    }
