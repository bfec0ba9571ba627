"""Runs the guide to events: its live page follows a workflow of a real worker process."""

import json
import subprocess
import sys
from pathlib import Path

import anyio
import psycopg

from baton import Client, Job, Registry, Telemetry, Workflow
from baton.events import to_event
from baton.node import Node
from baton.settings import load
from tests.docs.markdown import blocks
from tests.docs.test_documents import ROOT, place, run_python

__all__ = ["place"]


def test_the_guide_to_events_does_what_it_says(place: Path, database: str) -> None:
    found = blocks(ROOT / "docs" / "events.md")
    for block in found:
        if block.file:
            (place / block.file).write_text(block.text)
    python = [block for block in found if block.language == "python" and not block.file]
    try:
        run_python(python, {"DSN": database})
    finally:
        Telemetry.detach("failures")
        Telemetry.detach_default_logger()
    [payload] = [block.text for block in found if block.language == "json"]
    step, end = [to_event(event) for event in json.loads(payload)]
    assert (step.payload["state"], end.payload["outcome"]) == ("completed", "failed")
    [shown] = [block.text for block in found if not block.language]
    assert page(database) == shown


def page(database: str) -> str:
    """What the live page prints while a worker process runs the workflow."""
    registry = Registry()
    shown = anyio.Event()

    @registry.worker(name="fetch")
    async def fetch(_job: Job) -> None:
        await shown.wait()

    @registry.worker(name="summarize")
    async def summarize(_job: Job) -> None: ...

    flow = (
        Workflow("research")
        .add("fetch_sources", fetch.new())
        .add("summarize", summarize.new(), deps=["fetch_sources"])
    )

    async def main() -> str:
        node = Node(load(), registry)
        async with anyio.create_task_group() as tasks, Client() as client:
            await tasks.start(node.run)
            await client.insert_workflow(flow)
            with psycopg.connect(database, autocommit=True) as conn:
                running = "select 1 from baton.jobs where state = 'executing'"
                while not conn.execute(running).fetchone():
                    await anyio.lowlevel.checkpoint()
            command = [sys.executable, "live.py", str(flow.workflow_id)[:8]]
            with anyio.fail_after(120):
                async with await anyio.open_process(command, stderr=subprocess.STDOUT) as program:
                    assert program.stdout is not None
                    said = b""
                    async for part in program.stdout:
                        said += part
                        if b"suspended" in said:
                            shown.set()
            node.stop()
        return said.decode()

    return anyio.run(main)
