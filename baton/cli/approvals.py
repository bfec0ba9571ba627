"""``baton workflow approvals``, ``approve`` and ``reject``."""

from collections.abc import Callable, Sequence
from typing import Annotated, Any

import anyio
import typer
from rich.text import Text

from baton.approvals import Answer, Approval, Decision
from baton.cli import table, tree
from baton.cli.acting import acting, speaker
from baton.cli.filtering import ApprovalFilter, joined
from baton.cli.options import Dsn, Limit, Schema, ShowSecrets
from baton.cli.output import Form, Output, emit
from baton.cli.paging import page
from baton.cli.workflow_actions import Id
from baton.cli.workflow_look import checked
from baton.client import Client
from baton.errors import InvalidAnswer
from baton.masking import hide
from baton.settings import load

Step = Annotated[str, typer.Argument(metavar="STEP", help="The name of the step.")]
By = Annotated[
    str | None,
    typer.Option("--by", envvar="BATON_BY", help="Who says it. [the user of this shell]"),
]
Comment = Annotated[
    str | None,
    typer.Option("--comment", envvar="BATON_COMMENT", help="What else there is to say."),
]


def list_(
    words: ApprovalFilter = None,
    asks: Annotated[
        str | None,
        typer.Option("--asks", envvar="BATON_ASKS", help="Only what is asked of them."),
    ] = None,
    dsn: Dsn = None,
    schema: Schema = None,
    after: Annotated[
        int | None,
        typer.Option(
            envvar="BATON_APPROVAL_AFTER",
            help="Only what is asked since later than by the step of this job: the next page.",
        ),
    ] = None,
    limit: Limit = 50,
    *,
    show_secrets: ShowSecrets = False,
    output: Output = Form.TABLE,
) -> None:
    """List what people are asked now, what waits longest first; as JSON, with what it is about.

    A word that is the beginning of an id, of at least four characters, means that workflow.
    """
    settings = load(dsn=dsn, schema=schema)

    async def fetch() -> list[Approval]:
        async with Client(settings=settings) as client:
            return await client.approvals(
                where=joined(words),
                asks=asks,
                after=after,
                shown=output.is_data,
                limit=limit + 1,
            )

    found = page(anyio.run(fetch), limit, lambda each: each.job_id, output)
    shown: Callable[[Any], Any] = dict if show_secrets else hide()
    if output.is_data:
        emit(output, [{**_as_json(each), "shown": shown(each.shown)} for each in found])
    else:
        _show(found)


def approve(
    workflow_id: Id,
    step: Step,
    comment: Comment = None,
    by: By = None,
    dsn: Dsn = None,
    schema: Schema = None,
    *,
    output: Output = Form.TABLE,
) -> None:
    """Say yes to a step that asks: it completes, and what depends on it goes on.

    There is one answer; when it has been given already, the command ends with status 5.
    """
    _answer(workflow_id, step, True, comment, by, dsn, schema, output)


def reject(
    workflow_id: Id,
    step: Step,
    comment: Comment = None,
    by: By = None,
    dsn: Dsn = None,
    schema: Schema = None,
    *,
    output: Output = Form.TABLE,
) -> None:
    """Say no to a step that asks: it is cancelled, unless the workflow says something else.

    There is one answer; when it has been given already, the command ends with status 5.
    """
    _answer(workflow_id, step, False, comment, by, dsn, schema, output)


def _answer(
    workflow_id: str,
    step: str,
    approved: bool,
    comment: str | None,
    by: str | None,
    dsn: str | None,
    schema: str | None,
    output: Form,
) -> None:
    settings = load(dsn=dsn, schema=schema)
    who = _speaker() if by is None else by
    action = "approve" if approved else "reject"

    async def say() -> Decision:
        async with Client(settings=settings) as client:
            whole = await client.find_workflow(checked(workflow_id))
            details = {"step": step, "comment": comment, "by": by}
            async with acting(client, action, "workflow", whole, **details) as record:
                said = await client.answer_approval(
                    whole, step, Answer(approved=approved, by=who, comment=comment)
                )
                record.message = _told(said, step)
                return said

    said = anyio.run(say)
    if output.is_data:
        emit(output, {"step": step, **_said(said)})
    else:
        print(_told(said, step))


def _told(said: Decision, step: str) -> str:
    return f"{'approved' if said.approved else 'rejected'} step {step} as {said.by}"


def _speaker() -> str:
    found = speaker()
    if found is None:
        raise InvalidAnswer("the user of this shell has no name; say with --by who answers")
    return found


def _show(found: Sequence[Approval]) -> None:
    if not found:
        print("nobody is asked anything now")
        return
    columns = ("job", "workflow", "name", "step", "asks", "question", "since", "until")
    rows = table.listing(*columns, flexible={"question"})
    for each in found:
        rows.add_row(
            Text(str(each.job_id)),
            Text(str(each.workflow_id)[: tree.SHORT_ID]),
            table.cell(each.workflow_name or ""),
            table.cell(each.step_name),
            table.cell(each.asks or ""),
            table.cell(each.question),
            Text("" if each.since is None else table.moment(each.since)),
            Text("" if each.until is None else table.moment(each.until)),
        )
    table.show(rows)


def _as_json(each: Approval) -> dict[str, Any]:
    return {
        "workflow_id": str(each.workflow_id),
        "workflow_name": each.workflow_name,
        "step": each.step_name,
        "job_id": each.job_id,
        "question": each.question,
        "asks": each.asks,
        "since": None if each.since is None else each.since.isoformat(),
        "until": None if each.until is None else each.until.isoformat(),
        "on_timeout": each.on_timeout,
        "on_rejected": each.on_rejected,
    }


def _said(decision: Decision) -> dict[str, Any]:
    return {
        "approved": decision.approved,
        "by": decision.by,
        "comment": decision.comment,
        "at": None if decision.at is None else decision.at.isoformat(),
    }
