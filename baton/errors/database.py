"""Errors of the database and of the way to it."""

import shlex
from collections.abc import Collection
from typing import ClassVar

from baton.errors.base import BatonError


class ConfigurationError(BatonError):
    """A setting that can't be used."""


class CannotServe(ConfigurationError):
    """The address on which a process is to answer over HTTP can't be used."""

    def __init__(self, address: str, reason: str) -> None:
        super().__init__(f"can't listen on {address}: {reason}")
        self.address = address


class CannotListen(ConfigurationError):
    """Somebody subscribes to events where no connection can listen."""

    def __init__(self) -> None:
        super().__init__(
            "events need a connection that listens, and these settings have none: set listen_dsn "
            "to an address past the pooler"
        )


class UnknownRole(ConfigurationError):
    """Rights are to be granted to a role that the server does not have."""

    def __init__(self, role: str) -> None:
        super().__init__(
            f"the server has no role {role!r}; make it first, as an administrator: "
            f"create role … login"
        )
        self.role = role


class InvalidConnection(BatonError, TypeError):
    """What was passed as ``conn`` can't be used."""


class DatabaseError(BatonError):
    """The database refused, failed or could not be reached; the driver's error is the cause.

    Attributes:
        transient: whether the same may succeed later, with nothing changed.
        maybe_done: whether what was asked for may have been done all the same: the connection was
            lost before the answer came. Otherwise nothing was done.
    """

    transient: ClassVar[bool] = False
    maybe_done: bool = False


class DatabaseUnavailable(DatabaseError):
    """The database is away, starts, takes no writes, has no room, or took too long.

    Args:
        reason: what is the matter.
        maybe_done: as the attribute.
    """

    transient = True

    def __init__(self, reason: str, *, maybe_done: bool = False) -> None:
        doubt = "; what was asked for may have been done all the same" if maybe_done else ""
        super().__init__(f"{reason}{doubt}")
        self.maybe_done = maybe_done


class AccessRefused(DatabaseUnavailable):
    """The server answers and lets nobody in like this: the password, the role or the database."""

    transient = False


class CommitUnconfirmed(DatabaseUnavailable):
    """A synchronous standby did not confirm a commit in time; it is done, on the primary alone."""

    def __init__(self, *, maybe_done: bool = False) -> None:
        super().__init__(
            "the synchronous standby does not confirm what is committed", maybe_done=maybe_done
        )


class StatementConflict(DatabaseError):
    """A deadlock or a serialization failure: the transaction was undone and may be tried again."""

    transient = True


class StatementTimeout(DatabaseUnavailable):
    """A statement took longer than it may, or was cancelled by somebody; it was undone."""


class FilterTimeout(StatementTimeout):
    """A list was given up because hardly anything fits its filter, and no index leads there.

    Args:
        reason: what the server said.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"this filter takes too long ({reason}): a list is walked from the newest backwards "
            f"until enough fits; narrow the filter by an id, by a workflow, or by a state that few "
            f"are in, such as retryable, executing, discarded or failed"
        )


class InvalidData(DatabaseError):
    """The database refused a value."""


class Unrecorded(DatabaseError):
    """What somebody wants to do can't be written to the audit log, so it was not done.

    Args:
        reason: what the server said.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"nothing was done, because it can't be written to the audit log ({reason}); the role "
            f"needs what a worker may: baton migrate --grant"
        )


def _option(schema: str) -> str:
    return "" if schema == "baton" else f" --schema {shlex.quote(schema)}"


class SchemaMissing(DatabaseError):
    """The database has no Baton schema."""

    def __init__(self, schema: str) -> None:
        super().__init__(
            f'the database has no Baton tables in schema "{schema}"; run: '
            f"baton migrate{_option(schema)}"
        )


class SchemaDamaged(DatabaseError):
    """Something is missing in the schema, though its version is right."""

    def __init__(self, schema: str, reason: str) -> None:
        super().__init__(
            f'the schema "{schema}" lacks what this Baton needs ({reason}); run: '
            f"baton migrate{_option(schema)}"
        )


class SchemaOutdated(DatabaseError):
    """The schema is older than this Baton needs."""

    def __init__(self, schema: str, found: int, needed: int) -> None:
        super().__init__(
            f'the schema "{schema}" is at migration {found} and this Baton needs {needed}; run: '
            f"baton migrate{_option(schema)}"
        )


class SchemaTooNew(DatabaseError):
    """The schema was made by a newer Baton."""

    def __init__(self, schema: str, found: int, known: int) -> None:
        super().__init__(
            f'the schema "{schema}" is at migration {found} and this Baton knows only {known}; '
            f"run: pip install --upgrade baton"
        )


class MigrationChanged(DatabaseError):
    """An applied migration differs from the one that this Baton ships."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"migration {name} was applied with other contents than this Baton ships; "
            f"restore the installed package, or migrate with the version that applied it"
        )
        self.name = name


class MaintenanceBusy(DatabaseError):
    """Two sessions want to rebuild the indexes of a schema at once."""

    def __init__(self, schema: str) -> None:
        super().__init__(f'another "baton maintain --reindex" is at work on schema "{schema}"')


class RebuildHeldUp(DatabaseError):
    """An index was not rebuilt, because a transaction of somebody else did not end."""

    def __init__(self, index: str, seconds: float, holders: Collection[str]) -> None:
        by = ", ".join(holders) or "a transaction that this user can't see"
        super().__init__(
            f"{index} was not rebuilt: for {seconds:g} s it was held up by {by}; "
            f"end that, or try again later"
        )
        self.index = index
