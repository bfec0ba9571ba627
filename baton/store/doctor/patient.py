"""What is examined: a connection, and what the settings say."""

import re
import shlex
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from psycopg import Connection

from baton.checkup import Finding, Limits, Severity
from baton.store import door, sql
from baton.store.door import Row
from baton.store.translation import translated


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What to examine.

    Attributes:
        dsn: the database, as programs reach it.
        direct: as worker processes listen to it; ``None`` when they don't.
        schema: the schema.
        pooled: whether a pooler in transaction mode stands before ``dsn``.
        processes: how many worker processes a machine starts.
        workers: the names that the program registers; ``None`` when it is not known.
        timeout: seconds that a statement may take.
        limits: from where on something is a finding.
        clock: the time of this machine.
    """

    dsn: str
    direct: str | None
    schema: str = "baton"
    pooled: bool = False
    processes: int = 1
    workers: Collection[str] | None = None
    timeout: float = 30.0
    limits: Limits = field(default_factory=Limits)

    def clock(self) -> datetime:
        """Return the time of this machine."""
        return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Patient:
    """A target with an open connection."""

    target: Target
    conn: Connection[Row]

    def run(self, query: str, /, **params: Any) -> Sequence[Row]:
        """Run a query of ``sql/queries``."""
        return door.run_sync(self.conn, self.target.schema, query, params)

    def psql(self, statement: str) -> str:
        """Return the command that runs a statement."""
        quoted = re.sub(r'([\\"$`])', r"\\\1", statement)
        return f'baton psql -c "{quoted}"'

    def baton(self, words: str) -> str:
        """Return a command of Baton's, for this schema."""
        schema = self.target.schema
        option = "" if schema == "baton" else f" --schema {shlex.quote(schema)}"
        return f"baton {words}{option}"


class Finder:
    """Makes the findings of one check."""

    def __init__(self, check: str) -> None:
        self._check = check

    def error(self, sentence: str, command: str | None = None, **facts: Any) -> Finding:
        """Make one of jobs that don't run, or may be lost."""
        return self._made(Severity.ERROR, sentence, command, facts)

    def warning(self, sentence: str, command: str | None = None, **facts: Any) -> Finding:
        """Make one of what costs speed, or will come to an error."""
        return self._made(Severity.WARNING, sentence, command, facts)

    def notice(self, sentence: str, command: str | None = None, **facts: Any) -> Finding:
        """Make one of what may be meant."""
        return self._made(Severity.NOTICE, sentence, command, facts)

    def _made(
        self, severity: Severity, sentence: str, command: str | None, facts: Mapping[str, Any]
    ) -> Finding:
        return Finding(
            check=self._check, severity=severity, sentence=sentence, command=command, facts=facts
        )


@contextmanager
def patient(target: Target) -> Iterator[Patient]:
    """Connect to what is to be examined.

    Raises:
        DatabaseUnavailable: there is no server, or it refuses.
    """
    sql.check_schema(target.schema)
    conn = door.connect_sync(
        target.dsn,
        target.schema,
        timeout=target.timeout,
        name="baton doctor",
        pooled=target.pooled,
    )
    with translated(target.schema), conn:
        yield Patient(target, conn)
