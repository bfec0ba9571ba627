"""Measures Baton beside the floor, and beside its peers.

    python -m benchmarks [S1 … S12 layers crowd punctuality] [--quick] [--reps 3] [--peers]

Repetitions are taken in turn (A B C A B C …), so that what else the machine does falls on all.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import psycopg

from benchmarks import chart, document, environments, machine, table
from benchmarks.results import Results
from benchmarks.scenarios import FULL, QUICK, SCENARIOS, Scenario, Sizes
from benchmarks.server import Server, server
from benchmarks.sessions import Failure, session
from benchmarks.subjects import OWN, PEERS, Subject


def main(arguments: Sequence[str] | None = None) -> Results:
    options = _options(arguments)
    scenarios = _chosen(options.scenarios + [name for name in options.only.split(",") if name])
    sizes = QUICK if options.quick else FULL
    if options.history:
        sizes = replace(sizes, history=options.history)
    if options.crowd:
        sizes = replace(sizes, crowd=options.crowd)
    subjects = _subjects(options.peers, [name for name in options.subjects.split(",") if name])
    if options.slots:
        os.environ["BENCHMARK_SLOTS"] = str(options.slots)
    results = Results(machine.facts(), subjects)
    with server(options.dsn) as where:
        results.machine["postgresql"] = where.version()
        commands = _commands(results, subjects, own=options.peers)
        pythons = {environments.version(commands[each]) for each in commands if not each.node}
        results.machine["python"] = ", ".join(sorted(pythons))
        for scenario in scenarios:
            for turn in range(options.reps):
                for subject in commands:
                    _measure(results, scenario, subject, commands[subject], sizes, where, turn)
    print(table.text(results))
    if options.document:
        document.put(options.document, table.text(results))
    if options.json:
        options.json.write_text(json.dumps(results.document(), indent=2) + "\n")
    if options.chart:
        options.chart.write_text(chart.svg(results))
    return results


def _commands(
    results: Results, subjects: Sequence[Subject], *, own: bool
) -> dict[Subject, Sequence[str]]:
    """The program of each subject; who can't be installed is left out, and said so."""
    commands: dict[Subject, Sequence[str]] = {}
    for subject in subjects:
        try:
            commands[subject] = environments.command(subject, own=own)
        except (environments.Unusable, subprocess.CalledProcessError) as error:
            results.failures.append(f"{subject.title}: {error}")
            print(f"{subject.title} is left out: {error}", file=sys.stderr, flush=True)
    return commands


def _measure(
    results: Results,
    scenario: Scenario,
    subject: Subject,
    command: Sequence[str],
    sizes: Sizes,
    where: Server,
    turn: int,
) -> None:
    if subject.only and scenario.name not in subject.only:
        return
    print(f"{scenario.name} {subject.title} {turn + 1}", file=sys.stderr, flush=True)
    try:
        with session(subject, where, command) as measured:
            results.versions[subject.name] = measured.facts["version"]
            if not scenario.suits(measured):
                return
            for row, figure in scenario.measure(measured, sizes.shared(subject.share)):
                results.add(row, subject, figure)
    except (Failure, psycopg.Error) as failure:
        results.failures.append(f"{scenario.name}, {subject.title}: {failure}")
        print(f"{scenario.name} of {subject.title} failed: {failure}", file=sys.stderr, flush=True)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help="by default all")
    parser.add_argument("--only", default="", help="the same, separated by commas")
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that it works")
    parser.add_argument("--reps", type=int, default=1, help="how often each is measured")
    parser.add_argument("--peers", action="store_true", help="measure the peers too")
    parser.add_argument("--subjects", default="", help="only these, separated by commas")
    parser.add_argument("--slots", type=int, help="jobs that Baton's worker runs at once")
    parser.add_argument("--history", type=int, help="finished jobs of S6")
    parser.add_argument("--crowd", type=int, help="worker processes of the crowd")
    parser.add_argument("--dsn", help="a server on this machine; by default an embedded one")
    parser.add_argument("--json", type=Path, help="a file for all figures")
    parser.add_argument("--document", type=Path, help="a guide whose table is replaced")
    parser.add_argument("--chart", type=Path, help="a file for an SVG of the medians")
    return parser.parse_args(arguments)


def _chosen(names: Sequence[str]) -> list[Scenario]:
    known = {scenario.name.lower(): scenario for scenario in SCENARIOS}
    unknown = [name for name in names if name.lower() not in known]
    if unknown:
        sys.exit(f"no scenario named {unknown[0]!r}; there are {', '.join(known)}")
    wanted = {name.lower() for name in names} or set(known)
    return [scenario for name, scenario in known.items() if name in wanted]


def _subjects(peers: bool, names: Sequence[str]) -> list[Subject]:
    there = [*OWN, *(PEERS if peers else ())]
    known = {subject.name: subject for subject in there}
    unknown = [name for name in names if name not in known]
    if unknown:
        sys.exit(f"no subject named {unknown[0]!r}; there are {', '.join(known)}")
    return [subject for subject in there if not names or subject.name in names]


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that worker processes end with it
    main()
