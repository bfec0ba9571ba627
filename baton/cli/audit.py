"""``baton audit``: what people did, in the shell and on the live page."""

import json
from dataclasses import asdict
from typing import Annotated

import anyio
import typer
from rich.text import Text

from baton.cli import table
from baton.cli.filtering import AuditFilter, joined
from baton.cli.options import Dsn, Limit, Schema
from baton.cli.output import Form, Output, emit
from baton.cli.paging import page
from baton.client import Client
from baton.settings import load
from baton.store.audit import Deed


def audit(
    words: AuditFilter = None,
    dsn: Dsn = None,
    schema: Schema = None,
    before: Annotated[
        int | None, typer.Option(envvar="BATON_AUDIT_BEFORE", help="Only ids below this one.")
    ] = None,
    limit: Limit = 20,
    *,
    output: Output = Form.TABLE,
) -> None:
    """List what people did, the newest first: who, what, to what, and what became of it."""
    settings = load(dsn=dsn, schema=schema)

    async def fetch() -> list[Deed]:
        async with Client(settings=settings) as client:
            return await client.audit.list(joined(words), before=before, limit=limit + 1)

    found = page(anyio.run(fetch), limit, lambda deed: deed.id, output, "--before")
    if output.is_data:
        emit(output, [asdict(deed) for deed in found])
        return
    rows = table.listing(
        *("id", "when", "who", "by", "what", "to", "details", "outcome"),
        flexible={"who", "to", "details", "outcome"},
    )
    for deed in found:
        rows.add_row(
            Text(str(deed.id)),
            Text(table.moment(deed.inserted_at)),
            table.cell(f"{deed.actor} ({deed.address})" if deed.address else deed.actor),
            table.cell(deed.source),
            table.cell(deed.action),
            table.cell(f"{deed.kind} {deed.subject}"),
            table.cell(_details(deed)),
            table.cell(_outcome(deed)),
        )
    table.show(rows)


def _details(deed: Deed) -> str:
    said = (
        (name, each if isinstance(each, str) else json.dumps(each))
        for name, each in deed.details.items()
    )
    return ", ".join(f"{name}: {each}" for name, each in said)


def _outcome(deed: Deed) -> str:
    return ": ".join(part for part in (deed.outcome or "not known", deed.message) if part)
