"""``baton job``: jobs as they stand."""

import json
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any

import anyio
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from baton.cli.options import Dsn, Json, Limit, Schema
from baton.cli.tree import LOOKS, inert
from baton.client import Client
from baton.errors import ConfigurationError
from baton.jobs import Job, State
from baton.settings import Settings, load


def list_(
    dsn: Dsn = None,
    schema: Schema = None,
    state: Annotated[
        str | None, typer.Option(envvar="BATON_JOB_STATE", help="Only jobs in this state.")
    ] = None,
    queue: Annotated[
        str | None, typer.Option(envvar="BATON_JOB_QUEUE", help="Only jobs of this queue.")
    ] = None,
    worker: Annotated[
        str | None, typer.Option(envvar="BATON_JOB_WORKER", help="Only jobs of this worker.")
    ] = None,
    before: Annotated[
        int | None, typer.Option(envvar="BATON_JOB_BEFORE", help="Only ids below this one.")
    ] = None,
    limit: Limit = 20,
    *,
    as_json: Json = False,
) -> None:
    """List the newest jobs."""
    if state is not None and state not in list(State):
        raise ConfigurationError(f"--state {state}: it is one of {', '.join(State)}")
    settings = load(dsn=dsn, schema=schema)

    async def fetch() -> list[Job]:
        async with Client(settings=settings) as client:
            return await client.list_jobs(
                state=state, queue=queue, worker=worker, before=before, limit=limit
            )

    jobs = anyio.run(fetch)
    if as_json:
        print(json.dumps([_plain(job) for job in jobs]))
        return
    table = listing("id", "state", "queue", "worker", "attempt", "scheduled", "error")
    for job in jobs:
        table.add_row(
            str(job.id),
            Text(job.state, LOOKS[job.state].style),
            Text(inert(job.queue)),
            Text(inert(job.worker)),
            f"{job.attempt}/{job.max_attempts}",
            moment(job.scheduled_at),
            Text(inert(str(job.errors[-1].get("message", "")))[:80] if job.errors else ""),
        )
    print_listing(table)


def show(
    job_id: Annotated[int, typer.Argument(metavar="ID", help="The id of the job.")],
    dsn: Dsn = None,
    schema: Schema = None,
    *,
    as_json: Json = False,
) -> None:
    """Show everything about one job."""
    job = anyio.run(_get, load(dsn=dsn, schema=schema), job_id)
    if as_json:
        print(json.dumps(_plain(job)))
        return
    table = Table.grid(padding=(0, 2))
    for name, value in _plain(job).items():
        if name != "errors" and value is not None:
            shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            table.add_row(Text(name, "bold"), Text(inert(shown)))
    console = Console()
    console.print(table)
    for error in job.errors:
        console.print(
            Text(
                f"\nattempt {error.get('attempt')} at {error.get('at')}: {error.get('kind')}", "red"
            )
        )
        for line in str(error.get("traceback") or error.get("message", "")).splitlines():
            console.print(Text(f"  {inert(line)}"))


def listing(*columns: str) -> Table:
    """Return an empty table, each of whose cells is one line."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, no_wrap=True)
    return table


def print_listing(table: Table) -> None:
    """Print a table; whole where it is not a terminal that would have to cut it."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=Console(width=10_000).measure(table).maximum)
    console.print(table)


def moment(at: datetime) -> str:
    """Write a time as people on this machine read it."""
    return f"{at.astimezone():%Y-%m-%d %H:%M:%S}"


async def _get(settings: Settings, job_id: int) -> Job:
    async with Client(settings=settings) as client:
        return await client.get_job(job_id)


def _plain(job: Job) -> dict[str, Any]:
    """Return the job as JSON values; times in ISO 8601."""
    facts = asdict(job)
    del facts["step"]
    return {k: v.isoformat() if isinstance(v, datetime) else v for k, v in facts.items()}
