"""``baton job edit``: changes one job, or all that fit a filter."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any

import anyio
import typer

from baton.changes import JobChanges, check
from baton.cli import values
from baton.cli.acting import acting, recordable
from baton.cli.filtering import JobFilter, joined
from baton.cli.job_actions import DryRun, Yes
from baton.cli.job_ids import named
from baton.cli.job_many import Many, many, meant
from baton.cli.job_write import (
    Arg,
    Args,
    Deadline,
    MaxAttempts,
    Meta,
    Priority,
    Queue,
    ScheduleAt,
    ScheduleIn,
    Tag,
    Timeout,
    Weight,
    arguments,
    options,
    say,
)
from baton.cli.options import App, Dsn, Schema
from baton.cli.output import Form, Output
from baton.client import Client
from baton.errors import ConfigurationError
from baton.filters import Criteria
from baton.jobs import Job
from baton.loading import load_registry
from baton.settings import load
from baton.workers import current_registry


def edit(
    words: JobFilter = None,
    arg: Arg = None,
    args: Args = None,
    meta: Meta = None,
    queue: Queue = None,
    worker: Annotated[
        str | None, typer.Option("--worker", envvar="BATON_SET_WORKER", help="The worker's name.")
    ] = None,
    priority: Priority = None,
    max_attempts: MaxAttempts = None,
    tag: Tag = None,
    schedule_in: ScheduleIn = None,
    schedule_at: ScheduleAt = None,
    timeout: Timeout = None,
    deadline: Deadline = None,
    weight: Weight = None,
    app: App = None,
    dsn: Dsn = None,
    schema: Schema = None,
    *,
    dry_run: DryRun = False,
    yes: Yes = False,
    output: Output = Form.TABLE,
) -> None:
    """Change jobs. What is not given stays; --arg changes one argument, --args all of them.

    Without ids, all that fit the filter are meant; those whose state forbids it are left alone.

    "--timeout none" and "--deadline none" lift them. Of a job that runs, only meta, tags, priority
    and max-attempts can be changed; one that has ended can be put right and then retried.
    """
    settings = load(app=app, dsn=dsn, schema=schema)
    changes = options(
        meta=meta,
        queue=queue,
        worker=worker,
        priority=priority,
        max_attempts=max_attempts,
        tag=tag,
        schedule_in=schedule_in,
        schedule_at=schedule_at,
        timeout=timeout,
        deadline=deadline,
        weight=weight,
    )
    whole = arguments(args)
    single = values.pairs("--arg", arg or ())
    if not changes and whole is None and not single:
        raise ConfigurationError("what is to be changed? give an option like --queue or --arg")
    registry = None if settings.app is None else load_registry(settings.app)
    change = _change(changes, whole, single)
    text = joined(words)
    criteria = Criteria.of({"where": text})
    kind, subject = meant(criteria, text)
    told = {
        **recordable(changes),
        "args": sorted({*(whole or {}), *single}),
    }

    async def update(job_id: int) -> Job:
        async with (
            Client(settings=settings, registry=registry) as client,
            acting(client, "edit", kind, subject, **told) as record,
        ):
            job = await client.update_job(job_id, change)
            record.message = f"changed job {job.id}"
            return job

    ids = named(criteria)
    if len(ids) == 1 and not dry_run:
        say("changed", anyio.run(update, ids[0]), output=output)
        return

    async def one(client: Client, job_id: int, dry: bool) -> None:
        if dry:
            check(await client.get_job(job_id), change, registry or current_registry())
        else:
            await client.update_job(job_id, change)

    async def several(client: Client, dry: bool, chosen: Any) -> int:
        return await client.update_jobs(change, dry_run=dry, **chosen)

    deed = Many(
        action="edit",
        verb="change",
        participle="changed",
        which={"where": text},
        text=text,
        details=told,
        one=one,
        several=several,
    )
    many(settings, deed, dry_run=dry_run, yes=yes, output=output, registry=registry)


def _change(
    changes: dict[str, Any], whole: Mapping[str, Any] | None, single: Mapping[str, Any]
) -> Callable[[Job], JobChanges]:
    def change(job: Job) -> JobChanges:
        made: Any = dict(changes)
        if whole is not None or single:
            made["args"] = {**(job.args if whole is None else whole), **single}
        chosen: JobChanges = made
        return chosen

    return change
