"""The research workflow, without a database: its shape, and each step called as a function."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from baton import Discard, Job, State
from baton.demo import research, sources
from baton.errors import InvalidArguments
from baton.jobs import Step

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ANALYSES = ("summarize", "keywords", "credibility")


def job(name: str, **results: Any) -> Job:
    """Make a job as its step sees it, with what its dependencies returned."""
    step = Step(
        workflow_id=uuid4(), workflow_label=None, name=name, deps=tuple(results), results=results
    )
    plain = Job(
        id=1,
        state=State.EXECUTING,
        queue="default",
        worker=name,
        args={},
        meta={},
        tags=(),
        priority=0,
        attempt=1,
        max_attempts=3,
        errors=[],
        epoch=1,
        inserted_at=NOW,
        scheduled_at=NOW,
    )
    return replace(plain, step=step)


def stored(result: Any) -> Any:
    return json.loads(json.dumps(result, allow_nan=False))


def test_the_workflow_is_a_diamond() -> None:
    flow = research.research("queues", ["a.txt"], pace=0)
    assert flow.name == "research:queues"
    assert {step.name: set(step.deps) for step in flow.steps()} == {
        "fetch_sources": set(),
        **{name: {"fetch_sources"} for name in ANALYSES},
        "compile_brief": set(ANALYSES),
    }
    assert {step.job.queue for step in flow.steps()} == {"demo"}


def test_paths_are_made_absolute_for_workers_that_run_elsewhere() -> None:
    fetch = research.research("queues", ["a.txt"], pace=0).steps()[0].job
    assert fetch.args["paths"] == [str(Path.cwd() / "a.txt")]


@pytest.mark.parametrize("pace", [-1, 61, float("nan")])
def test_a_pace_out_of_range_is_refused_when_the_workflow_is_built(pace: float) -> None:
    with pytest.raises(InvalidArguments, match="pace"):
        research.research("queues", ["a.txt"], pace=pace)


def test_the_steps_make_a_brief_of_the_default_texts() -> None:
    paths = [str(path) for path in sources.default_paths()]
    fetched = stored(research.fetch_sources(job("fetch_sources"), paths))
    assert fetched["skipped"] == []
    found = {
        name: stored(getattr(research, name)(job(name, fetch_sources=fetched))) for name in ANALYSES
    }
    brief = research.compile_brief(job("compile_brief", **found), "Python")["brief"]
    assert brief.startswith("Research brief: Python\n")
    assert all(document["title"][:20] in brief for document in fetched["documents"])


def test_a_path_that_cannot_be_read_is_skipped_with_its_reason(tmp_path: Path) -> None:
    good = tmp_path / "good.txt"
    good.write_text("A text.")
    fetched = research.fetch_sources(job("fetch_sources"), [str(good), str(tmp_path / "gone.txt")])
    assert isinstance(fetched, dict)
    assert [document["title"] for document in fetched["documents"]] == ["good.txt"]
    assert "No such file" in fetched["skipped"][0]["reason"]


def test_without_any_text_the_workflow_is_discarded_with_the_reasons(tmp_path: Path) -> None:
    outcome = research.fetch_sources(job("fetch_sources"), [str(tmp_path / "gone.txt")])
    assert isinstance(outcome, Discard)
    assert "No such file" in outcome.reason
    assert research.fetch_sources(job("fetch_sources"), []) == Discard(
        "there is no text to look at: no paths were given"
    )
