"""What is asked about workflows: lists of them, their jobs, and how far they are."""

from collections import Counter
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import pytest

from baton import Client, Progress, Query, SyncClient, Workflow
from baton.errors import InvalidConnection, InvalidFilter, NotFound, NothingKept
from baton.states import State
from baton.testing import inline, manual
from tests.support import connection, ended, job, process, rows, value

pytestmark = pytest.mark.anyio

MANY = 1_200


@pytest.fixture
async def client(database: str) -> AsyncIterator[Client]:
    async with Client(database) as opened:
        yield opened


def fan(name: str | None = None, steps: int = MANY) -> Workflow:
    flow = Workflow(name)
    for number in range(steps):
        flow.add(f"step {number}", job())
    return flow


async def names(client: Client, **which: Any) -> list[str | None]:
    return [each.name for each in await client.list_workflows(**which)]


async def test_workflows_are_found_by_what_they_have_in_common(
    database: str, client: Client
) -> None:
    inner = Workflow("inner", tags=["night", "eu"]).add("a", job())
    flow = Workflow("outer", tags=["night", "eu"]).add("inner", inner)
    await client.insert_workflow(flow)
    await client.insert_workflow(Workflow("night only", tags=["night"]).add("a", job()))
    template = "update baton.workflows set template = 'nightly', template_version = 3"
    await rows(database, f"{template} where name = 'inner' returning 1")
    assert set(await names(client, tags=["NIGHT"])) == {"night only", "inner", "outer"}
    assert set(await names(client, tags=["night", "eu"])) == {"inner", "outer"}
    assert await names(client, parent=flow.workflow_id) == ["inner"]
    assert await names(client, parent=str(flow.workflow_id)[:8]) == ["inner"]
    assert await names(client, template="nightly") == ["inner"]
    assert await names(client, template="night") == []
    [listed] = await client.list_workflows(name="inner", state="executing")
    assert (listed.template, listed.template_version) == ("nightly", 3)
    assert listed.tags == ("night", "eu")


async def test_workflows_are_found_by_when_they_were_inserted(
    database: str, client: Client
) -> None:
    for name in ("first", "second", "third"):
        await client.insert_workflow(Workflow(name).add("a", job()))
    third, second, _ = await client.list_workflows()
    assert await names(client, inserted_after=second.inserted_at) == ["third", "second"]
    assert await names(client, inserted_before=second.inserted_at) == ["first"]
    between = {"inserted_after": second.inserted_at, "inserted_before": third.inserted_at}
    assert await names(client, **between) == ["second"]


async def test_pages_begin_after_an_id_or_a_place(client: Client) -> None:
    flows = [Workflow(str(number)).add("a", job()) for number in range(5)]
    for flow in flows:
        await client.insert_workflow(flow)
    read: list[str | None] = []
    page = await client.list_workflows(limit=2)
    while page:
        read += [each.name for each in page]
        page = await client.list_workflows(limit=2, before=page[-1].id)
    assert read == ["4", "3", "2", "1", "0"]
    last = (await client.list_workflows())[-2]
    place = (last.inserted_at, last.id)
    assert await names(client, before=place) == ["0"]
    with pytest.raises(NotFound):
        await client.list_workflows(before=uuid4())


@pytest.mark.parametrize(
    "which",
    [
        {"state": "available"},
        {"tags": "night"},
        {"inserted_after": datetime(2026, 1, 1)},  # noqa: DTZ001
        {"before": (datetime(2026, 1, 1), UUID(int=1))},  # noqa: DTZ001
        {"name": " "},
        {"limit": 0},
        {"limit": True},
        {"color": "red"},
    ],
    ids=str,
)
async def test_a_criterion_that_can_not_be_used_is_refused(
    client: Client, which: dict[str, Any]
) -> None:
    with pytest.raises(InvalidFilter):
        await client.list_workflows(**which)


async def test_progress_tells_how_the_steps_ended(database: str, client: Client) -> None:
    flow = (
        Workflow()
        .add("a", job())
        .add("b", job())
        .add("after", job(), deps=["a"])
        .add("notify", job(), deps=["b"], run_on="failed")
        .add("open", job())
    )
    await client.insert_workflow(flow)
    async with process(database) as worker:
        a, b, _ = await worker.fetch(3)
        await worker.acknowledge(ended(a, State.DISCARDED), ended(b, State.COMPLETED))
    progress = await client.progress(flow.workflow_id)
    expected = Progress(total=5, completed=1, skipped=1, discarded=1, cancelled=1)
    assert progress == expected
    assert (progress.done, progress.open, progress.failed, progress.fraction) == (4, 1, 2, 0.8)
    assert (await client.get_workflow(flow.workflow_id)).progress == expected
    [listed] = await client.list_workflows()
    assert listed.progress == expected
    assert listed.counts == {
        State.COMPLETED: 2,
        State.DISCARDED: 1,
        State.CANCELLED: 1,
        State.EXECUTING: 1,
    }


