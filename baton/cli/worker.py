"""``baton worker``: a process that performs jobs."""

import asyncio
import contextlib
import importlib.util
import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import Annotated

import anyio
import structlog
import typer
from anyio.abc import TaskStatus

from baton import logs
from baton.cli.frame import ExitCode
from baton.cli.options import App, Dsn, ListenDsn, NoListen, Schema
from baton.leash import Leash
from baton.loading import load_registry
from baton.node import Node
from baton.settings import load
from baton.supervisor import Supervisor

log = structlog.get_logger("baton.worker")

EXIT_TIME = 1.0  # seconds for the interpreter to end by itself
ORPHAN_TIME = 10.0  # seconds, after the grace, for a process without its parent to end

Queues = Annotated[
    list[str] | None,
    typer.Option(
        "--queues",
        "-q",
        envvar="BATON_QUEUES",
        help="Queue and how many of its jobs run at once: default=20. May be repeated.",
    ),
]


def worker(
    queues: Queues = None,
    app: App = None,
    dsn: Dsn = None,
    schema: Schema = None,
    listen_dsn: ListenDsn = None,
    no_listen: NoListen = False,
    node: Annotated[
        str | None,
        typer.Option(envvar="BATON_NODE", help="Name of this process. [host and process id]"),
    ] = None,
    poll_interval: Annotated[
        float | None,
        typer.Option(
            envvar="BATON_POLL_INTERVAL",
            help="Seconds after which to look for jobs even when nothing was announced. [1]",
        ),
    ] = None,
    events: Annotated[
        bool | None,
        typer.Option(
            "--events/--no-events",
            envvar="BATON_EVENTS",
            help="Publish what becomes of steps, for those who listen. [yes]",
        ),
    ] = None,
    grace: Annotated[
        float | None,
        typer.Option(
            envvar="BATON_GRACE",
            help="Seconds that running jobs have to end after SIGTERM or SIGINT. [15]",
        ),
    ] = None,
    child_processes: Annotated[
        int | None,
        typer.Option(
            envvar="BATON_CHILD_PROCESSES",
            help="Child processes for workers with executor=process. [the number of CPUs]",
        ),
    ] = None,
    processes: Annotated[
        int | None,
        typer.Option(
            envvar="BATON_PROCESSES",
            help="Worker processes like this one under one parent, which replaces what dies. [1]",
        ),
    ] = None,
    prune: Annotated[
        str | None,
        typer.Option(
            envvar="BATON_PRUNE",
            help="Delete finished jobs by age: completed=7d,discarded=30d. Or JSON. [nothing]",
        ),
    ] = None,
    prune_workflows: Annotated[
        str | None,
        typer.Option(
            envvar="BATON_PRUNE_WORKFLOWS",
            help="Delete workflows without jobs: true, or the age from which, like 30d. [false]",
        ),
    ] = None,
    debug_log_max_age: Annotated[
        str | None,
        typer.Option(
            envvar="BATON_DEBUG_LOG_MAX_AGE", help="Delete older logs of debugging: 1d. [never]"
        ),
    ] = None,
    sweep_interval: Annotated[
        float | None,
        typer.Option(
            envvar="BATON_SWEEP_INTERVAL",
            help="Seconds between two searches for steps that were lost. [60]",
        ),
    ] = None,
    lease_ttl: Annotated[
        float | None,
        typer.Option(
            envvar="BATON_LEASE_TTL",
            help="Seconds of silence after which others take this process's jobs. [15]",
        ),
    ] = None,
    log_level: Annotated[
        str | None,
        typer.Option(envvar="BATON_LOG_LEVEL", help="debug, info, warning or error. [info]"),
    ] = None,
    log_format: Annotated[
        str | None,
        typer.Option(
            envvar="BATON_LOG_FORMAT", help="console, json, or auto: console on a terminal. [auto]"
        ),
    ] = None,
) -> None:
    """Perform jobs until SIGTERM or SIGINT.

    The first signal lets running jobs end within the grace; the second gives them back at once.
    The exit code is 5 when jobs were given back, 0 when all that were started ended.
    """
    leash = Leash.found()
    settings = load(
        queues=queues or None,
        app=app,
        dsn=dsn,
        schema=schema,
        listen_dsn=listen_dsn,
        no_listen=no_listen or None,
        node=node,
        poll_interval=poll_interval,
        events=events,
        grace=grace,
        child_processes=child_processes,
        processes=processes,
        prune=prune,
        prune_workflows=prune_workflows,
        debug_log_max_age=debug_log_max_age,
        sweep_interval=sweep_interval,
        lease_ttl=lease_ttl,
        log_level=log_level,
        log_format=log_format,
    )
    logs.configure(settings.log_level, settings.log_format)
    if leash is None and settings.processes > 1:
        raise typer.Exit(anyio.run(_supervise, settings.processes))
    process = Node(settings, load_registry(settings.app))
    uvloop = importlib.util.find_spec("uvloop") is not None
    clean = anyio.run(
        _run,
        process,
        leash,
        settings.grace,
        backend="asyncio",
        backend_options={"use_uvloop": uvloop},
    )
    if not clean:
        raise typer.Exit(ExitCode.UNFINISHED)


