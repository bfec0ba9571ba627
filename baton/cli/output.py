"""How what commands find is written: a table for people, JSON for programs.

What a program reads is on standard output and nothing else is; questions, progress and advice are
on standard error.
"""

import json
import sys
from collections.abc import Callable, Iterable
from datetime import datetime
from enum import StrEnum
from inspect import Parameter, Signature, signature
from typing import Annotated, Any
from uuid import UUID

import typer

from baton.cli.frame import ExitCode
from baton.errors import ConfigurationError


class Form(StrEnum):
    """How it is written."""

    TABLE = "table"
    JSON = "json"
    JSONL = "jsonl"

    @property
    def is_data(self) -> bool:
        """Whether a program reads it."""
        return self is not Form.TABLE


Output = Annotated[
    Form,
    typer.Option(
        "--output",
        "-o",
        envvar="BATON_OUTPUT",
        help="A table, one JSON document, or JSON with one item a line.",
    ),
]
_Json = Annotated[
    bool, typer.Option("--json", envvar="BATON_JSON", help="The same as --output json.")
]


def emit(output: Form, value: Any) -> None:
    """Write a value as JSON; of a list, `Form.JSONL` writes each item on a line of its own."""
    if output is Form.JSONL and isinstance(value, list | tuple):
        for each in value:
            print(json.dumps(each, default=_plain))
    else:
        print(json.dumps(value, default=_plain))


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, UUID):
        return str(value)
    raise TypeError(f"{value!r} is not JSON")


def say(sentence: str) -> None:
    """Tell people something that is no data."""
    print(sentence, file=sys.stderr, flush=True)


def confirm(question: str, *, otherwise: str) -> None:
    """Ask whether something is meant; end the command if it is not.

    Args:
        question: what is asked.
        otherwise: what is said where there is nobody to ask.

    Raises:
        ConfigurationError: there is no terminal to ask on.
        typer.Exit: it is not meant.
    """
    if not sys.stdin.isatty():
        raise ConfigurationError(f"{otherwise}; say --yes if it is meant")
    # not typer's question: it writes to standard output too
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        raise typer.Exit(ExitCode.FAILED)


def shorthand(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command that has ``--output`` the flag ``--json`` as well."""
    shape = signature(command)
    found = shape.parameters.get("output")
    if found is None or found.annotation != Output:
        return command

    def run(*args: Any, as_json: bool, **options: Any) -> Any:
        if as_json:
            options["output"] = Form.JSON
        return command(*args, **options)

    flag = Parameter("as_json", Parameter.KEYWORD_ONLY, default=False, annotation=_Json)
    return reshaped(run, command, [*shape.parameters.values(), flag])


def reshaped(
    run: Callable[..., Any], like: Callable[..., Any], parameters: Iterable[Parameter]
) -> Callable[..., Any]:
    """Return a function with the name of another, and the parameters that typer is to see."""
    shown = list(parameters)
    made: Any = run
    made.__signature__ = Signature(shown)
    made.__annotations__ = {each.name: each.annotation for each in shown}
    made.__name__, made.__doc__ = like.__name__, like.__doc__
    return run
