"""``baton workflow``: workflows as they stand."""

import json
import re
from datetime import UTC, datetime
from typing import Annotated, Any

import anyio
import typer
from rich.text import Text

from baton.cli import table, tree
from baton.cli.options import Dsn, Json, Limit, Schema
from baton.client import Client
from baton.errors import ConfigurationError
from baton.settings import Settings, load
from baton.states import State
from baton.status import WorkflowStatus

STATES = ("executing", "completed", "failed")
SHORT_ID = 8
ROOM_FOR_IDS = 120  # columns of a terminal; a narrower one gets the beginnings of ids
_TOO_SHORT = re.compile(r"[0-9a-f]{1,3}", re.IGNORECASE)


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
        print(json.dumps([_as_json(status) for status in found]))
        return
    out = table.console()
    id_length = SHORT_ID if out.is_terminal and out.width < ROOM_FOR_IDS else None
    columns = ("id", "name", "state", "steps done", "inserted", "duration")
    rows = table.listing(*columns, flexible={"name"})
    for status in found:
        rows.add_row(
            Text(str(status.id)[:id_length]),
            table.cell(status.name or ""),
            Text(status.state, tree.STYLES[status.state]),
            Text(f"{_ended(status)}/{status.counts.total()}"),
            Text(table.moment(status.inserted_at)),
            Text(_duration(status)),
        )
    table.show(rows)


def show(
    workflow_id: Annotated[
        str,
        typer.Argument(
            metavar="ID", help="The id of the workflow, or its first characters, four at least."
        ),
    ],
    dsn: Dsn = None,
    schema: Schema = None,
    *,
    as_json: Json = False,
) -> None:
    """Show the steps of one workflow as a tree."""
    if _TOO_SHORT.fullmatch(workflow_id):
        raise ConfigurationError(
            f"{workflow_id} could be many workflows; give 4 characters or more"
        )
    status = anyio.run(_get, load(dsn=dsn, schema=schema), workflow_id)
    if as_json:
        print(json.dumps(tree.as_json(status)))
    elif table.console().options.ascii_only:
        for line in tree.lines(status):
            print(line)
    else:
        table.show(tree.render(status))


async def _get(settings: Settings, workflow_id: str) -> WorkflowStatus:
    async with Client(settings=settings) as client:
        return await client.get_workflow(workflow_id)


def _ended(status: WorkflowStatus) -> int:
    return sum(number for state, number in status.counts.items() if State(state).is_final)


def _duration(status: WorkflowStatus) -> str:
    """Say how long it took, or has been taking by the clock of this machine."""
    end = status.finished_at or datetime.now(UTC)
    return tree.duration((end - status.inserted_at).total_seconds())


def _as_json(status: WorkflowStatus) -> dict[str, Any]:
    return {
        "id": str(status.id),
        "name": status.name,
        "state": status.state,
        "inserted_at": status.inserted_at.isoformat(),
        "finished_at": status.finished_at.isoformat() if status.finished_at else None,
        "counts": {state.value: number for state, number in status.counts.items()},
    }
