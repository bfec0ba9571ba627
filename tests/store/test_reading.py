"""What is read: pages, filters, beginnings of ids, and rows that somebody edited by hand."""

import json
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from baton import Client, Workflow
from baton.errors import NotFound, SchemaMissing
from baton.filters import WorkflowPage
from baton.jobs import Job
from baton.search import JobSearch
from baton.states import State
from baton.status import WorkflowStatus
from baton.store import looking, reading
from baton.store.asking import answer
from baton.store.pools import Database
from tests.support import done, ended, job, process, rows

pytestmark = pytest.mark.anyio

HOSTILE = "[bold]\x1b[31m\n' \" % %s"


@pytest.fixture
async def db(database: str) -> AsyncIterator[Database]:
    async with Database(database, "baton", size=2) as opened:
        yield opened


async def insert_jobs(database: str, count: int, **options: Any) -> list[Job]:
    async with Client(database) as client:
        return await client.insert_all([job(**options) for _ in range(count)])


async def insert_workflow(database: str, flow: Workflow) -> UUID:
    async with Client(database) as client:
        await client.insert_workflow(flow)
    return flow.workflow_id


async def edit(database: str, statement: str, *params: Any) -> None:
    await rows(database, f"{statement} returning 1", *params)


async def status_of(db: Database, workflow_id: UUID) -> WorkflowStatus:
    return await answer(db, looking.workflow(workflow_id))


async def read_job(db: Database, job_id: int) -> Job:
    found = await answer(db, reading.job(job_id))
    assert found is not None
    return found


async def test_a_job_is_read_as_it_was_inserted(database: str, db: Database) -> None:
    options = {"queue": "mail", "priority": 3, "tags": ["a", HOSTILE], "meta": {"x": [1, None]}}
    [inserted] = await insert_jobs(database, 1, worker=HOSTILE, args={"t": HOSTILE}, **options)
    assert await answer(db, reading.job(inserted.id)) == inserted
    assert await answer(db, reading.jobs()) == [inserted]


@pytest.mark.parametrize("job_id", [0, -1, 4711, 2**63 - 1, 2**63, 10**30])
async def test_there_is_no_job_of_an_unknown_id(db: Database, job_id: int) -> None:
    assert await answer(db, reading.job(job_id)) is None


async def test_pages_of_jobs_are_newest_first_and_miss_none_while_others_insert(
    database: str, db: Database
) -> None:
    inserted = await insert_jobs(database, 25)
    read: list[int] = []
    before = None
    while page := await answer(db, reading.jobs(before=before, limit=10)):
        read += [each.id for each in page]
        before = read[-1]
        await insert_jobs(database, 3)
    assert read == [each.id for each in reversed(inserted)]


@pytest.mark.parametrize("before", [-(10**30), 0, 1])
async def test_before_the_first_job_there_is_none(database: str, db: Database, before: int) -> None:
    await insert_jobs(database, 1)
    assert await answer(db, reading.jobs(before=before)) == []


async def test_before_what_no_id_can_be_is_everything(database: str, db: Database) -> None:
    await insert_jobs(database, 2)
    assert len(await answer(db, reading.jobs(before=10**30))) == 2


async def test_jobs_are_filtered_by_state_queue_and_worker(database: str, db: Database) -> None:
    await insert_jobs(database, 2, worker="a", queue="one")
    await insert_jobs(database, 3, worker="b", queue="one")
    await insert_jobs(database, 4, worker="b", queue="two", schedule_in=60.0)
    counts = [
        len(await answer(db, reading.jobs(JobSearch.parse(wanted))))
        for wanted in (
            "worker:b",
            "queue:one",
            "worker:b queue:one",
            "state:scheduled",
            "state:available worker:b",
            "state:completed",
            "queue:on",
        )
    ]
    assert counts == [7, 5, 3, 4, 3, 0, 0]


# A connection prepares a statement after five runs, and the server may then plan it without the
# parameters; the answers must not change.
async def test_filters_hold_however_often_they_are_asked(database: str, db: Database) -> None:
    await insert_jobs(database, 2)
    await insert_jobs(database, 1, schedule_in=60.0)
    for _ in range(15):
        assert len(await answer(db, reading.jobs(JobSearch.parse("state:scheduled")))) == 1
        assert len(await answer(db, reading.jobs())) == 3


