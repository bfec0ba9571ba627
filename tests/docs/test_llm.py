"""Runs the guide to LLM workflows, against a server that speaks as the provider does."""

import json
from pathlib import Path

import psycopg
import pytest

from baton.llm import Usage
from baton.settings import load
from baton.workers import Registry
from tests.docs.llm_guides import serving
from tests.docs.markdown import blocks
from tests.docs.test_documents import ROOT, commands, perform_everything, place, run_python, shell
from tests.providers import CHAT, Reply, Stream, chat_chunks

__all__ = ["place"]

pytestmark = pytest.mark.timeout(900)  # it starts many programs, one after the other


def test_the_guide_to_llm_workflows_does_what_it_says(
    place: Path, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = blocks(ROOT / "docs" / "llm.md")
    [file] = [block for block in found if block.file]
    (place / str(file.file)).write_text(file.text)
    python = [block for block in found if block.language == "python" and not block.file]
    [ended] = [i for i, block in enumerate(python) if "workflow_totals" in block.text]
    names = {"__name__": "guide"}
    with serving() as server, Registry().collecting() as registry:
        server.always = {
            "Summarize: ": Reply(CHAT),
            "Is this good? a summary": Reply(CHAT),
            "In French: a summary": Stream(chat_chunks("un ", "résumé")),
        }
        monkeypatch.setenv("OPENAI_API_KEY", "k")
        monkeypatch.setenv("OPENAI_BASE_URL", f"{server.url}/v1")
        run_python(python[:ended], names)
        perform_everything(registry, client_of="briefs")
        run_python(python[ended:], names)
    with psycopg.connect(database) as conn:
        query = "select step_name, result from baton.workflow_nodes where step_name <> 'judge'"
        results = dict(conn.execute(query.encode()).fetchall())
        row = conn.execute("select id from baton.workflows").fetchone()
    assert results == {"summarize": "a summary", "translate": "un résumé"}
    assert row is not None
    said = [command for block in found if block.language == "sh" for command in commands(block)]
    days, flows, steps, set_, listed, removed, log, entries = [
        shell(command.replace("0f6c", str(row[0])[:8])) for command in said
    ]
    assert "$0.0005" in days
    assert json.loads(flows)[0]["cost"] == "0.00054"
    assert steps.splitlines()[-1].split()[0] == "total"
    assert "$25.00" in set_
    assert listed.splitlines() == set_.splitlines()
    assert removed == ""
    for kind in ("context", "request"):
        assert kind in log
    assert [entry["kind"] for entry in json.loads(entries)] == ["context"]
    assert registry.redactor is not None
    assert registry.pricing is not None
    price = registry.pricing.price(Usage(model="gpt-4o-mini", output_tokens=1_000_000))
    assert price is not None
    assert price.source == "contract of 2026"


def test_the_prices_of_the_guide_are_read(place: Path) -> None:
    [toml] = [block for block in blocks(ROOT / "docs" / "llm.md") if block.language == "toml"]
    (place / "baton.toml").write_text(toml.text)
    tariff = load().prices
    assert tariff is not None
    mine = tariff.table(None).price(Usage(model="llama-3.3-70b", input_tokens=1_000))
    assert mine is not None
    assert (str(mine.amount), mine.source) == ("0.0006", "settings, 2026-01-31")
