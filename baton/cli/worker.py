"""``baton worker``: a process that performs jobs."""

import importlib.util
import os
import signal
import threading
from typing import Annotated

import anyio
import typer

from baton import logs
from baton.cli.options import App, Dsn, ListenDsn, NoListen, Schema
from baton.loading import load_registry
from baton.node import Node
from baton.settings import load

EXIT_TIME = 1.0  # seconds for the interpreter to end by itself

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
    """
    settings = load(
        queues=queues or None,
        app=app,
        dsn=dsn,
        schema=schema,
        listen_dsn=listen_dsn,
        no_listen=no_listen or None,
        node=node,
        poll_interval=poll_interval,
        grace=grace,
        child_processes=child_processes,
        lease_ttl=lease_ttl,
        log_level=log_level,
        log_format=log_format,
    )
    logs.configure(settings.log_level, settings.log_format)
    process = Node(settings, load_registry(settings.app))
    uvloop = importlib.util.find_spec("uvloop") is not None
    anyio.run(_run, process, backend="asyncio", backend_options={"use_uvloop": uvloop})


async def _run(node: Node) -> None:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_watch_signals, node)
        await node.run()
        tasks.cancel_scope.cancel()
    # A thread in user code that never returns would keep the interpreter from ending.
    last_resort = threading.Timer(EXIT_TIME, os._exit, (0,))
    last_resort.daemon = True
    last_resort.start()


async def _watch_signals(node: Node) -> None:
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async for _ in signals:
            node.stop()