@pytest.mark.parametrize(
    ("args", "read"),
    [
        ("[1, 2]", {"value": [1, 2]}),
        ("null", {"value": None}),
        ('"text"', {"value": "text"}),
        ('{"n": 1e3}', {"n": 1000.0}),
        pytest.param("9" * 5_000, {"value": "9" * 5_000}, id="digits"),
        pytest.param("[" * 3_000 + "]" * 3_000, {"value": "[" * 3_000 + "]" * 3_000}, id="deep"),
    ],
)
async def test_arguments_that_are_no_object_are_shown_all_the_same(
    database: str, db: Database, args: str, read: dict[str, Any]
) -> None:
    [inserted] = await insert_jobs(database, 1)
    await edit(database, "update baton.jobs set args = %s::jsonb", args)
    assert (await read_job(db, inserted.id)).args == read
    assert len(await answer(db, reading.jobs())) == 1


async def test_errors_of_any_shape_are_mappings(database: str, db: Database) -> None:
    errors = ["text", None, 3, ["x"], {"message": {"deep": 1}}, {"attempt": "one"}]
    [inserted] = await insert_jobs(database, 1)
    await edit(database, "update baton.jobs set errors = %s::jsonb", json.dumps(errors))
    assert (await read_job(db, inserted.id)).errors == [
        {"message": "text"},
        {"message": None},
        {"message": 3},
        {"message": ["x"]},
        {"message": {"deep": 1}},
        {"attempt": "one"},
    ]


@pytest.mark.parametrize(
    ("tags", "read"),
    [("{a,null,b}", ("a", "b")), ("{{a,b},{c,d}}", ("a", "b", "c", "d")), ("{}", ())],
)
async def test_tags_of_any_shape_are_texts(
    database: str, db: Database, tags: str, read: tuple[str, ...]
) -> None:
    [inserted] = await insert_jobs(database, 1)
    await edit(database, "update baton.jobs set tags = %s::text[]", tags)
    assert (await read_job(db, inserted.id)).tags == read


def diamond(name: str | None = "diamond") -> Workflow:
    return (
        Workflow(name)
        .add("top", job())
        .add("left", job(), deps=["top"])
        .add("right", job(), deps=["top"])
        .add("bottom", job(), deps=["left", "right"])
    )


async def test_a_workflow_is_read_with_its_steps_in_order(database: str, db: Database) -> None:
    workflow_id = await insert_workflow(database, diamond())
    async with process(database) as worker:
        [top] = await worker.fetch()
        await worker.acknowledge(done(top, '{"n": 1}'))
        left, right = await worker.fetch(2)
        await worker.acknowledge(
            ended(left, State.RETRYABLE, delay=60.0, error='{"message": "no"}'),
            done(right, "false"),
        )
    status = await status_of(db, workflow_id)
    assert (status.id, status.name, status.state) == (workflow_id, "diamond", "executing")
    assert status.counts == Counter(completed=2, retryable=1, suspended=1)
    assert [node.step_name for node in status.nodes] == ["top", "left", "right", "bottom"]
    assert [node.deps for node in status.nodes] == [(), ("top",), ("top",), ("left", "right")]
    assert [node.result for node in status.nodes] == [{"n": 1}, None, False, None]
    assert [node.error for node in status.nodes] == [None, "no", None, None]
    assert [node.attempt for node in status.nodes] == [1, 1, 1, 0]
    assert [node.duration is not None for node in status.nodes] == [True, False, True, False]


async def test_results_are_left_out_when_they_are_not_wanted(database: str, db: Database) -> None:
    workflow_id = await insert_workflow(database, Workflow("one").add("a", job()))
    async with process(database) as worker:
        [a] = await worker.fetch()
        await worker.acknowledge(done(a, '{"n": 1}'))
    status = await answer(db, looking.workflow(workflow_id, results=False))
    assert status.nodes[0].result is None
    assert status.is_finished


async def test_there_is_no_workflow_of_an_unknown_id(db: Database) -> None:
    with pytest.raises(NotFound):
        await answer(db, looking.workflow(UUID(int=1)))


async def test_steps_that_were_edited_by_hand_are_read(database: str, db: Database) -> None:
    workflow_id = await insert_workflow(database, diamond(HOSTILE))
    deep = "[" * 3_000 + "]" * 3_000
    statement = "update baton.workflow_steps set deps = %s, result = %s::jsonb"
    await edit(database, f"{statement}, step_name = step_name || %s", [None, "x"], deep, HOSTILE)
    await edit(database, "update baton.jobs set errors = '[{\"message\": [1]}, 7]'")
    status = await status_of(db, workflow_id)
    assert status.name == HOSTILE
    assert status.nodes[0].step_name == f"top{HOSTILE}"
    assert status.nodes[0].deps == ("x",)
    assert status.nodes[0].result == deep


