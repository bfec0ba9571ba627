"""What the errors of the driver become."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from baton.errors import (
    AccessRefused,
    DatabaseError,
    DatabaseUnavailable,
    FilterTimeout,
    InvalidData,
    SchemaDamaged,
    SchemaMissing,
    StatementConflict,
    StatementTimeout,
)

_MISSING = (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName)
_DAMAGED = (
    psycopg.errors.UndefinedFunction,
    psycopg.errors.UndefinedObject,
    psycopg.errors.UndefinedColumn,
)
_CONFLICTS = (psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure)
# A value may be too large for PostgreSQL, which psycopg takes for trouble of the server.
_TOO_LARGE = (
    psycopg.errors.ProgramLimitExceeded,
    psycopg.errors.StatementTooComplex,
    psycopg.errors.TooManyArguments,
)
_NO_ACCESS = (
    psycopg.errors.InvalidPassword,
    psycopg.errors.InvalidAuthorizationSpecification,
    psycopg.errors.InvalidCatalogName,
)
# libpq gives no SQLSTATE for a connection that failed, only words. A server that speaks another
# language is not understood, and what it refuses counts as trouble that may pass.
_REFUSED = re.compile(
    r"""FATAL:\s+(?:
      (?:password|Peer|Ident|certificate)\ authentication\ failed
      | role\ ".*"\ (?:does\ not\ exist|is\ not\ permitted\ to\ log\ in)
      | database\ ".*"\ does\ not\ exist
      | no\ pg_hba\.conf\ entry | pg_hba\.conf\ rejects
      | permission\ denied\ for\ database
      | no\ such\ (?:user|database) | SASL\ authentication\ failed  # as PgBouncer says it
    ) | no\ password\ supplied""",
    re.VERBOSE,
)
_EACH_HOST = re.compile(r"^- host: ", re.MULTILINE)  # psycopg's list, after several attempts
_NOTIFYING = "PreCommit_Notify"  # the server's function that finds its queue of notifications full
_REPLICATING = "SyncRepWaitForLSN"  # the one that waits for a synchronous standby
_ENDED = (  # by the server, after a time
    psycopg.errors.IdleInTransactionSessionTimeout,
    psycopg.errors.TransactionTimeout,
)


@contextmanager
def translated(schema: str) -> Iterator[None]:
    """Turn psycopg's errors into Baton's, with the original as the cause."""
    try:
        yield
    except psycopg.Error as error:
        raise translation(error, schema) from error


def translation(
    error: psycopg.Error, schema: str, *, maybe_done: bool = False, filtered: bool = False
) -> DatabaseError:
    """Return Baton's error for one of psycopg's.

    Args:
        error: what psycopg raised.
        schema: the schema, for the message.
        maybe_done: whether the connection was lost while a commit was under way.
        filtered: whether the statement has conditions that somebody wrote.
    """
    if isinstance(error, _MISSING):
        return SchemaMissing(schema)
    if isinstance(error, _DAMAGED):
        return SchemaDamaged(schema, first_line(error))
    if isinstance(error, _CONFLICTS):
        return StatementConflict(first_line(error))
    if isinstance(error, psycopg.errors.QueryCanceled):
        if filtered:
            return FilterTimeout(first_line(error))
        return StatementTimeout(first_line(error), maybe_done=maybe_done)
    if isinstance(error, psycopg.DataError) or _is_too_large(error):
        return InvalidData(first_line(error))
    if isinstance(error, psycopg.errors.ReadOnlySqlTransaction):
        return DatabaseUnavailable(f"the database takes no writes ({first_line(error)})")
    if isinstance(error, _NO_ACCESS) or _is_refused(error):
        return AccessRefused(first_line(error))
    if isinstance(error, (psycopg.OperationalError, psycopg.InterfaceError, *_ENDED)):
        return DatabaseUnavailable(first_line(error), maybe_done=maybe_done)
    return DatabaseError(first_line(error))


def tells_unconfirmed(notice: psycopg.errors.Diagnostic) -> bool:
    """Whether a server says that it waits for its standby no longer: the commit is its own alone.

    It is a warning without a state of its own, and the commit succeeds.
    """
    return notice.source_function == _REPLICATING


def _is_refused(error: psycopg.Error) -> bool:
    """Whether the server, or every host that was tried, lets nobody in like this."""
    if error.sqlstate is not None or not isinstance(error, psycopg.OperationalError):
        return False
    attempts = _EACH_HOST.split(str(error))
    return all(map(_REFUSED.search, attempts[1:] or attempts))


def _is_too_large(error: psycopg.Error) -> bool:
    return isinstance(error, _TOO_LARGE) and error.diag.source_function != _NOTIFYING


def first_line(error: BaseException) -> str:
    """Return what an error says, without the position and the hints that may follow."""
    if isinstance(error, psycopg.Error) and error.diag.message_primary:
        return error.diag.message_primary
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__qualname__
