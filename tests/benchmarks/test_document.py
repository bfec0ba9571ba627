"""The table is put into a guide at its place."""

from pathlib import Path

import pytest

from benchmarks import document

ROOT = Path(__file__).resolve().parent.parent.parent


def test_what_stands_between_the_marks_is_replaced(tmp_path: Path) -> None:
    guide = tmp_path / "guide.md"
    guide.write_text(f"before\n{document.BEGIN}\nold\n{document.END}\nafter\n")
    document.put(guide, "| new |")
    assert guide.read_text() == f"before\n{document.BEGIN}\n\n| new |\n\n{document.END}\nafter\n"


def test_a_guide_without_the_marks_is_refused(tmp_path: Path) -> None:
    guide = tmp_path / "guide.md"
    guide.write_text("nothing")
    with pytest.raises(document.Unmarked, match=r"guide\.md has no line"):
        document.put(guide, "| new |")


def test_the_guide_to_performance_has_the_marks(tmp_path: Path) -> None:
    copy = tmp_path / "performance.md"
    copy.write_text((ROOT / "docs" / "performance.md").read_text())
    document.put(copy, "| new |")
    assert "| new |" in copy.read_text()
