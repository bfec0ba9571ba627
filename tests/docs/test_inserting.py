"""Runs the guide to inserting: its Python, then its SQL."""

from pathlib import Path

import psycopg

from baton import Registry
from tests.docs.markdown import blocks
from tests.docs.test_documents import ROOT, place, run_python

__all__ = ["place"]


def test_the_guide_to_inserting_does_what_it_says(place: Path, database: str) -> None:
    found = blocks(ROOT / "docs" / "inserting.md")
    for block in found:
        if block.file:
            (place / block.file).write_text(block.text)
    with Registry().collecting():
        run_python([block for block in found if block.language == "python" and not block.file], {})
    with psycopg.connect(database, autocommit=True) as conn:
        before = conn.execute("select count(*) from baton.jobs").fetchone()
        for block in found:
            if block.language == "sql":
                conn.execute(block.text.encode())
        after = conn.execute(
            "select args ->> 'to', queue from baton.jobs order by id desc limit 2"
        ).fetchall()
    assert before == (21014,)
    assert after == [("bob@example.com", "mail"), ("ann@example.com", "mail")]


def test_a_role_needs_the_rights_that_the_guide_names_and_no_more(database: str) -> None:
    call = """
      select baton.insert_job('tests.worker', unique_by => '{"on_conflict": "reschedule"}')
    """
    with psycopg.connect(database) as conn:
        conn.execute("create role clerk")
        conn.execute("grant usage on schema baton to clerk")
        conn.execute("grant select, insert on baton.jobs to clerk")
        conn.execute("grant execute on function baton.insert_unique_jobs to clerk")
        conn.execute("grant select on baton.queues to clerk")
        conn.execute("grant usage on sequence baton.jobs_id_seq to clerk")
        conn.execute("set role clerk")
        conn.execute(call.encode())
        conn.execute(call.encode())
        conn.rollback()
