"""The part of a client that reads what was captured of steps: ``client.debug``."""

from uuid import UUID

from baton.filters import check_limit
from baton.llm.capture import LogEntry
from baton.store import llm as store
from baton.store.asking import answer, answer_sync
from baton.store.pools import Database, SyncDatabase


class DebugLogs:
    """Reads what was captured of jobs and steps that run with debug on."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def entries(
        self, subject: UUID | str | int, step: str | None = None, *, limit: int = 100
    ) -> list[LogEntry]:
        """Return the newest entries of a job or a step, in the order in which they were captured.

        Args:
            subject: the id of a job, or that of a workflow, or the beginning of that.
            step: the name of a step of the workflow.
            limit: how many at most.

        Raises:
            NotFound: there is no such workflow or step.
            InvalidFilter: a workflow is named without a step, or the limit is no number above 0.
            DatabaseError: the database refused or is away.
        """
        asking = store.captures(subject, step, check_limit(limit))
        return await answer(self._database, asking)


class SyncDebugLogs:
    """Does what `DebugLogs` does, for programs without an event loop."""

    def __init__(self, database: SyncDatabase) -> None:
        self._database = database

    def entries(
        self, subject: UUID | str | int, step: str | None = None, *, limit: int = 100
    ) -> list[LogEntry]:
        """Do what `DebugLogs.entries` does."""
        asking = store.captures(subject, step, check_limit(limit))
        return answer_sync(self._database, asking)
