"""What the live page reads of a database of millions of jobs.

    python -m benchmarks.page [--jobs 5000000] [--statements] [--dsn DSN]

The table is filled by the server itself: 97 % are history (of it 97.5 % completed, 2 % discarded
and 0.5 % cancelled), the newest 3 % wait, run, are due later or failed and will be tried again; the
last 10 % of the history are the steps of workflows of ten. Each page is asked for twice, and what
the second look took is told: blocks of 8 kB, hits included, its slowest statement, and how often
the table of jobs was gone through from end to end. Blocks don't depend on the machine.
"""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import httpx
import psycopg

import baton
from baton.store.migrations import migrate
from benchmarks import server as servers

LIVE = 0.03
STEPS = 0.1
TABLES = (
    "baton.jobs",
    "baton.workflows",
    "baton.workflow_steps",
    "baton.workflow_edges",
    "baton.workflow_completions",
)

JOBS = """
insert into baton.jobs (
  state, queue, worker, args, meta, tags, attempt, errors, attempted_by, epoch,
  inserted_at, scheduled_at, attempted_at, completed_at, discarded_at, cancelled_at
)
select
  made.state::baton.job_state,
  'queue_' || made.n %% 20,
  'shop.worker_' || made.n %% 50,
  jsonb_build_object('user_id', made.n %% 100000),
  case when made.flow is null then '{}' else jsonb_build_object(
    'workflow_id', made.flow, 'workflow_name', 'step ' || made.n %% 10, 'workflow_label', 'brief'
  ) end,
  case when made.n %% 500 = 0 then '{vip}'::text[] else '{}' end,
  case when made.state in ('available', 'scheduled', 'suspended') then 0 else 1 end,
  case when made.state in ('discarded', 'retryable') then jsonb_build_array(jsonb_build_object(
    'attempt', 1, 'at', made.inserted_at + interval '2 s', 'attempted_at', made.inserted_at,
    'kind', 'ValueError', 'message', 'no order ' || made.n
  )) else '[]' end,
  case when made.state = 'executing' then 1 end,
  1,
  made.inserted_at,
  case when made.state in ('scheduled', 'retryable') then now() + interval '1 h'
    else made.inserted_at end,
  case when made.state not in ('available', 'scheduled', 'suspended')
    then made.inserted_at + interval '1 s' end,
  case when made.state = 'completed' then made.inserted_at + interval '2 s' end,
  case when made.state = 'discarded' then made.inserted_at + interval '2 s' end,
  case when made.state = 'cancelled' then made.inserted_at + interval '2 s' end
from (
  select
    n,
    now() - make_interval(secs => (%(jobs)s::bigint - n) * 0.05) as inserted_at,
    case when n > %(steps)s::bigint and n <= %(history)s::bigint
      then md5('flow ' || (n - 1) / 10)::uuid end as flow,
    case
      when n <= %(history)s::bigint then case
        when n %% 50 = 0 then 'discarded' when n %% 200 = 1 then 'cancelled' else 'completed'
      end
      when n %% 1000 = 3 then 'executing'
      when n %% 10 < 6 then 'available'
      when n %% 10 < 8 then 'scheduled'
      when n %% 10 < 9 then 'retryable'
      else 'suspended'
    end as state
  from generate_series(1, %(jobs)s::bigint) as n
) as made
order by made.n
"""
STEP_ROWS = """
insert into baton.workflow_steps (
  job_id, workflow_id, step_name, deps, outcome, inserted_at, finished_at
)
select
  n, md5('flow ' || (n - 1) / 10)::uuid, 'step ' || n %% 10,
  case when n %% 10 = 1 then '{}'::text[] else '{"step 1"}' end,
  case when n %% 50 = 0 then 'discarded' when n %% 200 = 1 then 'cancelled' else 'completed'
  end::baton.job_state,
  now() - make_interval(secs => (%(jobs)s::bigint - n) * 0.05),
  now() - make_interval(secs => (%(jobs)s::bigint - n) * 0.05 - 2)
from generate_series(%(steps)s::bigint + 1, %(history)s::bigint) as n
"""
EDGES = """
insert into baton.workflow_edges (parent_id, child_id)
select (n - 1) / 10 * 10 + 1, n
from generate_series(%(steps)s::bigint + 1, %(history)s::bigint) as n where n %% 10 <> 1
"""
WORKFLOWS = """
insert into baton.workflows (id, name, state, inserted_at, finished_at)
select
  step.workflow_id,
  'brief',
  case when bool_or(step.outcome <> 'completed') then 'failed' else 'completed'
  end::baton.workflow_state,
  min(step.inserted_at),
  max(step.finished_at)
from baton.workflow_steps as step
group by step.workflow_id
"""
LEASE = """
insert into baton.leases (id, node, queues, expires_at)
overriding system value values (1, 'elsewhere', '{"queue_3": 10}', now() + interval '1 d')
"""
READ = """
select
  statement.query, statement.calls, statement.rows,
  statement.shared_blks_hit + statement.shared_blks_read, statement.max_exec_time
from pg_stat_statements as statement
where statement.dbid = (select oid from pg_database where datname = current_database())
  and statement.query like '%baton.%' and statement.query not like '%pg_stat_user_tables%'
order by 4 desc
"""
SCANS = "select seq_scan from pg_stat_user_tables where relid = 'baton.jobs'::regclass"
SAMPLE = """
select
  (select id::text from baton.workflows order by inserted_at desc limit 1),
  (select max(id) from baton.jobs where state = 'discarded')
"""


