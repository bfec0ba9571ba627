"""Writes the table into a guide, between the two lines that mark its place."""

from pathlib import Path

BEGIN, END = "<!-- figures: written by the benchmarks -->", "<!-- end of figures -->"


class Unmarked(Exception):
    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} has no line {BEGIN!r} followed by {END!r}")


def put(path: Path, table: str) -> None:
    """Replace what stands between the marks.

    Raises:
        Unmarked: they are not there.
    """
    before, begin, rest = path.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise Unmarked(path)
    path.write_text(f"{before}{BEGIN}\n\n{table}\n\n{END}{after}")
