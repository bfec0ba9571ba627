"""Filters find what they say, in lists and in bulk actions alike."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from baton import Client, SyncClient, Workflow
from baton.errors import InvalidFilter
from baton.search import JobSearch, WorkflowSearch
from baton.store import matching, sql
from tests.support import connection, insert_in, job, rows, value

pytestmark = pytest.mark.anyio

HOSTILE = "%x'; drop table baton.jobs; --"
ERROR = '[{"kind": "ValueError", "message": "old"}, {"kind": "Timeout", "message": "took\\nlong"}]'


async def some_jobs(dsn: str, client: Client) -> dict[str, int]:
    """Jobs that differ, by a name for each."""
    made = {
        "mail": await insert_in(
            dsn,
            client,
            worker="shop.SendMail",
            queue="mail",
            args={"to": 42, "who": {"name": "Ada"}, "ok": True},
            tags=["vip", "gold"],
            priority=3,
        ),
        "text": await insert_in(
            dsn, client, "retryable", worker="shop.send_text", args={"to": "42"}, tags=["gold"]
        ),
        "odd": await insert_in(
            dsn, client, "discarded", worker=HOSTILE, queue="a_b%", args={"x": None}, priority=9
        ),
        "old": await insert_in(dsn, client, "completed", worker="old", queue="axb1"),
    }
    ids = {name: each.id for name, each in made.items()}
    await rows(
        dsn,
        "update baton.jobs set errors = %s::jsonb where id = %s returning id",
        ERROR,
        ids["text"],
    )
    await rows(
        dsn,
        "update baton.jobs set inserted_at = now() - interval '2 days' where id = %s returning id",
        ids["old"],
    )
    return ids


FOUND = [
    ("", "mail text odd old"),
    ("queue:mail", "mail"),
    ("-queue:mail", "text odd old"),
    ("queue:a_b%", "odd"),
    ("queue:a*", "odd old"),
    ("queue:a_*", "odd"),
    ('queue:"a*"', ""),
    ("queue:mail,axb1", "mail old"),
    ("queue:mail,ax*", "mail old"),
    ("queue:m* -queue:mail", ""),
    ("worker:shop.*", "mail text"),
    ("sendmail", "mail"),
    ("shop -mail", "text"),
    ('"drop table"', "odd"),
    ("%", "odd"),
    ("shop.*mail", "mail"),
    ("tag:gold", "mail text"),
    ("tag:gold tag:VIP", "mail"),
    ("tag:vip,gold -tag:vip", "text"),
    ("tag:v*", "mail"),
    ("-tag:gold", "odd old"),
    ("priority:3", "mail"),
    ("priority:1..", "mail odd"),
    ("priority:..2", "text old"),
    ("priority:0,9", "text odd old"),
    ("attempt:1..", "text odd old"),
    ("args.to:42", "mail text"),
    ('args.to:"42"', "text"),
    ("args.to:4*", "mail text"),
    ("-args.to:42", "odd old"),
    ("args.who.name:Ada", "mail"),
    ("args.who.name:A*,B*", "mail"),
    ("args.ok:true", "mail"),
    ("args.x:null", "odd"),
    ("args.to:*", "mail text"),
    ("error:timeout", "text"),
    ("error:took*", ""),
    ("error:*long", "text"),
    ("error:valueerror", ""),
    ("-error:timeout", "mail odd old"),
    ("since:1h", "mail text odd"),
    ("until:1d", "old"),
    ("since:3d until:1d", "old"),
    ("since:2020-01-01 until:2020-02-01", ""),
    ("state:retryable,discarded", "text odd"),
    ("-state:completed", "mail text odd"),
    ("state:available state:completed", ""),
]


async def test_a_filter_finds_the_same_in_a_list_and_in_a_bulk_action(database: str) -> None:
    async with Client(database) as client:
        ids = await some_jobs(database, client)
        for text, names in FOUND:
            wanted = sorted(ids[name] for name in names.split())
            listed = await client.list_jobs(where=text)
            assert sorted(each.id for each in listed) == wanted, text
            if text:
                count = await client.delete_jobs(where=text, dry_run=True)
                assert count == len(wanted), text


async def test_ids_are_found_in_any_number(database: str) -> None:
    async with Client(database) as client:
        ids = await some_jobs(database, client)
        mail, text = ids["mail"], ids["text"]
        assert [each.id for each in await client.list_jobs(where=f"{mail} {text}")] == [text, mail]
        assert [each.id for each in await client.list_jobs(where=f"{mail} -queue:mail")] == []
        assert len(await client.list_jobs(where=f"-{mail}")) == 3
        assert await client.delete_jobs(where=f"id:{mail},{10**30}", dry_run=True) == 1
        assert await client.delete_jobs(where=f"{mail} {text} tag:vip") == 1
        assert len(await client.list_jobs()) == 3


async def test_steps_are_found_by_their_workflow_and_their_name(database: str) -> None:
    flows = [
        Workflow(name).add("fetch", job()).add("sum up", job(), deps=["fetch"])
        for name in ("research: sea", "cafe")
    ]
    async with Client(database) as client:
        await client.insert_workflows(flows)
        await client.insert(job())

        async def found(text: str) -> int:
            return len(await client.list_jobs(where=text))

        assert await found(f"workflow:{flows[0].workflow_id}") == 2
        assert await found(f"workflow:{str(flows[0].workflow_id)[:8]} step:fetch") == 1
        assert await found('workflow:"research: sea"') == 2
        assert await found("workflow:research*,cafe") == 4
        assert await found("workflow:cafe") == 2
        assert await found("-workflow:cafe") == 3
        assert await found("workflow:*") == 4
        assert await found('step:"sum up",f*') == 4
        assert await found("-step:fetch") == 3
        assert await client.cancel_jobs(where="workflow:cafe step:fetch") == 1


async def test_workflows_are_found(database: str) -> None:
    parent = Workflow("nightly: all", tags=["weekly"], context={"tenant": {"id": 7}})
    parent.add("part", Workflow("part 1").add("a", job()))
    async with Client(database) as client:
        await client.insert_workflow(parent)
        await client.insert_workflow(Workflow("cafe").add("a", job()))
        await rows(
            database,
            "update baton.workflows set state = 'failed' where name = 'cafe' returning id",
        )
        start = str(parent.workflow_id)
        for text, names in [
            ("", ["cafe", "nightly: all", "part 1"]),
            ("nightly", ["nightly: all"]),
            ("name:n*,part*", ["nightly: all", "part 1"]),
            ('-name:"nightly: all"', ["cafe", "part 1"]),
            ("cafe", ["cafe"]),
            (start[:8], ["nightly: all"]),
            (f"id:{start}", ["nightly: all"]),
            (f"parent:{start}", ["part 1"]),
            ("parent:none", ["cafe", "nightly: all"]),
            ("-parent:none", ["part 1"]),
            ("state:failed", ["cafe"]),
            ("-state:failed", ["nightly: all", "part 1"]),
            ("state:failed,executing part", ["part 1"]),
            ("tag:weekly name:night*", ["nightly: all"]),
            ("context.tenant.id:7 name:night*", ["nightly: all"]),
            ("-context.tenant.id:7", ["cafe"]),
            ("since:1h until:2020-01-01", []),
            ("template:nightly", []),
        ]:
            found = await client.list_workflows(where=text)
            assert sorted(str(each.name) for each in found) == names, text


async def test_retrying_without_states_takes_those_that_failed(database: str) -> None:
    async with Client(database) as client:
        await some_jobs(database, client)
        assert await client.retry_jobs(where="since:3d", dry_run=True) == 2
        assert await client.retry_jobs(where="since:3d state:completed", dry_run=True) == 1


async def test_what_is_no_filter_is_refused(database: str) -> None:
    async with Client(database) as client:
        for where in ("", "quue:x"):
            with pytest.raises(InvalidFilter):
                await client.delete_jobs(where=where)
        which: Any = 5
        with pytest.raises(InvalidFilter, match="where must be a filter"):
            await client.list_jobs(where=which)
        with pytest.raises(InvalidFilter, match="where must be a filter"):
            await client.list_workflows(where=which)


@pytest.mark.parametrize(
    ("which", "message"),
    [
        ({"state": "retriable"}, "state must be of available, "),
        ({"state": 5}, "state must be of available, "),
        ({"limit": 0}, "limit must be a whole number above 0, not 0"),
        ({"limit": "many"}, "limit must be a whole number above 0, not 'many'"),
        ({"limit": 1 << 70}, "limit must be a whole number above 0"),
    ],
)
async def test_what_jobs_can_not_be_listed_by_is_refused(
    database: str, which: Any, message: str
) -> None:
    async with Client(database) as client:
        with pytest.raises(InvalidFilter, match=message):
            await client.list_jobs(**which)
    with SyncClient(database) as sync_client, pytest.raises(InvalidFilter, match=message):
        sync_client.list_jobs(**which)


async def test_a_filter_that_was_read_before_is_taken_too(database: str) -> None:
    async with Client(database) as client:
        await some_jobs(database, client)
        search = JobSearch.parse("queue:mail")
        assert len(await client.list_jobs(where=search, state="available")) == 1
        assert await client.list_jobs(where=search, state="completed") == []
        assert await client.cancel_jobs(where=search) == 1
        assert await client.list_workflows(where=WorkflowSearch.parse("x")) == []


@pytest.mark.parametrize(
    ("text", "index"),
    [
        ("state:executing", "jobs_executing"),
        ("state:scheduled,retryable queue:mail", "jobs_due"),
        ("state:discarded", "jobs_failed"),
        ("state:cancelled,discarded queue:mail since:1d", "jobs_failed"),
        ("state:available queue:mail", "jobs_available"),
        ("workflow:00000000-0000-4000-8000-000000000000", "workflow_steps_newest"),
        ("1 2 3", "jobs_pkey"),
        ("state:completed queue:mail", "jobs_pkey"),
    ],
)
async def test_usual_filters_are_served_by_an_index(database: str, text: str, index: str) -> None:
    search = JobSearch.parse(text)
    fits = matching.jobs(search.conditions, search.states)
    ids = None if search.ids is None else list(search.ids)
    params = {"ids": ids, "before": None, "limit": 20, **fits.params}
    await rows(database, FILL)
    await rows(database, "select count(*) from baton.jobs")
    async with connection(database) as conn:
        await conn.execute("analyze baton.jobs")
        statement = b"explain " + sql.encoded("job_list", "baton", fits.sql)
        found = await (await conn.execute(statement, params)).fetchall()
    plan = "\n".join(row[0] for row in found)
    assert index in plan
    assert "Seq Scan" not in plan


FILL = """
  with made as (
    insert into baton.jobs (worker, queue, state, inserted_at)
    select 'tests.worker', 'other', 'completed', now() - make_interval(mins => n)
    from generate_series(1, 30000) as n
    returning 1
  ), few as (
    insert into baton.jobs (worker, queue, state)
    select 'tests.worker', 'mail', state
    from unnest(enum_range(null::baton.job_state)) as state, generate_series(1, 5)
    returning 1
  )
  select count(*) from made, few
