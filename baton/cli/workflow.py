"""``baton workflow list``."""

import json
from datetime import UTC, datetime
from typing import Annotated, Any

import anyio
import typer
from rich.text import Text

from baton.cli import table, tree
from baton.cli.options import Dsn, Json, Limit, Schema
from baton.client import Client
from baton.errors import ConfigurationError
from baton.settings import load
from baton.states import State
from baton.status import WorkflowStatus

STATES = ("executing", "completed", "failed")
ROOM_FOR_IDS = 120  # columns of a terminal; a narrower one gets the beginnings of ids


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
    id_length = tree.SHORT_ID if out.is_terminal and out.width < ROOM_FOR_IDS else None
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
