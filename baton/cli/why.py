"""``baton workflow why`` and ``baton job why``: why something waits, or ended as it did."""

from collections.abc import Iterator
from typing import Annotated

import anyio
import typer
from rich.text import Text

from baton.cli import table
from baton.cli.options import Dsn, Schema
from baton.cli.output import Form, Output, emit
from baton.cli.tree import inert
from baton.cli.workflow_look import WorkflowId, checked
from baton.client import Client
from baton.settings import Settings, load
from baton.why import Why

KIND_WIDTH = 12


def workflow(
    workflow_id: WorkflowId,
    step: Annotated[
        str | None, typer.Argument(metavar="[STEP]", help="The name of one of its steps.")
    ] = None,
    dsn: Dsn = None,
    schema: Schema = None,
    *,
    output: Output = Form.TABLE,
) -> None:
    """Say why a workflow, or a step of it, waits, runs, or ended as it did."""
    settings = load(dsn=dsn, schema=schema)
    _print(anyio.run(_ask, settings, checked(workflow_id), step), output=output)


def job(
    job_id: Annotated[int, typer.Argument(metavar="ID", help="The id of the job.")],
    dsn: Dsn = None,
    schema: Schema = None,
    *,
    output: Output = Form.TABLE,
) -> None:
    """Say why a job waits, runs, or ended as it did."""
    _print(anyio.run(_ask, load(dsn=dsn, schema=schema), job_id, None), output=output)


async def _ask(settings: Settings, subject: str | int, step: str | None) -> Why:
    async with Client(settings=settings) as client:
        return await client.why(subject, step)


def _print(why: Why, *, output: Form) -> None:
    if output.is_data:
        emit(output, why.as_json())
        return
    out = table.console()
    out.print(Text(inert(why.sentence), "bold"), soft_wrap=True)
    for line in _evidence(why):
        out.print(line, soft_wrap=True)


def _evidence(why: Why) -> Iterator[Text]:
    """Write the facts, those of what it leads to below a line of their own."""
    for fact in why.evidence:
        yield Text(f"  {fact.kind:<{KIND_WIDTH}} {inert(fact.text)}")
    if why.because is not None:
        yield Text(inert(why.because.subject))
        yield from _evidence(why.because)
