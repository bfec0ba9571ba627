"""``baton job cancel``, ``retry`` and ``delete``: by id, or by what the jobs have in common."""

import json
import sys
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import anyio
import typer

from baton.cli import values
from baton.cli.frame import ExitCode
from baton.cli.options import Dsn, Json, Schema
from baton.client import Client
from baton.errors import ConfigurationError
from baton.filters import JobFilter
from baton.settings import Settings, load
from baton.states import State

Ids = Annotated[list[int] | None, typer.Argument(metavar="[ID]...", help="The ids of the jobs.")]
InState = Annotated[
    list[str] | None,
    typer.Option(
        "--state", envvar="BATON_MATCH_STATE", help="Only jobs in this state. May be repeated."
    ),
]
OfQueue = Annotated[
    str | None, typer.Option("--queue", envvar="BATON_MATCH_QUEUE", help="Only jobs of this queue.")
]
OfWorker = Annotated[
    str | None,
    typer.Option("--worker", envvar="BATON_MATCH_WORKER", help="Only jobs of this worker."),
]
WithTag = Annotated[
    list[str] | None,
    typer.Option(
        "--tag", envvar="BATON_MATCH_TAG", help="Only jobs with this tag. May be repeated."
    ),
]
WithArg = Annotated[
    list[str] | None,
    typer.Option(
        "--arg",
        envvar="BATON_MATCH_ARG",
        help="Only jobs with this argument: name=value. May be repeated.",
    ),
]
OfWorkflow = Annotated[
    str | None,
    typer.Option(
        "--workflow", envvar="BATON_MATCH_WORKFLOW", help="Only steps of the workflow with this id."
    ),
]
After = Annotated[
    str | None,
    typer.Option(
        "--inserted-after",
        envvar="BATON_MATCH_INSERTED_AFTER",
        help="Only jobs inserted at this time or later.",
    ),
]
Before = Annotated[
    str | None,
    typer.Option(
        "--inserted-before",
        envvar="BATON_MATCH_INSERTED_BEFORE",
        help="Only jobs inserted before this time.",
    ),
]
DryRun = Annotated[
    bool,
    typer.Option("--dry-run", envvar="BATON_DRY_RUN", help="Only say how many jobs there are."),
]
Yes = Annotated[
    bool, typer.Option("--yes", "-y", envvar="BATON_YES", help="Don't ask before many are changed.")
]


_Act = Callable[[Client, bool, JobFilter], Awaitable[int]]


def cancel(
    ids: Ids = None,
    state: InState = None,
    queue: OfQueue = None,
    worker: OfWorker = None,
    tag: WithTag = None,
    arg: WithArg = None,
    workflow: OfWorkflow = None,
    inserted_after: After = None,
    inserted_before: Before = None,
    reason: Annotated[
        str | None,
        typer.Option(
            "--reason", envvar="BATON_REASON", help="What the errors of the jobs will say."
        ),
    ] = None,
    dsn: Dsn = None,
    schema: Schema = None,
    *,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Cancel jobs that have not ended; those that run are stopped, on whichever machine they are.

    Without ids, all that fit the options are meant; --dry-run says how many that is.
    """
    which = _which(ids, state, queue, worker, tag, arg, workflow, inserted_after, inserted_before)

    def act(client: Client, dry: bool, which: JobFilter) -> Awaitable[int]:
        return client.cancel_jobs(reason=reason, dry_run=dry, **which)

    settings = load(dsn=dsn, schema=schema)
    _run("cancel", "cancelled", which, act, settings, dry_run, yes, as_json)


def retry(
    ids: Ids = None,
    state: InState = None,
    queue: OfQueue = None,
    worker: OfWorker = None,
    tag: WithTag = None,
    arg: WithArg = None,
    workflow: OfWorkflow = None,
    inserted_after: After = None,
    inserted_before: Before = None,
    dsn: Dsn = None,
    schema: Schema = None,
    *,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Run jobs again that have ended, or now those that wait for their time.

    Without ids and --state, those that failed are meant: retryable, discarded and cancelled ones.
    """
    which = _which(ids, state, queue, worker, tag, arg, workflow, inserted_after, inserted_before)

    def act(client: Client, dry: bool, which: JobFilter) -> Awaitable[int]:
        return client.retry_jobs(dry_run=dry, **which)

    settings = load(dsn=dsn, schema=schema)
    _run("retry", "retried", which, act, settings, dry_run, yes, as_json)


def delete(
    ids: Ids = None,
    state: InState = None,
    queue: OfQueue = None,
    worker: OfWorker = None,
    tag: WithTag = None,
    arg: WithArg = None,
    workflow: OfWorkflow = None,
    inserted_after: After = None,
    inserted_before: Before = None,
    dsn: Dsn = None,
    schema: Schema = None,
    *,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Delete jobs that don't run; cancel those first."""
    which = _which(ids, state, queue, worker, tag, arg, workflow, inserted_after, inserted_before)

    def act(client: Client, dry: bool, which: JobFilter) -> Awaitable[int]:
        return client.delete_jobs(dry_run=dry, **which)

    settings = load(dsn=dsn, schema=schema)
    _run("delete", "deleted", which, act, settings, dry_run, yes, as_json)


def _which(
    ids: list[int] | None,
    state: list[str] | None,
    queue: str | None,
    worker: str | None,
    tag: list[str] | None,
    arg: list[str] | None,
    workflow: str | None,
    inserted_after: str | None,
    inserted_before: str | None,
) -> JobFilter:
    for each in state or ():
        if each not in list(State):
            raise ConfigurationError(f"--state {each}: it is one of {', '.join(State)}")
    given = {
        "ids": ids or None,
        "state": state or None,
        "queue": queue,
        "worker": worker,
        "tags": tag or None,
        "args": values.pairs("--arg", arg) if arg else None,
        "meta": {"workflow_id": workflow.strip().lower()} if workflow is not None else None,
        "inserted_after": _time("--inserted-after", inserted_after),
        "inserted_before": _time("--inserted-before", inserted_before),
    }
    which: Any = {name: value for name, value in given.items() if value is not None}
    if not which:
        raise ConfigurationError("which jobs? give ids, or an option like --queue or --state")
    chosen: JobFilter = which
    return chosen


def _time(option: str, text: str | None) -> Any:
    return None if text is None else values.moment(option, text)


def _run(
    verb: str,
    participle: str,
    which: JobFilter,
    act: _Act,
    settings: Settings,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> None:
    async def perform(dry: bool) -> int:
        async with Client(settings=settings) as client:
            return await act(client, dry, which)

    if not dry_run and not yes and "ids" not in which:
        _confirm(verb, anyio.run(perform, True))
    done = anyio.run(perform, dry_run)
    if as_json:
        print(json.dumps({"action": verb, "jobs": done, "dry_run": dry_run}))
    else:
        print(f"would {verb} {_jobs(done)}" if dry_run else f"{participle} {_jobs(done)}")


def _confirm(verb: str, count: int) -> None:
    if not sys.stdin.isatty():
        raise ConfigurationError(f"this would {verb} {_jobs(count)}; say --yes if it is meant")
    if not typer.confirm(f"{verb} {_jobs(count)}?"):
        raise typer.Exit(ExitCode.FAILED)


def _jobs(count: int) -> str:
    return f"{count:,} job{'' if count == 1 else 's'}"
