"""What is enqueued: `assert_enqueued`, `refute_enqueued`, `all_enqueued`, and the clock."""

from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import anyio
import psycopg
import pytest

import baton
from baton import Client, Job, Registry, Worker, Workflow, testing
from baton.errors import InvalidConnection, InvalidFilter
from baton.testing import Drained, drain_queue
from tests.support import connection, rows, value

pytestmark = pytest.mark.anyio

Form = Any


@pytest.fixture(params=["async", "sync"])
def form(request: pytest.FixtureRequest) -> Form:
    """Both forms of each function under one name."""
    names = ("all_enqueued", "assert_enqueued", "refute_enqueued")

    def beside(function: Callable[..., Any]) -> Callable[..., Awaitable[Any]]:
        async def call(*args: Any, **options: Any) -> Any:
            return function(*args, **options)

        return call

    if request.param == "async":
        found = {name: getattr(testing, name) for name in names}
        return SimpleNamespace(**found, advance=testing.clock.advance)
    found = {name: beside(getattr(testing, f"{name}_sync")) for name in names}
    return SimpleNamespace(**found, advance=beside(testing.clock.advance_sync))


@pytest.fixture
def send(registry: Registry) -> Any:
    @registry.worker(queue="mail", name="mail.send")
    def send(_job: Job, to: str, options: dict[str, Any] | None = None) -> None: ...

    return send


async def test_jobs_are_found_by_whatever_they_must_fit(form: Form, manual: str, send: Any) -> None:
    hour = datetime.now(UTC) + timedelta(hours=1)
    first = await send.with_options(tags=["A", "b"], meta={"tenant": {"id": 1, "x": 2}}).insert(
        "a@b", options={"at": "2026-11-21", "list": [1, 2]}
    )
    second = await send.with_options(scheduled_at=hour, priority=3).insert("c@d")
    assert await form.assert_enqueued() == [first, second]
    for fits in (
        {"worker": "mail.send", "args": {"to": "a@b"}},
        {"args": {"options": {"at": date(2026, 11, 21)}}},
        {"args": {"options": {"list": [1, 2]}}},
        {"tags": ["a"]},
        {"meta": {"tenant": {"id": 1}}},
        {"queue": "mail", "priority": 0},
        {"state": "available"},
    ):
        assert await form.assert_enqueued(**fits, count=1) == [first], fits
    for fits in (
        {"scheduled_at": hour},
        {"scheduled_at": hour - timedelta(minutes=5), "delta": timedelta(minutes=6)},
        {"scheduled_at": hour + timedelta(seconds=5), "delta": 6},
        {"state": ["scheduled", "retryable"]},
    ):
        assert await form.all_enqueued(send, **fits) == [second], fits
    for differs in (
        {"worker": "mail.receive"},
        {"queue": "default"},
        {"args": {"to": "x@y"}},
        {"args": {"options": {"list": [1]}}},
        {"args": {"more": None}},
        {"tags": ["a", "c"]},
        {"meta": {"tenant": {"id": True}}},
        {"scheduled_at": hour + timedelta(seconds=5)},
        {"state": "suspended"},
    ):
        await form.refute_enqueued(**differs)
        with pytest.raises(AssertionError):
            await form.assert_enqueued(**differs)
    with pytest.raises(AssertionError, match="2 jobs are enqueued, and not 0"):
        await form.refute_enqueued(send)


async def test_a_failure_says_what_is_enqueued_and_how_it_differs(
    form: Form, manual: str, send: Any
) -> None:
    with pytest.raises(AssertionError) as failed:
        await form.assert_enqueued(send, args={"to": "x@y"})
    assert str(failed.value) == (
        "no jobs are enqueued that fit worker=mail.send args={'to': 'x@y'}; nothing is"
    )
    await send.insert("a@b")
    await send.with_options(schedule_in=7_200, queue="slow", tags=["vip"]).insert("x@y")
    with pytest.raises(AssertionError) as failed:
        await form.assert_enqueued(send, args={"to": "x@y"}, queue="mail")
    first, second, third = str(failed.value).splitlines()
    assert first == (
        "no jobs are enqueued that fit worker=mail.send args={'to': 'x@y'} queue=mail; enqueued are"
    )
    assert second == (
        "  #1 available mail.send queue=mail args={'to': 'a@b'}  <- args.to is a@b, not x@y"
    )
    assert third.startswith(
        "  #2 scheduled mail.send queue=slow args={'to': 'x@y'} tags=vip due in"
    )
    assert third.endswith("  <- queue is slow, not mail")
    with pytest.raises(AssertionError, match="1 jobs are enqueued, and not 2,"):
        await form.assert_enqueued(queue="slow", count=2)
    await form.assert_enqueued(queue="none", count=0)