async def test_progress_of_a_large_workflow_is_right_all_the_way(
    database: str, client: Client
) -> None:
    flow = fan()
    await client.insert_workflow(flow)
    ends = [State.COMPLETED, State.COMPLETED, State.DISCARDED, State.CANCELLED]
    counts: Counter[State] = Counter()
    async with process(database) as worker:
        while jobs := await worker.fetch(177):
            said = [ends[each.id % len(ends)] for each in jobs]
            counts.update(said)
            await worker.acknowledge(
                *(ended(each, state) for each, state in zip(jobs, said, strict=True))
            )
            expected = Progress(
                total=MANY,
                completed=counts[State.COMPLETED],
                discarded=counts[State.DISCARDED],
                cancelled=counts[State.CANCELLED],
            )
            [listed] = await client.list_workflows()
            assert listed.progress == expected
            assert await client.progress(flow.workflow_id) == expected
            assert listed.counts == counts
    assert await value(database, "select count(*) from baton.workflow_progress") > 5
    assert (await client.progress(flow.workflow_id)).fraction == 1


async def test_progress_of_a_large_workflow_follows_a_retry_and_a_skip(
    database: str, client: Client
) -> None:
    flow = fan().add("last", job(), deps=["step 0"])
    await client.insert_workflow(flow)
    async with process(database) as worker:
        while jobs := await worker.fetch(400):
            await worker.acknowledge(*(ended(each, State.DISCARDED) for each in jobs))
        await client.retry_workflow(flow.workflow_id, ["step 0", "step 1"])
        await client.skip_step(flow.workflow_id, "step 2", reason="not needed")
        while await value(database, "select swept from baton.sweep_releases(0, 0, 100)"):
            pass
        progress = await client.progress(flow.workflow_id)
        assert (progress.total, progress.open) == (MANY + 1, 3)
        assert progress.failed == MANY - 3
        while jobs := await worker.fetch(400):
            await worker.complete(*jobs)
    progress = await client.progress(flow.workflow_id)
    assert progress.completed + progress.skipped == 4
    assert (progress.discarded, progress.cancelled, progress.fraction) == (MANY - 3, 0, 1.0)
    assert (await client.get_workflow(flow.workflow_id)).progress == progress


async def test_a_step_that_ends_before_the_sweep_after_a_retry_counts_once(
    database: str, client: Client
) -> None:
    flow = fan().add("last", job(), deps=["step 0"])
    await client.insert_workflow(flow)
    async with process(database) as worker:
        while jobs := await worker.fetch(400):
            await worker.acknowledge(*(ended(each, State.DISCARDED) for each in jobs))
        await client.retry_workflow(flow.workflow_id, ["step 0", "step 1"])
        await client.skip_step(flow.workflow_id, "step 2", reason="not needed")
        assert await worker.run_all() == 3
        while await value(database, "select swept from baton.sweep_releases(0, 0, 100)"):
            pass
    progress = await client.progress(flow.workflow_id)
    assert progress.completed + progress.skipped == 4
    assert (progress.discarded, progress.cancelled, progress.fraction) == (MANY - 3, 0, 1.0)


async def test_a_sub_workflow_that_is_cancelled_with_its_step_is_counted_and_told_once(
    database: str, client: Client
) -> None:
    outer = Workflow("outer").add("inner", Workflow("inner").add("one", job()))
    await client.insert_workflow(outer)
    told: list[str] = []
    async with connection(database) as conn:
        await conn.execute("update baton.workflows set counted = true")
        await client.cancel_workflow(outer.workflow_id)
        swept = True
        while swept:
            query = "select swept > 0, notices from baton.sweep_releases(0, 0, 100)"
            [(swept, notices)] = await (await conn.execute(query)).fetchall()
            told += [each for each in notices if '"step_name":"inner"' in each]
    query = "select sum(cancelled) from baton.workflow_progress where workflow_id = %s"
    assert await value(database, query, outer.workflow_id) == 1
    assert len(told) == 1


