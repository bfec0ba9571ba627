"""The command: ``python -m tests.soak --jobs 2000000 [--minutes M] [--json FILE]``."""

import argparse
import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from baton.embedded import EmbeddedServer
from baton.store.migrations import migrate
from tests.soak.flatness import Figure
from tests.soak.run import Result, soak

# With the durability of a real one; autovacuum looks more often, as it must at such a rate.
SETTINGS = {
    "autovacuum": "on",
    "autovacuum_naptime": "5s",
    "max_wal_size": "4GB",
    "shared_buffers": "256MB",
}


def main() -> int:
    """Run, print the figures, and return 1 if anything is not as it has to be."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--jobs", type=int, default=2_000_000)
    parser.add_argument("--minutes", type=float, help="insert no more after so long")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--dsn", help="an empty database; by default an embedded server")
    parser.add_argument("--json", type=Path, help="a file for all figures and samples")
    given = parser.parse_args()
    seconds = None if given.minutes is None else given.minutes * 60
    with TemporaryDirectory() as directory:
        if given.dsn is not None:
            result = _run(given, given.dsn, Path(directory), seconds)
        else:
            with EmbeddedServer.start(settings=SETTINGS) as server:
                result = _run(given, server.dsn(), Path(directory), seconds)
    _print(result)
    if given.json is not None:
        given.json.write_text(json.dumps(result.as_dict(), indent=1))
    return 1 if result.faults() else 0


def _run(given: argparse.Namespace, dsn: str, directory: Path, seconds: float | None) -> Result:
    migrate(dsn)
    return soak(dsn, directory, jobs=given.jobs, processes=given.processes, seconds=seconds)


def _print(result: Result) -> None:
    rate = result.jobs / result.seconds
    print(f"{result.jobs:,} jobs in {result.seconds:,.0f} s ({rate:,.0f}/s), ", end="")
    print(f"{result.processes} worker processes")
    print(f"{result.pruned:,} jobs pruned, {result.autovacuums:,} autovacuums")
    print(f"attempts performed: {result.performed.total():,} of {result.expected.total():,}")
    print(f"{'after the warm-up':24} {'first':>10} {'last':>10} {'most':>10} {'a job':>10}")
    for each in sorted(result.figures, key=lambda figure: figure.name):
        print(_line(each))
    for fault in result.faults():
        print(f"FAULT: {fault}")
    if not result.faults():
        print("flat: nothing grows with the number of jobs")


def _line(figure: Figure) -> str:
    values = [figure.first, figure.last, figure.most]
    if figure.name.startswith("rss") or figure.name.endswith("bytes"):
        shown = [f"{value / (1 << 20):.1f} MiB" for value in values]
    else:
        shown = [f"{value:,.0f}" for value in values]
    return (
        f"{figure.name:24} "
        + " ".join(f"{each:>10}" for each in shown)
        + (f" {figure.slope:>10.4f}")
    )


if __name__ == "__main__":
    sys.exit(main())