async def test_steps_outlive_their_jobs(database: str, db: Database) -> None:
    workflow_id = await insert_workflow(database, diamond())
    async with process(database) as worker:
        await worker.run_all()
    await edit(database, "delete from baton.jobs")
    status = await status_of(db, workflow_id)
    assert status.state == "completed"
    assert status.counts == Counter(completed=4)
    assert {node.worker for node in status.nodes} == {None}
    [listed] = await answer(db, looking.workflows(WorkflowPage()))
    assert listed.counts == status.counts


async def test_a_step_whose_job_is_gone_before_its_end_is_counted(
    database: str, db: Database
) -> None:
    await insert_workflow(database, diamond())
    await edit(database, "delete from baton.jobs")
    [listed] = await answer(db, looking.workflows(WorkflowPage()))
    assert listed.counts.total() == 4


async def test_workflows_are_listed_newest_first_with_their_counts(
    database: str, db: Database
) -> None:
    first = await insert_workflow(database, diamond("first"))
    async with process(database) as worker:
        await worker.run_all()
    second = await insert_workflow(database, diamond(None))
    third = await insert_workflow(database, Workflow("empty").add("only", job()))
    listed = await answer(db, looking.workflows(WorkflowPage()))
    assert [each.id for each in listed] == [third, second, first]
    assert [each.counts for each in listed] == [
        Counter(available=1),
        Counter(available=1, suspended=3),
        Counter(completed=4),
    ]
    assert [each.nodes for each in listed] == [(), (), ()]
    assert [
        each.name for each in await answer(db, looking.workflows(WorkflowPage(state="completed")))
    ] == ["first"]
    assert [
        each.id for each in await answer(db, looking.workflows(WorkflowPage(name="first")))
    ] == [first]
    assert await answer(db, looking.workflows(WorkflowPage(name="firs"))) == []


async def test_a_workflow_without_steps_is_listed(database: str, db: Database) -> None:
    await rows(database, "insert into baton.workflows (name) values ('bare') returning id")
    [listed] = await answer(db, looking.workflows(WorkflowPage()))
    assert (listed.name, listed.counts) == ("bare", Counter())
    assert (await status_of(db, listed.id)).nodes == []


async def test_pages_of_workflows_miss_none_that_came_at_the_same_time(
    database: str, db: Database
) -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    statement = """
      insert into baton.workflows (inserted_at)
      select %s + make_interval(mins => number / 7) from generate_series(1, 40) as number
      returning id
    """
    inserted = {row[0] for row in await rows(database, statement, at)}
    read: list[WorkflowStatus] = []
    before = None
    while page := await answer(db, looking.workflows(WorkflowPage(before=before, limit=3))):
        read += page
        before = (read[-1].inserted_at, read[-1].id)
    assert len(read) == 40
    assert {each.id for each in read} == inserted
    assert read[0].inserted_at == at + timedelta(minutes=5)
    assert [each.inserted_at for each in read] == sorted(
        (each.inserted_at for each in read), reverse=True
    )


A = UUID("0f6c0000-0000-4000-8000-000000000001")
B = UUID("0f6c0000-ffff-4000-8000-000000000002")
C = UUID("ffffffff-ffff-ffff-ffff-ffffffffffff")


@pytest.mark.parametrize(
    ("prefix", "found"),
    [
        ("0f6c", {A, B}),
        ("0F6C0000-", {A, B}),
        ("0f6c0000f", {B}),
        ("0f6c0000-ffff-4", {B}),
        (str(A), {A}),
        (A.hex, {A}),
        ("ffff", {C}),
        ("0", {A, B}),
        ("1", set()),
        ("", set()),
        ("----", set()),
        ("0f6g", set()),
        ("0f%", set()),
        ("' or 1=1", set()),
        (A.hex + "0", set()),
    ],
)
async def test_workflows_are_found_by_the_beginning_of_their_ids(
    database: str, db: Database, prefix: str, found: set[UUID]
) -> None:
    await rows(
        database,
        "insert into baton.workflows (id) select unnest(%s::uuid[]) returning 1",
        [A, B, C],
    )
    assert set(await answer(db, looking.workflow_ids(prefix, limit=10))) == found
    assert len(await answer(db, looking.workflow_ids(prefix, limit=1))) == min(1, len(found))


async def test_looking_at_an_unmigrated_database_says_what_to_run(empty_database: str) -> None:
    db = Database(empty_database, "baton", size=1)
    with pytest.raises(SchemaMissing, match=r"run: baton migrate$"):
        await answer(db, reading.jobs())
