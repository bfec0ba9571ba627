"""``baton doctor``: what is wrong, and the command that mends it."""

from dataclasses import asdict
from itertools import groupby
from typing import Annotated, Any

import typer
from rich.text import Text

from baton.checkup import Checkup, Finding, Severity
from baton.cli import table
from baton.cli.frame import ExitCode
from baton.cli.options import App, Dsn, ListenDsn, NoListen, Schema
from baton.cli.output import Form, Output, emit
from baton.cli.progress import progress
from baton.cli.tree import inert
from baton.loading import load_registry
from baton.settings import Settings, load
from baton.store.doctor import CHECKS, Target, examine

_LOOKS = {
    Severity.ERROR: ("✗", "bold red"),
    Severity.WARNING: ("!", "yellow"),
    Severity.NOTICE: ("·", "dim"),
}
_WIDTH = max(map(len, Severity))


def doctor(
    app: App = None,
    only: Annotated[
        list[str] | None,
        typer.Option(
            "--only",
            envvar="BATON_DOCTOR_ONLY",
            help=f"A check: {', '.join(CHECKS)}. May be repeated. [all]",
        ),
    ] = None,
    dsn: Dsn = None,
    listen_dsn: ListenDsn = None,
    schema: Schema = None,
    *,
    no_listen: NoListen = False,
    output: Output = Form.TABLE,
) -> None:
    """Look for what is wrong; each finding comes with the command that mends it.

    The exit code is 1 when something is broken. With --app, jobs whose workers the program does not
    register are found as well; without it that check is skipped.
    """
    settings = load(
        dsn=dsn, listen_dsn=listen_dsn, no_listen=no_listen or None, schema=schema, app=app
    )
    with progress("looking") as tell:
        found = examine(_target(settings), only=only, progress=tell)
    if output.is_data:
        findings = [asdict(each) for each in found.findings]
        document: dict[str, Any] = {
            "ok": not found.has_errors,
            "checks": found.checks,
            "findings": findings,
        }
        document["skipped"] = [asdict(each) for each in found.skipped]
        emit(output, findings if output is Form.JSONL else document)
    else:
        _show(found)
    if found.has_errors:
        raise typer.Exit(ExitCode.FAILED)


def _target(settings: Settings) -> Target:
    workers = None if settings.app is None else load_registry(settings.app).names()
    return Target(
        dsn=settings.conninfo,
        direct=settings.direct_conninfo,
        schema=settings.db_schema,
        pooled=settings.behind_pooler,
        processes=settings.processes,
        workers=workers,
        timeout=settings.statement_timeout,
    )


def _show(found: Checkup) -> None:
    out = table.console()
    for finding in found.findings:
        for line in _lines(finding):
            out.print(line, soft_wrap=True)
    count = len(found.checks)
    if found.checks and not found.findings:
        checks = f"{count} check{'' if count == 1 else 's'}"
        out.print(Text(f"all is well: {checks} found nothing", "green"), soft_wrap=True)
    for reason, skipped in groupby(found.skipped, lambda each: (each.reason, each.command)):
        names = ", ".join(each.check for each in skipped)
        out.print(Text(f"· {'skipped':<{_WIDTH}} {names}: {reason[0]}", "dim"), soft_wrap=True)
        out.print(Text(f"  {'':<{_WIDTH}} run: {reason[1]}", "cyan"), soft_wrap=True)


def _lines(finding: Finding) -> list[Text]:
    icon, style = _LOOKS[finding.severity]
    head = Text(f"{icon} {finding.severity:<{_WIDTH}} ", style)
    head.append(f"{finding.check}: {inert(finding.sentence)}", "default")
    if finding.command is None:
        return [head]
    return [head, Text(f"  {'':<{_WIDTH}} run: {inert(finding.command)}", "cyan")]
