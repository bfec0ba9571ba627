"""What clients do to jobs that are in the table: cancel, retry, delete and update."""

from collections.abc import Iterable, Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager, suppress
from functools import partial
from typing import Any, Unpack

from baton import documents
from baton.changes import Change, check
from baton.errors import ChangeRefused, InvalidFilter, NotFound
from baton.filters import LARGEST_ID, Criteria, JobFilter
from baton.jobs import Job
from baton.llm.tally import Tally
from baton.store import door
from baton.store import operations as store
from baton.store.operations import ACTIONS, CANCEL, DELETE, RETRY, Action, Tell
from baton.store.pools import Database, SyncDatabase
from baton.workers import Registry, current_registry


class Operations:
    """The operations of `Client`.

    Those on many jobs go through the table in short statements, each of which commits by itself;
    with ``conn`` they are all part of its transaction. A job is looked at again when it is changed,
    so one whose state does not fit any more is left alone.
    """

    _database: Database
    _registry: Registry | None
    _limit: int

    async def find_jobs(
        self, *, to: str, progress: Tell | None = None, **which: Unpack[JobFilter]
    ) -> list[int]:
        """Return the ids, ascending, of the jobs that an operation would be done to now.

        Handed over as ``among``, they keep the operation to what somebody was shown, whatever fits
        by then.

        Args:
            to: ``cancel``, ``retry``, ``delete`` or ``edit``.
            progress: is called now and then with the part of the table that was gone through, from
                0 to 1, and with how many jobs were found.
            which: criteria, at least one; `JobFilter` says what they mean.

        Raises:
            InvalidFilter: there is no such operation, no criterion, or one that can't be used.
            DatabaseError: the database refused or is away.
        """
        planned = store.find(Criteria.of(which), _action(to), progress)
        return await store.carry_out(self._database.run, planned)

    async def cancel_job(self, job_id: int, reason: str | None = None, *, conn: Any = None) -> bool:
        """Cancel a job; one that runs is stopped, on whichever machine it is.

        A plain function in a thread can't be stopped: its job is cancelled, and what it returns is
        not looked at.

        Args:
            job_id: which job; one that is not there is no error.
            reason: what its errors say.
            conn: an open connection, as `Client.insert` takes it: it happens in its transaction.

        Returns:
            Whether it was cancelled; false when it had ended, or is not there.

        Raises:
            DatabaseError: the database refused or is away.
        """
        return bool(await self.cancel_jobs(ids=[job_id], reason=reason, conn=conn))

    async def cancel_jobs(
        self,
        *,
        reason: str | None = None,
        dry_run: bool = False,
        progress: Tell | None = None,
        conn: Any = None,
        **which: Unpack[JobFilter],
    ) -> int:
        """Cancel the jobs that fit and have not ended; return how many.

        Args:
            reason: what their errors say.
            dry_run: only count them.
            progress: is called now and then with the part of the table that was gone through, from
                0 to 1, and with how many jobs it was done to.
            conn: an open connection, as `Client.insert` takes it: it happens in its transaction.
            which: criteria, at least one; `JobFilter` says what they mean.

        Raises:
            InvalidFilter: there is no criterion, or one that can't be used.
            DatabaseError: the database refused or is away.
        """
        return await self._act(
            CANCEL, which, reason=reason, dry_run=dry_run, progress=progress, conn=conn
        )

    async def retry_job(self, job_id: int, *, conn: Any = None) -> bool:
        """Run a job again that has ended, or now when it waits for its time.

        One more attempt is allowed when all are used up. A step forgets its result, and waits for
        its dependencies again if they are open.

        Returns:
            Whether it runs again; false when it runs already, is suspended, or is not there.
        """
        return bool(await self.retry_jobs(ids=[job_id], conn=conn))

    async def retry_jobs(
        self,
        *,
        dry_run: bool = False,
        progress: Tell | None = None,
        conn: Any = None,
        **which: Unpack[JobFilter],
    ) -> int:
        """Do what `retry_job` does to the jobs that fit; return how many.

        Unless ids or states are given, it is done to those that failed: retryable, discarded and
        cancelled ones. It takes and raises what `cancel_jobs` does.
        """
        return await self._act(RETRY, which, dry_run=dry_run, progress=progress, conn=conn)

    async def delete_job(self, job_id: int, *, conn: Any = None) -> bool:
        """Delete a job that does not execute; cancel it first if it does.

        Returns:
            Whether it was deleted; false when it executes, or is not there.
        """
        return bool(await self.delete_jobs(ids=[job_id], conn=conn))

    async def delete_jobs(
        self,
        *,
        dry_run: bool = False,
        progress: Tell | None = None,
        conn: Any = None,
        **which: Unpack[JobFilter],
    ) -> int:
        """Delete the jobs that fit and don't execute; return how many.

        It takes and raises what `cancel_jobs` does.
        """
        return await self._act(DELETE, which, dry_run=dry_run, progress=progress, conn=conn)

    async def update_job(
        self, job_id: int, change: Change, *, registry: Registry | None = None, conn: Any = None
    ) -> Job:
        """Change a job while it is locked, and return it.

        Of an executing job only meta, tags, priority and max_attempts can be changed, and of one
        that has ended everything but its time.

        Args:
            job_id: which job.
            change: new values by field (`JobChanges` says which there are), or a function that gets
                the locked job and returns them.
            registry: whose workers' signatures new arguments must fit; by default the client's.
            conn: an open connection, as `Client.insert` takes it: it happens in its transaction.

        Raises:
            NotFound: there is no such job.
            InvalidJob: a value can't be used, or the job's state forbids it; nothing is changed.
            DatabaseError: the database refused or is away.
        """
        decide = partial(
            check, change=change, registry=registry or self._registry or current_registry()
        )
        job = None
        if 0 < job_id <= LARGEST_ID:
            async with self._connection(conn) as connection:
                job = await store.update(
                    connection, self._database.schema, job_id, decide, limit=self._limit
                )
        if job is None:
            raise NotFound("job", job_id)
        return job

    async def update_jobs(
        self,
        change: Change,
        *,
        registry: Registry | None = None,
        dry_run: bool = False,
        progress: Tell | None = None,
        **which: Unpack[JobFilter],
    ) -> int:
        """Do what `update_job` does to all jobs that fit, one after the other; return to how many.

        Those whose state forbids it, and those that are gone by then, are left alone.

        Args:
            change: as `update_job` takes it.
            registry: as `update_job` takes it.
            dry_run: only count the jobs that fit.
            progress: is called with the part that was gone through, from 0 to 1, and with how many
                jobs were changed.
            which: criteria, at least one; `JobFilter` says what they mean.

        Raises:
            InvalidFilter: there is no criterion, or one that can't be used.
            InvalidJob: a value can't be used; the jobs before this one are changed.
            DatabaseError: the database refused or is away.
        """
        ids = await store.carry_out(self._database.run, store.find(Criteria.of(which)))
        if dry_run:
            return len(ids)
        count = 0
        for number, job_id in enumerate(ids, 1):
            with suppress(ChangeRefused, NotFound):
                await self.update_job(job_id, change, registry=registry)
                count += 1
            if progress is not None:
                progress(number / len(ids), count)
        return count

    async def store_result(self, job: Job, *, lease: int, result: str) -> bool:
        """Store the result, as JSON, of a step that runs; `Job.store_result` calls it.

        Returns:
            Whether it still runs under that lease, in this attempt.
        """
        params = {"job_id": job.id, "epoch": job.epoch, "lease": lease, "result": result}
        return bool(await self._database.run("result_store", params))

    async def _act(
        self,
        action: Action,
        which: Mapping[str, Any],
        *,
        reason: str | None = None,
        dry_run: bool,
        progress: Tell | None,
        conn: Any,
    ) -> int:
        planned = store.plan(
            action, Criteria.of(which), reason=reason, dry_run=dry_run, progress=progress
        )
        if conn is None:
            return await store.carry_out(self._database.run, planned)
        async with self._connection(conn) as connection:
            run = partial(door.run, connection, self._database.schema)
            return await store.carry_out(run, planned)

    def _connection(self, conn: Any) -> AbstractAsyncContextManager[Any]:
        raise NotImplementedError


