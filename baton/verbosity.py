"""Which lines are written, for those who ask before they make one for every job; and of errors."""

import logging
import traceback
from typing import Any

lowest = logging.NOTSET  # set by `logs.configure`


def writes(level: int) -> bool:
    """Whether lines of a level are written."""
    return level >= lowest


def report_error(log: Any, event: str, **facts: Any) -> None:
    """Log the error that is being handled, with its traceback and never with local variables.

    structlog shows those by default, to whoever has not set it up: arguments, tokens, passwords.
    """
    log.error(event, exception=traceback.format_exc(), **facts)
