"""``baton llm budget``: what workflows and queues may spend on language models."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Annotated, Any, TypeVar
from uuid import UUID

import anyio
import typer
from rich.text import Text

from baton.cli import table, values
from baton.cli.acting import acting
from baton.cli.completion import complete_queue
from baton.cli.options import Dsn, Limit, Schema
from baton.cli.output import Form, Output, emit, say
from baton.cli.workflow_look import checked
from baton.client import Client
from baton.errors import InvalidBudget, NotFound
from baton.llm.budgets import BudgetStatus, OnExceeded
from baton.queues import KEEP, Keep
from baton.settings import load
from baton.store.audit import Record

R = TypeVar("R")

OfWorkflow = Annotated[
    str | None,
    typer.Option(
        "--workflow",
        "-w",
        envvar="BATON_BUDGET_WORKFLOW",
        help="A workflow; the beginning of its id will do.",
    ),
]
OfQueue = Annotated[
    str | None,
    typer.Option(
        "--queue",
        "-q",
        envvar="BATON_BUDGET_QUEUE",
        help="A queue, for a day of UTC.",
        autocompletion=complete_queue,
    ),
]


def list_(
    workflow: OfWorkflow = None,
    queue: OfQueue = None,
    limit: Limit = 50,
    dsn: Dsn = None,
    schema: Schema = None,
    *,
    output: Output = Form.TABLE,
) -> None:
    """List the budgets of queues and of workflows that execute, or that of one thing."""
    named = None if workflow is None else checked(workflow)
    found = _run(
        dsn, schema, lambda client: client.budgets(workflow=named, queue=queue, limit=limit)
    )
    if output.is_data:
        emit(output, [each.as_json() for each in found])
    else:
        _show(found)


def set_(
    workflow: OfWorkflow = None,
    queue: OfQueue = None,
    cost: Annotated[
        str | None,
        typer.Option(
            "--cost",
            envvar="BATON_BUDGET_COST",
            help="In US dollars: 12.50; none lifts it. [as it is]",
        ),
    ] = None,
    tokens: Annotated[
        str | None,
        typer.Option(
            "--tokens",
            envvar="BATON_BUDGET_TOKENS",
            help="Tokens, input and output together; none lifts it. [as it is]",
        ),
    ] = None,
    on_exceeded: Annotated[
        OnExceeded | None,
        typer.Option(
            "--on-exceeded",
            envvar="BATON_BUDGET_ON_EXCEEDED",
            help="What becomes of what would start beyond it: it waits, or its workflow ends. "
            "[as it is, hold at first]",
        ),
    ] = None,
    dsn: Dsn = None,
    schema: Schema = None,
    *,
    output: Output = Form.TABLE,
) -> None:
    """Set what a workflow, or a queue in a day, may spend; what it held and holds no more runs."""
    named = None if workflow is None else checked(workflow)
    said = {"cost": cost, "tokens": tokens, "on_exceeded": on_exceeded}

    async def set_(client: Client) -> BudgetStatus:
        async with _acting(client, "set_budget", named, queue, **said) as (record, whole):
            status = await client.set_budget(
                workflow=whole,
                queue=queue,
                cost=_given(cost),
                tokens=_tokens(tokens),
                on_exceeded=on_exceeded or KEEP,
            )
            record.message = f"it may spend {status.limits}"
            return status

    status = _run(dsn, schema, set_)
    if output.is_data:
        emit(output, status.as_json())
    else:
        _show([status])


def remove(
    workflow: OfWorkflow = None, queue: OfQueue = None, dsn: Dsn = None, schema: Schema = None
) -> None:
    """Let a workflow or a queue spend what it will; what its budget held runs."""
    named = None if workflow is None else checked(workflow)

    async def remove_(client: Client) -> None:
        async with _acting(client, "remove_budget", named, queue) as (record, whole):
            if not await client.remove_budget(workflow=whole, queue=queue):
                raise NotFound("budget of", workflow or queue or "")
            record.message = "it may spend what it will"

    _run(dsn, schema, remove_)
    say("removed")


@asynccontextmanager
async def _acting(
    client: Client, action: str, workflow: str | None, queue: str | None, **details: Any
) -> AsyncIterator[tuple[Record, UUID | None]]:
    """Have it in the audit log; it also yields the whole id of the workflow."""
    if (workflow is None) == (queue is None):
        raise InvalidBudget("a budget is that of a workflow or of a queue: name one of them")
    whole = None if workflow is None else await client.find_workflow(workflow)
    kind = "queue" if whole is None else "workflow"
    async with acting(client, action, kind, queue if whole is None else whole, **details) as record:
        yield record, whole


def _given(text: str | None) -> str | Keep | None:
    if text is None:
        return KEEP
    return None if text == values.NOTHING else text


def _tokens(text: str | None) -> int | Keep | None:
    given = _given(text)
    if not isinstance(given, str):
        return given
    try:
        return int(given)
    except ValueError:
        raise InvalidBudget(
            f"tokens must be a whole number from 0 on, or none, not {given!r}"
        ) from None


def _run(dsn: str | None, schema: str | None, call: Callable[[Client], Awaitable[R]]) -> R:
    settings = load(dsn=dsn, schema=schema)

    async def run() -> R:
        async with Client(settings=settings) as client:
            return await call(client)

    return anyio.run(run)


def _show(found: list[BudgetStatus]) -> None:
    rows = table.listing(
        *("of", "limit", "spent", "reserved", "held", "beyond it", "renews"), flexible={"of"}
    )
    for each in found:
        rows.add_row(
            table.cell(_name(each)),
            Text(each.limits),
            Text(each.spent),
            Text(each.reserved),
            Text(f"{each.held:,}" if each.held else ""),
            Text(each.on_exceeded),
            Text("" if each.renews_at is None else table.moment(each.renews_at)),
        )
    table.show(rows)


def _name(each: BudgetStatus) -> str:
    if each.queue is not None:
        return f"queue {each.queue}, a day"
    return f"workflow {each.workflow or ''} {str(each.workflow_id)[:8]}".replace("  ", " ")
