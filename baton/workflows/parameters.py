"""Parameters of a workflow as data: what is given for them, and where it goes."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from baton.errors import InvalidFlow
from baton.workflows.document import FlowDocument, ParameterDocument

PARAM = "$param"
LITERAL = "$literal"

_IN_TEXT = re.compile(r"\$\$|\$\{([^{}]*)\}")

_FITS: Mapping[str, Callable[[Any], bool]] = {
    "any": lambda _: True,
    "string": lambda value: isinstance(value, str),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "boolean": lambda value: isinstance(value, bool),
    "array": lambda value: isinstance(value, list | tuple),
    "object": lambda value: isinstance(value, Mapping),
}


def given(flow: FlowDocument, args: Mapping[str, Any]) -> dict[str, Any]:
    """Return a value for each parameter of a workflow.

    Raises:
        InvalidFlow: one is missing, unknown or of another type; or the document uses one that it
            does not declare.
    """
    problems = [
        f"{name}: there is no such parameter; {_known(flow)}"
        for name in args
        if name not in flow.parameters
    ]
    values: dict[str, Any] = {}
    for name, parameter in flow.parameters.items():
        if name not in args and parameter.required:
            problems.append(f"{name}: the parameter is not given")
            continue
        values[name] = args.get(name, parameter.default)
        problems += _misfits(name, parameter, values[name], own_default=name not in args)
    if problems:
        raise InvalidFlow(problems)
    return values


def check(flow: FlowDocument) -> None:
    """Check that a document only uses parameters that it declares, and that its defaults fit.

    Raises:
        InvalidFlow: it does not.
    """
    problems = [
        problem
        for name, parameter in flow.parameters.items()
        if not parameter.required
        for problem in _misfits(name, parameter, parameter.default, own_default=True)
    ]
    problems += [
        f"{place}: parameter {name!r} is not declared"
        for place, name in used(flow)
        if name not in flow.parameters
    ]
    if problems:
        raise InvalidFlow(problems)


def used(flow: FlowDocument, place: str = "") -> Iterator[tuple[str, str]]:
    """Yield where which parameter is used, in sub-workflows too."""
    for field, text in (("name", flow.name), ("unique", flow.unique)):
        yield from ((f"{place}{field}", name) for name in _names_in_text(text or ""))
    for tag in flow.tags:
        yield from ((f"{place}tags", name) for name in _names_in_text(tag))
    yield from ((f"{place}context", name) for name in _names_in_value(flow.context))
    if flow.on_finished is not None:
        for name in _names_in_value([flow.on_finished.args, flow.on_finished.options.meta]):
            yield f"{place}on_finished", name
    for step in flow.steps:
        here = f"{place}steps.{step.name}"
        yield from ((here, name) for name in _names_in_value([step.args, step.options.meta]))
        if step.workflow is not None:
            yield from used(step.workflow, f"{here}.")


def fill(value: Any, values: Mapping[str, Any]) -> Any:
    """Return a value with each ``{"$param": …}`` in it replaced; ``{"$literal": …}`` is kept."""
    if isinstance(value, Mapping):
        if (name := _reference(value)) is not None:
            return values[name]
        if value.keys() == {LITERAL}:
            return value[LITERAL]
        return {key: fill(each, values) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [fill(each, values) for each in value]
    return value


def literal(value: Any) -> Any:
    """Return a value that `fill` turns back into this one."""
    if isinstance(value, Mapping):
        if len(value) == 1 and value.keys() <= {PARAM, LITERAL}:
            return {LITERAL: dict(value)}
        return {key: literal(each) for key, each in value.items()}
    return [literal(each) for each in value] if isinstance(value, list | tuple) else value


def fill_text(text: str, values: Mapping[str, Any]) -> str:
    """Return a text with each ``${…}`` in it replaced; ``$$`` stands for a dollar."""
    return _IN_TEXT.sub(lambda found: str(values[found[1]]) if found[1] else "$", text)


def _reference(value: Mapping[str, Any]) -> str | None:
    name = value.get(PARAM)
    return name if len(value) == 1 and isinstance(name, str) else None


def _names_in_value(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        if (name := _reference(value)) is not None:
            yield name
        elif value.keys() != {LITERAL}:
            for each in value.values():
                yield from _names_in_value(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _names_in_value(each)


def _names_in_text(text: str) -> Iterator[str]:
    return (found[1] for found in _IN_TEXT.finditer(text) if found[0] != "$$")


def _misfits(
    name: str, parameter: ParameterDocument, value: Any, *, own_default: bool
) -> Iterator[str]:
    if own_default and value is None:
        return  # an optional one may be nothing
    if not _FITS[parameter.type](value):
        yield f"{name}: it must be of type {parameter.type}, not {value!r:.80}"


def _known(flow: FlowDocument) -> str:
    names = ", ".join(sorted(flow.parameters))
    return f"this workflow has {names}" if names else "this workflow has none"
