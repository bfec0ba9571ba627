"""The guide to observability: its programs run, and what it names are metrics."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from baton import Telemetry, tracing
from baton.metrics import Metrics
from tests.docs.markdown import blocks
from tests.docs.test_documents import run_python

GUIDE = Path(__file__).resolve().parent.parent.parent / "docs" / "observability.md"


@pytest.fixture(autouse=True)
def _detached() -> Iterator[None]:
    yield
    Telemetry.detach(tracing.HANDLER)


def test_the_guide_to_observability_does_what_it_says() -> None:
    run_python([block for block in blocks(GUIDE) if block.language == "python"], {})


def test_the_guide_names_every_metric_and_no_other() -> None:
    registry = CollectorRegistry()
    metrics = Metrics(registry, queues=list)
    metrics.attach()
    known = {
        f"{each.name}_total" if each.type == "counter" else each.name for each in registry.collect()
    }
    metrics.detach()
    text = GUIDE.read_text()
    named = set(re.findall(r"\bbaton_(?:\w+)\b", text))
    plain = {re.sub(r"_(bucket|count)$", "", name) for name in named}
    assert plain == known
