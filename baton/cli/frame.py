"""What surrounds every command: errors become one sentence and an exit code."""

import functools
import io
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import ParamSpec, TypeVar

import typer

from baton.cli.masking import masked
from baton.errors import (
    AlreadyAnswered,
    ApprovalEnded,
    BatonError,
    ChangeRefused,
    ConfigurationError,
    DatabaseError,
    DuplicateCron,
    DuplicateWorkflow,
    InvalidAnswer,
    InvalidBudget,
    InvalidCron,
    InvalidFilter,
    InvalidJob,
    InvalidQueue,
    InvalidSearch,
    InvalidWorker,
    InvalidWorkflow,
    JobStateRefused,
    MaintenanceBusy,
    NotAnApproval,
    NotFound,
    NothingToCancel,
    NothingToRetry,
    StatementTimeout,
    StepBegun,
    StepCompleted,
    StepTaken,
    TimedOut,
    WorkflowEnded,
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
    CONFLICT = 5
    UNFINISHED = 5  # of a worker process: it gave jobs back
    TIMEOUT = 124
    INTERRUPTED = 130


# the first that fits: the narrower ones stand before those that they are kinds of
_CODES: tuple[tuple[type[BatonError], ExitCode], ...] = (
    (AlreadyAnswered, ExitCode.CONFLICT),
    (ApprovalEnded, ExitCode.CONFLICT),
    (DuplicateCron, ExitCode.CONFLICT),
    (DuplicateWorkflow, ExitCode.CONFLICT),
    (ChangeRefused, ExitCode.CONFLICT),
    (JobStateRefused, ExitCode.CONFLICT),
    (MaintenanceBusy, ExitCode.CONFLICT),
    (NothingToCancel, ExitCode.CONFLICT),
    (NothingToRetry, ExitCode.CONFLICT),
    (StepBegun, ExitCode.CONFLICT),
    (StepCompleted, ExitCode.CONFLICT),
    (StepTaken, ExitCode.CONFLICT),
    (WorkflowEnded, ExitCode.CONFLICT),
    (StatementTimeout, ExitCode.TIMEOUT),
    (TimedOut, ExitCode.TIMEOUT),
    (ConfigurationError, ExitCode.USAGE),
    (InvalidAnswer, ExitCode.USAGE),
    (NotAnApproval, ExitCode.USAGE),
    (InvalidJob, ExitCode.USAGE),
    (InvalidQueue, ExitCode.USAGE),
    (InvalidFilter, ExitCode.USAGE),
    (InvalidWorker, ExitCode.USAGE),
    (InvalidCron, ExitCode.USAGE),
    (InvalidBudget, ExitCode.USAGE),
    (InvalidWorkflow, ExitCode.USAGE),
    (NotFound, ExitCode.NOT_FOUND),
    (DatabaseError, ExitCode.DATABASE),
)


@dataclass
class Frame:
    """What the options before the command say."""

    debug: bool = False
    actor: str | None = None


frame = Frame()


def guarded(command: Callable[P, R]) -> Callable[P, R]:
    """Wrap a command so that its errors are sentences; ``--debug`` keeps their tracebacks."""

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
            # what a terminal has no letter for is no reason to end after the deed is done
            sys.stdout.reconfigure(errors="backslashreplace")
        try:
            result = command(*args, **kwargs)
            sys.stdout.flush()  # so that a closed pipe shows here and not at the very end
        except (KeyboardInterrupt, typer.Abort):
            raise typer.Exit(ExitCode.INTERRUPTED) from None
        except BrokenPipeError:
            # the reader has seen enough; Python would complain again when it flushes at the end
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(ExitCode.OK) from None
        except (BatonError, BaseExceptionGroup) as error:
            found = next(_ours(error), None)
            if found is None:
                raise
            if frame.debug:
                sys.excepthook(type(error), error, error.__traceback__)
                raise typer.Exit(exit_code(found)) from None
            print(f"error: {masked(' '.join(str(found).split()))}", file=sys.stderr)
            if isinstance(found, InvalidSearch) and sys.stderr.isatty():
                print(masked(found.pointed()), file=sys.stderr)
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
