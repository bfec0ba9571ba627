"""The research brief: one step reads texts, three study them side by side, one joins it all.

    fetch_sources -> summarize, keywords, credibility -> compile_brief

The work is real but takes milliseconds, so each step also waits for ``pace`` seconds: time for a
person to see it run, or to kill the worker under it. A pace of 0 waits for nothing.
"""

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from baton import Discard, Job, Registry, Workflow
from baton.demo import layout, signals, sources, text

PACE = 0.6  # seconds
QUEUE = "demo"

# of its own: the commands import this module, and must not run its workers for others
registry = Registry()

Pace = Annotated[float, Field(ge=0, le=60)]


@registry.worker(queue=QUEUE, max_attempts=3)
def fetch_sources(_job: Job, paths: list[str], pace: Pace = 0.0) -> dict[str, Any] | Discard:
    """Read the texts; what can't be read is skipped and the reason kept."""
    time.sleep(pace)
    documents, skipped = [], []
    for path in paths:
        try:
            documents.append(sources.read(path))
        except sources.UnreadableSource as error:
            skipped.append({"path": path, "reason": str(error)})
    if not documents:
        reasons = "; ".join(one["reason"] for one in skipped) or "no paths were given"
        return Discard(f"there is no text to look at: {reasons}")
    return {"documents": documents, "skipped": skipped}


@registry.worker(queue=QUEUE, max_attempts=3)
def summarize(job: Job, pace: Pace = 0.0) -> dict[str, Any]:
    """Choose the sentences that say most."""
    time.sleep(pace)
    fetched = job.result("fetch_sources")
    return {**text.summarize(fetched["documents"]), "skipped": fetched["skipped"]}


@registry.worker(queue=QUEUE, max_attempts=3)
def keywords(job: Job, pace: Pace = 0.0) -> dict[str, Any]:
    """Rank words and phrases."""
    time.sleep(pace)
    return text.keywords(job.result("fetch_sources")["documents"])


@registry.worker(queue=QUEUE, max_attempts=3)
def credibility(job: Job, pace: Pace = 0.0) -> dict[str, Any]:
    """Measure how readable and how careful the texts are."""
    time.sleep(pace)
    return signals.credibility(job.result("fetch_sources")["documents"])


@registry.worker(queue=QUEUE, max_attempts=3)
def compile_brief(job: Job, topic: str, pace: Pace = 0.0) -> dict[str, str]:
    """Join the three findings into a text."""
    time.sleep(pace)
    found = job.results()
    summary = found["summarize"]
    return {
        "brief": layout.brief(
            topic, summary, found["keywords"], found["credibility"], skipped=summary["skipped"]
        )
    }


def research(topic: str, paths: Iterable[str | Path], pace: float = PACE) -> Workflow:
    """Build the workflow; its last step, ``compile_brief``, returns ``{"brief": text}``.

    Args:
        topic: the title of the brief.
        paths: the files to read. Workers read them, so they must see the same files.
        pace: seconds that each step waits besides its work, from 0 to 60.

    Raises:
        InvalidWorkflow: the topic can't be part of a name.
        InvalidArguments: the pace is out of range, or a path can't be written as JSON.
    """
    # a worker may run in another directory
    absolute = [str(Path(path).absolute()) for path in paths]
    analyses = {"summarize": summarize, "keywords": keywords, "credibility": credibility}
    flow = Workflow(name=f"research:{topic}")
    flow.add("fetch_sources", fetch_sources.new(paths=absolute, pace=pace))
    for name, analysis in analyses.items():
        flow.add(name, analysis.new(pace=pace), deps=["fetch_sources"])
    return flow.add("compile_brief", compile_brief.new(topic=topic, pace=pace), deps=analyses)
