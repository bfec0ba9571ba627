"""``baton workflow run`` and ``baton template``: workflows as data."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import anyio
import typer
from rich.text import Text

from baton import logs
from baton.cli import table, values
from baton.cli.acting import acting
from baton.cli.options import App, Dsn, Schema
from baton.cli.output import Form, Output, emit
from baton.cli.workflow_many import counted
from baton.client import Client
from baton.client.templates import StoredTemplate
from baton.errors import ConfigurationError
from baton.loading import load_registry
from baton.settings import load
from baton.wording import inert
from baton.workflows import Workflow

Arg = Annotated[
    list[str] | None,
    typer.Option(
        "--arg",
        envvar="BATON_SET_ARG",
        help="A parameter: name=value; the value is JSON or else a text. May be repeated.",
    ),
]
Args = Annotated[
    str | None,
    typer.Option("--args", envvar="BATON_SET_ARGS", help="All parameters, as a JSON object."),
]
Source = Annotated[str, typer.Argument(metavar="FILE", help="A file of JSON; - is the input.")]
Name = Annotated[str, typer.Argument(metavar="NAME", help="The name of the template.")]


def run(
    source: Annotated[
        str | None,
        typer.Argument(metavar="[FILE]", help="The workflow as JSON; - is the input."),
    ] = None,
    template: Annotated[
        str | None,
        typer.Option(
            "--template",
            "-t",
            envvar="BATON_TEMPLATE",
            help="A stored template instead of a file: NAME or NAME@VERSION.",
        ),
    ] = None,
    arg: Arg = None,
    args: Args = None,
    app: App = None,
    dsn: Dsn = None,
    schema: Schema = None,
    *,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", envvar="BATON_DRY_RUN", help="Only check it; insert nothing."),
    ] = False,
    output: Output = Form.TABLE,
) -> None:
    """Insert a workflow that is written down as JSON."""
    if (source is None) == (template is None):
        raise ConfigurationError("give a file of JSON, or --template and the name of a stored one")
    settings = load(dsn=dsn, schema=schema, app=app)
    registry = load_registry(settings.app)
    given = {
        **(values.document("--args", args) if args is not None else {}),
        **values.pairs("--arg", arg or []),
    }

    async def insert() -> Workflow:
        async with Client(settings=settings, registry=registry) as client:
            if template is None:
                flow = Workflow.from_json(_read(source or "-"), given, registry=registry)
            else:
                name, version = _named(template)
                flow = await client.templates.workflow(name, given, version=version)
            if not dry_run:
                await client.insert_workflow(flow)
            return flow

    flow = anyio.run(insert)
    facts = {"id": str(flow.workflow_id), "name": flow.name, "steps": flow.validate()}
    if output.is_data:
        emit(output, {**facts, "inserted": not dry_run})
    elif dry_run:
        order = [inert(name) for name in flow.validate()]
        print(f"{counted(len(order))}, in this order: {', '.join(order)}")
    else:
        print(flow.workflow_id)


def schema() -> None:
    """Print the JSON schema of workflows as data."""
    print(json.dumps(Workflow.json_schema(), indent=2))


def put(
    name: Name,
    source: Source,
    dsn: Dsn = None,
    schema: Schema = None,
) -> None:
    """Store a workflow as a template; print its version."""
    settings = load(dsn=dsn, schema=schema)

    async def store() -> int:
        async with Client(settings=settings) as client:
            flow = _read(source)
            async with acting(client, "put", "template", name) as record:
                version = await client.templates.put(name, flow)
                record.message = f"version {version} of template {name}"
                return version

    print(anyio.run(store))


def list_(dsn: Dsn = None, schema: Schema = None, *, output: Output = Form.TABLE) -> None:
    """List templates with their newest versions."""
    logs.configure("warning", "console")  # one that can't be read is told beside the list
    settings = load(dsn=dsn, schema=schema)

    async def fetch() -> list[StoredTemplate]:
        async with Client(settings=settings) as client:
            return list(await client.templates.list())

    found = anyio.run(fetch)
    if output.is_data:
        emit(output, [_facts(each) for each in found])
        return
    rows = table.listing("name", "version", "steps", "parameters", "stored", flexible={"name"})
    for each in found:
        rows.add_row(
            table.cell(each.name),
            Text(str(each.version)),
            Text(str(len(each.flow.steps))),
            table.cell(", ".join(each.flow.parameters)),
            Text(table.moment(each.inserted_at)),
        )
    table.show(rows)


def show(
    template: Annotated[str, typer.Argument(metavar="NAME", help="NAME or NAME@VERSION.")],
    dsn: Dsn = None,
    schema: Schema = None,
) -> None:
    """Print a template as JSON."""
    settings = load(dsn=dsn, schema=schema)

    async def fetch() -> StoredTemplate:
        async with Client(settings=settings) as client:
            return await client.templates.get(*_named(template))

    print(anyio.run(fetch).to_json())


def _read(source: str) -> str:
    try:
        return sys.stdin.read() if source == "-" else Path(source).read_text()
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigurationError(f"{source} can't be read: {reason}") from None


def _named(text: str) -> tuple[str, int | None]:
    name, separator, version = text.rpartition("@")
    if not separator:
        return text, None
    if not version.isdecimal() or len(version) > 9:  # noqa: PLR2004
        raise ConfigurationError(f"{text}: it looks like research or research@3")
    return name, int(version)


def _facts(each: StoredTemplate) -> dict[str, Any]:
    return {
        "name": each.name,
        "version": each.version,
        "inserted_at": each.inserted_at.isoformat(),
        "parameters": {
            name: parameter.model_dump(exclude_unset=True)
            for name, parameter in each.flow.parameters.items()
        },
        "steps": [step.name for step in each.flow.steps],
    }
