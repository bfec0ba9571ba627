"""``baton job cancel``, ``retry`` and ``delete``: by id, or by what the jobs have in common."""

from collections.abc import Awaitable, Callable
from inspect import signature
from typing import Annotated, Any

import typer

from baton.cli import values
from baton.cli.completion import complete_queue, complete_state, complete_worker
from baton.cli.filtering import JobFilter as Words
from baton.cli.filtering import joined
from baton.cli.job_ids import refused
from baton.cli.job_many import Many, many
from baton.cli.options import Dsn, Schema
from baton.cli.output import Form, Output, reshaped
from baton.client import Client
from baton.errors import ConfigurationError
from baton.filters import JobFilter
from baton.search import quoted
from baton.settings import load
from baton.states import State

InState = Annotated[
    list[str] | None,
    typer.Option(
        "--state",
        envvar="BATON_MATCH_STATE",
        help="Only jobs in this state. May be repeated.",
        autocompletion=complete_state,
    ),
]
OfQueue = Annotated[
    str | None,
    typer.Option(
        "--queue",
        envvar="BATON_MATCH_QUEUE",
        help="Only jobs of this queue.",
        autocompletion=complete_queue,
    ),
]
OfWorker = Annotated[
    str | None,
    typer.Option(
        "--worker",
        envvar="BATON_MATCH_WORKER",
        help="Only jobs of this worker.",
        autocompletion=complete_worker,
    ),
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
    words: Words = None,
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
        "where": joined(words).strip() or None,
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
        raise ConfigurationError("which jobs? give ids, or a filter like queue:mail")
    chosen: JobFilter = which
    return chosen


def _written(**given: Any) -> str:
    """Return the filter that the words and the options are together."""
    words = [joined(given.pop("words"))]
    times = {"inserted_after": "since", "inserted_before": "until"}
    for arg in given.pop("arg") or ():
        name, _, value = arg.partition("=")
        words.append(f"args.{name.strip()}:{quoted(value)}")
    for name, value in given.items():
        several = value if isinstance(value, list) else [value]
        words += [f"{times.get(name, name)}:{quoted(each)}" for each in several if each is not None]
    return " ".join(word for word in words if word)


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
            output: Output = Form.TABLE,
            **options: Any,
        ) -> None:
            given = {name: options.pop(name) for name in signature(_which).parameters}
            which = _which(**given)
            settings = load(dsn=dsn, schema=schema)

            async def one(client: Client, job_id: int, dry: bool) -> None:
                if not await act(client, dry, {"ids": [job_id]}, **options):
                    raise await refused(client, job_id, participle)

            async def several(client: Client, dry: bool, chosen: Any) -> int:
                return await act(client, dry, chosen, **options)

            deed = Many(
                action=act.__name__,
                verb=act.__name__,
                participle=participle,
                which=which,
                text=_written(**given),
                details=options,
                one=one,
                several=several,
            )
            many(settings, deed, dry_run=dry_run, yes=yes, output=output)

        common = list(signature(run).parameters.values())[:-1]
        criteria = signature(_which).parameters.values()
        shown = [each.replace(kind=each.KEYWORD_ONLY) for each in (*criteria, *own, *common)]
        return reshaped(run, act, shown)

    return shape


@_command("cancelled")
def cancel(client: Client, dry: bool, which: Any, *, reason: Reason = None) -> Awaitable[int]:
    """Cancel jobs that have not ended; those that run are stopped, on whichever machine they are.

    Without ids, all that fit the filter are meant; --dry-run says how many that is.
    """
    return client.cancel_jobs(reason=reason, dry_run=dry, **which)


@_command("retried")
def retry(client: Client, dry: bool, which: Any) -> Awaitable[int]:
    """Run jobs again that have ended, or now those that wait for their time.

    Without ids and states, those that failed are meant: retryable, discarded and cancelled ones.
    """
    return client.retry_jobs(dry_run=dry, **which)


@_command("deleted")
def delete(client: Client, dry: bool, which: Any) -> Awaitable[int]:
    """Delete jobs that don't run; cancel those first."""
    return client.delete_jobs(dry_run=dry, **which)