class SyncOperations:
    """The operations of `SyncClient`; `Operations` says more."""

    _database: SyncDatabase
    _registry: Registry | None
    _limit: int

    def find_jobs(
        self, *, to: str, progress: Tell | None = None, **which: Unpack[JobFilter]
    ) -> list[int]:
        """Do what `Client.find_jobs` does."""
        planned = store.find(Criteria.of(which), _action(to), progress)
        return store.carry_out_sync(self._database.run, planned)

    def cancel_job(self, job_id: int, reason: str | None = None, *, conn: Any = None) -> bool:
        """Do what `Client.cancel_job` does."""
        return bool(self.cancel_jobs(ids=[job_id], reason=reason, conn=conn))

    def cancel_jobs(
        self,
        *,
        reason: str | None = None,
        dry_run: bool = False,
        progress: Tell | None = None,
        conn: Any = None,
        **which: Unpack[JobFilter],
    ) -> int:
        """Do what `Client.cancel_jobs` does."""
        return self._act(
            CANCEL, which, reason=reason, dry_run=dry_run, progress=progress, conn=conn
        )

    def retry_job(self, job_id: int, *, conn: Any = None) -> bool:
        """Do what `Client.retry_job` does."""
        return bool(self.retry_jobs(ids=[job_id], conn=conn))

    def retry_jobs(
        self,
        *,
        dry_run: bool = False,
        progress: Tell | None = None,
        conn: Any = None,
        **which: Unpack[JobFilter],
    ) -> int:
        """Do what `Client.retry_jobs` does."""
        return self._act(RETRY, which, dry_run=dry_run, progress=progress, conn=conn)

    def delete_job(self, job_id: int, *, conn: Any = None) -> bool:
        """Do what `Client.delete_job` does."""
        return bool(self.delete_jobs(ids=[job_id], conn=conn))

    def delete_jobs(
        self,
        *,
        dry_run: bool = False,
        progress: Tell | None = None,
        conn: Any = None,
        **which: Unpack[JobFilter],
    ) -> int:
        """Do what `Client.delete_jobs` does."""
        return self._act(DELETE, which, dry_run=dry_run, progress=progress, conn=conn)

    def update_job(
        self, job_id: int, change: Change, *, registry: Registry | None = None, conn: Any = None
    ) -> Job:
        """Do what `Client.update_job` does."""
        decide = partial(
            check, change=change, registry=registry or self._registry or current_registry()
        )
        job = None
        if 0 < job_id <= LARGEST_ID:
            with self._connection(conn) as connection:
                job = store.update_sync(
                    connection, self._database.schema, job_id, decide, limit=self._limit
                )
        if job is None:
            raise NotFound("job", job_id)
        return job

    def update_jobs(
        self,
        change: Change,
        *,
        registry: Registry | None = None,
        dry_run: bool = False,
        progress: Tell | None = None,
        **which: Unpack[JobFilter],
    ) -> int:
        """Do what `Client.update_jobs` does."""
        ids = store.carry_out_sync(self._database.run, store.find(Criteria.of(which)))
        if dry_run:
            return len(ids)
        count = 0
        for number, job_id in enumerate(ids, 1):
            with suppress(ChangeRefused, NotFound):
                self.update_job(job_id, change, registry=registry)
                count += 1
            if progress is not None:
                progress(number / len(ids), count)
        return count

    def store_result(self, job: Job, *, lease: int, result: str) -> bool:
        """Do what `Client.store_result` does."""
        params = {"job_id": job.id, "epoch": job.epoch, "lease": lease, "result": result}
        return bool(self._database.run("result_store", params))

    def store_usage(self, tallies: Iterable[Tally]) -> None:
        """Write down what attempts used so far; child processes do, for they may be killed."""
        rows = [row for tally in tallies for row in tally.rows()]
        self._database.run("usage_record", {"usage": documents.encode(rows)})

    def _act(
        self,
        action: Action,
        which: Mapping[str, Any],
        *,
        reason: str | None = None,
        dry_run: bool,
        progress: Tell | None,
        conn: Any,
    ) -> int:
        planned = store.plan(
            action, Criteria.of(which), reason=reason, dry_run=dry_run, progress=progress
        )
        if conn is None:
            return store.carry_out_sync(self._database.run, planned)
        with self._connection(conn) as connection:
            run = partial(door.run_sync, connection, self._database.schema)
            return store.carry_out_sync(run, planned)

    def _connection(self, conn: Any) -> AbstractContextManager[Any]:
        raise NotImplementedError


def _action(name: str) -> Action:
    try:
        return ACTIONS[name]
    except KeyError:
        raise InvalidFilter(f"to must be {', '.join(ACTIONS)}, not {name!r}") from None
