"""Logs: one line a fact, for people on a terminal and as JSON otherwise, on standard error.

What user code logs through the standard library comes out in the same form, with the job's id,
worker, queue, attempt and step bound to it.
"""

import logging
import sys
from typing import Any, Literal

import structlog

from baton import verbosity

# without local variables, which structlog shows by default: arguments, tokens, DSNs
_TRACEBACK = structlog.dev.RichTracebackFormatter(show_locals=False)

Format = Literal["auto", "console", "json"]


def configure(level: str, form: Format) -> None:
    """Set up logging for a worker process.

    Args:
        level: the lowest level that is written: debug, info, warning or error.
        form: how lines look; ``auto`` asks whether standard error is a terminal.
    """
    number = logging.getLevelNamesMapping()[level.upper()]
    verbosity.lowest = number
    console = form == "console" or (form == "auto" and sys.stderr.isatty())
    colors = sys.stderr.isatty()
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    last: list[Any] = (
        [structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=_TRACEBACK)]
        if console
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    )
    structlog.configure(
        processors=[*shared, *last],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        # a line is one write: several processes may share the file
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    # a pool tells of each connection that it can't open; that the database is away is said once
    logging.getLogger("psycopg.pool").setLevel(logging.ERROR)
    logging.basicConfig(level=max(number, logging.INFO), handlers=[handler], force=True)