async def test_the_steps_of_a_large_workflow_are_not_looked_at(
    database: str, client: Client
) -> None:
    flow = fan()
    await client.insert_workflow(flow)
    # nobody could know any more, if it had to be counted
    await rows(database, "delete from baton.workflow_steps returning 1")
    assert await client.progress(flow.workflow_id) == Progress(total=MANY)
    [listed] = await client.list_workflows()
    assert (listed.progress.open, listed.counts) == (MANY, {})


async def test_progress_that_was_put_together_is_the_same(database: str, client: Client) -> None:
    flows = [fan(), fan(), Workflow("small").add("a", job())]
    for flow in flows:
        await client.insert_workflow(flow)
    async with process(database) as worker:
        while jobs := await worker.fetch(200):
            await worker.complete(*jobs)
    before = [await client.progress(flow.workflow_id) for flow in flows]
    parts = await value(database, "select count(*) from baton.workflow_progress")
    fewer = 0
    while removed := await value(database, "select baton.compact_progress(3)"):
        assert 0 < removed <= 3
        fewer += removed
    assert [await client.progress(flow.workflow_id) for flow in flows] == before
    assert await value(database, "select count(*) from baton.workflow_progress") == 2
    assert parts - fewer == 2
    assert await value(database, "select baton.compact_progress(1000)") == 0


async def test_two_compactions_at_once_lose_and_double_nothing(
    database: str, client: Client
) -> None:
    flow = fan()
    await client.insert_workflow(flow)
    part = "insert into baton.workflow_progress (workflow_id, completed) values (%s, 1) returning 1"
    for _ in range(4):
        await rows(database, part, flow.workflow_id)
    async with connection(database) as first, connection(database) as second:
        async with first.transaction():
            await first.execute("select baton.compact_progress(3)")
            await second.execute("select baton.compact_progress(100)")
            assert (await client.progress(flow.workflow_id)).completed == 4
    assert (await client.progress(flow.workflow_id)).completed == 4
    while await value(database, "select baton.compact_progress(100)"):
        pass
    assert await client.progress(flow.workflow_id) == Progress(total=MANY, completed=4)
    assert await value(database, "select count(*) from baton.workflow_progress") == 1


async def test_jobs_of_a_workflow_come_in_pages(client: Client) -> None:
    flow = fan(steps=5)
    inserted = await client.insert_workflow(flow)
    await client.insert(job())
    assert await client.get_workflow_jobs(flow.workflow_id) == list(inserted)
    first = await client.get_workflow_jobs(str(flow.workflow_id), limit=3)
    rest = await client.get_workflow_jobs(flow.workflow_id, after=first[-1].id, limit=3)
    assert [*first, *rest] == list(inserted)
    with pytest.raises(NotFound):
        await client.get_workflow_jobs(uuid4())
    with pytest.raises(InvalidFilter):
        await client.get_workflow_jobs(flow.workflow_id, limit=0)


async def test_query_asks_the_default_client(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BATON_DSN", database)
    flow = Workflow("brief").add("a", job())
    [inserted] = await flow.insert()
    short = str(flow.workflow_id)[:8]
    assert (await Query.get_workflow(short)).name == "brief"
    assert await Query.get_workflow_jobs(short) == [inserted]
    assert [each.id for each in await Query.list_workflows(name="brief")] == [flow.workflow_id]
    assert await Query.progress(short) == Progress(total=1)
    with pytest.raises(NotFound):
        await Query.progress(uuid4())


async def test_query_looks_where_the_test_inserts(database: str) -> None:
    with manual(database):
        await Workflow("brief").add("a", job()).insert()
        assert len(await Query.list_workflows()) == 1
    with inline(), pytest.raises(NothingKept):
        await Query.list_workflows()
    async with connection(database) as conn:
        with manual(database, conn=conn), pytest.raises(InvalidConnection):
            await Query.list_workflows()


def test_a_program_without_an_event_loop_looks_too(database: str) -> None:
    flow = Workflow("brief").add("a", job())
    with SyncClient(database) as client:
        [inserted] = client.insert_workflow(flow)
        short = str(flow.workflow_id)[:8]
        assert client.find_workflow(short) == flow.workflow_id
        assert client.get_workflow(short).name == "brief"
        assert client.get_workflow_jobs(short) == [inserted]
        assert [each.name for each in client.list_workflows(name="brief")] == ["brief"]
        assert client.progress(short).open == 1
        with pytest.raises(NotFound):
            client.progress(uuid4())
