"""Runs the guide to transactions, and then the worker that it defines."""

from pathlib import Path
from typing import Any

import anyio
import psycopg

from baton import Registry
from tests.docs.markdown import blocks
from tests.docs.test_documents import ROOT, commands, place, run_python, shell
from tests.guests import django_alias
from tests.services.test_node import running, until
from tests.support import job, rows

__all__ = ["place"]


def test_the_guide_to_transactions_does_what_it_says(place: Path, database: str) -> None:
    found = blocks(ROOT / "docs" / "transactions.md")
    for block in found:
        if block.file:
            (place / block.file).write_text(block.text)
    registry = Registry()
    names: dict[str, Any] = {}
    with registry.collecting():
        python = [block for block in found if block.language == "python" and not block.file]
        run_python(python, names)
    for block in found:
        if block.language == "sh":
            for command in commands(block):
                shell(command)
    with psycopg.connect(database) as conn:
        kept = conn.execute("select number from orders order by 1").fetchall()
        asked = conn.execute("select args ->> 'number' from baton.jobs order by id").fetchall()
    assert [number for (number,) in kept] == [7, 9, 10, 11]
    assert [number for (number,) in asked] == ["7", "9", "10", "11"]

    async def work() -> None:
        async with running(database, registry) as (_, client):
            archive, *_, ship = sorted(registry.names(), key=lambda name: name.rpartition(".")[2])
            await client.insert(job(ship, args={"number": 10}))
            await client.insert(job(archive, args={"number": 11}))

            async def all_are_completed() -> bool:
                states = await rows(database, "select distinct state::text from baton.jobs")
                return states == [("completed",)]

            await until(all_are_completed)

    with django_alias(database, "default"):
        anyio.run(work)
    names["engine"].dispose()  # the guide does so before its workers run
    with psycopg.connect(database) as conn:
        booked = conn.execute("select number, booked from orders order by 1").fetchall()
    assert booked == [(7, 1), (9, 0), (10, 2)]
