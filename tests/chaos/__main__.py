"""``python -m tests.chaos``: a run of faults from a seed, and everything checked at its end."""

import argparse
import asyncio
import json
import math
import random
import signal
import sys
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.chaos.checkers import CHECKERS
from tests.chaos.faults import KINDS, chosen
from tests.chaos.figures import regressions
from tests.chaos.run import Outcome, run
from tests.chaos.stage import Options

TARGETS = {
    "first_ack_s": ("first acknowledgement after the database is back", "<= 1 s p99"),
    "rerun_orphan_s": ("an orphan runs again after kill -9", "<= 3 s"),
    "partition_noticed_s": ("a partition is noticed", "<= 5 s"),
    "throughput_after_to_before": ("throughput after a fault, to before", ">= 0.99"),
    "sigterm_exit_s": ("end on SIGTERM under load, grace 2 s", "<= 3 s"),
}


def _positive(word: str) -> float:
    try:
        value = float(word)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"it must be a number above 0, not {word}")
    return value


def _count(word: str) -> int:
    if not (word.isdecimal() and int(word) > 0):
        raise argparse.ArgumentTypeError(f"it must be a whole number above 0, not {word}")
    return int(word)


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    made.add_argument("--seed", type=int, help="of work and faults; drawn when it is not given")
    made.add_argument("--minutes", type=_positive, default=3.0, help="of work and faults; 3")
    made.add_argument(
        "--faults",
        default="all",
        metavar="A,B",
        help=f"all, rootless, or some of: {', '.join(KINDS)}",
    )
    made.add_argument("--workers", type=_count, default=4, help="processes; 4")
    made.add_argument("--rate", type=_positive, default=60.0, help="jobs and steps a second; 60")
    made.add_argument(
        "--pause",
        type=_positive,
        default=3.0,
        help="seconds between two faults of a lane, in the mean; 3",
    )
    made.add_argument(
        "--patience",
        type=_positive,
        default=120.0,
        help="seconds for everything to end after the last fault; 120",
    )
    made.add_argument(
        "--apart", action="store_true", help="one fault at a time, which gives the cleaner figures"
    )
    made.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    made.add_argument("--keep", action="store_true", help="keep journals, logs and tables")
    return made


def main(words: Sequence[str] | None = None) -> int:
    given = parser().parse_args(words)
    seed = random.randrange(1_000_000) if given.seed is None else given.seed
    try:
        kinds, missing = chosen(given.faults)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"seed {seed}; faults: {', '.join(kind.name for kind in kinds) or 'none'}")
    for name, reason in missing.items():
        print(f"left out here: {name}, because {reason}")
    options = Options(
        seed=seed,
        seconds=given.minutes * 60,
        kinds=kinds,
        workers=given.workers,
        rate=given.rate,
        pause=given.pause,
        patience=given.patience,
        apart=given.apart,
        keep=given.keep,
    )
    try:
        outcome = asyncio.run(_until_told(options))
    except asyncio.CancelledError:
        print(f"told to end; the same again: {replay(given, seed)}")
        return 128 + signal.SIGTERM
    except Exception:
        traceback.print_exc()
        print(f"the run itself broke; the same again: {replay(given, seed)}")
        return 3
    late = regressions(outcome.figures)
    report(outcome, late)
    if given.json is not None:
        given.json.write_text(json.dumps(_document(given, seed, missing, outcome), indent=2) + "\n")
    if outcome.place is not None:
        print(f"journals, logs and tables are in {outcome.place}")
    if outcome.broken or late:
        print(f"{outcome.broken + len(late)} violations; the same again: {replay(given, seed)}")
        return 1
    print("no violations")
    return 0


async def _until_told(options: Options) -> Outcome:
    """Make a run that SIGTERM ends as Ctrl-C does; what it has made is removed."""
    task = asyncio.current_task()
    assert task is not None
    loop = asyncio.get_running_loop()

    def end() -> None:
        loop.remove_signal_handler(signal.SIGTERM)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a second one must not keep things
        task.cancel()

    loop.add_signal_handler(signal.SIGTERM, end)
    return await run(options)


def report(outcome: Outcome, late: Sequence[str] = ()) -> None:
    figures = outcome.figures
    print(f"faults: {', '.join(f'{name} {count}' for name, count in figures['faults'].items())}")
    print(
        f"{figures['jobs']:,} jobs, {figures['nodes']:,} of them steps of "
        f"{figures['workflows']:,} workflows; {figures['claims']:,} claims; "
        f"{figures['lost_replies']} replies of commits lost; "
        f"{figures['refused_inserts']} inserts without an answer"
    )
    for name, (words, target) in TARGETS.items():
        facts = figures[name]
        told = "not measured" if facts is None else " ".join(f"{k} {v:g}" for k, v in facts.items())
        print(f"{words}: {told} (target {target})")
    for name, lines in outcome.violations.items():
        print(f"{'ok  ' if not lines else 'FAIL'} {CHECKERS[name].sentence}")
        for line in lines[:20]:
            print(f"       {line}")
        if len(lines) > 20:
            print(f"       and {len(lines) - 20} more")
    print(f"{'ok  ' if not late else 'FAIL'} no figure is far beyond its target")
    for line in late:
        print(f"       {line}")


def replay(given: argparse.Namespace, seed: int) -> str:
    """Return the command that makes the same run."""
    return (
        f"python -m tests.chaos --seed {seed} --minutes {given.minutes:g} --faults {given.faults} "
        f"--workers {given.workers} --rate {given.rate:g} --pause {given.pause:g}"
        f"{' --apart' if given.apart else ''} --keep"
    )


def _document(
    given: argparse.Namespace, seed: int, missing: Mapping[str, str], outcome: Outcome
) -> dict[str, Any]:
    return {
        "seed": seed,
        "command": replay(given, seed),
        "minutes": given.minutes,
        "left_out": dict(missing),
        "figures": dict(outcome.figures),
        "violations": {name: list(lines) for name, lines in outcome.violations.items()},
    }


if __name__ == "__main__":
    sys.exit(main())
