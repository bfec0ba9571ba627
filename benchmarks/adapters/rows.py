"""A bare loop over Baton's own rows: what the data model costs, without the queue around it.

The same table with its indexes and constraints, and what a claim and an end write of a job, in one
statement a batch like the floor's; no settings, limits, leases, workflows, slots or errors.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import psycopg

from baton.store.migrations import migrate
from benchmarks.adapters.baton import Baton
from benchmarks.adapters.floor import BATCH
from benchmarks.adapters.protocol import Peer, main
from benchmarks.board import Place

INSERT = """
  insert into baton.jobs (worker)
  select 'benchmarks.adapters.baton_jobs.nothing' from generate_series(1, %s)
"""
CYCLE = """
  with done as (
    update baton.jobs set state = 'completed', completed_at = now()
    where id = any (%(done)s) and state = 'executing' and attempted_by = 1
  ),
  claimed as (
    update baton.jobs
    set state = 'executing', attempt = attempt + 1, attempted_by = 1, epoch = epoch + 1,
      attempted_at = now()
    where id = any (array(
      select id from baton.jobs
      where queue = 'default' and state = 'available' and partition_key is null
        and (priority, scheduled_at, id) > (0::smallint, %(time)s, %(id)s)
      order by priority, scheduled_at, id limit %(batch)s for update skip locked
    )) returning id, worker, args, meta, attempt, epoch, scheduled_at
  )
  select array_agg(id), array_agg(worker), array_agg(args::text), array_agg(meta::text),
    array_agg(attempt), array_agg(epoch), max(scheduled_at)
  from claimed
"""
BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)


class Rows(Peer):
    package = "psycopg"
    tables = ("baton.jobs",)
    unfinished = Baton.unfinished

    async def prepare(self) -> None:
        migrate(self.dsn)

    async def bulk(self, jobs: int) -> None:
        async with await psycopg.AsyncConnection.connect(self.dsn) as connection:
            await connection.execute(INSERT, [jobs])

    def work(self, place: Callable[[], Place], _queues: Sequence[str]) -> None:
        mine = place()
        mine.wait()
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            done: list[int] = []
            time, last = BEGINNING, 0
            while True:
                params = {"done": done, "time": time, "id": last, "batch": BATCH}
                claimed = connection.execute(CYCLE, params).fetchone()
                assert claimed is not None
                done, time, last = claimed[0] or [], claimed[-1] or BEGINNING, 0
                if len(done) == BATCH:
                    last = max(done)
                for _ in done:
                    mine.nothing()


if __name__ == "__main__":
    main(Rows)
