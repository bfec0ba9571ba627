"""``baton workflow list``."""

from datetime import UTC, datetime
from typing import Annotated, Any

import anyio
import typer
from rich.text import Text

from baton.cli import table, tree, values
from baton.cli.filtering import WorkflowFilter, joined
from baton.cli.options import Dsn, Limit, Schema
from baton.cli.output import Form, Output, emit
from baton.cli.paging import page
from baton.cli.workflow_look import checked
from baton.client import Client
from baton.errors import ConfigurationError
from baton.filters import WorkflowFilter as Criteria
from baton.search.values import WORKFLOW_STATES
from baton.settings import load
from baton.status import WorkflowStatus

ROOM_FOR_IDS = 120  # columns of a terminal; a narrower one gets the beginnings of ids


def list_(
    words: WorkflowFilter = None,
    dsn: Dsn = None,
    schema: Schema = None,
    state: Annotated[
        str | None,
        typer.Option(envvar="BATON_WORKFLOW_STATE", help="executing, completed or failed."),
    ] = None,
    name: Annotated[
        str | None, typer.Option(envvar="BATON_WORKFLOW_NAME", help="Only workflows of this name.")
    ] = None,
    tag: Annotated[
        list[str] | None,
        typer.Option(
            "--tag",
            envvar="BATON_WORKFLOW_TAG",
            help="Only workflows with this tag. May be repeated.",
        ),
    ] = None,
    inserted_after: Annotated[
        str | None,
        typer.Option(
            "--inserted-after",
            envvar="BATON_WORKFLOW_INSERTED_AFTER",
            help="Only workflows inserted at this time or later.",
        ),
    ] = None,
    inserted_before: Annotated[
        str | None,
        typer.Option(
            "--inserted-before",
            envvar="BATON_WORKFLOW_INSERTED_BEFORE",
            help="Only workflows inserted before this time.",
        ),
    ] = None,
    parent: Annotated[
        str | None,
        typer.Option(
            envvar="BATON_WORKFLOW_PARENT",
            help="Only workflows that are steps of the one with this id.",
        ),
    ] = None,
    template: Annotated[
        str | None,
        typer.Option(
            envvar="BATON_WORKFLOW_TEMPLATE", help="Only workflows made from this template."
        ),
    ] = None,
    before: Annotated[
        str | None,
        typer.Option(
            envvar="BATON_WORKFLOW_BEFORE",
            help="Only workflows older than the one with this id: the page after it.",
        ),
    ] = None,
    limit: Limit = 20,
    *,
    output: Output = Form.TABLE,
) -> None:
    """List the newest workflows."""
    if state is not None and state not in WORKFLOW_STATES:
        raise ConfigurationError(f"--state {state}: it is one of {', '.join(WORKFLOW_STATES)}")
    which: Criteria = {
        "where": joined(words),
        "state": state,
        "name": name,
        "tags": tag or None,
        "inserted_after": _moment("--inserted-after", inserted_after),
        "inserted_before": _moment("--inserted-before", inserted_before),
        "parent": None if parent is None else checked(parent),
        "template": template,
    }
    settings = load(dsn=dsn, schema=schema)

    async def fetch() -> list[WorkflowStatus]:
        async with Client(settings=settings) as client:
            place = None if before is None else checked(before)
            return await client.list_workflows(before=place, limit=limit + 1, **which)

    found = page(anyio.run(fetch), limit, lambda status: status.id, output, "--before")
    if output.is_data:
        emit(output, [_as_json(status) for status in found])
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
            Text(f"{status.progress.done}/{status.progress.total}"),
            Text(table.moment(status.inserted_at)),
            Text(_duration(status)),
        )
    table.show(rows)


def _moment(option: str, text: str | None) -> datetime | None:
    return None if text is None else values.moment(option, text)


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
        "tags": list(status.tags),
        "template": status.template,
        "template_version": status.template_version,
        "counts": {state.value: number for state, number in status.counts.items()},
        "progress": {
            "total": status.progress.total,
            "completed": status.progress.completed,
            "skipped": status.progress.skipped,
            "discarded": status.progress.discarded,
            "cancelled": status.progress.cancelled,
            "open": status.progress.open,
            "fraction": status.progress.fraction,
        },
    }
