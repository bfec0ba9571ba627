"""``baton workflow cancel``, ``retry`` and ``skip``."""

import json
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar
from uuid import UUID

import anyio
import typer

from baton.cli import workflow_ids
from baton.cli.acting import acting
from baton.cli.completion import complete_workflow
from baton.cli.filtering import joined
from baton.cli.options import Dsn, Schema
from baton.cli.output import Form, Output, confirm, emit
from baton.cli.workflow_many import Many, counted, many
from baton.client import Client
from baton.errors import ConfigurationError, NothingToCancel
from baton.settings import Settings, load
from baton.states import State
from baton.steering import ALL, RetriedStep, Retry, Steered, Steps
from baton.trees import NAME_LIMIT
from baton.wording import cut, inert

T = TypeVar("T")
LISTED = 50  # steps that a person is shown

Id = Annotated[
    str,
    typer.Argument(
        metavar="ID",
        help="The id of the workflow, or its first characters, four at least.",
        autocompletion=complete_workflow,
    ),
]
Which = Annotated[
    list[str],
    typer.Argument(
        metavar="ID|FILTER...",
        autocompletion=complete_workflow,
        help="Ids of workflows, or their first characters, four at least; or words like "
        "state:failed name:research* since:1d for all that fit.",
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
    which: Which,
    reason: Reason = None,
    dsn: Dsn = None,
    schema: Schema = None,
    *,
    dry_run: DryRun = False,
    yes: Yes = False,
    output: Output = Form.TABLE,
) -> None:
    """Cancel every step of a workflow that has not ended, and those of its sub-workflows.

    Steps that run are stopped, on whichever machine they are. The workflow then fails.

    Of several ids each is cancelled that can be, and the others are named. With a filter, all
    workflows that fit are meant: those that execute, unless it names states.
    """
    settings = load(dsn=dsn, schema=schema)
    given = workflow_ids.ids(which)
    if not given:
        where = joined(which)

        def act_on_all(client: Client, dry: bool, options: Any) -> Awaitable[Steered]:
            return client.cancel_workflows(where, reason, dry_run=dry, **options)

        several = Many("cancel", "cancelled", where, {"reason": reason})
        many(settings, several, act_on_all, dry_run, yes, output)
        return

    async def act(client: Client, which: UUID | str, dry: bool) -> int:
        if count := await client.cancel_workflow(which, reason, dry_run=dry):
            return count
        raise NothingToCancel(which, (await client.get_workflow(which)).state)

    if len(given) > 1:
        each = workflow_ids.Each(
            verb="cancel", participle="cancelled", details={"reason": reason}, act=act
        )
        workflow_ids.each(settings, each, given, dry_run, yes, output)
        return
    [workflow_id] = given
    if _asks(dry_run, yes):
        _confirm(f"cancel {counted(_run(settings, act, workflow_id))} of workflow {workflow_id}?")
    deed = _Deed("cancel", lambda n: f"cancelled {counted(n)}", {"reason": reason})
    count = _run(settings, act, workflow_id, None if dry_run else deed)
    if output.is_data:
        emit(output, {"action": "cancel", "steps": count, "dry_run": dry_run})
    else:
        print(f"{'would cancel' if dry_run else 'cancelled'} {counted(count)}")


def retry(
    which: Which,
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
    output: Output = Form.TABLE,
) -> None:
    """Run steps of a workflow again; the others keep their results.

    Of several ids the failed steps of each run again, and those without any are named. With a
    filter, those of all workflows that fit: of those that failed, unless it names states.
    """
    if step and everything:
        raise ConfigurationError("--step and --all exclude each other")
    settings = load(dsn=dsn, schema=schema)
    given = workflow_ids.ids(which)
    if len(given) != 1 and (step or everything):
        raise ConfigurationError("--step and --all are for one workflow; give its id")
    if not given:
        where = joined(which)

        def act_on_all(client: Client, dry: bool, options: Any) -> Awaitable[Steered]:
            return client.retry_workflows(where, dry_run=dry, **options)

        many(settings, Many("retry", "retried", where), act_on_all, dry_run, yes, output)
        return
    if len(given) > 1:

        async def count(client: Client, which: UUID, dry: bool) -> int:
            return len((await client.retry_workflow(which, dry_run=dry)).steps)

        each = workflow_ids.Each(verb="retry", participle="retried", act=count)
        workflow_ids.each(settings, each, given, dry_run, yes, output)
        return
    steps = ALL if everything else step or None
    done = _retry(settings, given[0], steps, dry_run, yes, output)
    if output.is_data:
        emit(output, {"action": "retry", **_as_json(done), "dry_run": dry_run})
    else:
        list_steps("would run again" if dry_run else "runs again", done)


def _retry(
    settings: Settings, workflow_id: str, steps: Steps, dry_run: bool, yes: bool, output: Form
) -> Retry:
    """Run steps of one workflow again; on a terminal they are shown and asked for first."""

    def act(client: Client, which: UUID | str, dry: bool) -> Awaitable[Retry]:
        return client.retry_workflow(which, steps, dry_run=dry)

    if _asks(dry_run, yes):
        planned = _run(settings, act, workflow_id)
        if not output.is_data:
            list_steps("would run again", planned)
        _confirm(f"retry {counted(len(planned.steps))}?")
    told: dict[str, Any] = {"all": True} if steps == ALL else {"step": steps}
    return _run(settings, act, workflow_id, None if dry_run else _Deed("retry", _retried, told))


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
    output: Output = Form.TABLE,
) -> None:
    """Let a step count as completed without running it, so that what waits for it goes on."""
    settings = load(dsn=dsn, schema=schema)
    document = _result(result)

    def act(client: Client, which: UUID | str, dry: bool) -> Awaitable[State]:
        return client.skip_step(which, step, document, reason=reason, dry_run=dry)

    if _asks(dry_run, yes):
        _confirm(f"skip step {step}, which is {_run(settings, act, workflow_id)}?")
    deed = _Deed(
        "skip",
        lambda was: f"step {step} counts as completed; it was {was.value}",
        {"step": step, "reason": reason},
    )
    was = _run(settings, act, workflow_id, None if dry_run else deed)
    if output.is_data:
        emit(output, {"action": "skip", "step": step, "was": was.value, "dry_run": dry_run})
    else:
        print(f"{'would skip' if dry_run else 'skipped'} step {step}, which was {was}")


