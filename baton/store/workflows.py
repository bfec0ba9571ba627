"""Workflows in the database: how they are inserted."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import psycopg
from psycopg import AsyncConnection, Connection

from baton.errors import DatabaseError, DuplicateWorkflow, StatementConflict
from baton.jobs import Job
from baton.store import door
from baton.store.rows import to_job
from baton.store.sheaves import Sheaf
from baton.workflows import Workflow

TRIES = 5  # the workflow that is in the way may end before it is read


async def insert(
    conn: AsyncConnection[Any], schema: str, workflows: Sequence[Workflow], *, limit: int
) -> list[list[Job]]:
    """Insert workflows in one statement; return the jobs of each in the order of its steps.

    When a workflow with the same unique key executes, its jobs are returned instead.

    Raises:
        InvalidWorkflow: a graph has a circle or a hole; nothing is inserted.
        DuplicateWorkflow: an id is taken; nothing is inserted.
        DatabaseError: the database refused or is away.
    """
    batch = _Batch(workflows, limit)
    for _ in range(TRIES):
        try:
            [row] = await door.run(conn, schema, "workflows_insert", batch.sheaf.params())
        except DatabaseError as error:
            raise batch.named(error) from error
        for key in batch.take(row):
            batch.found(key, await door.run(conn, schema, "workflow_executing", {"key": key}))
        if batch.is_done():
            return batch.jobs
    raise batch.given_up()


def insert_sync(
    conn: Connection[Any], schema: str, workflows: Sequence[Workflow], *, limit: int
) -> list[list[Job]]:
    """Do what `insert` does, on a synchronous connection."""
    batch = _Batch(workflows, limit)
    for _ in range(TRIES):
        try:
            [row] = door.run_sync(conn, schema, "workflows_insert", batch.sheaf.params())
        except DatabaseError as error:
            raise batch.named(error) from error
        for key in batch.take(row):
            batch.found(key, door.run_sync(conn, schema, "workflow_executing", {"key": key}))
        if batch.is_done():
            return batch.jobs
    raise batch.given_up()


@dataclass(slots=True)
class _Batch:
    """Workflows that are being inserted; those that were not are tried again."""

    workflows: Sequence[Workflow]
    limit: int
    jobs: list[list[Job]] = field(init=False)
    sheaf: Sheaf = field(init=False)
    _places: list[int] = field(init=False)

    def __post_init__(self) -> None:
        self.jobs = [[] for _ in self.workflows]
        self._places = list(range(len(self.workflows)))
        self.sheaf = Sheaf(self.workflows, self.limit)

    def take(self, row: door.Row) -> list[str]:
        """Read what was inserted; return the unique keys of what was not."""
        inserted, ids, present, due = row
        known = set(inserted)
        jobs = self.sheaf.jobs(known, ids or [], present, due)
        left = []
        for place in self._places:
            workflow = self.workflows[place]
            if workflow.workflow_id in known:
                self.jobs[place] = jobs[workflow.workflow_id]
            else:
                left.append(place)
        self._places = left
        return sorted({key for place in left if (key := self.workflows[place].unique) is not None})

    def found(self, key: str, rows: Sequence[door.Row]) -> None:
        """Take the jobs of the workflow that executes under a key, if it still does."""
        if rows:
            for place in self._places:
                if self.workflows[place].unique == key:
                    self.jobs[place] = [to_job(row, conflict=True) for row in rows]
            self._places = [place for place in self._places if self.workflows[place].unique != key]

    def is_done(self) -> bool:
        """Whether there are jobs of every workflow; if not, make ready for another try."""
        if self._places:
            self.sheaf = Sheaf([self.workflows[place] for place in self._places], self.limit)
        return not self._places

    def given_up(self) -> StatementConflict:
        keys = sorted({str(self.workflows[place].unique) for place in self._places})
        return StatementConflict(f"workflows with the key {', '.join(keys)!r} come and go")

    def named(self, error: DatabaseError) -> Exception:
        cause = error.__cause__
        if isinstance(cause, psycopg.Error) and cause.diag.constraint_name == "workflows_pkey":
            return DuplicateWorkflow(self._taken(cause.diag.message_detail or ""))
        return error

    def _taken(self, detail: str) -> UUID:
        ids = self.sheaf.workflow_ids()
        return next((each for each in ids if str(each) in detail), ids[0])
