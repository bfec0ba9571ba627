"""``baton job``: jobs as they stand."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields
from datetime import datetime
from typing import Annotated, Any

import anyio
import typer
from rich.text import Text

from baton.cli import table
from baton.cli.completion import complete_queue, complete_state, complete_worker
from baton.cli.filtering import JobFilter, joined
from baton.cli.options import Dsn, Limit, Schema, ShowSecrets
from baton.cli.output import Form, Output, emit
from baton.cli.paging import page
from baton.cli.tree import LOOKS, inert
from baton.client import Client
from baton.errors import ConfigurationError
from baton.jobs import Job
from baton.masking import hide
from baton.settings import Settings, load
from baton.states import State
from baton.wording import ran

ERROR_WIDTH = 80
NAME_WIDTH = 11


def list_(
    words: JobFilter = None,
    dsn: Dsn = None,
    schema: Schema = None,
    state: Annotated[
        str | None,
        typer.Option(
            envvar="BATON_JOB_STATE",
            help="Only jobs in this state.",
            autocompletion=complete_state,
        ),
    ] = None,
    queue: Annotated[
        str | None,
        typer.Option(
            envvar="BATON_JOB_QUEUE",
            help="Only jobs of this queue.",
            autocompletion=complete_queue,
        ),
    ] = None,
    worker: Annotated[
        str | None,
        typer.Option(
            envvar="BATON_JOB_WORKER",
            help="Only jobs of this worker.",
            autocompletion=complete_worker,
        ),
    ] = None,
    before: Annotated[
        int | None, typer.Option(envvar="BATON_JOB_BEFORE", help="Only ids below this one.")
    ] = None,
    limit: Limit = 20,
    *,
    output: Output = Form.TABLE,
) -> None:
    """List the newest jobs."""
    if state is not None and state not in list(State):
        raise ConfigurationError(f"--state {state}: it is one of {', '.join(State)}")
    settings = load(dsn=dsn, schema=schema)

    async def fetch() -> list[Job]:
        async with Client(settings=settings) as client:
            return await client.list_jobs(
                where=joined(words),
                state=state,
                queue=queue,
                worker=worker,
                before=before,
                limit=limit + 1,
            )

    jobs = page(anyio.run(fetch), limit, lambda job: job.id, output, "--before")
    if output.is_data:
        emit(output, [job_json(job) for job in jobs])
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
    show_secrets: ShowSecrets = False,
    output: Output = Form.TABLE,
) -> None:
    """Show everything about one job; JSON hides nothing."""
    job = anyio.run(_get, load(dsn=dsn, schema=schema), job_id)
    if output.is_data:
        emit(output, job_json(job))
        return
    out = table.console()
    shown: Callable[[Any], Any] = dict if show_secrets else hide()
    for line in _lines(job, shown):
        out.print(line, soft_wrap=True)


async def _get(settings: Settings, job_id: int) -> Job:
    async with Client(settings=settings) as client:
        return await client.get_job(job_id)


def _newest_error(job: Job) -> str:
    if not job.errors:
        return ""
    return " ".join(str(job.errors[-1].get("message", "")).split())[:ERROR_WIDTH]


def _lines(job: Job, shown: Callable[[Any], Any]) -> Iterator[Text]:
    for name, value in _facts(job).items():
        if value:
            yield Text(f"{name:<{NAME_WIDTH}} {inert(value)}")
    yield from _document("args", shown(job.args))
    if job.meta:
        yield from _document("meta", shown(job.meta))
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
    yield Text(f"\n{inert(head)}{ran(error)}", "red")
    yield from _indented(str(error.get("traceback") or told["message"]))


def _indented(text: str) -> Iterator[Text]:
    for line in text.splitlines():
        yield Text(f"  {inert(line)}")


def job_json(job: Job) -> dict[str, Any]:
    """Return the job as JSON values; times in ISO 8601."""
    # not asdict: it would go into args and meta, as deep as they are
    facts = {field.name: getattr(job, field.name) for field in fields(job) if field.name != "step"}
    return {k: v.isoformat() if isinstance(v, datetime) else v for k, v in facts.items()}
