"""Errors of the database and of the way to it."""

from collections.abc import Collection

from baton.errors.base import BatonError


class ConfigurationError(BatonError):
    """A setting that can't be used."""


class CannotListen(ConfigurationError):
    """Somebody subscribes to events where no connection can listen."""

    def __init__(self) -> None:
        super().__init__(
            "events need a connection that listens, and these settings have none: set listen_dsn "
            "to an address past the pooler"
        )


class InvalidConnection(BatonError, TypeError):
    """What was passed as ``conn`` can't be used."""


class DatabaseError(BatonError):
    """The database refused, failed or could not be reached; the driver's error is the cause."""


class DatabaseUnavailable(DatabaseError):
    """There is no connection to the database, or it was lost."""


class StatementConflict(DatabaseError):
    """A deadlock or a serialization failure: the transaction was undone and may be tried again."""


class InvalidData(DatabaseError):
    """The database refused a value."""


class SchemaMissing(DatabaseError):
    """The database has no Baton schema."""

    def __init__(self, schema: str) -> None:
        super().__init__(
            f'the database has no Baton tables in schema "{schema}"; run: '
            f"baton migrate{'' if schema == 'baton' else f' --schema {schema}'}"
        )


class SchemaDamaged(DatabaseError):
    """Something is missing in the schema, though its version is right."""

    def __init__(self, schema: str, reason: str) -> None:
        super().__init__(
            f'the schema "{schema}" lacks what this Baton needs ({reason}); run: '
            f"baton migrate{'' if schema == 'baton' else f' --schema {schema}'}"
        )


class SchemaOutdated(DatabaseError):
    """The schema is older than this Baton needs."""

    def __init__(self, schema: str, found: int, needed: int) -> None:
        super().__init__(
            f'the schema "{schema}" is at migration {found} and this Baton needs {needed}; run: '
            f"baton migrate{'' if schema == 'baton' else f' --schema {schema}'}"
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
