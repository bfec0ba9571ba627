"""Every scenario of the benchmarks runs, in small; what it measures is not judged."""

import pytest

from benchmarks import chart, table
from benchmarks.__main__ import main
from benchmarks.scenarios import SCENARIOS

OF_THE_FLOOR = {"S1", "S2", "S3", "S4", "S5", "S6", "S9", "crowd"}


@pytest.mark.timeout(1_200)  # they wait for up to 600 s themselves
@pytest.mark.parametrize("name", [scenario.name for scenario in SCENARIOS])
def test_a_scenario_measures_baton_and_the_floor(name: str, server_dsn: str) -> None:
    results = main([name, "--quick", "--dsn", server_dsn])
    assert not results.failures
    rows = list(results.rows())
    baton, floor, bare = results.subjects
    assert any(results.summary(row, baton) for row in rows)
    assert any(results.summary(row, floor) for row in rows) == (name in OF_THE_FLOOR)
    assert any(results.summary(row, bare) for row in rows) == (name == "S3")
    assert all(row.label in table.text(results) for row in rows)
    assert chart.svg(results).startswith("<svg")


@pytest.mark.timeout(1_200)
def test_a_server_that_counts_statements_tells_how_many_an_idle_process_sends() -> None:
    results = main(["S10", "--quick", "--subjects", "baton"])
    assert "statements per process" in table.text(results)


def test_an_unknown_scenario_is_refused() -> None:
    with pytest.raises(SystemExit, match="no scenario named 'S99'"):
        main(["S99"])


def test_an_unknown_subject_is_refused() -> None:
    with pytest.raises(SystemExit, match="no subject named 'celery'"):
        main(["S1", "--subjects", "celery"])