async def test_only_what_waits_is_enqueued(form: Form, manual: str, registry: Registry) -> None:
    @registry.worker()
    def work(_job: Job) -> None: ...

    class Fails(Worker):
        def perform(self, _job: Job) -> None:
            raise LookupError("gone")

    await Workflow().add("first", work.new()).add("second", work.new(), deps=["first"]).insert()
    await Fails.insert()
    assert [job.state for job in await form.all_enqueued()] == [
        "available",
        "suspended",
        "available",
    ]
    assert await drain_queue() == Drained(completed=2, retryable=1)
    await form.refute_enqueued(work)
    [failed] = await form.assert_enqueued(Fails)
    assert failed.errors[0]["message"] == "gone"


async def test_jobs_are_waited_for(form: Form, manual: str, send: Any) -> None:
    async with anyio.create_task_group() as tasks:

        async def insert_later() -> None:
            with psycopg.connect(manual) as conn:
                baton.insert_sync(send.new("a@b"), conn=conn)

        await testing.refute_enqueued(timeout=0.05)
        tasks.start_soon(insert_later)
        await testing.assert_enqueued(send, timeout=60)
    with pytest.raises(AssertionError):
        await form.refute_enqueued(send, timeout=60)
    with pytest.raises(AssertionError):
        await form.assert_enqueued(send, count=2, timeout=0.05)


async def test_a_connection_sees_what_it_has_not_committed(database: str, send: Any) -> None:
    async with connection(database) as conn:
        async with conn.transaction(force_rollback=True):
            with testing.manual(database, conn=conn):
                job = await send.insert("a@b")
                await testing.assert_enqueued(send)
                await baton.cancel_job(job.id)
                await testing.refute_enqueued(send)
                await send.insert("c@d")
                with pytest.raises(InvalidConnection, match="asynchronous"):
                    testing.assert_enqueued_sync(send)
            await testing.refute_enqueued(dsn=database)
    assert await value(database, "select count(*) from baton.jobs") == 0


def test_a_synchronous_connection_sees_what_it_has_not_committed(database: str, send: Any) -> None:
    with psycopg.connect(database) as conn, testing.manual(database, conn=conn):
        send.insert_sync("a@b")
        Workflow().add("step", send.new("c@d")).insert_sync()
        testing.assert_enqueued_sync(send, count=2)
        assert testing.clock.advance_sync(hours=1) == 0
        conn.rollback()
        testing.refute_enqueued_sync(send)


async def test_blocks_nest(database: str, empty_database: str, send: Any) -> None:
    with testing.manual(database):
        with testing.manual(empty_database), testing.inline():
            assert (await send.insert("a@b")).state == "completed"
        await send.insert("a@b")
        await testing.assert_enqueued(send, count=1)
        async with Client(database) as client:
            await testing.assert_enqueued(send, client=client)


async def test_a_criterion_that_can_not_be_is_refused(form: Form, manual: str) -> None:
    for wrong, words in (
        ({"arg": {}}, "arg is no criterion"),
        ({"args": [1]}, "args must be a mapping"),
        ({"args": {"x": object()}}, "args"),
        ({"tags": "a"}, "list of tags"),
        ({"scheduled_at": datetime(2026, 1, 1)}, "time zone"),  # noqa: DTZ001
        ({"state": "done"}, "state must be of"),
    ):
        with pytest.raises(InvalidFilter, match=words):
            await form.assert_enqueued(**wrong)


async def test_the_clock_brings_what_waits_nearer(form: Form, manual: str, send: Any) -> None:
    deadline = datetime.now(UTC) + timedelta(hours=3)
    later = send.with_options(schedule_in=3_600, deadline=deadline)
    await baton.insert_all([later.new("a@b"), later.with_options(schedule_in=7_200).new("c@d")])
    assert await form.advance(minutes=59) == 0
    assert await form.advance(timedelta(minutes=1), seconds=1) == 1
    await form.assert_enqueued(args={"to": "a@b"}, state="available")
    await form.assert_enqueued(args={"to": "c@d"}, state="scheduled")
    assert await drain_queue("mail") == Drained(completed=1)
    assert await form.advance(days=1) == 1
    assert await drain_queue("mail") == Drained(cancelled=1)
    [(message,)] = await rows(
        manual, "select errors -> -1 ->> 'message' from baton.jobs where state = 'cancelled'"
    )
    assert "deadline" in message


async def test_a_retry_is_due_when_the_clock_has_gone_on(
    form: Form, manual: str, registry: Registry
) -> None:
    @registry.worker(max_attempts=2)
    def fails(_job: Job) -> None:
        raise LookupError("gone")

    await fails.insert()
    assert await drain_queue() == Drained(retryable=1)
    assert await drain_queue() == Drained()
    assert await form.advance(minutes=1) == 1
    assert await drain_queue() == Drained(discarded=1)


@pytest.mark.parametrize("wrong", [{}, {"hours": -1}, {"days": 40_000}, {"hours": "1"}])
async def test_the_clock_only_goes_forward(form: Form, manual: str, wrong: Any) -> None:
    with pytest.raises(InvalidFilter):
        await form.advance(**wrong)
