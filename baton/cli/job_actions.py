"""``baton job cancel``, ``retry`` and ``delete``: by id, or by what the jobs have in common."""

import json
import sys
from collections.abc import Awaitable, Callable
from inspect import Signature, signature
from typing import Annotated, Any

import anyio
import typer

from baton.cli import values
from baton.cli.frame import ExitCode
from baton.cli.options import Dsn, Json, Schema
from baton.client import Client
from baton.errors import ConfigurationError
from baton.filters import JobFilter
from baton.settings import load
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
Reason = Annotated[
    str | None,
    typer.Option("--reason", envvar="BATON_REASON", help="What the errors of the jobs will say."),
]

_Act = Callable[..., Awaitable[int]]
_GIVEN = 3  # the parameters of an act that are no options


def _which(
    ids: Ids = None,
    state: InState = None,
    queue: OfQueue = None,
    worker: OfWorker = None,
    tag: WithTag = None,
    arg: WithArg = None,
    workflow: OfWorkflow = None,
    inserted_after: After = None,
    inserted_before: Before = None,
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


def _command(participle: str) -> Callable[[_Act], Callable[..., None]]:
    """Make a command of what is done to jobs: its options are the criteria, its own, and the rest.

    Typer reads the options from a signature; each stands here once and not in every command.
    """

    def shape(act: _Act) -> Callable[..., None]:
        own = list(signature(act).parameters.values())[_GIVEN:]

        def run(
            dsn: Dsn = None,
            schema: Schema = None,
            *,
            dry_run: DryRun = False,
            yes: Yes = False,
            as_json: Json = False,
            **options: Any,
        ) -> None:
            which = _which(**{name: options.pop(name) for name in signature(_which).parameters})
            settings = load(dsn=dsn, schema=schema)

            async def perform(dry: bool) -> int:
                async with Client(settings=settings) as client:
                    return await act(client, dry, which, **options)

            verb = act.__name__
            if not dry_run and not yes and "ids" not in which:
                _confirm(verb, anyio.run(perform, True))
            done = anyio.run(perform, dry_run)
            if as_json:
                print(json.dumps({"action": verb, "jobs": done, "dry_run": dry_run}))
            else:
                print(f"would {verb} {_jobs(done)}" if dry_run else f"{participle} {_jobs(done)}")

        common = list(signature(run).parameters.values())[:-1]
        criteria = signature(_which).parameters.values()
        shown = [each.replace(kind=each.KEYWORD_ONLY) for each in (*criteria, *own, *common)]
        command: Any = run
        command.__signature__ = Signature(shown)
        command.__annotations__ = {each.name: each.annotation for each in shown}
        command.__name__, command.__doc__ = act.__name__, act.__doc__
        return run

    return shape


@_command("cancelled")
def cancel(client: Client, dry: bool, which: JobFilter, *, reason: Reason = None) -> Awaitable[int]:
    """Cancel jobs that have not ended; those that run are stopped, on whichever machine they are.

    Without ids, all that fit the options are meant; --dry-run says how many that is.
    """
    return client.cancel_jobs(reason=reason, dry_run=dry, **which)


@_command("retried")
def retry(client: Client, dry: bool, which: JobFilter) -> Awaitable[int]:
    """Run jobs again that have ended, or now those that wait for their time.

    Without ids and --state, those that failed are meant: retryable, discarded and cancelled ones.
    """
    return client.retry_jobs(dry_run=dry, **which)


@_command("deleted")
def delete(client: Client, dry: bool, which: JobFilter) -> Awaitable[int]:
    """Delete jobs that don't run; cancel those first."""
    return client.delete_jobs(dry_run=dry, **which)


def _confirm(verb: str, count: int) -> None:
    if not sys.stdin.isatty():
        raise ConfigurationError(f"this would {verb} {_jobs(count)}; say --yes if it is meant")
    if not typer.confirm(f"{verb} {_jobs(count)}?"):
        raise typer.Exit(ExitCode.FAILED)


def _jobs(count: int) -> str:
    return f"{count:,} job{'' if count == 1 else 's'}"
