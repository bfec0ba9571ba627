"""Conditions: named predicates that decide whether a step of a workflow runs."""

import inspect
from collections.abc import Awaitable, Callable
from typing import Any, Generic, TypeVar

from baton.documents import check_text
from baton.errors import DuplicateCondition, InvalidCondition, UnknownCondition
from baton.jobs import Job

A_co = TypeVar("A_co", bound="bool | Awaitable[bool]", covariant=True)
A = TypeVar("A", bound="bool | Awaitable[bool]")


class Condition(Generic[A_co]):
    """A predicate under `condition`: callable as before, and what ``when=`` takes.

    Attributes:
        name: what steps call it.
        is_async: whether calling it gives an awaitable; otherwise it runs in a thread.
    """

    def __init__(self, name: str, function: Callable[[Job], A_co]) -> None:
        self._function = function
        self.name = name
        self.is_async = inspect.iscoroutinefunction(function)
        self.__doc__ = function.__doc__
        self.__wrapped__ = function

    def __call__(self, job: Job, /) -> A_co:
        return self._function(job)

    def __repr__(self) -> str:
        return f"<condition {self.name}>"

    @property
    def origin(self) -> tuple[str, int]:
        """The file and line that define it; the same twice means the same code imported twice."""
        code = inspect.unwrap(self._function).__code__
        return code.co_filename, code.co_firstlineno


class Conditions:
    """The conditions of a registry, by name."""

    def __init__(self) -> None:
        super().__init__()
        self._conditions: dict[str, Condition[Any]] = {}

    def condition(self, *, name: str | None = None) -> Callable[[Callable[[Job], A]], Condition[A]]:
        """Do what `baton.condition` does, in this registry."""

        def decorate(function: Callable[[Job], A]) -> Condition[A]:
            made = Condition(_checked(name, function), function)
            present = self._conditions.setdefault(made.name, made)
            if present.origin != made.origin:
                raise DuplicateCondition(made.name)
            self._conditions[made.name] = made
            return made

        return decorate

    def find_condition(self, name: str) -> Condition[Any]:
        """Return the condition of that name.

        Raises:
            UnknownCondition: there is none.
        """
        try:
            return self._conditions[name]
        except KeyError:
            raise UnknownCondition(name, self._conditions.keys()) from None


def _checked(name: str | None, function: Any) -> str:
    if not inspect.isfunction(inspect.unwrap(function)):
        raise InvalidCondition(f"@condition() takes a function of the job, not {function!r}")
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise InvalidCondition(
            f"{function.__qualname__} is a generator; a condition returns a bool"
        )
    try:
        inspect.signature(function).bind(None)
    except TypeError:
        raise InvalidCondition(f"{function.__qualname__} must take one argument, the job") from None
    try:
        return check_text(function.__name__ if name is None else name, "the name of a condition")
    except ValueError as error:
        raise InvalidCondition(str(error)) from None
