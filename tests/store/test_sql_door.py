"""The SQL door: jobs from psql, triggers and other languages, checked like those of the client."""

from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from baton import Client, Job, Registry, Unique
from baton.store.migrations import migrate
from tests.services.test_node import running, until
from tests.support import connection, job, process, rows, value

pytestmark = pytest.mark.anyio

ORDERS = """
  create table orders (number integer primary key, mail text);
  create function ask_for_mail() returns trigger language plpgsql as $$
  begin
    perform baton.insert_job(
      'shop.confirm', jsonb_build_object('number', new.number, 'mail', new.mail), queue => 'mail'
    );
    return new;
  end
  $$;
  create trigger ask_for_mail after insert on orders for each row execute function ask_for_mail();
"""


async def test_a_name_and_arguments_make_a_job_that_can_be_claimed(database: str) -> None:
    job_id = await value(database, """select (baton.insert_job('tests.worker', '{"to": 1}')).id""")
    async with Client(database) as client, process(database) as worker:
        there = await client.get_job(job_id)
        like = await client.insert(job(args={"to": 1}))
        claimed, _ = await worker.fetch(capacity=5)
    assert (claimed.id, claimed.args) == (job_id, {"to": 1})
    for field in (
        "state",
        "queue",
        "priority",
        "max_attempts",
        "tags",
        "meta",
        "weight",
        "timeout",
    ):
        assert getattr(there, field) == getattr(like, field), field


async def test_every_option_arrives(database: str) -> None:
    await rows(
        database,
        """
        select baton.insert_job(
          'tests.worker', '{}', queue => 'mail', priority => 3, max_attempts => 4,
          scheduled_at => '2001-01-01', schedule_in => '1 hour', tags => '{" Mail",mail,X}',
          meta => '{"a": 1}', timeout => '90 seconds', deadline => '2100-01-01 00:00+00',
          weight => 5
        )
        """,
    )
    async with Client(database) as client:
        [found] = await client.list_jobs()
    assert (found.queue, found.priority, found.max_attempts) == ("mail", 3, 4)
    assert (found.tags, found.meta, found.weight) == (("mail", "x"), {"a": 1}, 5)
    assert (found.timeout, found.deadline) == (90.0, datetime(2100, 1, 1, tzinfo=UTC))
    assert found.state == "scheduled"
    assert timedelta(minutes=59) < found.scheduled_at - datetime.now(UTC) < timedelta(hours=1)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        ("''", "the worker must not be blank"),
        (r"E' \n'", "the worker must not be blank"),
        ("null", "the worker must not be blank"),
        ("'w', queue => ' '", "the queue must not be blank"),
        ("'w', queue => null", "the queue must not be blank"),
        ("'w', '[1]'", "args must be a JSON object, not [1]"),
        ("'w', null", "args must be a JSON object, not null"),
        ("'w', meta => '3'", "meta must be a JSON object, not 3"),
        (
            """'w', meta => '{"workflow_id": 1, "context": 2}'""",
            "meta must not set context, workflow_id: Baton owns them",
        ),
        ("'w', tags => '{a,\" \"}'", "a tag must not be blank"),
        ("'w', tags => '{a,null}'", "tags must not be null"),
        ("'w', priority => 10", "priority must be from 0 to 9, not 10"),
        ("'w', priority => -1", "priority must be from 0 to 9, not -1"),
        ("'w', priority => null", "priority must be from 0 to 9, not null"),
        ("'w', max_attempts => 0", "max_attempts must be from 1 to 32,767, not 0"),
        ("'w', weight => 40000", "weight must be from 1 to 32,767, not 40000"),
        ("'w', schedule_in => '-1 s'", "schedule_in must be from 0 seconds to 100 years, not -"),
        ("'w', scheduled_at => 'infinity'", "scheduled_at must be from 1901 to 8999, not infinity"),
        ("'w', deadline => '1800-01-01'", "deadline must be from 1901 to 8999, not 1800"),
        ("'w', timeout => '0'", "timeout must be above 0, not 00:00:00"),
        ("'w', unique_by => '7'", "unique_by must be a JSON object, not 7"),
        ("""'w', unique_by => '{"perod": 7}'""", 'unique_by must not have "perod"; it knows'),
        ("""'w', unique_by => '{"period": -7}'""", "period must be above 0 seconds"),
        ("""'w', unique_by => '{"period": "1 h"}'""", 'must be a number of seconds, not "1 h"'),
        ("""'w', unique_by => '{"fields": ["id"]}'""", 'fields must be of ["worker", "queue"'),
        ("""'w', unique_by => '{"fields": []}'""", "fields must name at least one field"),
        ("""'w', unique_by => '{"keys": [1]}'""", "keys must be an array of names, not [1]"),
        ("""'w', unique_by => '{"states": "available"}'""", "states must be an array of names"),
        ("""'w', unique_by => '{"states": ["done"]}'""", "states must be of"),
        ("""'w', unique_by => '{"fields": ["worker"], "keys": ["a"]}'""", "fields names neither"),
        ("""'w', unique_by => '{"on_conflict": null}'""", "skip, replace or reschedule, not null"),
        ("""'w', unique_by => '{"on_conflict": "replace"}'""", "go together"),
        ("""'w', unique_by => '{"replace": ["args"]}'""", "go together"),
    ],
)
async def test_what_the_client_would_refuse_is_refused_in_one_sentence(
    database: str, call: str, words: str
) -> None:
    with pytest.raises(psycopg.errors.InvalidParameterValue) as caught:
        await rows(database, f"select baton.insert_job({call})")
    message = caught.value.diag.message_primary or ""
    assert words in message
    assert "\n" not in message
    assert await value(database, "select count(*) from baton.jobs") == 0


