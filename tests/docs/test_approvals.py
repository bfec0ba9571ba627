"""The guide on approvals does what it says."""

from pathlib import Path

import anyio
import psycopg

from baton import Client, Registry
from baton.node import Node
from baton.settings import load
from tests.docs.test_documents import commands, perform_everything, place, run_python, shell
from tests.docs.test_waiting import nodes, python, written

__all__ = ["place"]


def test_the_guide_to_approvals_does_what_it_says(place: Path, database: str) -> None:
    found = written("approvals.md", place)
    insert, answer, graft, test = python(found)
    names = {"__name__": "guide"}
    with Registry().collecting() as registry:
        run_python([insert], names)
        perform_until_asked(database, registry)
        with psycopg.connect(database, autocommit=True) as conn:
            row = conn.execute("select id from baton.workflows").fetchone()
            assert row is not None
            said = [line for each in found if each.language == "sh" for line in commands(each)]
            listed, told, approved = (shell(line.replace("0f6c", str(row[0]))) for line in said)
            assert "Send this offer?" in listed
            assert '"price": 4507' in told
            assert approved == "approved step sign_off as ann\n"
            [sql] = [block for block in found if block.language == "sql"]
            verdict = conn.execute(sql.text.encode()).fetchone()
            assert verdict is not None
            assert verdict[:2] == ("again", "ann")
        run_python([answer, graft], names)
        perform_everything(registry)
        run_python([test], names)
    became = nodes(database)
    assert became["offer", "send"] == ("completed", "sent for 4507, approved by ann")
    assert became["other", "ok"][0] == "cancelled"


def perform_until_asked(database: str, registry: Registry) -> None:
    """Run a worker process until the question is put."""

    async def main() -> None:
        node = Node(load(queues=["default=10"]), registry)
        async with anyio.create_task_group() as tasks, Client() as client:
            await tasks.start(node.run)
            with anyio.fail_after(60):
                while not await client.approvals():
                    await anyio.lowlevel.checkpoint()
            node.stop()

    anyio.run(main)
