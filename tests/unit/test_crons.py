"""Cron entries in code: how they are registered, and the jobs that are made of them."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

import baton
from baton import Job, Registry, Unique, Worker
from baton.crons import job_of
from baton.errors import DuplicateCron, InvalidCron, InvalidWorker, UnknownWorker

TICK = datetime(2025, 1, 1, 12, tzinfo=UTC)


async def _nothing(_job: Job) -> None: ...


async def _report(_job: Job, day: date, copies: int = 1) -> None: ...


def test_a_worker_carries_its_schedule() -> None:
    registry = Registry()
    registry.worker(name="w", cron="*/5 * * * *", timezone="Europe/Berlin", catch_up="latest")(
        _nothing
    )
    [entry] = registry.crons
    assert (entry.name, entry.worker, entry.expression) == ("w", "w", "*/5 * * * *")
    assert (entry.timezone, entry.catch_up) == ("Europe/Berlin", 1)


def test_the_class_form_carries_its_schedule_which_is_not_inherited() -> None:
    registry = Registry()
    with registry.collecting():

        class Nightly(Worker, cron="@daily", queue="night"):
            async def perform(self, job: Job) -> None: ...  # type: ignore[override]

        class Special(Nightly):
            pass

    assert [entry.expression for entry in registry.crons] == ["@daily"]
    assert registry.crons[0].options["queue"] == "night"
    assert Special.new().queue == "night"


def test_a_worker_may_have_several_schedules() -> None:
    registry = Registry()
    report = registry.worker(name="report", priority=3)(_report)
    registry.cron(report, "0 9 * * *", name="early", args={"day": "2025-01-01"})
    registry.cron("report", "0 17 * * *", name="late", args={"day": date(2025, 1, 2)}, priority=5)
    registry.cron(
        report.with_options(queue="slow"), "0 18 * * *", args={"day": "2025-01-03", "copies": 2}
    )
    early, late, last = registry.crons
    assert (early.options["priority"], late.options["priority"]) == (3, 5)
    assert late.args == {"day": "2025-01-02"}
    assert (last.name, last.options["queue"], last.args["copies"]) == ("report", "slow", 2)


def test_the_package_registers_in_the_registry_in_use() -> None:
    registry = Registry()
    with registry.collecting():
        baton.cron(baton.worker(name="w")(_nothing), "@hourly", name="every hour")
    assert [entry.name for entry in registry.crons] == ["every hour"]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"cron": "nonsense"}, "it has 1 fields"),
        ({"cron": "@daily", "timezone": "Mars/Olympus"}, "there is no time zone"),
        ({"cron": "@daily", "catch_up": "everything"}, "catch_up must be"),
        ({"timezone": "UTC"}, "timezone go with cron"),
        ({"cron": "@daily", "cron_args": {"x": 1}}, "unexpected keyword argument 'x'"),
    ],
)
def test_a_wrong_schedule_is_refused_where_the_worker_is_defined(
    options: Any, sentence: str
) -> None:
    with pytest.raises(InvalidCron, match=sentence):
        Registry().worker(name="w", **options)(_nothing)


def test_a_worker_that_needs_arguments_is_refused_unless_the_entry_gives_them() -> None:
    registry = Registry()
    with pytest.raises(InvalidCron, match=r"missing a required argument: 'day'; cron_args"):
        registry.worker(name="w", cron="@daily")(_report)
    with pytest.raises(InvalidCron, match="day: "):
        registry.worker(name="w", cron="@daily", cron_args={"day": "someday"})(_report)
    registry.worker(name="w", cron="@daily", cron_args={"day": "2025-01-01"})(_report)
    assert registry.crons[0].args == {"day": "2025-01-01"}


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"priority": 10}, "priority must be from 0 to 9"),
        ({"timeout": -1}, "timeout"),
        ({"schedule_in": 5}, "a cron entry can't set schedule_in; it can set queue"),
        ({"meta": {"x": "\0"}}, "NUL"),
        ({"meta": {"workflow_id": 1}}, "Baton owns them"),
        ({"name": " "}, "the name of a cron entry must not be blank"),
        ({"args": {"x": 1}}, "unexpected keyword argument"),
        ({"args": [1]}, "must have names"),
    ],
)
def test_wrong_options_of_an_entry_are_refused(options: Any, sentence: str) -> None:
    registry = Registry()
    registry.worker(name="w")(_nothing)
    with pytest.raises(InvalidCron, match=sentence):
        registry.cron("w", "@daily", **options)


def test_two_entries_of_one_name_are_refused() -> None:
    registry = Registry()
    registry.worker(name="w", cron="@daily")(_nothing)
    registry.cron("w", "@daily")  # the same again, as when a module is imported twice
    with pytest.raises(DuplicateCron, match="'w'"):
        registry.cron("w", "@hourly")


def test_a_cron_entry_needs_a_worker() -> None:
    with pytest.raises(UnknownWorker):
        Registry().cron("nobody", "@daily")
    with pytest.raises(InvalidWorker, match="neither a worker nor the name of one"):
        Registry().cron(_nothing, "@daily")  # type: ignore[arg-type]


def test_45_the_jobs_say_which_entry_and_tick_they_are_of_and_keep_the_workers_meta() -> None:
    registry = Registry()
    registry.worker(name="w", meta={"team": "a", "cron_name": "mine"}, tags=["t"])(_nothing)
    entry = registry.cron("w", "@daily", name="nightly", meta={"extra": 1}, timezone="Asia/Tokyo")
    job = job_of(entry, registry.find("w"), TICK)
    assert job.meta == {
        "team": "a",
        "extra": 1,
        "cron": True,
        "cron_name": "nightly",
        "cron_expression": "@daily",
        "cron_timezone": "Asia/Tokyo",
        "cron_tick": "2025-01-01T12:00:00+00:00",
    }
    assert (job.scheduled_at, tuple(job.tags)) == (TICK, ("t",))


def test_9_options_of_the_entry_override_those_of_the_worker() -> None:
    registry = Registry()
    unique = Unique(period=60)
    registry.worker(
        name="w",
        queue="mail",
        priority=4,
        timeout=timedelta(minutes=1),
        schedule_in=9,
        unique=unique,
    )(_nothing)
    entry = registry.cron("w", "@daily", priority=1, max_attempts=2, queue=None)
    job = job_of(entry, registry.find("w"), TICK)
    assert (job.queue, job.priority, job.max_attempts, job.timeout) == ("mail", 1, 2, 60)
    assert (job.unique, job.scheduled_at, job.schedule_in) == (unique, TICK, None)
    # whoever does not know the worker makes the same of what stands in the database
    stranger = job_of(entry, None, TICK)
    assert (stranger.queue, stranger.priority, stranger.timeout) == ("mail", 1, 60)