"""


async def test_a_failed_workflow_is_found_by_an_index(database: str) -> None:
    fits = matching.workflows(WorkflowSearch.parse("state:failed").conditions)
    assert fits.sql == "\n  and (workflow.state in ('failed'))"
    async with connection(database) as conn:
        await conn.execute(
            "insert into baton.workflows (state) select 'completed' from generate_series(1, 5000)"
        )
        await conn.execute("insert into baton.workflows (state) values ('failed')")
        await conn.execute("analyze baton.workflows")
        found = await (
            await conn.execute(
                "explain select id from baton.workflows as workflow where true"
                + fits.sql
                + " order by inserted_at desc, id desc limit 20"
            )
        ).fetchall()
    assert "workflows_failed" in str(found)


async def test_a_hostile_value_is_only_a_value(database: str) -> None:
    async with Client(database) as client:
        await client.insert(job())
        for text in (
            f'queue:"{HOSTILE}"',
            f'args.x:"{HOSTILE}"',
            f'"{HOSTILE}"',
            'workflow:"%s %(x)s"',
            "args.a'b.%:1",
        ):
            assert await client.list_jobs(where=text) == []
            assert await client.delete_jobs(where=text) == 0
    assert await value(database, "select count(*) from baton.jobs") == 1


async def test_a_time_without_a_zone_is_of_this_machine(database: str) -> None:
    async with Client(database) as client:
        await client.insert(job())
        soon = (datetime.now(UTC) + timedelta(minutes=5)).isoformat()
        assert await client.list_jobs(where=f"since:{soon}") == []
        assert len(await client.list_jobs(where=f"until:{soon}")) == 1
