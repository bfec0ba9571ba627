"""What a process holds its jobs with, and how a worker completes its own in a transaction."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import AsyncConnection

from baton.ambient import ambient
from baton.errors import AttemptFailed, CompletedTwice, DatabaseError, InvalidResult, JobLost
from baton.jobs import Addition, Grafted, Job, Meter, keeper_of
from baton.outcomes import Failure, Grafting, Success, encode_result, interpret
from baton.store import door, grafts
from baton.store.borrowed import borrow, borrow_sync, require_transaction

LOST = "BT001"  # what complete_job raises


@dataclass(slots=True)
class Claim:
    """One claim of one job. It goes to child processes, and so holds no connection.

    Attributes:
        schema: the schema.
        lease: the lease under which the job was claimed.
        limit: the largest result of a step in bytes of JSON.
        completed: whether the worker completed the job, in a transaction that may be open or rolled
            back.
        release: which row of ``workflow_releases`` that transaction holds.
        meter: what records its use of language models, in the process that performs it.
        tally: what it has used so far.
    """

    schema: str
    lease: int
    limit: int
    completed: bool = False
    release: int | None = None
    meter: Meter | None = None
    tally: Any = None

    async def complete(self, job: Job, conn: Any, result: Any) -> None:
        """Complete the job in the transaction of ``conn``; `Job.complete_in` says more."""
        text = self._text(job, result)
        if text is not None and (keeper := keeper_of(job)) is not None:
            text = await keeper.keep(job, text)
        params = self._params(job, text)
        found = await borrow(conn)
        require_transaction(found)
        with self.fenced(job):
            [(release,)] = await door.run(found, self.schema, "job_complete", params)
        self.completed, self.release = True, release

    def complete_sync(self, job: Job, conn: Any, result: Any) -> None:
        """Do what `complete` does, on a synchronous connection."""
        text = self._text(job, result)
        if text is not None and (keeper := keeper_of(job)) is not None:
            text = keeper.keep_sync(job, text)
        params = self._params(job, text)
        found = borrow_sync(conn)
        require_transaction(found)
        with self.fenced(job):
            [(release,)] = door.run_sync(found, self.schema, "job_complete", params)
        self.completed, self.release = True, release

    async def store(self, job: Job, result: Any) -> None:
        """Store the result of a step while it runs; `Job.store_result` says more."""
        text = self._encoded(job, result)
        if (keeper := keeper_of(job)) is not None:
            text = await keeper.keep(job, text)
        # whoever performs claimed jobs has set clients of its own, to the same database
        client: Any = ambient.client
        if not await client.store_result(job, lease=self.lease, result=text):
            raise JobLost(job.id)

    def store_sync(self, job: Job, result: Any) -> None:
        """Do what `store` does, for code without an event loop."""
        text = self._encoded(job, result)
        if (keeper := keeper_of(job)) is not None:
            text = keeper.keep_sync(job, text)
        client: Any = ambient.sync_client
        if not client.store_result(job, lease=self.lease, result=text):
            raise JobLost(job.id)

    def _encoded(self, job: Job, result: Any) -> str:
        if self.completed:
            raise CompletedTwice(job.id)
        return encode_result(result, None if keeper_of(job) is not None else self.limit)

    def _text(self, job: Job, result: Any) -> str | None:
        limit = None if keeper_of(job) is not None else self.limit
        match interpret(result, stores=job.step is not None, limit=limit):
            case Success(text):
                return text
            case Failure(error=BaseException() as error) if not isinstance(error, AttemptFailed):
                raise error
            case _:
                raise InvalidResult(f"{result!r} says that the job is not completed")

    async def complete_with(self, job: Job, conn: AsyncConnection[Any], grafting: Grafting) -> None:
        """Complete the job and add what its worker returned, in a transaction of its own.

        Args:
            job: a step.
            conn: which commits by itself.
            grafting: what the worker returned.

        Raises:
            JobLost: the job was cancelled or given to others.
            InvalidWorkflow: what is to be added does not fit the workflow.
            DatabaseError: the database refused or is away.
        """
        params = {
            **self.fence(job),
            "result": grafting.result,
            "step": True,
            "before": False,
            "graft": grafting.plan,
        }
        with grafts.refusals(), self.fenced(job):
            [(release,)] = await door.run(conn, self.schema, "job_complete", params)
        self.completed, self.release = True, release

    async def graft(self, job: Job, graft: Addition) -> Grafted:
        """Add steps while the job runs, over the client of the process."""
        grafted: Grafted = await ambient.client.graft_job(job, graft)
        return grafted

    def graft_sync(self, job: Job, graft: Addition) -> Grafted:
        """Do what `graft` does, for plain functions."""
        grafted: Grafted = ambient.sync_client.graft_job(job, graft)
        return grafted

    def fence(self, job: Job) -> dict[str, Any]:
        """Return what a statement names that is to be refused when the job is lost."""
        return {"lease": self.lease, "job_id": job.id, "epoch": job.epoch}

    def _params(self, job: Job, text: str | None) -> dict[str, Any]:
        return {
            **self.fence(job),
            "result": text,
            "step": job.step is not None,
            "before": self.completed,
            "graft": None,
        }

    @contextmanager
    def fenced(self, job: Job) -> Iterator[None]:
        """Say that the job is lost where a statement found it so."""
        try:
            yield
        except DatabaseError as error:
            if isinstance(error.__cause__, psycopg.Error) and error.__cause__.sqlstate == LOST:
                lost = CompletedTwice(job.id) if self.completed else JobLost(job.id)
                raise lost from error
            raise
