"""``baton job insert`` and ``baton job edit``."""

import json
from collections.abc import Callable, Mapping
from typing import Annotated, Any

import anyio
import typer

from baton.changes import JobChanges
from baton.cli import values
from baton.cli.job import job_json
from baton.cli.options import App, Dsn, Json, Schema
from baton.client import Client
from baton.errors import ConfigurationError
from baton.jobs import Job, NewJob
from baton.loading import load_registry
from baton.settings import Settings, load
from baton.workers import Registry

Arg = Annotated[
    list[str] | None,
    typer.Option(
        "--arg",
        envvar="BATON_SET_ARG",
        help="An argument: name=value; the value is JSON or else a text. May be repeated.",
    ),
]
Args = Annotated[
    str | None,
    typer.Option("--args", envvar="BATON_SET_ARGS", help="All arguments, as a JSON object."),
]
Meta = Annotated[
    str | None,
    typer.Option("--meta", envvar="BATON_SET_META", help="Bookkeeping, as a JSON object."),
]
Queue = Annotated[
    str | None,
    typer.Option("--queue", "-q", envvar="BATON_SET_QUEUE", help="The queue that runs it."),
]
Priority = Annotated[
    int | None,
    typer.Option("--priority", envvar="BATON_SET_PRIORITY", help="0 runs first, 9 last."),
]
MaxAttempts = Annotated[
    int | None,
    typer.Option(
        "--max-attempts",
        envvar="BATON_SET_MAX_ATTEMPTS",
        help="A failure of this attempt discards the job.",
    ),
]
Tag = Annotated[
    list[str] | None, typer.Option("--tag", envvar="BATON_SET_TAG", help="A tag. May be repeated.")
]
ScheduleIn = Annotated[
    str | None,
    typer.Option(
        "--schedule-in",
        envvar="BATON_SET_SCHEDULE_IN",
        help="Run it after this delay: 90, 15m, 1.5h, 2d.",
    ),
]
ScheduleAt = Annotated[
    str | None,
    typer.Option(
        "--schedule-at",
        envvar="BATON_SET_SCHEDULE_AT",
        help="Run it at this time: 2026-11-21T08:30.",
    ),
]
Timeout = Annotated[
    str | None,
    typer.Option(
        "--timeout",
        envvar="BATON_SET_TIMEOUT",
        help="How long an attempt may take: 90, 15m, 1.5h, 2d.",
    ),
]
Deadline = Annotated[
    str | None,
    typer.Option(
        "--deadline",
        envvar="BATON_SET_DEADLINE",
        help="From this time on it is not started any more.",
    ),
]
Weight = Annotated[
    int | None,
    typer.Option(
        "--weight", envvar="BATON_SET_WEIGHT", help="What it counts for in a limited queue."
    ),
]


def insert(
    worker: Annotated[str, typer.Argument(metavar="WORKER", help="The worker's name.")],
    arg: Arg = None,
    args: Args = None,
    meta: Meta = None,
    queue: Queue = None,
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
    as_json: Json = False,
) -> None:
    """Insert a job of a worker.

    With --app the job gets the worker's own options, and its arguments are checked.
    """
    settings = load(app=app, dsn=dsn, schema=schema)
    options = _options(
        meta=meta,
        queue=queue,
        priority=priority,
        max_attempts=max_attempts,
        tag=tag,
        schedule_in=schedule_in,
        schedule_at=schedule_at,
        timeout=timeout,
        deadline=deadline,
        weight=weight,
    )
    given = {**(_arguments(args) or {}), **values.pairs("--arg", arg or ())}
    registry = None if settings.app is None else load_registry(settings.app)
    job = _new(registry, worker, given, options)

    async def put() -> Job:
        async with Client(settings=settings, registry=registry) as client:
            return await client.insert(job)

    _say("inserted", anyio.run(put), as_json=as_json)


def edit(
    job_id: Annotated[int, typer.Argument(metavar="ID", help="The id of the job.")],
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
    as_json: Json = False,
) -> None:
    """Change a job. What is not given stays; --arg changes one argument, --args all of them.

    "--timeout none" and "--deadline none" lift them. Of a job that runs, only meta, tags, priority
    and max-attempts can be changed; one that has ended can be put right and then retried.
    """
    settings = load(app=app, dsn=dsn, schema=schema)
    changes = _options(
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
    whole = _arguments(args)
    single = values.pairs("--arg", arg or ())
    if not changes and whole is None and not single:
        raise ConfigurationError("what is to be changed? give an option like --queue or --arg")
    registry = None if settings.app is None else load_registry(settings.app)
    changed = anyio.run(_update, settings, registry, job_id, _change(changes, whole, single))
    _say("changed", changed, as_json=as_json)


async def _update(
    settings: Settings,
    registry: Registry | None,
    job_id: int,
    change: Callable[[Job], JobChanges],
) -> Job:
    async with Client(settings=settings, registry=registry) as client:
        return await client.update_job(job_id, change)


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


def _new(
    registry: Registry | None, worker: str, args: dict[str, Any], options: dict[str, Any]
) -> NewJob:
    if registry is None:
        return NewJob(worker=worker, args=args, **options)
    definition = registry.find(worker)
    definition.arguments.load(args)
    chosen: Any = options
    return definition.new(chosen, (), args)


def _arguments(args: str | None) -> dict[str, Any] | None:
    return None if args is None else values.document("--args", args)


def _options(**given: Any) -> dict[str, Any]:
    """Return what was given, by the names that `NewJob` has."""
    chosen: dict[str, Any] = {}
    for name, value in given.items():
        if value is None or value == []:
            continue
        option = f"--{name.replace('_', '-')}"
        match name:
            case "meta":
                chosen["meta"] = values.document(option, value)
            case "tag":
                chosen["tags"] = value
            case "schedule_in":
                chosen[name] = values.delay(option, value)
            case "schedule_at":
                chosen["scheduled_at"] = values.moment(option, value)
            case "timeout":
                chosen[name] = None if value == values.NOTHING else values.delay(option, value)
            case "deadline":
                chosen[name] = None if value == values.NOTHING else values.moment(option, value)
            case _:
                chosen[name] = value
    return chosen


def _say(participle: str, job: Job, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(job_json(job)))
    else:
        print(f"{participle} job {job.id}: {job.state} in queue {job.queue}")
