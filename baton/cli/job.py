"""``baton job``: jobs as they stand."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import fields
from datetime import datetime
from typing import Annotated, Any

import anyio
import typer
from rich.text import Text

from baton.cli import table
from baton.cli.options import Dsn, Json, Limit, Schema
from baton.cli.tree import LOOKS, inert
from baton.client import Client
from baton.errors import ConfigurationError
from baton.jobs import Job
from baton.settings import Settings, load
from baton.states import State

ERROR_WIDTH = 80
NAME_WIDTH = 11


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
        print(json.dumps([job_json(job) for job in jobs]))
        return
    rows = table.listing(
        *("id", "state", "queue", "worker", "attempt", "scheduled", "error"),
        flexible={"queue", "worker", "error"},
    )
    for job in jobs:
        rows.add_row(
            Text(str(job.id)),
            Text(job.state, LOOKS[job.state].style),
            table.cell(job.queue),
            table.cell(job.worker),
            Text(f"{job.attempt}/{job.max_attempts}"),
            Text(table.moment(job.scheduled_at)),
            table.cell(_newest_error(job)),
        )
    table.show(rows)


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
        print(json.dumps(job_json(job)))
        return
    out = table.console()
    for line in _lines(job):
        out.print(line, soft_wrap=True)


async def _get(settings: Settings, job_id: int) -> Job:
    async with Client(settings=settings) as client:
        return await client.get_job(job_id)


def _newest_error(job: Job) -> str:
    if not job.errors:
        return ""
    return " ".join(str(job.errors[-1].get("message", "")).split())[:ERROR_WIDTH]


def _lines(job: Job) -> Iterator[Text]:
    for name, value in _facts(job).items():
        if value:
            yield Text(f"{name:<{NAME_WIDTH}} {inert(value)}")
    yield from _document("args", job.args)
    if job.meta:
        yield from _document("meta", job.meta)
    for error in job.errors:
        yield from _error(error)


def _facts(job: Job) -> dict[str, str]:
    return {
        "id": str(job.id),
        "state": job.state.value,
        "queue": job.queue,
        "worker": job.worker,
        "workflow": str(job.meta.get("workflow_id") or ""),
        "step": str(job.meta.get("workflow_name") or ""),
        "attempt": f"{job.attempt} of {job.max_attempts}",
        "priority": str(job.priority),
        "tags": ", ".join(job.tags),
        "epoch": str(job.epoch),
        "inserted": _moment(job.inserted_at),
        "scheduled": _moment(job.scheduled_at),
        "attempted": _moment(job.attempted_at),
        "completed": _moment(job.completed_at),
        "discarded": _moment(job.discarded_at),
        "cancelled": _moment(job.cancelled_at),
    }


def _moment(at: datetime | None) -> str:
    return "" if at is None else table.moment(at)


def _document(name: str, value: Mapping[str, Any]) -> Iterator[Text]:
    """Write a small document on its name's line, and a larger one below it."""
    if len(short := json.dumps(value, ensure_ascii=False)) <= ERROR_WIDTH:
        yield Text(f"{name:<{NAME_WIDTH}} {inert(short)}")
        return
    yield Text(name)
    yield from _indented(json.dumps(value, ensure_ascii=False, indent=2))


def _error(error: Mapping[str, Any]) -> Iterator[Text]:
    told = {key: str(error.get(key) or "") for key in ("attempt", "at", "kind", "message")}
    head = " ".join(f"attempt {told['attempt']} {told['at']} {told['kind']}".split())
    yield Text(f"\n{inert(head)}", "red")
    yield from _indented(str(error.get("traceback") or told["message"]))


def _indented(text: str) -> Iterator[Text]:
    for line in text.splitlines():
        yield Text(f"  {inert(line)}")


def job_json(job: Job) -> dict[str, Any]:
    """Return the job as JSON values; times in ISO 8601."""
    # not asdict: it would go into args and meta, as deep as they are
    facts = {field.name: getattr(job, field.name) for field in fields(job) if field.name != "step"}
    return {k: v.isoformat() if isinstance(v, datetime) else v for k, v in facts.items()}
