"""``baton worker``: a process that performs jobs."""

import gc
import importlib.util
import sys
from typing import Annotated

import anyio
import typer
from anyio.abc import TaskStatus

from baton import logs
from baton.cli.frame import ExitCode
from baton.cli.options import App, Dsn, ListenDsn, NoListen, Schema
from baton.cli.stopping import EXIT_TIME, LastResort, Stop, ignore_signals, watch_signals
from baton.leash import Leash
from baton.loading import load_registry
from baton.node import Node
from baton.settings import load
from baton.supervisor import Supervisor

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
    llm_debug: Annotated[
        bool | None,
        typer.Option(
            "--llm-debug/--no-llm-debug",
            envvar="BATON_LLM_DEBUG",
            help="Capture what is said to language models. [where a workflow says so]",
        ),
    ] = None,
    llm_stats_max_age: Annotated[
        str | None,
        typer.Option(
            envvar="BATON_LLM_STATS_MAX_AGE",
            help="Delete older records of the use of language models: 365d. [never]",
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
    database_wait: Annotated[
        float | None,
        typer.Option(
            envvar="BATON_DATABASE_WAIT",
            help="Seconds to wait at the start for a database that is away. [60]",
        ),
    ] = None,
    http: Annotated[
        str | None,
        typer.Option(
            envvar="BATON_HTTP",
            help="Answer /healthz, /readyz and /metrics here: 127.0.0.1:9000, or :9000. [nowhere]",
        ),
    ] = None,
    prices: Annotated[
        str | None,
        typer.Option(
            envvar="BATON_PRICES",
            help="File with prices of language models, or JSON. [those of genai-prices]",
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
        llm_debug=llm_debug,
        llm_stats_max_age=llm_stats_max_age,
        sweep_interval=sweep_interval,
        lease_ttl=lease_ttl,
        database_wait=database_wait,
        http=http,
        prices=prices,
        log_level=log_level,
        log_format=log_format,
    )
    logs.configure(settings.log_level, settings.log_format)
    if leash is None and settings.processes > 1:
        raise typer.Exit(anyio.run(_supervise, settings.processes))
    if leash is not None and settings.http is not None:
        settings = settings.model_copy(update={"http": settings.http.moved(leash.place - 1)})
    process = Node(settings, load_registry(settings.app))
    # what is imported by now stays; each look at it would stop all jobs for 50 ms
    gc.collect()
    gc.freeze()
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
        last_resort = LastResort()
        stop = Stop(node, grace, last_resort)
        if leash is not None:
            stop.obey(leash)
        tasks.start_soon(watch_signals, stop.hear_signal, stop.count_signal)
        await tasks.start(serve)
        if leash is not None:
            leash.ready()
    ignore_signals()
    # A thread in user code that never returns would keep the interpreter from ending.
    code = ExitCode.OK if clean else ExitCode.UNFINISHED
    last_resort.arm(EXIT_TIME, code, silent=True)
    return clean


async def _supervise(count: int) -> int:
    supervisor = Supervisor([sys.executable, *sys.orig_argv[1:]], count)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(watch_signals, supervisor.stop)
        code = await supervisor.run()
        tasks.cancel_scope.cancel()
    ignore_signals()
    return code
