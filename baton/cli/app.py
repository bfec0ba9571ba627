"""Which commands there are.

A command's module is imported when the command is run: the help answers fast, and a worker process
does not register the workers of the demo.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from baton import __version__
from baton.cli.frame import frame, guarded

HELP = "A job queue with DAG workflows that lives in PostgreSQL alone."
SETTINGS: dict[str, Any] = {"help_option_names": ["-h", "--help"]}


@dataclass(frozen=True, slots=True)
class Command:
    """Where a command is written, as ``module:function``, and what the list of commands says."""

    target: str
    summary: str
    passes_options_on: bool = False


@dataclass(frozen=True, slots=True)
class Group:
    """Commands that share their first word."""

    summary: str
    commands: Mapping[str, Command]


COMMANDS: Mapping[str, Command | Group] = {
    "migrate": Command("baton.cli.migrate:migrate", "Bring the schema to the newest version."),
    "worker": Command("baton.cli.worker:worker", "Perform jobs until SIGTERM or SIGINT."),
    "workflow": Group(
        "Look at workflows, and steer them.",
        {
            "list": Command("baton.cli.workflow:list_", "List workflows, the newest first."),
            "run": Command("baton.cli.workflow_run:run", "Insert one that is written as JSON."),
            "signal": Command("baton.cli.workflow_signal:signal", "Say something to one."),
            "schema": Command("baton.cli.workflow_run:schema", "Print the schema of that JSON."),
            "show": Command("baton.cli.workflow_look:show", "Show a workflow and all its steps."),
            "tree": Command("baton.cli.workflow_look:tree_", "Show it with like steps together."),
            "graph": Command("baton.cli.workflow_graph:graph", "Draw it: Mermaid, DOT or SVG."),
            "watch": Command("baton.cli.watch:watch", "Show it until it is finished."),
            "cancel": Command("baton.cli.workflow_actions:cancel", "Cancel its open steps."),
            "retry": Command("baton.cli.workflow_actions:retry", "Run steps again."),
            "skip": Command("baton.cli.workflow_actions:skip", "Count a step as completed."),
            "why": Command("baton.cli.why:workflow", "Say why it, or a step of it, waits."),
        },
    ),
    "job": Group(
        "Look at jobs, and change them.",
        {
            "list": Command("baton.cli.job:list_", "List jobs, the newest first."),
            "show": Command("baton.cli.job:show", "Show a job."),
            "why": Command("baton.cli.why:job", "Say why a job waits."),
            "insert": Command("baton.cli.job_write:insert", "Insert a job of a worker."),
            "edit": Command("baton.cli.job_write:edit", "Change a job."),
            "cancel": Command("baton.cli.job_actions:cancel", "Cancel jobs, also running ones."),
            "retry": Command("baton.cli.job_actions:retry", "Run jobs again, or now."),
            "delete": Command("baton.cli.job_actions:delete", "Delete jobs that don't run."),
        },
    ),
    "queue": Group(
        "Look at queues, pause, scale and limit them.",
        {
            "list": Command("baton.cli.queue:list_", "List queues and how they stand."),
            "check": Command("baton.cli.queue:check", "Show which processes serve a queue."),
            "pause": Command("baton.cli.queue:pause", "Start nothing of a queue."),
            "resume": Command("baton.cli.queue:resume", "Start jobs of a paused queue again."),
            "scale": Command("baton.cli.queue:scale", "Run more or fewer jobs at once."),
            "stop": Command("baton.cli.queue:stop", "Serve a queue no longer."),
            "start": Command("baton.cli.queue:start", "Serve a queue where it is not served."),
            "limit": Command("baton.cli.queue:limit", "Limit a queue in all processes together."),
        },
    ),
    "cron": Group(
        "Insert jobs again and again.",
        {
            "list": Command("baton.cli.cron:list_", "List the entries, with their next ticks."),
            "add": Command("baton.cli.cron_write:add", "Add an entry."),
            "edit": Command("baton.cli.cron_write:edit", "Change an entry."),
            "remove": Command("baton.cli.cron:remove", "Remove an entry."),
            "pause": Command("baton.cli.cron:pause", "Pause an entry."),
            "resume": Command("baton.cli.cron:resume", "Resume a paused entry."),
            "run": Command("baton.cli.cron:run", "Insert a job of an entry now."),
            "next": Command("baton.cli.cron:next_", "Show when an entry ticks next."),
        },
    ),
    "maintain": Command(
        "baton.cli.maintain:maintain", "Look after tables and indexes that have grown old."
    ),
    "template": Group(
        "Store workflows as data.",
        {
            "put": Command("baton.cli.workflow_run:put", "Store a version; print its number."),
            "list": Command("baton.cli.workflow_run:list_", "List templates."),
            "show": Command("baton.cli.workflow_run:show", "Print one as JSON."),
        },
    ),
    "psql": Command(
        "baton.cli.psql:psql", "Open psql with Baton's tables in reach.", passes_options_on=True
    ),
    "demo": Command("baton.cli.demo:demo", "Run a workflow before your eyes."),
    "db": Group(
        "Run an embedded PostgreSQL to try things on.",
        {
            "start": Command("baton.cli.db:start", "Start it and print its DSN."),
            "stop": Command("baton.cli.db:stop", "Stop it; its data stay."),
            "dsn": Command("baton.cli.db:dsn", "Print its DSN."),
        },
    ),
    "version": Command("baton.cli.version:version", "Print the versions of what is installed."),
}


class LazyCommand(TyperCommand):
    """Stands in the list for a command until that is run."""

    def __init__(self, name: str, command: Command) -> None:
        super().__init__(name, help=command.summary)
        self._command = command

    def make_context(
        self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any
    ) -> Any:
        """Let the real command read its arguments; the context it makes leads on to itself."""
        return self._load().make_context(info_name, args, parent=parent, **extra)

    def _load(self) -> Any:
        module, _, function = self._command.target.partition(":")
        settings = dict(SETTINGS)
        if self._command.passes_options_on:
            settings |= {
                "allow_extra_args": True,
                "ignore_unknown_options": True,
                "allow_interspersed_args": False,
            }
        # a Typer of its own, because that is what turns a function into a command
        holder = typer.Typer(add_completion=False, rich_markup_mode=None)
        command = guarded(getattr(import_module(module), function))
        holder.command(self.name, context_settings=settings)(command)
        return get_command(holder)


class Root(TyperGroup):
    """The command ``baton`` itself."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        for name, entry in COMMANDS.items():
            self.add_command(
                _group(name, entry) if isinstance(entry, Group) else LazyCommand(name, entry)
            )


def _group(name: str, group: Group) -> TyperGroup:
    return TyperGroup(
        name=name,
        help=group.summary,
        commands={each: LazyCommand(each, command) for each, command in group.commands.items()},
        no_args_is_help=True,
        context_settings=SETTINGS,
        rich_markup_mode=None,
    )


app = typer.Typer(
    name="baton",
    cls=Root,
    help=HELP,
    no_args_is_help=True,
    context_settings=SETTINGS,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"baton {__version__}")
        raise typer.Exit


@app.callback()
def root(
    *,
    debug: Annotated[
        bool, typer.Option("--debug", envvar="BATON_DEBUG", help="Show tracebacks of errors.")
    ] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Take the options before the command."""
    del version
    frame.debug = debug