@dataclass(frozen=True)
class Said:
    """What the server says of a statement."""

    text: str
    calls: int
    rows: int
    blocks: int
    slowest: float  # ms


@dataclass(frozen=True)
class Look:
    """What a look at a page took."""

    page: str
    status: int
    scans: int
    said: Sequence[Said]

    @property
    def line(self) -> str:
        blocks = sum(each.blocks for each in self.said)
        slowest = max((each.slowest for each in self.said), default=0.0)
        calls = sum(each.calls for each in self.said)
        failed = "" if self.status == 200 else f" (answered {self.status})"
        return f"| {self.page}{failed} | {calls} | {blocks:,} | {slowest:,.0f} | {self.scans} |"


def fill(connection: psycopg.Connection, jobs: int) -> None:
    """Fill a migrated schema, and let it stand as autovacuum would leave it."""
    history = int(jobs * (1 - LIVE)) // 10 * 10
    sizes = {"jobs": jobs, "history": history, "steps": history - int(jobs * STEPS) // 10 * 10}
    for statement in (JOBS, STEP_ROWS, EDGES, WORKFLOWS, LEASE):
        connection.execute(statement.encode(), sizes)
    servers.settle(connection, TABLES)


def addresses(connection: psycopg.Connection) -> list[tuple[str, str]]:
    """The pages, and filters of each kind that the lists know."""
    [(workflow, job)] = connection.execute(SAMPLE).fetchall()
    filters = ("", "state:available", "state:executing", "state:retryable", "state:discarded",
               "state:completed queue:queue_7", "since:1h", "workflow:" + workflow,
               "worker:shop.worker_7", f"id:{job}")  # fmt: skip
    return [
        ("overview", ""), ("queues", "queues"), ("worker processes", "workers"),
        ("errors", "errors"), ("cron entries", "crons"), ("audit log", "audit"),
        ("workflows", "workflows"), ("workflows `state:failed`", "workflows?filter=state:failed"),
        ("one workflow", f"workflows/{workflow}"), ("one job", f"jobs/{job}"),
        *((f"jobs `{each}`".removesuffix(" ``"), f"jobs?filter={each.replace(' ', '%20')}")
          for each in filters),
        ("jobs, page 1,000,000 back", f"jobs?before={max(2, job - 1_000_000)}"),
    ]  # fmt: skip


async def look(dsn: str, connection: psycopg.Connection) -> list[Look]:
    """Ask for each page, and then for what that took."""
    looks = []
    async with baton.web(dsn) as page:
        transport = httpx.ASGITransport(page)
        async with httpx.AsyncClient(
            transport=transport, base_url="http://localhost/", timeout=60
        ) as client:
            for name, address in addresses(connection):
                await client.get(address)
                connection.execute("select pg_stat_statements_reset()")
                before = _scans(connection)
                answer = await client.get(address)
                said = [Said(*row) for row in connection.execute(READ.encode()).fetchall()]
                looks.append(Look(name, answer.status_code, _scans(connection) - before, said))
    return looks


def _scans(connection: psycopg.Connection) -> int:
    # what other sessions did is told once they are idle for a second, or when they are asked
    connection.execute("select pg_stat_force_next_flush(), pg_stat_clear_snapshot()")
    [(scans,)] = connection.execute(SCANS).fetchall()
    return int(scans)


def told(looks: Sequence[Look], *, statements: bool) -> str:
    """A table, and below it the statements of each page when they are wanted."""
    lines = [
        "| page | statements | blocks | slowest, ms | scans of jobs |",
        "|---|---|---|---|---|",
    ]
    for each in looks:
        lines.append(each.line)
        if statements:
            lines += [
                f"    {said.blocks:>9,} blocks {said.slowest:>7,.1f} ms {said.rows:>7,} rows  "
                f"{' '.join(said.text.split())[:90]}"
                for said in each.said
            ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--jobs", type=int, default=5_000_000, help="rows of the table")
    parser.add_argument("--statements", action="store_true", help="tell of each statement")
    parser.add_argument("--dsn", help="a server on this machine; by default an embedded one")
    options = parser.parse_args()
    with servers.server(options.dsn) as server:
        dsn = server.database("page")
        migrate(dsn)
        with psycopg.connect(dsn, autocommit=True) as connection:
            if not servers.count_statements(connection):
                sys.exit("the server must load pg_stat_statements (shared_preload_libraries)")
            fill(connection, options.jobs)
            looks = asyncio.run(look(dsn, connection))
    print(told(looks, statements=options.statements))


if __name__ == "__main__":
    main()
