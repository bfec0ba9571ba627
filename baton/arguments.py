"""The arguments of a worker, checked when a job is made and again before it runs."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, get_type_hints

from pydantic import PydanticUserError, TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError

from baton import documents
from baton.errors import InvalidArguments, InvalidWorker
from baton.jobs import Job
from baton.masking import shown

_POSITIONAL = {inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD}
_SCALARS: frozenset[type] = frozenset({str, int, float, bool, type(None)})
_UNCHANGED: Mapping[str, frozenset[type]] = {  # by the name of the schema
    "any": _SCALARS,
    "str": frozenset({str}),
    "int": frozenset({int}),
    "float": frozenset({float}),
    "bool": frozenset({bool}),
    "none": frozenset({type(None)}),
}
_NAMED = {inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY}


@dataclass(frozen=True, slots=True)
class Resource:
    """Stands as the default of a parameter that a lifespan's resource is given to."""

    name: str


def resource(name: str) -> Any:
    """Mark a parameter that a resource is given to, what a lifespan yields under that name.

    Write ``db: Pool = resource("db")``. The parameter is no argument of the job. Whoever calls the
    function directly passes a value.
    """
    return Resource(name)


class Arguments:
    """Checks and converts the arguments of one worker.

    Args:
        worker: the worker's name, for messages.
        function: what is called; its first parameter is the job, the others are the arguments.
        skip: how many parameters stand before the job (``self``).

    Attributes:
        resources: the resources that parameters ask for, by name of the parameter.

    Raises:
        InvalidWorker: the first parameter is not the job, or the others have no names.
    """

    def __init__(self, worker: str, function: Callable[..., Any], *, skip: int = 0) -> None:
        self._worker = worker
        self._function = function
        parameters = list(inspect.signature(function).parameters.values())[skip:]
        if not parameters or not _is_job(parameters[0]):
            raise InvalidWorker(
                f"the first parameter of {worker} must be the job, as in "
                f"def {function.__name__}(job: Job, …)"
            )
        given = {parameter.name: parameter for parameter in parameters[1:]}
        self.resources = {
            name: parameter.default.name
            for name, parameter in given.items()
            if isinstance(parameter.default, Resource)
        }
        self._parameters = {
            name: parameter for name, parameter in given.items() if name not in self.resources
        }
        self._extra = None
        for name, parameter in list(self._parameters.items()):
            if parameter.kind is inspect.Parameter.VAR_KEYWORD:
                self._extra = self._parameters.pop(name)
            elif parameter.kind not in _NAMED:
                raise InvalidWorker(
                    f"{worker} takes {parameter}, but the arguments of a job have names; "
                    f"declare it as a named parameter"
                )
        self._names = frozenset(self._parameters)
        self._positional = tuple(
            name for name, each in self._parameters.items() if each.kind in _POSITIONAL
        )
        self._required = frozenset(
            name
            for name, each in self._parameters.items()
            if each.default is inspect.Parameter.empty
        )
        kept = [*self._parameters.values(), *([self._extra] if self._extra else [])]
        self._signature = inspect.Signature(kept)

    def bind(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Check a call and return its arguments as JSON values; defaults are left out.

        Raises:
            InvalidArguments: it does not fit the signature, or a value is not JSON.
        """
        values = self._simple(args, kwargs)
        return values if values is not None else self._bind(args, kwargs)

    def _simple(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the arguments of a fitting call whose values need neither check nor change."""
        if len(args) > len(self._positional):
            return None
        values = dict(zip(self._positional, args, strict=False)) if args else {}
        values |= kwargs
        if len(values) != len(args) + len(kwargs) or not (
            self._required <= values.keys() <= self._names
        ):
            return None
        for name, value in values.items():
            if type(value) not in self._kinds[name] or not documents.is_plain(value):
                return None
        return values

    def _bind(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        try:
            bound = self._signature.bind(*args, **kwargs).arguments
        except TypeError as error:
            raise InvalidArguments(self._worker, [str(error)]) from None
        extra = bound.pop(self._extra.name, {}) if self._extra else {}
        values = {**bound, **extra}
        checked = self._check(values)
        problems = []
        for name, value in checked.items():
            try:
                checked[name] = self._dump(name, value)
                documents.encode(checked[name])
            except (ValueError, PydanticSerializationError) as error:
                problems.append(f"{name}: {error}")
        if problems:
            raise InvalidArguments(self._worker, problems)
        return checked

    def load(self, stored: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments to call the worker with, from what stands in the job.

        Raises:
            InvalidArguments: the worker's signature has changed since, or the row was edited.
        """
        if type(stored) is not dict and not isinstance(stored, Mapping):
            raise InvalidArguments(self._worker, ["args is not a JSON object"])
        if not stored and not self._parameters:
            return {}
        problems = [
            f"{name}: missing"
            for name, parameter in self._parameters.items()
            if name not in stored and parameter.default is inspect.Parameter.empty
        ]
        if self._extra is None:
            problems += [f"{name}: unknown" for name in stored if name not in self._parameters]
        if problems:
            raise InvalidArguments(self._worker, problems)
        return self._check(stored)

    def _check(self, values: Mapping[str, Any]) -> dict[str, Any]:
        checked = {}
        problems = []
        for name, value in values.items():
            adapter = self._adapters.get(name)
            if adapter is None or type(value) in self._kinds[name]:
                checked[name] = value
                continue
            try:
                checked[name] = adapter.validate_python(value)
            except ValidationError as error:
                problems += [_describe(name, value, detail) for detail in error.errors()]
        if problems:
            raise InvalidArguments(self._worker, problems)
        return checked

    def _dump(self, name: str, value: Any) -> Any:
        adapter = self._adapters.get(name)
        return adapter.dump_python(value, mode="json") if adapter else value

    @cached_property
    def _kinds(self) -> dict[str, frozenset[type]]:
        """The exact types of values that pydantic leaves as they are, by parameter."""
        return {
            name: _exact(self._adapters[name].core_schema) if name in self._adapters else _SCALARS
            for name in self._names
        }

    @cached_property
    def _adapters(self) -> dict[str, TypeAdapter[Any]]:
        """One adapter per annotated parameter; built late, so that annotations may look forward."""
        try:
            hints = get_type_hints(self._function, include_extras=True)
            return {
                name: TypeAdapter(hints[name])
                for name in self._parameters
                if hints.get(name, Any) is not Any
            }
        except (NameError, PydanticUserError) as error:
            reason = str(error).splitlines()[0]
            raise InvalidWorker(
                f"an annotation of {self._worker} can't be used: {reason}"
            ) from None


def _exact(schema: Any) -> frozenset[type]:
    """Return the types whose values a schema of pydantic gives back unchanged, exact ones only."""
    match schema:
        case {"type": "nullable", "schema": inner, **options} if not options:
            return _exact(inner) | _UNCHANGED["none"]
        case {"type": str(kind), **options} if kind in _UNCHANGED and not options:
            return _UNCHANGED[kind]
        case _:
            return frozenset()


def _is_job(parameter: inspect.Parameter) -> bool:
    if parameter.kind not in _POSITIONAL:
        return False
    hint = parameter.annotation
    # under `from __future__ import annotations` it is a text that can't be looked up yet
    return hint in {inspect.Parameter.empty, Job, Any} or isinstance(hint, str)


def _describe(name: str, value: Any, detail: Any) -> str:
    path = [name, *map(str, detail["loc"])]
    given = shown(path, detail["input"] if detail["loc"] else value)
    return f"{'.'.join(path)}: {detail['msg']}, not {given[:80]}"
