"""What several measurements come to, and how they are told."""

from xml.etree import ElementTree as ET

from benchmarks import chart, table
from benchmarks.figures import Row, percentile
from benchmarks.results import Results
from benchmarks.subjects import BATON, FLOOR, PEERS

SPEED = Row("S3", "drain", "jobs/s", more_is_better=True)
LATENCY = Row("S4", "insert <to> start", "ms")
OBAN, PROCRASTINATE = PEERS[:2]


def results() -> Results:
    made = Results(
        {"cores": "2", "processor": "p", "system": "s", "python": "3", "postgresql": "18"},
        [BATON, FLOOR, OBAN, PROCRASTINATE],
    )
    for figure in (10_000, 30_000, 20_000):
        made.add(SPEED, BATON, figure)
    made.add(SPEED, FLOOR, 40_000)
    made.add(SPEED, OBAN, 5_000)
    made.add(LATENCY, BATON, 2.0)
    made.add(LATENCY, OBAN, 1.0)
    made.add(LATENCY, PROCRASTINATE, 4.0)
    return made


def test_a_cell_has_the_median_the_least_and_the_most() -> None:
    assert "20.0k (10.0k-30.0k)" in table.text(results())


def test_who_was_not_measured_has_none() -> None:
    [line] = [line for line in table.text(results()).splitlines() if "| drain" in line]
    assert line.split("|")[7].strip() == "none"


def test_ratios_are_to_the_floor_and_to_the_best_peer() -> None:
    made = results()
    assert (made.to_floor(SPEED), made.to_best_peer(SPEED)) == (0.5, 4.0)
    assert (made.to_floor(LATENCY), made.to_best_peer(LATENCY)) == (None, 2.0)


def test_what_a_peer_does_better_is_said() -> None:
    assert list(results().behind()) == [(LATENCY, OBAN, 2.0)]
    assert "S4, insert <to> start: Oban for Python is 2 times as good" in table.text(results())


def test_the_chart_is_xml_with_a_bar_for_each_figure() -> None:
    drawn = ET.fromstring(chart.svg(results()))  # noqa: S314
    assert sum(each.tag.endswith("rect") for each in drawn.iter()) == 1 + 6


def test_a_percentile_is_a_sample() -> None:
    samples = [float(number) for number in range(1, 101)]
    assert (percentile(samples, 50), percentile(samples, 99)) == (50.0, 99.0)
    assert percentile([7.0], 99) == 7.0
