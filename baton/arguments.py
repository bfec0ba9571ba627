"""The arguments of a worker, checked when a job is made and again before it runs."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, get_type_hints

from pydantic import PydanticUserError, TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError

from baton import documents
from baton.errors import InvalidArguments, InvalidWorker
from baton.jobs import Job

_POSITIONAL = {inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD}
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
        kept = [*self._parameters.values(), *([self._extra] if self._extra else [])]
        self._signature = inspect.Signature(kept)

    def bind(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Check a call and return its arguments as JSON values; defaults are left out.

        Raises:
            InvalidArguments: it does not fit the signature, or a value is not JSON.
        """
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
        if not isinstance(stored, Mapping):
            raise InvalidArguments(self._worker, ["args is not a JSON object"])
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
            try:
                checked[name] = adapter.validate_python(value) if adapter else value
            except ValidationError as error:
                problems += [_describe(name, value, detail) for detail in error.errors()]
        if problems:
            raise InvalidArguments(self._worker, problems)
        return checked

    def _dump(self, name: str, value: Any) -> Any:
        adapter = self._adapters.get(name)
        return adapter.dump_python(value, mode="json") if adapter else value

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


def _is_job(parameter: inspect.Parameter) -> bool:
    if parameter.kind not in _POSITIONAL:
        return False
    hint = parameter.annotation
    # under `from __future__ import annotations` it is a text that can't be looked up yet
    return hint in {inspect.Parameter.empty, Job, Any} or isinstance(hint, str)


def _describe(name: str, value: Any, detail: Any) -> str:
    where = ".".join([name, *map(str, detail["loc"])])
    shown = repr(value) if not detail["loc"] else repr(detail["input"])
    return f"{where}: {detail['msg']}, not {shown[:80]}"
