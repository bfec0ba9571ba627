"""The guide on steering workflows does what it says."""

import asyncio
from pathlib import Path
from typing import Any

import psycopg

from baton import Job, Registry, State
from tests.docs.markdown import blocks
from tests.docs.test_documents import ROOT, commands, place, run_python, shell
from tests.support import done, ended, process

__all__ = ["place"]

SWEEP = "select swept from baton.sweep_releases(0, 0, 100)"


def run_until_translate_fails(database: str) -> None:
    """Perform what can be performed; translations fail."""

    async def main() -> None:
        async with process(database) as worker:
            while jobs := await worker.fetch(10):
                await worker.acknowledge(
                    *(
                        ended(each, State.DISCARDED, error='{"message": "no"}')
                        if each.step_name == "translate"
                        else done(each)
                        for each in jobs
                    )
                )

    asyncio.run(main())


def test_the_guide_on_steering_does_what_it_says(place: Path, database: str) -> None:
    found = blocks(ROOT / "docs" / "steering.md")
    names: dict[str, Any] = {}
    with Registry().collecting() as registry:
        for name in ("fetch", "summarize", "translate", "send", "alert"):

            async def worker(job: Job) -> None: ...

            names[name] = registry.worker(name=f"reports.{name}")(worker)
        insert, retry, skip, cancel, unique = [
            block for block in found if block.language == "python"
        ]
        run_python([insert], names)
        run_until_translate_fails(database)
        run_python([retry, skip, cancel, unique], names)
        with psycopg.connect(database, autocommit=True) as conn:
            while conn.execute(SWEEP).fetchone() != (0,):
                pass
        said = [
            command.replace("0f6c", str(names["flow"].workflow_id))
            for block in found
            if block.language == "sh"
            for command in commands(block)
        ]
        dry, one, everything, skipped, cancelled = [shell(command) for command in said]
    assert dry.count("would run again") == 2
    assert "summarize runs again" in one
    assert '"action": "retry"' in everything
    assert skipped == "skipped step fetch, which was available\n"
    assert cancelled == "cancelled 4 steps\n"
    [sql] = [block for block in found if block.language == "sql"]
    with psycopg.connect(database) as conn:
        assert conn.execute(sql.text.encode()).fetchall() == [(0,)]
