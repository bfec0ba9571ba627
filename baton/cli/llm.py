"""``baton llm``: what language models were used for, and what was said to them."""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any

import anyio
import typer
from rich.text import Text

from baton.cli import table, values
from baton.cli.options import Dsn, Limit, Schema
from baton.cli.output import Form, Output, emit
from baton.cli.tree import inert
from baton.cli.workflow_look import checked
from baton.client import Client
from baton.llm.capture import LogEntry
from baton.llm.figures import Figures, StepFigures
from baton.settings import Settings, load
from baton.wording import dollars


class By(StrEnum):
    """What is added up."""

    MODEL = "model"
    WORKFLOW = "workflow"
    WORKER = "worker"
    DAY = "day"


_HEADS: Mapping[By, Callable[[Any], str]] = {
    By.MODEL: lambda each: f"{each.model or 'unknown'}{_paid(each.provider)}",
    By.WORKFLOW: lambda each: each.name or str(each.workflow_id)[:8],
    By.WORKER: lambda each: each.worker,
    By.DAY: lambda each: each.day.isoformat(),
}
_TOTAL = "total"


def _paid(provider: str | None) -> str:
    return "" if provider is None else f" ({provider})"


def stats(
    workflow_id: Annotated[
        str | None,
        typer.Argument(metavar="[WORKFLOW]", help="Its steps; the beginning of its id will do."),
    ] = None,
    by: Annotated[
        By, typer.Option("--by", envvar="BATON_LLM_BY", help="What to add up.")
    ] = By.MODEL,
    since: Annotated[
        str | None,
        typer.Option(
            "--since",
            envvar="BATON_LLM_SINCE",
            help="From this time on, or so long ago: 2026-11-21, 7d. [ever]",
        ),
    ] = None,
    until: Annotated[
        str | None,
        typer.Option(
            "--until", envvar="BATON_LLM_UNTIL", help="Before this time: 2026-11-22T08:00. [now]"
        ),
    ] = None,
    timezone: Annotated[
        str,
        typer.Option("--timezone", "-z", envvar="BATON_LLM_TIMEZONE", help="Whose days are meant."),
    ] = "UTC",
    limit: Limit = 50,
    dsn: Dsn = None,
    schema: Schema = None,
    *,
    output: Output = Form.TABLE,
) -> None:
    """Add up what language models were used for, and what that cost."""
    settings = load(dsn=dsn, schema=schema)
    if workflow_id is not None:
        total, steps = anyio.run(_of_workflow, settings, checked(workflow_id))
        if output.is_data:
            lines = [each.as_json() for each in steps]
            whole = {"total": total.as_json(), "steps": lines}
            emit(output, lines if output is Form.JSONL else whole)
        else:
            _show("step", [*((each.step_name, each) for each in steps), (_TOTAL, total)])
        return
    period = (_time("--since", since), _time("--until", until))
    found = anyio.run(_asked, settings, by, period, timezone, limit)
    if output.is_data:
        emit(output, [each.as_json() for each in found])
    else:
        _show(by.value, [(_HEADS[by](each), each) for each in found])


def log(
    subject: Annotated[
        str,
        typer.Argument(metavar="WORKFLOW|JOB", help="A workflow and a step, or the id of a job."),
    ],
    step: Annotated[
        str | None, typer.Argument(metavar="[STEP]", help="The name of a step of the workflow.")
    ] = None,
    limit: Limit = 100,
    dsn: Dsn = None,
    schema: Schema = None,
    *,
    output: Output = Form.TABLE,
) -> None:
    """Show what was captured of a step or a job: contexts, requests, responses and errors."""
    settings = load(dsn=dsn, schema=schema)
    is_job = step is None and subject.isdecimal()
    asked = int(subject[:20]) if is_job else checked(subject)  # no job has a longer one
    entries = anyio.run(_captured, settings, asked, step, limit)
    if output.is_data:
        emit(output, [entry.as_json() for entry in entries])
        return
    out = table.console()
    for entry in entries:
        head = f"{table.moment(entry.inserted_at)}  attempt {entry.attempt}  {entry.kind}"
        out.print(Text(head, "bold"), soft_wrap=True)
        text = json.dumps(entry.content, indent=2, ensure_ascii=False)
        for line in text.splitlines():
            out.print(Text(f"  {inert(line)}"), soft_wrap=True)


async def _captured(
    settings: Settings, subject: str | int, step: str | None, limit: int
) -> Sequence[LogEntry]:
    async with Client(settings=settings) as client:
        return await client.debug.entries(subject, step, limit=limit)


async def _of_workflow(settings: Settings, given: str) -> tuple[Figures, list[StepFigures]]:
    async with Client(settings=settings) as client:
        total = await client.stats.workflow_totals(given)
        return total, await client.stats.steps_for_workflow(given)


async def _asked(
    settings: Settings,
    by: By,
    period: tuple[datetime | None, datetime | None],
    timezone: str,
    limit: int,
) -> Sequence[Figures]:
    async with Client(settings=settings) as client:
        match by:
            case By.MODEL:
                return await client.stats.cost_by_model(*period)
            case By.WORKFLOW:
                return await client.stats.cost_by_workflow(*period, limit=limit)
            case By.WORKER:
                return await client.stats.cost_by_worker(*period)
            case By.DAY:
                return await client.stats.cost_by_day(*period, timezone=timezone)


def _time(option: str, text: str | None) -> datetime | None:
    """Read a time, or how long ago it was."""
    if text is None:
        return None
    if text.strip()[:4].isdigit() and "-" in text:
        return values.moment(option, text)
    return datetime.now().astimezone() - timedelta(seconds=values.delay(option, text))


def _show(head: str, figures: Sequence[tuple[str, Figures]]) -> None:
    columns = ("attempts", "calls", "input", "cached", "output", "cost", "failed", "unpriced")
    rows = table.listing(head, *columns, flexible={head})
    for column in rows.columns[1:]:
        column.justify = "right"
    for name, each in figures:
        rows.add_row(
            table.cell(name),
            Text(f"{each.attempts:,}"),
            Text(f"{each.calls:,}"),
            Text(f"{each.input_tokens:,}"),
            Text(f"{each.cached_tokens:,}"),
            Text(f"{each.output_tokens:,}"),
            Text(dollars(each.cost)),
            Text(dollars(each.failed_cost)),
            Text(f"{each.unpriced_calls:,}" if each.unpriced_calls else ""),
        )
    table.show(rows)