@dataclass(frozen=True, slots=True)
class _Deed:
    """What is done to one workflow, for the audit log; ``told`` says what it came to."""

    action: str
    told: Callable[[Any], str]
    details: Mapping[str, Any]


def _asks(dry_run: bool, yes: bool) -> bool:
    """Whether a person is to confirm: an id says what is meant, so only on a terminal."""
    return not dry_run and not yes and sys.stdin.isatty()


def _confirm(question: str) -> None:
    confirm(question, otherwise="nobody can be asked")


def _run(
    settings: Settings,
    act: Callable[[Client, UUID | str, bool], Awaitable[T]],
    workflow_id: str,
    deed: _Deed | None = None,
) -> T:
    """Do something to a workflow; without a deed it is only tried."""

    async def perform() -> T:
        async with Client(settings=settings) as client:
            if deed is None:
                return await act(client, workflow_id, True)
            whole = await client.find_workflow(workflow_id)
            async with acting(client, deed.action, "workflow", whole, **deed.details) as record:
                done = await act(client, whole, False)
                record.message = deed.told(done)
                return done

    return anyio.run(perform)


def _retried(retry: Retry) -> str:
    removed = f", removed {counted(len(retry.removed))}" if retry.removed else ""
    verb = "runs" if len(retry.steps) == 1 else "run"
    return f"{counted(len(retry.steps))} {verb} again{removed}"


def list_steps(verb: str, retry: Retry) -> None:
    """Print what becomes of the steps, one a line."""
    listed = [(step, verb) for step in retry.steps]
    listed += [(step, "is taken out") for step in retry.removed]
    listed += [(step, "can't run again, its job was deleted") for step in retry.gone]
    person = sys.stdout.isatty()  # is shown a page; a pipe gets all of it
    for step, what in listed[: LISTED if person else None]:
        name = inert(step.step_name)
        elsewhere = "" if step.workflow_id == retry.workflow_id else f" of {step.workflow_id}"
        print(f"{cut(name, NAME_LIMIT) if person else name}{elsewhere} {what}, was {step.was}")
    if person and len(listed) > LISTED:
        print(f"and {len(listed) - LISTED:,} more; in a pipe, all of them are listed")


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
