"""What was used of language models, added up."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from baton import Client, SyncClient, Workflow
from baton.ambient import ambient
from baton.errors import InvalidFilter, NotFound
from baton.llm import Figures, Stats
from baton.store import door
from tests.store.explained import Explained, explained
from tests.support import job, rows

__all__ = ["explained"]

pytestmark = pytest.mark.anyio

MONDAY = datetime(2026, 3, 2, 12, tzinfo=UTC)


async def record(database: str, **facts: Any) -> None:
    """Write one row of an attempt."""
    columns = {
        "job_id": 1,
        "epoch": 1,
        "lease": 1,
        "attempt": 1,
        "queue": "llm",
        "worker": "ask",
        "model": "small",
        "calls": 1,
        "input_tokens": 100,
        "output_tokens": 10,
        "cost": Decimal("0.01"),
        "state": "completed",
        "duration_ms": 500,
        "inserted_at": MONDAY,
        **facts,
    }
    names = ", ".join(columns)
    marks = ", ".join(["%s"] * len(columns))
    query = f"insert into baton.workflow_step_stats ({names}) values ({marks}) returning 1"
    await rows(database, query, *columns.values())


def brief(figures: Figures) -> tuple[Any, ...]:
    return (figures.attempts, figures.calls, figures.total_tokens, figures.cost)


async def test_a_workflow_costs_what_its_steps_and_sub_workflows_cost(database: str) -> None:
    inner = Workflow("inner").add("deep", job())
    flow = Workflow("outer").add("first", job()).add("below", inner, deps=["first"])
    async with Client(database) as client:
        jobs = await client.insert_workflow(flow)
        (other,) = await client.insert_workflow(Workflow("other").add("first", job()))
        inside = await client.get_workflow_jobs(inner.workflow_id)
        mine: dict[str, Any] = {"workflow_id": flow.workflow_id, "step_name": "first"}
        first = {**mine, "job_id": jobs[0].id}
        failed = {"state": "retryable", "cost": Decimal("0.02")}
        await record(database, **first, **failed)
        await record(database, **first, epoch=2, model="large", cost=Decimal("0.3"))
        await record(database, **first, epoch=2, ordinal=1, cost=None, duration_ms=None)
        await record(database, workflow_id=inner.workflow_id, step_name="deep", job_id=inside[0].id)
        await record(database, workflow_id=other.workflow_id, step_name="x", job_id=other.id)
        total = await client.stats.workflow_totals(flow.workflow_id)
        steps = await client.stats.steps_for_workflow(str(flow.workflow_id)[:8])
        only = await client.stats.workflow_totals(inner.workflow_id)
        with SyncClient(database) as sync_client:
            assert sync_client.stats.workflow_totals(flow.workflow_id) == total
            assert sync_client.stats.steps_for_workflow(flow.workflow_id) == steps
            with ambient.using(client, sync_client):
                assert await Stats.workflow_totals(flow.workflow_id) == total
                assert await Stats.steps_for_workflow(flow.workflow_id) == steps
    assert total == Figures(
        attempts=3,
        calls=4,
        input_tokens=400,
        output_tokens=40,
        cached_tokens=0,
        cache_write_tokens=0,
        reasoning_tokens=0,
        cost=Decimal("0.33"),
        failed_cost=Decimal("0.02"),
        unpriced_calls=1,
        duration=1.5,
    )
    assert [(step.step_name, *step.models) for step in steps] == [
        ("first", "large", "small"),
        ("below", "small"),
    ]
    assert [brief(step) for step in steps] == [
        (2, 3, 330, Decimal("0.32")),
        (1, 1, 110, Decimal("0.01")),
    ]
    assert brief(only) == (1, 1, 110, Decimal("0.01"))


async def test_a_workflow_without_calls_has_used_nothing(database: str) -> None:
    async with Client(database) as client:
        [inserted] = await client.insert_workflow(Workflow("quiet").add("a", job()))
        assert inserted.workflow_id is not None
        total = await client.stats.workflow_totals(inserted.workflow_id)
        assert brief(total) == (0, 0, 0, None)
        assert await client.stats.steps_for_workflow(inserted.workflow_id) == []
        with pytest.raises(NotFound):
            await client.stats.workflow_totals("abcdef")


async def filled(database: str) -> list[UUID]:
    """Five attempts on three days, of two workflows and a plain job."""
    flows = sorted([uuid4(), uuid4()])
    for number, (day, flow, model, worker, cost) in enumerate(
        [
            (0, flows[0], "small", "ask", "0.01"),
            (0, flows[0], "large", "ask", "0.50"),
            (1, flows[1], "small", "judge", "0.02"),
            (2, None, "small", "judge", "0.04"),
            (2, None, "own", "ask", None),
        ]
    ):
        await record(
            database,
            job_id=number,
            inserted_at=MONDAY + timedelta(days=day),
            workflow_id=flow,
            step_name=flow and f"step {number}",
            model=model,
            worker=worker,
            cost=None if cost is None else Decimal(cost),
        )
    return flows


async def test_an_attempt_counts_once_for_a_model_of_which_it_has_several_rows(
    database: str,
) -> None:
    await record(database)
    await record(database, ordinal=1, model="large", duration_ms=None)
    await record(database, ordinal=2, cost=None, duration_ms=None)  # a call without a price
    await record(database, ordinal=3, prices="of tomorrow", duration_ms=None)
    await record(database, epoch=2, ordinal=0, calls=0, model=None, cost=None)
    await record(database, epoch=2, ordinal=1, model="large", duration_ms=None)
    async with Client(database) as client:
        large, small = sorted(await client.stats.cost_by_model(), key=lambda each: each.model or "")
        [worker] = await client.stats.cost_by_worker()
    assert (*brief(small), small.unpriced_calls) == (1, 3, 330, Decimal("0.02"), 1)
    assert (*brief(large), large.unpriced_calls) == (2, 2, 220, Decimal("0.02"), 0)
    assert worker.attempts == 2


async def test_what_was_spent_in_attempts_that_ended_without_a_word_was_spent_in_vain(
    database: str,
) -> None:
    flow = Workflow("w").add("a", job())
    dollars = dict.fromkeys(
        ("executing", "completed", "suspended", "cancelled", "discarded", "gone", "again"), 1
    )
    async with Client(database) as client:
        await client.insert_workflow(flow)
        for power, state in enumerate(dollars):
            dollars[state] = 2**power
            inserted = await client.insert(job())
            if state in ("gone", "again"):  # pruned; claimed by the next attempt
                query = (
                    "update baton.jobs set epoch = 9, state = 'executing' where id = %s returning 1"
                )
            else:
                query = (
                    f"update baton.jobs set epoch = 1, state = '{state}' where id = %s returning 1"
                )
            await rows(database, query, inserted.id)
            await record(
                database,
                job_id=inserted.id if state != "gone" else 10**9,
                workflow_id=flow.workflow_id,
                step_name="a",
                state=None,
                cost=Decimal(dollars[state]),
            )
        lost = sum(dollars[state] for state in ("cancelled", "discarded", "gone", "again"))
        stats = client.stats
        for figures in (
            await stats.workflow_totals(flow.workflow_id),
            *await stats.steps_for_workflow(flow.workflow_id),
            *await stats.cost_by_model(),
            *await stats.cost_by_workflow(),
            *await stats.cost_by_worker(),
            *await stats.cost_by_day(),
        ):
            assert (figures.cost, figures.failed_cost) == (127, lost)


async def test_costs_by_model_workflow_worker_and_day(database: str) -> None:
    flows = await filled(database)
    tuesday = MONDAY + timedelta(days=1)
    async with Client(database) as client:
        stats = client.stats
        models = await stats.cost_by_model()
        workflows = await stats.cost_by_workflow()
        workers = await stats.cost_by_worker()
        days = await stats.cost_by_day()
        late = await stats.cost_by_day(timezone="Pacific/Kiritimati")  # 14 hours ahead
        with SyncClient(database) as sync_client:
            sync = sync_client.stats
            with ambient.using(client, sync_client):
                assert models == sync.cost_by_model() == await Stats.cost_by_model()
                assert workflows == sync.cost_by_workflow() == await Stats.cost_by_workflow()
                assert workers == sync.cost_by_worker() == await Stats.cost_by_worker()
                assert days == sync.cost_by_day() == await Stats.cost_by_day()
        assert [each.model for each in await stats.cost_by_model(until=tuesday)] == [
            "large",
            "small",
        ]
        assert [brief(each) for each in await stats.cost_by_model(tuesday, tuesday)] == []
        [one] = await stats.cost_by_workflow(tuesday, limit=1)
        assert one.workflow_id == flows[1]
        [judge, ask] = await stats.cost_by_worker(tuesday)
        assert (judge.cost, ask.cost, ask.unpriced_calls) == (Decimal("0.06"), None, 1)
        assert len(await stats.cost_by_day(tuesday, tuesday + timedelta(days=1))) == 1
    assert [(each.model, *brief(each)) for each in models] == [
        ("large", 1, 1, 110, Decimal("0.50")),
        ("small", 3, 3, 330, Decimal("0.07")),
        ("own", 1, 1, 110, None),
    ]
    assert [(each.workflow_id, each.name, each.cost) for each in workflows] == [
        (flows[0], None, Decimal("0.51")),
        (flows[1], None, Decimal("0.02")),
    ]
    assert [(each.worker, each.attempts, each.cost) for each in workers] == [
        ("ask", 3, Decimal("0.51")),
        ("judge", 2, Decimal("0.06")),
    ]
    assert [(each.day, each.cost) for each in days] == [
        (date(2026, 3, 2), Decimal("0.51")),
        (date(2026, 3, 3), Decimal("0.02")),
        (date(2026, 3, 4), Decimal("0.04")),
    ]
    assert [each.day for each in late] == [date(2026, 3, day) for day in (3, 4, 5)]
    assert days[0].as_json()["cost"] == "0.51"
    assert days[0].as_json()["day"] == "2026-03-02"


async def test_what_can_not_be_asked_is_refused(database: str) -> None:
    async with Client(database) as client:
        with pytest.raises(InvalidFilter, match="since must be a time with a time zone"):
            await client.stats.cost_by_model(datetime(2026, 1, 1))  # noqa: DTZ001
        with pytest.raises(InvalidFilter, match="is later than until"):
            await client.stats.cost_by_model(MONDAY, MONDAY - timedelta(days=1))
        with pytest.raises(InvalidFilter, match="'Nowhere' is no time zone"):
            await client.stats.cost_by_day(timezone="Nowhere")
        with pytest.raises(InvalidFilter):
            await client.stats.cost_by_workflow(limit=0)


STATEMENTS = ("llm_workflow", "llm_steps", "llm_models", "llm_workflows", "llm_workers", "llm_days")


@pytest.mark.parametrize("mode", ["force_custom_plan", "force_generic_plan"])
async def test_what_is_asked_for_a_little_reads_a_little(
    database: str, explained: Explained, mode: str
) -> None:
    """30,000 attempts of 1,500 workflows in 300 days: a workflow, or a day, is 100 rows at most."""
    params = {
        "id": UUID(int=700),
        "since": MONDAY + timedelta(days=150),
        "until": MONDAY + timedelta(days=151),
        "limit": 20,
        "timezone": "Europe/Berlin",
    }
    with prepared(database, mode) as conn:
        conn.add_notice_handler(explained.hear)
        for name in STATEMENTS:
            explained.forget()
            assert door.run_sync(conn, "baton", name, params)
            assert 0 < explained.read("workflow_step_stats") <= 101, name
            assert explained.buffers < 200, name


@contextmanager
def prepared(database: str, mode: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(database, autocommit=True) as conn:
        conn.execute(
            """
            insert into baton.workflow_step_stats (
              job_id, epoch, lease, attempt, workflow_id, step_name, queue, worker, model, calls,
              cost, state, duration_ms, inserted_at
            )
            select
              n, 1, 1, 1, lpad(to_hex(n / 20), 32, '0')::uuid, 's' || n %% 20, 'llm', 'w' || n %% 7,
              'm' || n %% 5, 1, 0.01, 'completed', 10, %s::timestamptz + n * interval '14.4 minutes'
            from generate_series(1, 30000) as n
            """,
            [MONDAY],
        )
        conn.execute("analyze baton.workflow_step_stats")
        conn.execute(f"set plan_cache_mode = {mode}".encode())
        yield conn
