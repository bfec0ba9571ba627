"""``baton workflow cancel``, ``retry`` and ``skip``."""

import json
import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Any, TypeVar

import anyio
import typer

from baton.cli.frame import ExitCode
from baton.cli.options import Dsn, Json, Schema
from baton.client import Client
from baton.errors import ConfigurationError
from baton.settings import Settings, load
from baton.states import State
from baton.steering import ALL, RetriedStep, Retry

T = TypeVar("T")

Id = Annotated[
    str,
    typer.Argument(
        metavar="ID", help="The id of the workflow, or its first characters, four at least."
    ),
]
DryRun = Annotated[
    bool,
    typer.Option("--dry-run", envvar="BATON_DRY_RUN", help="Only say what would be done."),
]
Yes = Annotated[
    bool, typer.Option("--yes", "-y", envvar="BATON_YES", help="Don't ask on a terminal.")
]
Reason = Annotated[
    str | None,
    typer.Option("--reason", envvar="BATON_REASON", help="Why, for people who look at the steps."),
]


def cancel(
    workflow_id: Id,
    reason: Reason = None,
    dsn: Dsn = None,
    schema: Schema = None,
    *,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Cancel every step of a workflow that has not ended, and those of its sub-workflows.

    Steps that run are stopped, on whichever machine they are. The workflow then fails.
    """
    settings = load(dsn=dsn, schema=schema)

    def act(client: Client, dry: bool) -> Awaitable[int]:
        return client.cancel_workflow(workflow_id, reason, dry_run=dry)

    if _asks(dry_run, yes):
        _confirm(f"cancel {_steps(_run(settings, act, True))} of workflow {workflow_id}?")
    count = _run(settings, act, dry_run)
    if as_json:
        print(json.dumps({"action": "cancel", "steps": count, "dry_run": dry_run}))
    else:
        print(f"{'would cancel' if dry_run else 'cancelled'} {_steps(count)}")


def retry(
    workflow_id: Id,
    step: Annotated[
        list[str] | None,
        typer.Option(
            "--step",
            envvar="BATON_STEP",
            help="This step and everything after it. May be repeated. [the failed steps]",
        ),
    ] = None,
    dsn: Dsn = None,
    schema: Schema = None,
    *,
    everything: Annotated[
        bool, typer.Option("--all", envvar="BATON_RETRY_ALL", help="All steps.")
    ] = False,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Run steps of a workflow again; the others keep their results."""
    if step and everything:
        raise ConfigurationError("--step and --all exclude each other")
    settings = load(dsn=dsn, schema=schema)
    steps = ALL if everything else step or None

    def act(client: Client, dry: bool) -> Awaitable[Retry]:
        return client.retry_workflow(workflow_id, steps, dry_run=dry)

    if _asks(dry_run, yes):
        planned = _run(settings, act, True)
        if not as_json:
            _list("would run again", planned)
        _confirm(f"retry {_steps(len(planned.steps))}?")
    done = _run(settings, act, dry_run)
    if as_json:
        print(json.dumps({"action": "retry", **_as_json(done), "dry_run": dry_run}))
    else:
        _list("would run again" if dry_run else "runs again", done)


def skip(
    workflow_id: Id,
    step: Annotated[str, typer.Argument(metavar="STEP", help="The name of the step.")],
    result: Annotated[
        str | None,
        typer.Option(
            "--result", envvar="BATON_RESULT", help="What it returned, as JSON. [nothing]"
        ),
    ] = None,
    reason: Reason = None,
    dsn: Dsn = None,
    schema: Schema = None,
    *,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Let a step count as completed without running it, so that what waits for it goes on."""
    settings = load(dsn=dsn, schema=schema)
    document = _result(result)

    def act(client: Client, dry: bool) -> Awaitable[State]:
        return client.skip_step(workflow_id, step, document, reason=reason, dry_run=dry)

    if _asks(dry_run, yes):
        _confirm(f"skip step {step}, which is {_run(settings, act, True)}?")
    was = _run(settings, act, dry_run)
    if as_json:
        print(json.dumps({"action": "skip", "step": step, "was": was.value, "dry_run": dry_run}))
    else:
        print(f"{'would skip' if dry_run else 'skipped'} step {step}, which was {was}")


def _asks(dry_run: bool, yes: bool) -> bool:
    """Whether a person is to confirm: an id says what is meant, so only on a terminal."""
    return not dry_run and not yes and sys.stdin.isatty()


def _confirm(question: str) -> None:
    if not typer.confirm(question):
        raise typer.Exit(ExitCode.FAILED)


def _run(settings: Settings, act: Callable[[Client, bool], Awaitable[T]], dry_run: bool) -> T:
    async def perform() -> T:
        async with Client(settings=settings) as client:
            return await act(client, dry_run)

    return anyio.run(perform)


def _list(verb: str, retry: Retry) -> None:
    listed = [(step, verb) for step in retry.steps]
    listed += [(step, "is taken out") for step in retry.removed]
    listed += [(step, "can't run again, its job was deleted") for step in retry.gone]
    for step, what in listed:
        elsewhere = "" if step.workflow_id == retry.workflow_id else f" of {step.workflow_id}"
        print(f"{step.step_name}{elsewhere} {what}, was {step.was}")


def _as_json(retry: Retry) -> dict[str, Any]:
    return {
        "steps": _listed(retry.steps),
        "removed": _listed(retry.removed),
        "gone": _listed(retry.gone),
    }


def _listed(steps: Sequence[RetriedStep]) -> list[dict[str, Any]]:
    return [
        {
            "workflow_id": str(step.workflow_id),
            "step_name": step.step_name,
            "job_id": step.job_id,
            "was": step.was.value,
        }
        for step in steps
    ]


def _result(text: str | None) -> Any:
    if text is None:
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigurationError(f"--result is not JSON: {error}") from None


def _steps(count: int) -> str:
    return f"{count:,} step{'' if count == 1 else 's'}"
