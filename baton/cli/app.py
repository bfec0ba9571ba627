"""Which commands there are.

A command's module is imported when the command is run: the help answers fast, and a worker process
does not register the workers of the demo.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

import baton
from baton.cli.frame import frame, guarded
from baton.cli.masking import masking

HELP = "A job queue with DAG workflows that lives in PostgreSQL alone."
SETTINGS: dict[str, Any] = {"help_option_names": ["-h", "--help"]}


@dataclass(frozen=True, slots=True)
class Command:
    """Where a command is written, as ``module:function``, and what the list of commands says."""

    target: str
    summary: str
    passes_options_on: bool = False
    takes_filter: bool = False


@dataclass(frozen=True, slots=True)
class Group:
    """Commands that share their first word."""

    summary: str
    commands: "Mapping[str, Command | Group]"


COMMANDS: Mapping[str, Command | Group] = {
    "migrate": Command("baton.cli.migrate:migrate", "Bring the schema to the newest version."),
    "worker": Command("baton.cli.worker:worker", "Perform jobs until SIGTERM or SIGINT."),
    "workflow": Group(
        "Look at workflows, and steer them.",
        {
            "list": Command(
                "baton.cli.workflow:list_", "List workflows, the newest first.", takes_filter=True
            ),
            "run": Command("baton.cli.workflow_run:run", "Insert one that is written as JSON."),
            "signal": Command("baton.cli.workflow_signal:signal", "Say something to one."),
            "approvals": Command(
                "baton.cli.approvals:list_", "List what people are asked.", takes_filter=True
            ),
            "approve": Command("baton.cli.approvals:approve", "Say yes to a step that asks."),
            "reject": Command("baton.cli.approvals:reject", "Say no to it."),
            "schema": Command("baton.cli.workflow_run:schema", "Print the schema of that JSON."),
            "show": Command("baton.cli.workflow_look:show", "Show a workflow and all its steps."),
            "tree": Command("baton.cli.workflow_look:tree_", "Show it with like steps together."),
            "graph": Command("baton.cli.workflow_graph:graph", "Draw it: Mermaid, DOT or SVG."),
            "watch": Command("baton.cli.watch:watch", "Show it until it is finished."),
            "cancel": Command(
                "baton.cli.workflow_actions:cancel", "Cancel its open steps.", takes_filter=True
            ),
            "retry": Command(
                "baton.cli.workflow_actions:retry", "Run steps again.", takes_filter=True
            ),
            "skip": Command("baton.cli.workflow_actions:skip", "Count a step as completed."),
            "why": Command("baton.cli.why:workflow", "Say why it, or a step of it, waits."),
        },
    ),
    "job": Group(
        "Look at jobs, and change them.",
        {
            "list": Command(
                "baton.cli.job:list_", "List jobs, the newest first.", takes_filter=True
            ),
            "show": Command("baton.cli.job:show", "Show a job."),
            "why": Command("baton.cli.why:job", "Say why a job waits."),
            "insert": Command("baton.cli.job_write:insert", "Insert a job of a worker."),
            "edit": Command("baton.cli.job_edit:edit", "Change jobs.", takes_filter=True),
            "cancel": Command(
                "baton.cli.job_actions:cancel", "Cancel jobs, also running ones.", takes_filter=True
            ),
            "retry": Command(
                "baton.cli.job_actions:retry", "Run jobs again, or now.", takes_filter=True
            ),
            "delete": Command(
                "baton.cli.job_actions:delete", "Delete jobs that don't run.", takes_filter=True
            ),
        },
    ),
    "queue": Group(
        "Look at queues, pause, scale and limit them.",
        {
            "list": Command(
                "baton.cli.queue_look:list_", "List queues and how they stand.", takes_filter=True
            ),
            "check": Command("baton.cli.queue_look:check", "Show which processes serve a queue."),
            "pause": Command("baton.cli.queue:pause", "Start nothing of a queue."),
            "resume": Command("baton.cli.queue:resume", "Start jobs of a paused queue again."),
            "scale": Command("baton.cli.queue:scale", "Run more or fewer jobs at once."),
            "stop": Command("baton.cli.queue:stop", "Serve a queue no longer."),
            "start": Command("baton.cli.queue:start", "Serve a queue where it is not served."),
            "limit": Command("baton.cli.queue:limit", "Limit a queue in all processes together."),
        },
    ),
    "process": Group(
        "Look at worker processes.",
        {
            "list": Command(
                "baton.cli.queue_look:processes", "List them, the oldest first.", takes_filter=True
            ),
        },
    ),
    "error": Group(
        "Look at what jobs failed with.",
        {
            "list": Command(
                "baton.cli.error:list_", "List errors, like with like.", takes_filter=True
            ),
        },
    ),
    "llm": Group(
        "See what language models were used for.",
        {
            "stats": Command("baton.cli.llm:stats", "Add up calls, tokens and costs."),
            "log": Command("baton.cli.llm:log", "Show what a step said and heard."),
            "budget": Group(
                "Limit what workflows and queues spend.",
                {
                    "list": Command("baton.cli.llm_budget:list_", "List budgets, as they stand."),
                    "set": Command("baton.cli.llm_budget:set_", "Set one."),
                    "remove": Command("baton.cli.llm_budget:remove", "Remove one."),
                },
            ),
        },
    ),
    "cron": Group(
        "Insert jobs again and again.",
        {
            "list": Command(
                "baton.cli.cron:list_",
                "List the entries, with their next ticks.",
                takes_filter=True,
            ),
            "add": Command("baton.cli.cron_write:add", "Add an entry."),
            "edit": Command("baton.cli.cron_write:edit", "Change an entry."),
            "remove": Command("baton.cli.cron:remove", "Remove an entry."),
            "pause": Command("baton.cli.cron:pause", "Pause an entry."),
            "resume": Command("baton.cli.cron:resume", "Resume a paused entry."),
            "run": Command("baton.cli.cron:run", "Insert a job of an entry now."),
            "next": Command("baton.cli.cron:next_", "Show when an entry ticks next."),
        },
    ),
    "audit": Command("baton.cli.audit:audit", "List what people did.", takes_filter=True),
    "maintain": Command(
        "baton.cli.maintain:maintain", "Look after tables and indexes that have grown old."
    ),
    "top": Command("baton.cli.top:top", "Show how everything goes, live."),
    "doctor": Command("baton.cli.doctor:doctor", "Find what is wrong, and what mends it."),
    "template": Group(
        "Store workflows as data.",
        {
            "put": Command("baton.cli.workflow_run:put", "Store a version; print its number."),
            "list": Command("baton.cli.workflow_run:list_", "List templates."),
            "show": Command("baton.cli.workflow_run:show", "Print one as JSON."),
        },
    ),
    "sql": Command("baton.cli.sql:sql", "Print SQL to look with, or run it."),
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
    "web": Command("baton.cli.web:web", "Serve the live page, to watch and steer in a browser."),
    "version": Command("baton.cli.version:version", "Print the versions of what is installed."),
}


def paths(
    entries: Mapping[str, Command | Group] = COMMANDS, *before: str
) -> Iterator[tuple[tuple[str, ...], Command]]:
    """Yield the words of each command, and the command."""
    for name, entry in entries.items():
        if isinstance(entry, Group):
            yield from paths(entry.commands, *before, name)
        else:
            yield (*before, name), entry


class LazyCommand(TyperCommand):
    """Stands in the list for a command until that is run."""

    def __init__(self, name: str, command: Command) -> None:
        super().__init__(name, help=command.summary)
        self._command = command

    def make_context(
        self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any
    ) -> Any:
        """Let the real command read its arguments; the context it makes leads on to itself."""
        if self._command.takes_filter:
            from baton.cli.filtering import shielded  # noqa: PLC0415  only those commands need it

            args = shielded(args)
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
        from baton.cli.output import shorthand  # noqa: PLC0415  the help needs it not

        command = guarded(shorthand(getattr(import_module(module), function)))
        holder.command(self.name, context_settings=settings)(command)
        return get_command(holder)


class Root(TyperGroup):
    """The command ``baton`` itself."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        for name, entry in COMMANDS.items():
            self.add_command(_made(name, entry))

    def make_context(self, *words: Any, **extra: Any) -> Any:
        """Read the options before the command."""
        with masking():
            return super().make_context(*words, **extra)

    def invoke(self, ctx: Any) -> Any:
        """Read the words of the command, and run it."""
        with masking():
            return super().invoke(ctx)


def _made(name: str, entry: Command | Group) -> TyperGroup | LazyCommand:
    return _group(name, entry) if isinstance(entry, Group) else LazyCommand(name, entry)


def _group(name: str, group: Group) -> TyperGroup:
    return TyperGroup(
        name=name,
        help=group.summary,
        commands={each: _made(each, entry) for each, entry in group.commands.items()},
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
        print(f"baton {baton.__version__}")
        raise typer.Exit


@app.callback()
def root(
    *,
    debug: Annotated[
        bool, typer.Option("--debug", envvar="BATON_DEBUG", help="Show tracebacks of errors.")
    ] = False,
    actor: Annotated[
        str | None,
        typer.Option(
            "--actor",
            envvar="BATON_ACTOR",
            help="Who changes things, for the audit log. [the user of this shell]",
        ),
    ] = None,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Take the options before the command."""
    del version
    frame.debug = debug
    frame.actor = actor
