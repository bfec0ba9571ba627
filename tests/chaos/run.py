"""One run: work and faults from a seed, then the end of all of it, and a look at what is left."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.chaos import aftermath
from tests.chaos.checkers import violations
from tests.chaos.faults import LANES, run_lane
from tests.chaos.figures import figures
from tests.chaos.stage import TICK, Options, Stage, count_open, staged

START = 180.0  # seconds for all processes to start


@dataclass(frozen=True)
class Outcome:
    """What a run came to.

    Attributes:
        violations: by checker.
        figures: to print.
        place: the directory, if it was kept.
    """

    violations: Mapping[str, Sequence[str]]
    figures: Mapping[str, Any]
    place: Path | None = None

    @property
    def broken(self) -> int:
        return sum(len(lines) for lines in self.violations.values())


async def run(options: Options, tell: Callable[[str], object] = print) -> Outcome:
    """Make a run, and look at what it left."""
    async with staged(options) as stage:
        tell(f"in {stage.place}: {options.workers} processes, {options.seconds:.0f} s")
        await _act(stage)
        tell("no more faults; waiting for everything to end")
        await _drain(stage)
        exits = await stage.fleet.stop()
        await stage.client.close()
        left = await asyncio.to_thread(aftermath.left_in, stage)
        history = await asyncio.to_thread(aftermath.history_of, stage, left)
        found = violations(history)
        if options.keep or any(found.values()):
            aftermath.write_down(stage, history)
        return Outcome(found, figures(history, exits), stage.place if stage.kept else None)


async def _act(stage: Stage) -> None:
    """Let work come and faults happen."""
    options = stage.options
    await stage.feeder.set_limits()
    keeping = asyncio.create_task(stage.fleet.keep())
    async with asyncio.timeout(START):
        await asyncio.gather(*(worker.ready() for worker in stage.fleet.workers))
    stage.journal.write("ticking")
    until = time.time() + options.seconds
    try:
        turn = asyncio.Lock() if options.apart else nullcontext()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(stage.feeder.feed(until))
            for lane in LANES:
                tasks.create_task(
                    run_lane(
                        stage.arena,
                        lane,
                        options.kinds,
                        seed=options.seed,
                        until=until,
                        pause=options.pause,
                        turn=turn,
                    )
                )
    finally:
        keeping.cancel()
        stage.journal.write("ticking")
    for worker in stage.fleet.workers:  # all of them, for what is left to do
        if not worker.is_alive():
            stage.fleet.start(worker)


async def _drain(stage: Stage) -> None:
    """Wait until everything has ended; what does not is for the checkers to find."""
    await stage.client.crons.pause(TICK, by="chaos")
    keeping = asyncio.create_task(stage.fleet.keep())
    until = time.time() + stage.options.patience
    try:
        async with asyncio.timeout(START):
            await asyncio.gather(*(worker.ready() for worker in stage.fleet.workers))
        while time.time() < until:
            if await asyncio.to_thread(count_open, stage.servers, len(stage.fleet.workers)) == 0:
                return
            await asyncio.sleep(0.3)
    finally:
        keeping.cancel()