@pytest.mark.parametrize("commits", [True, False])
async def test_a_row_trigger_inserts_a_job_with_its_row_or_neither(
    database: str, commits: bool
) -> None:
    async with connection(database) as conn:
        await conn.execute(ORDERS)
        async with conn.transaction(force_rollback=not commits):
            await conn.execute("insert into orders values (7, 'a@b'), (8, 'c@d')")
    asked = "select queue, args from baton.jobs where worker = 'shop.confirm' order by id"
    assert await rows(database, asked) == (
        [("mail", {"mail": "a@b", "number": 7}), ("mail", {"mail": "c@d", "number": 8})]
        if commits
        else []
    )


async def test_arguments_are_checked_against_the_worker_when_it_runs(database: str) -> None:
    registry = Registry()
    seen: list[int] = []

    @registry.worker(name="shop.confirm", max_attempts=1)
    async def confirm(_job: Job, number: int) -> None:
        seen.append(number)

    for number in ('"seven"', "7"):
        call = "select baton.insert_job('shop.confirm', %s::jsonb, max_attempts => 1)"
        await rows(database, call, f'{{"number": {number}}}')
    async with running(database, registry) as (_, client):

        async def both_are_over() -> bool:
            return all(each.state.is_final for each in await client.list_jobs())

        await until(both_are_over)
        good, bad = await client.list_jobs()
    assert seen == [7]
    assert (good.state, bad.state) == ("completed", "discarded")
    assert "number" in bad.errors[0]["message"]


async def test_its_unique_jobs_are_those_of_the_client(database: str) -> None:
    unique = Unique(keys=["to"], period=60)
    call = """
      select id from baton.insert_job('tests.worker', '{"to": 1, "x": 2}', unique_by => %s::jsonb)
    """
    async with Client(database) as client:
        first = await client.insert(job(args={"to": 1}, unique=unique))
        same = await value(database, call, '{"keys": ["to"], "period": 60}')
        other = await value(database, call, "{}")
        again = await value(database, call, '{"on_conflict": "reschedule"}')
    assert same == first.id
    assert other != first.id
    assert again == other


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"on_conflict": "reschedule", "period": 5},
        {"on_conflict": "replace", "replace": ["args", "tags"], "fields": ["worker"]},
        {"states": ["completed", "available"], "keys": ["b", "a"]},
    ],
)
async def test_its_defaults_are_those_of_the_client(database: str, options: dict[str, Any]) -> None:
    asked = psycopg.types.json.Jsonb(options)
    completed = await value(database, "select baton.unique_options(%s)", asked)
    assert completed == Unique(**options).options()


async def test_another_schema_has_a_door_of_its_own(empty_database: str) -> None:
    migrate(empty_database, schema="shop")
    state = "select state::text from shop.insert_job('tests.worker', unique_by => '{}')"
    assert await value(empty_database, state) == "available"
    assert await value(empty_database, "select worker from shop.jobs") == "tests.worker"
