"""The guides on waiting and on sub-workflows do what they say."""

from pathlib import Path
from typing import Any

import psycopg

from baton import Registry
from tests.docs.markdown import Block, blocks
from tests.docs.test_documents import (
    ROOT,
    commands,
    perform_everything,
    place,
    run_python,
    shell,
)

__all__ = ["place"]


def written(name: str, place: Path) -> list[Block]:
    """The blocks of a guide, with its files in place."""
    found = blocks(ROOT / "docs" / name)
    for block in found:
        if block.file:
            (place / block.file).write_text(block.text)
    return found


def python(found: list[Block]) -> list[Block]:
    return [block for block in found if block.language == "python" and not block.file]


def nodes(database: str) -> dict[tuple[str, str], tuple[str, Any]]:
    with psycopg.connect(database) as conn:
        rows = conn.execute("select workflow, step_name, state, result from baton.workflow_nodes")
        return {(flow, step): (state, result) for flow, step, state, result in rows.fetchall()}


def test_the_guide_to_waiting_does_what_it_says(place: Path, database: str) -> None:
    found = written("waiting.md", place)
    with Registry().collecting() as registry:
        run_python(python(found), {"__name__": "guide"})
        [sql] = [block for block in found if block.language == "sql"]
        with psycopg.connect(database, autocommit=True) as conn:
            assert conn.execute(sql.text.encode()).fetchall() == [(False,)]
            query = "select id from baton.workflows where name = 'offer'"
            row = conn.execute(query.encode()).fetchone()
        assert row is not None
        said = [command for block in found if block.language == "sh" for command in commands(block)]
        for command in said:
            assert "had been said before" in shell(command.replace("0f6c", str(row[0])))
        perform_everything(registry)
    became = nodes(database)
    assert became["offer", "send"] == ("completed", "offer 7, approved by ann")
    assert became["trial", "remind"][0] == "completed"
    assert became["publish", "cheap"][1] == "published at once"
    assert became["publish", "dear"][1] == "published for 4500"
    assert became["hurry", "never"][0] == "cancelled"


def test_the_guide_to_sub_workflows_does_what_it_says(place: Path, database: str) -> None:
    found = written("sub_workflows.md", place)
    with Registry().collecting() as registry:
        run_python(python(found), {"__name__": "guide"})
        perform_everything(registry)
    became = nodes(database)
    assert became["cities", "report"] == ("completed", "80 in all")
    assert {became["careful", name][0] for name in ("find", "rescue")} == {"completed"}
    with psycopg.connect(database) as conn:
        query = "select step_name from baton.workflow_steps where skipped order by job_id"
        assert [name for (name,) in conn.execute(query.encode())] == ["rescue", "Bern", "sum"]
        query = "select id from baton.workflows where name = 'cities'"
        row = conn.execute(query.encode()).fetchone()
    assert row is not None
    said = [command for block in found if block.language == "sh" for command in commands(block)]
    for command in said:
        assert "numbers" in shell(command.replace("0f6c", str(row[0])))
