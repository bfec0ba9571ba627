"""``baton job insert``, and the options that say what a job is to be."""

from typing import Annotated, Any

import anyio
import typer

from baton.cli import values
from baton.cli.completion import complete_queue, complete_worker
from baton.cli.job import job_json
from baton.cli.options import App, Dsn, Schema
from baton.cli.output import Form, Output, emit
from baton.client import Client
from baton.jobs import Job, NewJob
from baton.loading import load_registry
from baton.settings import load
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
    typer.Option(
        "--queue",
        "-q",
        envvar="BATON_SET_QUEUE",
        help="The queue that runs it.",
        autocompletion=complete_queue,
    ),
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
    worker: Annotated[
        str,
        typer.Argument(metavar="WORKER", help="The worker's name.", autocompletion=complete_worker),
    ],
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
    output: Output = Form.TABLE,
) -> None:
    """Insert a job of a worker.

    With --app the job gets the worker's own options, and its arguments are checked.
    """
    settings = load(app=app, dsn=dsn, schema=schema)
    chosen = options(
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
    given = {**(arguments(args) or {}), **values.pairs("--arg", arg or ())}
    registry = None if settings.app is None else load_registry(settings.app)
    job = _new(registry, worker, given, chosen)

    async def put() -> Job:
        async with Client(settings=settings, registry=registry) as client:
            return await client.insert(job)

    say("inserted", anyio.run(put), output=output)


def _new(
    registry: Registry | None, worker: str, args: dict[str, Any], options: dict[str, Any]
) -> NewJob:
    if registry is None:
        return NewJob(worker=worker, args=args, **options)
    definition = registry.find(worker)
    definition.arguments.load(args)
    chosen: Any = options
    return definition.new(chosen, (), args)


def arguments(args: str | None) -> dict[str, Any] | None:
    return None if args is None else values.document("--args", args)


def options(**given: Any) -> dict[str, Any]:
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


def say(participle: str, job: Job, *, output: Form) -> None:
    if output.is_data:
        emit(output, job_json(job))
    else:
        print(f"{participle} job {job.id}: {job.state} in queue {job.queue}")
