"""Runs the guide to several models, against a server that speaks as their gateway does."""

from pathlib import Path
from typing import Any

import anyio
import psycopg
import pytest

from baton.llm import Stats
from baton.workers import Registry
from tests.docs.llm_guides import serving
from tests.docs.markdown import blocks
from tests.docs.test_documents import ROOT, perform_everything, place, run_python
from tests.providers import CHAT, Reply, refusal

__all__ = ["place"]


def saying(text: str, model: str) -> Reply:
    choice = {**CHAT["choices"][0], "message": {"role": "assistant", "content": text}}
    return Reply({**CHAT, "id": f"{model} {text}", "model": model, "choices": [choice]})


def test_the_guide_to_several_models_does_what_it_says(
    place: Path, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = blocks(ROOT / "docs" / "multi_model.md")
    [file] = [block for block in found if block.file]
    (place / str(file.file)).write_text(file.text)
    python = [block for block in found if block.language == "python" and not block.file]
    names: dict[str, Any] = {"__name__": "guide"}
    with serving() as server, Registry().collecting() as registry:
        server.always = {
            "Draft it": saying("a draft", "gpt-4o-mini"),
            "Polish it": saying("polished", "claude-sonnet-4-5"),
            r"0. in May\n1. in August\n2. by Claude": saying("1", "gpt-4.1"),
            "gpt-4o-2024-05-13": saying("in May", "gpt-4o-2024-05-13"),
            "gpt-4o-2024-08-06": saying("in August", "gpt-4o-2024-08-06"),
            "Why is the sky blue?": saying("by Claude", "claude-sonnet-4-5"),
            '"gpt-4.1"': Reply(refusal("content_policy"), status=400),
            "Is this spam?": saying("yes", "gpt-4o-mini"),
        }
        monkeypatch.setenv("OPENAI_API_KEY", "k")
        monkeypatch.setenv("OPENAI_BASE_URL", f"{server.url}/v1")
        run_python(python, names)
        perform_everything(registry, client_of="answers")
    asked = {(sent.body["messages"][0]["content"], sent.body["model"]) for sent in server.requests}
    assert ("Draft it", "gpt-4o-mini") in asked
    assert ("Polish it", "anthropic/claude-sonnet-4-5") in asked
    assert len(asked) == 9
    with psycopg.connect(database) as conn:
        query = """
          select workflow || ' ' || step_name, result from baton.workflow_nodes
          where step_name like '%\\_synthesis' or state = 'discarded'
        """
        results = dict(conn.execute(query.encode()).fetchall())
    assert results == {
        "compared answer_synthesis": {"model": "gpt-4o-2024-08-06", "answer": "in August"},
        "jury verdict:gpt-4.1": None,
        "jury verdict_synthesis": "yes",
    }
    anyio.run(costs, names["flow"].workflow_id)


async def costs(workflow_id: Any) -> None:
    steps = await Stats.steps_for_workflow(workflow_id)
    assert [step.step_name for step in steps].count("answer_synthesis") == 1
    assert all(step.cost for step in steps)
