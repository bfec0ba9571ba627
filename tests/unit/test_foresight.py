"""How far ahead a process claims, and where it looks for the next jobs."""

from collections.abc import Callable
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest

from baton.jobs import Job
from baton.services import foresight
from baton.services.foresight import MOST_AHEAD, Foresight
from baton.services.lanes import Pace
from baton.states import State
from baton.store.cycles import Range

SLOTS = {"default": 10}
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def job(job_id: int, **facts: Any) -> Job:
    defaults: dict[str, Any] = {"queue": "default", "priority": 0, "attempt": 1, "max_attempts": 3}
    return Job(
        id=job_id,
        state=State.EXECUTING,
        worker="w",
        args={},
        meta={},
        tags=(),
        errors=[],
        epoch=1,
        inserted_at=NOON,
        scheduled_at=NOON,
        **{**defaults, **facts},
    )


@pytest.fixture(autouse=True)
def now(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """A clock that stands still until it is moved: a look at everything is due by time."""
    clock = [100.0]

    def go_on(seconds: float) -> None:
        clock[0] += seconds

    monkeypatch.setattr(foresight, "monotonic", lambda: clock[0])
    return go_on


def test_of_short_jobs_twice_what_ended_is_claimed_ahead_and_never_more_than_the_most() -> None:
    assert Foresight().ahead(SLOTS, {"default": Pace(5, 0.0)}) == {"default": 10}
    assert Foresight().ahead(SLOTS, {"default": Pace(5_000, 0.01)}) == {"default": MOST_AHEAD}


def test_what_waits_is_no_more_than_the_slots_can_start_in_a_short_time() -> None:
    # 10 slots, 0.1 s each: five can start in 50 ms
    assert Foresight().ahead(SLOTS, {"default": Pace(100, 10.0)}) == {"default": 5}
    assert Foresight().ahead(SLOTS, {"default": Pace(100, 1_000.0)}) == {"default": 0}


def test_a_queue_that_is_not_served_any_more_is_not_claimed_ahead() -> None:
    assert Foresight().ahead({}, {"default": Pace(5, 0.1)}) == {"default": 0}


def test_nothing_is_claimed_ahead_while_jobs_are_on_their_last_attempts() -> None:
    watch = Foresight()
    watch.learn({"default": 2}, [job(1), job(2, attempt=3)])
    assert watch.ahead(SLOTS, {"default": Pace(5, 0.0)}) == {}
    watch.learn({"default": 2}, [job(3)])
    assert watch.ahead(SLOTS, {"default": Pace(5, 0.0)}) == {"default": 10}


def test_who_got_all_that_it_asked_for_goes_on_where_that_ended() -> None:
    watch = Foresight()
    assert watch.ranges(SLOTS) == [Range("default")]
    watch.learn({"default": 3}, [job(1), job(2, priority=4), job(3, priority=4)])
    time = NOON.timestamp()
    assert watch.ranges(SLOTS) == [
        Range("default", 0, time, 1, 0),
        Range("default", 1, top=3),
        Range("default", 4, time, 3, 4),
        Range("default", 5),
    ]


def test_a_look_that_came_up_short_is_followed_by_one_everywhere() -> None:
    watch = Foresight()
    watch.learn({"default": 1}, [job(1)])
    watch.learn({"default": 2}, [job(2)])
    assert watch.ranges(SLOTS) == [Range("default")]


def test_once_a_second_it_looks_everywhere(now: Callable[[float], None]) -> None:
    watch = Foresight()
    watch.ranges(SLOTS)
    watch.learn({"default": 1}, [job(1)])
    assert len(watch.ranges(SLOTS)) == 2
    now(foresight.FULL_LOOK + 0.1)
    assert watch.ranges(SLOTS) == [Range("default")]


def test_it_is_said_once_that_a_fetch_left_jobs() -> None:
    watch = Foresight()
    watch.learn({"default": 1, "mail": 1}, [job(1)])
    assert watch.left() == {"default"}
    assert watch.left() == set()
    watch.learn({"default": 1}, [job(2)])
    watch.learn({"default": 1}, [])
    assert watch.left() == set()


@pytest.mark.parametrize("priorities", [[0], [9], [3, 4], [0, 9], list(range(10))])
def test_the_ranges_of_a_queue_cover_every_priority_once(priorities: list[int]) -> None:
    watch = Foresight()
    jobs = [job(number, priority=priority) for number, priority in enumerate(priorities)]
    watch.ranges(SLOTS)
    watch.learn({"default": len(jobs)}, jobs)
    ranges = watch.ranges(SLOTS)
    assert (ranges[0].priority, ranges[-1].top) == (0, 9)
    assert all(after.priority == before.top + 1 for before, after in pairwise(ranges))
