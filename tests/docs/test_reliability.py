"""Runs the guide to reliability."""

from pathlib import Path

from baton.workers import Registry
from tests.docs.markdown import blocks
from tests.docs.test_documents import ROOT, place, run_python

__all__ = ["place"]


def test_the_guide_to_reliability_does_what_it_says(place: Path) -> None:
    found = [each for each in blocks(ROOT / "docs" / "reliability.md") if each.language == "python"]
    assert place.exists()
    with Registry().collecting():
        run_python(found, {"__name__": "guide"})
