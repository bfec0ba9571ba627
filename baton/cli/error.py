"""``baton error list``: what jobs failed with, like with like."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Any

import anyio
import typer
from rich.text import Text

from baton.cli import table
from baton.cli.filtering import ErrorFilter, joined
from baton.cli.options import Dsn, Limit, Schema
from baton.cli.output import Form, Output, emit
from baton.cli.paging import page
from baton.client import Client
from baton.failures import ErrorGroup
from baton.settings import load

NEWEST = 5  # jobs of a group that are named


def list_(
    words: ErrorFilter = None,
    dsn: Dsn = None,
    schema: Schema = None,
    after: Annotated[
        str | None,
        typer.Option(
            envvar="BATON_ERROR_AFTER",
            help="Only groups behind this place, which the page before named.",
        ),
    ] = None,
    limit: Limit = 50,
    *,
    output: Output = Form.TABLE,
) -> None:
    """List the newest errors in groups of those that are alike, the most frequent ones first.

    The newest 2,000 discarded jobs that fit are looked at, and as many to be tried again.
    """
    settings = load(dsn=dsn, schema=schema)

    async def fetch() -> list[ErrorGroup]:
        async with Client(settings=settings) as client:
            return await client.errors(joined(words), after=after, limit=limit + 1)

    found = page(anyio.run(fetch), limit, lambda group: group.place, output)
    if output.is_data:
        emit(output, [_as_json(group) for group in found])
    else:
        _show(found)


def _show(found: Sequence[ErrorGroup]) -> None:
    rows = table.listing(
        *("fingerprint", "jobs", "kind", "message", "states", "workers", "newest"),
        flexible={"message", "workers"},
    )
    for group in found:
        states = ", ".join(f"{number:,} {state}" for state, number in group.states.items())
        rows.add_row(
            Text(group.fingerprint),
            Text(f"{len(group.jobs):,}"),
            table.cell(group.kind),
            table.cell(group.pattern),
            Text(states),
            table.cell(", ".join(group.workers)),
            Text(str(group.jobs[0].job_id)),
        )
    table.show(rows)


def _as_json(group: ErrorGroup) -> dict[str, Any]:
    return {
        "fingerprint": group.fingerprint,
        "jobs": len(group.jobs),
        "kind": group.kind,
        "pattern": group.pattern,
        "example": group.example,
        "states": group.states,
        "queues": group.queues,
        "workers": group.workers,
        "newest": [asdict(job) for job in group.jobs[:NEWEST]],
        "place": group.place,
    }
