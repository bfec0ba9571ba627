"""S1 and S2: how fast a program inserts."""

import time
from collections.abc import Iterator

from benchmarks.figures import Row
from benchmarks.scenarios.sizes import Sizes
from benchmarks.sessions import Session

BULK = Row("S1", "bulk insert", "jobs/s", more_is_better=True)
COPIED = Row("S1", "bulk insert, nothing returned", "jobs/s", more_is_better=True)
ALONE = Row("S2", "single inserts, one at a time", "jobs/s", more_is_better=True)
TWENTY = Row("S2", "single inserts, 20 at once", "jobs/s", more_is_better=True)
COALESCED = Row("S2", "single inserts, 20 at once, coalesced", "jobs/s", more_is_better=True)
PROGRAMS = Row("S2", "single inserts, 16 programs at once", "jobs/s", more_is_better=True)


def many(session: Session, sizes: Sizes) -> Iterator[tuple[Row, float]]:
    """Making the jobs is counted, connecting is not."""
    session.ask("bulk", jobs=100)
    session.empty()
    yield BULK, sizes.bulk / session.seconds("bulk", jobs=sizes.bulk)
    if "copied" in session.can:
        session.empty()
        yield COPIED, sizes.bulk / session.seconds("copied", jobs=sizes.bulk)


def singly(session: Session, sizes: Sizes) -> Iterator[tuple[Row, float]]:
    """Nobody listens, no worker runs; the first inserts, which connect, are not counted."""
    for row, do, jobs, at_once in (
        (ALONE, "singles", sizes.singles, 1),
        (TWENTY, "singles", sizes.singles, 20),
        (COALESCED, "coalesced", sizes.coalesced, 20),
    ):
        if do in session.can:
            session.ask(do, jobs=200, at_once=at_once)
            session.empty()
            yield row, jobs / session.seconds(do, jobs=jobs, at_once=at_once)
    yield PROGRAMS, _by_programs(session, sizes)


def _by_programs(session: Session, sizes: Sizes) -> float:
    """Jobs per second, each program one at a time."""
    share = sizes.singles // sizes.programs
    with session.programs(sizes.programs) as programs:
        for each in programs:
            each.ask("singles", jobs=5, at_once=1)
        session.empty()
        began = time.monotonic()
        for each in programs:
            each.tell("singles", jobs=share, at_once=1)
        for each in programs:
            each.hear()
        return share * sizes.programs / (time.monotonic() - began)
