"""What surrounds every command: errors become one sentence and an exit code."""

import functools
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import ParamSpec, TypeVar

import typer

from baton.errors import (
    BatonError,
    ConfigurationError,
    DatabaseError,
    InvalidCron,
    InvalidFilter,
    InvalidJob,
    InvalidQueue,
    InvalidWorker,
    InvalidWorkflow,
    NotFound,
)

P = ParamSpec("P")
R = TypeVar("R")


class ExitCode(IntEnum):
    """What the shell is told."""

    OK = 0
    FAILED = 1
    USAGE = 2
    NOT_FOUND = 3
    DATABASE = 4
    UNFINISHED = 5
    INTERRUPTED = 130


_CODES: tuple[tuple[type[BatonError], ExitCode], ...] = (
    (ConfigurationError, ExitCode.USAGE),
    (InvalidJob, ExitCode.USAGE),
    (InvalidQueue, ExitCode.USAGE),
    (InvalidFilter, ExitCode.USAGE),
    (InvalidWorker, ExitCode.USAGE),
    (InvalidCron, ExitCode.USAGE),
    (InvalidWorkflow, ExitCode.USAGE),
    (NotFound, ExitCode.NOT_FOUND),
    (DatabaseError, ExitCode.DATABASE),
)


@dataclass
class Frame:
    """What the options before the command say."""

    debug: bool = False


frame = Frame()


def guarded(command: Callable[P, R]) -> Callable[P, R]:
    """Wrap a command so that its errors are sentences; ``--debug`` keeps their tracebacks."""

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            result = command(*args, **kwargs)
            sys.stdout.flush()  # so that a closed pipe shows here and not at the very end
        except KeyboardInterrupt:
            raise typer.Exit(ExitCode.INTERRUPTED) from None
        except BrokenPipeError:
            # the reader has seen enough; Python would complain again when it flushes at the end
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(ExitCode.OK) from None
        except (BatonError, BaseExceptionGroup) as error:
            found = next(_ours(error), None)
            if found is None or frame.debug:
                raise
            print(f"error: {' '.join(str(found).split())}", file=sys.stderr)
            raise typer.Exit(exit_code(found)) from None
        return result

    return run


def exit_code(error: BatonError) -> ExitCode:
    """Return the exit code that an error stands for."""
    return next((code for kind, code in _CODES if isinstance(error, kind)), ExitCode.FAILED)


def _ours(error: BaseException) -> Iterator[BatonError]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _ours(inner)
    elif isinstance(error, BatonError):
        yield error
