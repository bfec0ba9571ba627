"""``baton workflow signal``: says something to a workflow."""

import json
from typing import Annotated, Any

import anyio
import typer

from baton.cli.acting import acting
from baton.cli.frame import frame
from baton.cli.options import Dsn, Schema
from baton.cli.output import Form, Output, emit
from baton.cli.workflow_look import WorkflowId, checked
from baton.client import Client
from baton.errors import ConfigurationError
from baton.settings import load

AGAIN = "signal {} had been sent before; that one stays"


def signal(
    workflow_id: WorkflowId,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The name of the signal.")],
    dsn: Dsn = None,
    schema: Schema = None,
    payload: Annotated[
        str | None,
        typer.Option(envvar="BATON_SIGNAL_PAYLOAD", help="What comes with it: JSON."),
    ] = None,
    by: Annotated[
        str | None, typer.Option("--by", envvar="BATON_SIGNAL_BY", help="Who says it.")
    ] = None,
    *,
    output: Output = Form.TABLE,
) -> None:
    """Say something to a workflow: the steps that wait for this signal go on.

    A signal is said once; one that was said before stays as it was.
    """
    settings = load(dsn=dsn, schema=schema)
    given = None if payload is None else _value(payload)
    who = frame.actor if by is None else by

    async def say() -> bool:
        async with Client(settings=settings) as client:
            whole = await client.find_workflow(checked(workflow_id))
            async with acting(client, "signal", "workflow", whole, signal=name, by=by) as record:
                new = await client.signal_workflow(whole, name, given, sent_by=who)
                record.message = f"signal {name} was sent" if new else AGAIN.format(name)
                return new

    said = anyio.run(say)
    if output.is_data:
        emit(output, {"said": said})
    else:
        print(f"{name} was said" if said else f"{name} had been said before; nothing was changed")


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigurationError(f"--payload is not JSON: {error}") from None
