"""``baton workflow show`` and ``tree``: one workflow as it stands."""

import re
from typing import Annotated

import anyio
import typer

from baton.cli import branches, table, tree
from baton.cli.completion import complete_workflow
from baton.cli.options import Dsn, Schema
from baton.cli.output import Form, Output, emit
from baton.client import Client
from baton.errors import ConfigurationError
from baton.settings import Settings, load
from baton.trees import WorkflowTree

_TOO_SHORT = re.compile(r"[0-9a-f]{1,3}", re.IGNORECASE)

WorkflowId = Annotated[
    str,
    typer.Argument(
        metavar="ID",
        help="The id of the workflow, or its first characters, four at least.",
        autocompletion=complete_workflow,
    ),
]


def show(
    workflow_id: WorkflowId,
    dsn: Dsn = None,
    schema: Schema = None,
    *,
    output: Output = Form.TABLE,
) -> None:
    """Show all steps of a workflow as a tree."""
    found = anyio.run(read, load(dsn=dsn, schema=schema), checked(workflow_id), output.is_data)
    _print(found, together=False, output=output)


def tree_(
    workflow_id: WorkflowId,
    dsn: Dsn = None,
    schema: Schema = None,
    *,
    every: Annotated[
        bool,
        typer.Option("--all", envvar="BATON_ALL_STEPS", help="Give every step a line of its own."),
    ] = False,
    output: Output = Form.TABLE,
) -> None:
    """Show a workflow as a tree in which many steps that are alike are one line."""
    found = anyio.run(read, load(dsn=dsn, schema=schema), checked(workflow_id), output.is_data)
    _print(found, together=not every, output=output)


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


def _print(found: WorkflowTree, *, together: bool, output: Form) -> None:
    if output.is_data:
        emit(output, tree.as_json(found))
    elif table.console().options.ascii_only:
        for line in tree.lines(found):
            print(line)
    else:
        table.show(branches.render(found, together=together))
