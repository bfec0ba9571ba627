"""``baton workflow graph``: a workflow as a picture, or as the source of one."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import anyio
import typer

from baton.cli.options import Dsn, Schema
from baton.cli.workflow_look import WorkflowId, checked, read
from baton.errors import ConfigurationError
from baton.settings import load


class Format(StrEnum):
    """In which language a graph is written."""

    MERMAID = "mermaid"
    DOT = "dot"
    SVG = "svg"


_SUFFIXES = {".svg": Format.SVG, ".dot": Format.DOT, ".gv": Format.DOT}


def graph(
    workflow_id: WorkflowId,
    dsn: Dsn = None,
    schema: Schema = None,
    *,
    form: Annotated[
        Format | None,
        typer.Option(
            "--format",
            "-f",
            envvar="BATON_GRAPH_FORMAT",
            help="By default what the name of the file says, else mermaid.",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", envvar="BATON_GRAPH_OUTPUT", help="Write it to this file."),
    ] = None,
    every: Annotated[
        bool,
        typer.Option("--all", envvar="BATON_ALL_STEPS", help="Draw every step, however many."),
    ] = False,
) -> None:
    """Draw a workflow with its sub-workflows as Mermaid, DOT (Graphviz) or SVG.

    With more than 300 steps those that are alike are drawn as one; what failed or runs is not.
    """
    tree = anyio.run(read, load(dsn=dsn, schema=schema), checked(workflow_id))
    drawn = tree.graph()
    if form is None:
        form = _SUFFIXES.get(output.suffix.lower() if output else "", Format.MERMAID)
    match form:
        case Format.MERMAID:
            text = drawn.to_mermaid(whole=every)
        case Format.DOT:
            text = drawn.to_dot(whole=every)
        case Format.SVG:
            text = drawn.to_svg(whole=every)
    if output is None:
        # these languages are UTF-8, whatever the terminal is
        sys.stdout.buffer.write(text.encode())
        sys.stdout.buffer.flush()
        return
    try:
        output.write_text(text, "utf-8")
    except OSError as error:
        raise ConfigurationError(f"{output} can't be written: {error.strerror}") from None
