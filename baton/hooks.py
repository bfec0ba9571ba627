"""What a program puts around its jobs.

Middleware, checks before an insert, carried context, and resources that are opened once a process.
"""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from contextvars import ContextVar
from inspect import iscoroutinefunction
from typing import Any, TypeVar

from baton.errors import InvalidHook
from baton.jobs import Job, NewJob

Next = Callable[[Job], Awaitable[Any]]
Middleware = Callable[[Job, Next], Awaitable[Any]]
BeforeInsert = Callable[[NewJob], NewJob]
ErrorRedactor = Callable[[Job, str], str]
Lifespan = Callable[[], AbstractAsyncContextManager[Mapping[str, Any] | None]]

M = TypeVar("M", bound=Middleware)
B = TypeVar("B", bound=BeforeInsert)
L = TypeVar("L", bound=Lifespan)
E = TypeVar("E", bound=ErrorRedactor)


class Hooks:
    """The hooks of a registry. Each method can be used as a decorator."""

    def __init__(self) -> None:
        super().__init__()
        self._middleware: list[Middleware] = []
        self._before_insert: list[BeforeInsert] = []
        self._lifespans: list[Lifespan] = []
        self._carried: dict[str, ContextVar[Any]] = {}
        self._error_redactor: ErrorRedactor | None = None

    def middleware(self, around: M) -> M:
        """Put a function around every attempt: ``async def around(job, call_next)``.

        It returns what ``await call_next(job)`` returns, or something else, and may return an
        outcome like ``Snooze`` without calling it. The first one is the outermost.
        """
        self._middleware.append(around)
        return around

    def before_insert(self, check: B) -> B:
        """Call a function with every new job: it returns the job to insert, or raises to refuse."""
        self._before_insert.append(check)
        return check

    def lifespan(self, opened: L) -> L:
        """Open something when a worker process starts, and close it when the process ends.

        ``opened`` is a function that returns an asynchronous context manager, as
        ``contextlib.asynccontextmanager`` makes it. What it yields, a mapping, is what parameters
        with ``= resource("name")`` are given.
        """
        self._lifespans.append(opened)
        return opened

    def carry(self, variable: ContextVar[Any], name: str | None = None) -> None:
        """Carry a context variable from where a job is inserted to where it is performed.

        Its value must be JSON; it stands in ``meta.context``.

        Args:
            variable: what to carry; where it is not set nothing is carried.
            name: what it is called in the job; by default the variable's own name.

        Raises:
            InvalidHook: another variable has the name.
        """
        name = name or variable.name
        if self._carried.setdefault(name, variable) is not variable:
            raise InvalidHook(f"another context variable is carried as {name!r} already")

    def redact_errors(self, redact: E) -> E:
        """Change every text of an error before it is stored, logged or told.

        ``def redact(job, text)`` gets the messages and tracebacks of failed attempts, the reasons
        of ``Discard`` and ``Cancel``, what ``backoff`` and ``on_dep_*`` raise, and the texts in
        errors of models that are captured, and returns what is kept. Where it raises nothing of
        the text is kept. The last one that is registered counts.

        Raises:
            InvalidHook: it can't be called, or is a coroutine function.
        """
        given: object = redact
        if not callable(given) or iscoroutinefunction(given):
            raise InvalidHook(
                f"redact_errors takes a plain function of job and text, not {given!r}"
            )
        self._error_redactor = redact
        return redact

    @property
    def error_redactor(self) -> ErrorRedactor | None:
        """What changes the texts of errors."""
        return self._error_redactor

    @property
    def lifespans(self) -> tuple[Lifespan, ...]:
        """What to open when a worker process starts, in this order."""
        return tuple(self._lifespans)

    @property
    def has_checks(self) -> bool:
        """Whether a new job is given to a check before it is inserted."""
        return bool(self._before_insert)

    def checked(self, job: NewJob) -> NewJob:
        """Return a new job as the checks before an insert leave it."""
        for check in self._before_insert:
            job = check(job)
            if not isinstance(job, NewJob):
                raise InvalidHook(f"{check!r} must return the job, not {job!r}")
        return job

    def wrap(self, call: Next) -> Next:
        """Return a call with all the middleware around it."""
        for around in reversed(self._middleware):
            call = _around(around, call)
        return call

    def context(self) -> dict[str, Any]:
        """Return the values of the carried variables that are set here."""
        if not self._carried:
            return {}
        unset = object()
        values = {name: variable.get(unset) for name, variable in self._carried.items()}
        return {name: value for name, value in values.items() if value is not unset}

    def restore(self, context: Any) -> None:
        """Set the carried variables in the present context to what a job brought."""
        if isinstance(context, Mapping):
            for name, value in context.items():
                if name in self._carried:
                    self._carried[name].set(value)


def _around(around: Middleware, call: Next) -> Next:
    async def wrapped(job: Job) -> Any:
        return await around(job, call)

    return wrapped
