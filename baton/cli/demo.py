"""``baton demo``: a real workflow by real worker processes on an embedded PostgreSQL."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import Annotated

import anyio
import typer
from rich.console import Console

from baton.cli.db import DEFAULT, Data
from baton.cli.frame import ExitCode
from baton.cli.live import follow
from baton.client import Client
from baton.demo import research, sources
from baton.embedded import EmbeddedServer
from baton.errors import BatonError, ConfigurationError
from baton.settings import Settings, load
from baton.status import WorkflowStatus
from baton.store.migrations import migrate
from baton.trees import WorkflowTree
from baton.workflows import Workflow

PROCESSES = 2
EXIT_TIME = 20.0  # seconds for a worker process to end
NAMED_TEXTS = 3
LOOK = "select step_name, state, attempt, duration from workflow_nodes where workflow_id ="
ANALYSES = {"summarize", "keywords", "credibility"}


def demo(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[FILES]…", help="Texts to read; by default some of Python's own."),
    ] = None,
    *,
    kill: Annotated[
        bool, typer.Option("--kill", envvar="BATON_DEMO_KILL", help="Kill one worker process.")
    ] = False,
    pace: Annotated[
        float,
        typer.Option(
            envvar="BATON_DEMO_PACE", min=0, max=60, help="Seconds that each step waits for you."
        ),
    ] = research.PACE,
    data: Data = DEFAULT,
    dsn: Annotated[
        str | None,
        typer.Option(envvar="BATON_DEMO_DSN", help="Use this database and not an embedded one."),
    ] = None,
) -> None:
    """Run a workflow before your eyes: read texts, study them three ways, write a brief.

    Starts an embedded PostgreSQL and two worker processes, and leaves none of them running.
    """
    console = Console(highlight=False, soft_wrap=True)
    flow = research.research(
        sources.DEFAULT_TOPIC if not paths else _topic(paths), _texts(paths), pace
    )
    with ExitStack() as stack:
        stack.enter_context(_ending_on_sigterm())
        if not dsn:
            console.print(f"PostgreSQL: an embedded one, in {data}", markup=False)
            database = stack.enter_context(_server(data))
        else:
            database = dsn
        for name in migrate(database):
            console.print(f"migrated: {name}", markup=False)
        logs = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="baton-demo-")))
        processes = stack.enter_context(_workers(database, logs))
        console.print(f"worker processes: {', '.join(str(each.pid) for each in processes)}\n")
        settings = load(dsn=database, schema="baton")
        try:
            status = anyio.run(_watch, settings, flow, console, processes, kill)
        except _WorkersEnded:
            raise BatonError(f"the worker processes ended: {_last_words(logs)}") from None
    _conclude(console, status, start=None if dsn else _start_command(data))


class _WorkersEnded(BatonError):
    """Nobody is left to perform the workflow."""


async def _watch(
    settings: Settings,
    flow: Workflow,
    console: Console,
    processes: Sequence[subprocess.Popen[bytes]],
    kill: bool,
) -> WorkflowStatus:
    async with Client(settings=settings) as client:
        await client.insert_workflow(flow)
        killed = None if kill else "nobody"

        async def poll() -> WorkflowTree:
            nonlocal killed
            if all(process.poll() is not None for process in processes):
                raise _WorkersEnded
            if killed is None and (killed := await _kill_one(client, flow, processes)):
                console.print(f"killed worker process {killed}", style="bold red", markup=False)
            return await client.get_workflow_tree(flow.workflow_id)

        await follow(poll, console)
        return await client.get_workflow(flow.workflow_id)


async def _kill_one(
    client: Client, flow: Workflow, victims: Sequence[subprocess.Popen[bytes]]
) -> str | None:
    """Kill the process that runs one of the analyses; say which, or that none runs yet."""
    running = await client.running_steps(flow.workflow_id)
    for step, node in running.items():
        for victim in victims:
            if step in ANALYSES and node.endswith(f":{victim.pid}"):
                victim.kill()
                return f"{victim.pid} while it ran {step}; the other one takes over in seconds"
    return None


def _last_words(logs: Path) -> str:
    lines = [line for log in sorted(logs.iterdir()) for line in log.read_text().splitlines()]
    return lines[-1].strip() if lines else "they said nothing"


def _texts(paths: Sequence[Path] | None) -> list[Path]:
    chosen = list(paths) if paths else sources.default_paths()
    for path in chosen:
        try:
            sources.read(path)
        except sources.UnreadableSource as error:
            raise ConfigurationError(str(error)) from None
    return chosen


def _topic(paths: Sequence[Path]) -> str:
    first, rest = paths[:NAMED_TEXTS], paths[NAMED_TEXTS:]
    return ", ".join(path.stem for path in first) + (" …" if rest else "")


@contextmanager
def _server(data: Path) -> Iterator[str]:
    running = EmbeddedServer.find(data)
    if running is not None:
        yield running.dsn()  # somebody else's; it goes on
        return
    with EmbeddedServer.start(data) as server:
        yield server.dsn()


def _start_command(data: Path) -> str:
    return "baton db start" if data == DEFAULT else f"baton db start --data {data}"


@contextmanager
def _workers(dsn: str, logs: Path) -> Iterator[list[subprocess.Popen[bytes]]]:
    command = [sys.executable, "-m", "baton", "worker", "--app=baton.demo.research:registry"]
    command += [f"--queues={research.QUEUE}=4", "--log-format=console"]
    # what the person has set for their own workers is not for these
    clean = {name: value for name, value in os.environ.items() if not name.startswith("BATON_")}
    environment = {**clean, "BATON_DSN": dsn, "BATON_SCHEMA": "baton"}
    processes = []
    try:
        for number in range(1, PROCESSES + 1):
            with (logs / f"worker-{number}.log").open("wb") as log:
                # a session of its own: Ctrl-C is for this process, which then stops them in order
                processes.append(
                    subprocess.Popen(
                        command, env=environment, stdout=log, stderr=log, start_new_session=True
                    )
                )
        yield processes
    finally:
        _stop(processes)


def _stop(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        process.terminate()
    for process in processes:
        try:
            process.wait(EXIT_TIME)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def _ending_on_sigterm() -> Iterator[None]:
    def leave(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _conclude(console: Console, status: WorkflowStatus, *, start: str | None) -> None:
    results = {node.step_name: node.result for node in status.nodes}
    brief = results.get("compile_brief")
    if brief:
        console.print(f"\n{brief['brief']}", markup=False)
    console.print("\nLook at it with psql:", markup=False)
    if start is not None:
        console.print(f"  export BATON_DSN=$({start})", markup=False)
    console.print(f"  baton psql -c \"{LOOK} '{status.id}' order by job_id\"", markup=False)
    if status.state != "completed":
        console.print(
            f"The workflow {status.state}: {', '.join(status.failed_steps)}", markup=False
        )
        raise typer.Exit(ExitCode.FAILED)
