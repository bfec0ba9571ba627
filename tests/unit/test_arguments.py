"""Arguments whose values need no conversion take a short way; it must lead to the same place."""

from typing import Annotated, Any

import pytest
from pydantic import Field

from baton import Job, NewJob, Registry
from baton.errors import InvalidArguments, InvalidJob


def send(
    _job: Job,
    count: int,
    share: float = 0.5,
    name: str | None = None,
    anything: Any = None,
    small: Annotated[int, Field(lt=10)] = 1,
) -> None: ...


WORKER: Any = Registry().worker(name="w")(send)


@pytest.mark.parametrize(
    ("arguments", "stored"),
    [
        ({"count": 1, "name": "ü"}, {"count": 1, "name": "ü"}),
        ({"count": 1, "name": None}, {"count": 1, "name": None}),
        ({"count": 10**30}, {"count": 10**30}),
        ({"count": "7"}, {"count": 7}),
        ({"count": True}, {"count": 1}),
        ({"count": 1, "share": 2}, {"count": 1, "share": 2.0}),
        ({"count": 1, "anything": {"a": [1]}}, {"count": 1, "anything": {"a": [1]}}),
        ({"count": 1, "small": 9}, {"count": 1, "small": 9}),
    ],
)
def test_what_is_stored_is_of_the_parameters_type(
    arguments: dict[str, Any], stored: dict[str, Any]
) -> None:
    made = WORKER.new(**arguments).args
    assert made == stored
    assert [type(each) for each in made.values()] == [type(each) for each in stored.values()]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"count": 1, "name": "a\x00"}, "name: .*NUL"),
        ({"count": 1, "name": "\ud800"}, "name: .*surrogate"),
        ({"count": 1, "share": float("nan")}, "share: .*not JSON"),
        ({"count": 1, "anything": "\x00"}, "anything: .*NUL"),
        ({"count": 1, "anything": float("inf")}, "anything: .*not JSON"),
        ({"count": 1, "anything": 10**5_000}, "anything: .*digits"),
        ({"count": 1, "small": 10}, "small: .*less than 10"),
        ({"count": None}, "count: .*integer"),
        ({"name": "a"}, "count"),
        ({"count": 1, "other": 2}, "other"),
    ],
)
def test_what_does_not_fit_is_refused_as_ever(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidArguments, match=words):
        WORKER.new(**arguments)


@pytest.mark.parametrize(
    ("given", "named"),
    [((1, 2, 3, 4, 5, 6), {}), ((1,), {"count": 1})],
)
def test_a_call_that_python_would_refuse_is_refused(
    given: tuple[Any, ...], named: dict[str, Any]
) -> None:
    with pytest.raises(InvalidArguments, match=r"too many|multiple values"):
        WORKER.new(*given, **named)


def test_positions_become_names() -> None:
    assert WORKER.new(1, 0.25, name="a").args == {"count": 1, "share": 0.25, "name": "a"}


def test_a_worker_that_takes_any_argument_still_takes_any() -> None:
    def free(_job: Job, count: int, **rest: Any) -> None: ...

    worker: Any = Registry().worker(name="w")(free)
    assert worker.new(count=1, more=[2]).args == {"count": 1, "more": [2]}


def test_what_is_done_to_one_job_is_not_done_to_the_next() -> None:
    first, second = WORKER.new(count=1), WORKER.new(count=1)
    first.meta["trace"] = 1
    first.args["count"] = 2
    assert second == NewJob(worker="w", args={"count": 1})


def test_an_option_out_of_range_is_refused_for_one_job() -> None:
    with pytest.raises(InvalidJob, match="priority"):
        WORKER.with_options(priority=10).new(count=1)
