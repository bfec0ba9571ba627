"""The guide to scaling: its statements run, and its settings are settings."""

from pathlib import Path

import psycopg

from tests.docs.markdown import blocks

GUIDE = Path(__file__).resolve().parent.parent.parent / "docs" / "scaling.md"


def test_the_guide_to_scaling_does_what_it_says(database: str) -> None:
    found = blocks(GUIDE)
    with psycopg.connect(database) as conn:
        for block in found:
            if block.language == "sql":
                conn.execute(block.text.encode())
        known = {name for (name,) in conn.execute("select name from pg_settings")}
    [file] = [block for block in found if block.language == "ini"]
    given = {line.partition("=")[0].strip() for line in file.text.splitlines()}
    assert given <= known