async def _run(node: Node, leash: Leash | None, grace: float) -> bool:
    clean = False

    async def serve(*, task_status: TaskStatus[None]) -> None:
        nonlocal clean
        clean = await node.run(task_status=task_status)
        tasks.cancel_scope.cancel()

    async with anyio.create_task_group() as tasks:
        stop = Stop(node)
        if leash is not None:
            stop.obey(leash, grace)
        tasks.start_soon(_watch_signals, stop.hear_signal)
        await tasks.start(serve)
        if leash is not None:
            leash.ready()
    _ignore_signals()
    # A thread in user code that never returns would keep the interpreter from ending.
    _end_after(EXIT_TIME, ExitCode.OK if clean else ExitCode.UNFINISHED)
    return clean


class Stop:
    """Tells a node to stop, on behalf of signals and of a parent."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._draining = False
        self._signalled = False

    def hear_signal(self) -> None:
        """Finish what is in hand; at the second signal, end without the grace.

        A first signal after the parent's word means the same: systemd signals both.
        """
        if self._signalled:
            self.force()
        self._signalled = True
        self.drain()

    def drain(self) -> None:
        """Finish what is in hand."""
        if not self._draining:
            self._draining = True
            self._node.stop()

    def force(self) -> None:
        """End without the grace."""
        self.drain()
        self._node.stop()

    def obey(self, leash: Leash, grace: float) -> None:
        """Do what the parent says, and end soon after it."""
        loop = asyncio.get_running_loop()

        def call(function: Callable[[], None]) -> None:
            with contextlib.suppress(RuntimeError):  # the loop has ended by itself
                loop.call_soon_threadsafe(function)

        def orphaned() -> None:
            log.warning("parent.lost")
            call(self.drain)
            # also when user code blocks the event loop: nobody else would end this process
            _end_after(grace + ORPHAN_TIME, ExitCode.UNFINISHED)

        leash.watch(
            drain=lambda: call(self.drain), force=lambda: call(self.force), orphaned=orphaned
        )


async def _supervise(count: int) -> int:
    supervisor = Supervisor([sys.executable, *sys.orig_argv[1:]], count)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_watch_signals, supervisor.stop)
        code = await supervisor.run()
        tasks.cancel_scope.cancel()
    _ignore_signals()
    return code


def _ignore_signals() -> None:
    """Let no signal that comes late, after everything has ended, decide on the exit code."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)


async def _watch_signals(stop: Callable[[], None]) -> None:
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async for _ in signals:
            stop()


def _end_after(seconds: float, code: ExitCode) -> None:
    last_resort = threading.Timer(seconds, os._exit, (int(code),))
    last_resort.daemon = True
    last_resort.start()
