"""Queues, worker processes, cron entries, approvals and errors are listed by filter, in pages."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from baton import Client, SyncClient, Workflow
from baton.errors import InvalidFilter, InvalidSearch, NotFound, UnknownQueue
from tests.store.test_gates import SWEEP
from tests.support import insert_in, job, process, rows

pytestmark = pytest.mark.anyio

HOSTILE = "%x'; drop table baton.jobs; --"


@asynccontextmanager
async def queues(database: str) -> AsyncIterator[Client]:
    """Queues that differ in how they stand; the process of the test serves none of them."""
    async with Client(database) as client:
        await client.insert_all([job(queue="mail", schedule_in=9) for _ in range(3)])
        await client.insert_all([job(queue="mail") for _ in range(5)])
        await insert_in(database, client, "retryable", queue="night")
        await insert_in(database, client, "executing", queue="runs")
        await client.queues.pause(HOSTILE, by="ada")
        await client.queues.pause("mail", node="one")
        await client.queues.stop("night")
        await client.queues.limit("split", partition_by="args.t")
        await client.insert_all([job(queue="split", args={"t": t}) for t in "abab"])
        await rows(
            database,
            "insert into baton.leases (node, queues, expires_at) "
            "values ('two', '{\"served\": 3}', now() + interval '1 hour') returning id",
        )
        yield client


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ("", f"{HOSTILE},mail,night,runs,served,split"),
        ("queue:mail,night", "mail,night"),
        ("-queue:*i*", f"{HOSTILE},runs,served"),
        ("ma", "mail"),
        ("state:paused", f"{HOSTILE},mail"),
        ("state:stopped", "night"),
        ("state:running", "served"),
        ("state:stopped,running", "night,served"),
        ("-state:unserved", "served"),
        ("available:1..", "mail,split"),
        ("available:4 processes:0", "split"),
        ("scheduled:3 -retryable:1..", "mail"),
        ("retryable:1", "night"),
        ("executing:1", "runs"),
        ("slots:3..5", "served"),
    ],
)
async def test_queues_are_found_by_their_names_and_how_they_stand(
    database: str, where: str, found: str
) -> None:
    async with queues(database) as client:
        names = {each.name for each in await client.queues.list(where)}
    assert names == set(found.split(","))


async def test_jobs_of_a_queue_are_counted_as_far_as_people_want_to_know(database: str) -> None:
    async with queues(database) as client:
        exact = {each.name: each for each in await client.queues.list()}
        short = {each.name: each for each in await client.queues.list(count=2)}
        asked = {each.name for each in await client.queues.list("available:5..", count=2)}
        below = {each.name for each in await client.queues.list("available:1..4", count=2)}
    assert exact["mail"].counts == {"available": 5, "scheduled": 3}
    assert exact["split"].counts == {"available": 4}
    assert exact["runs"].counts == {"executing": 1}
    assert {each.cut for each in exact.values()} == {()}
    mail = short["mail"]
    assert (mail.counted("available"), mail.counts["available"]) == ("2+", 2)
    assert "scheduled" in mail.cut
    assert (short["split"].counted("available"), short["night"].cut) == ("2+", ())
    # a filter that compares with more is answered exactly
    assert (asked, below) == ({"mail"}, {"split"})
    assert mail.counted("scheduled") == "2+"


async def test_a_queue_is_known_that_something_was_said_about_or_that_has_jobs_or_a_process(
    database: str,
) -> None:
    async with queues(database) as client:
        for name in (HOSTILE, "mail", "night", "runs", "served", "split"):
            await client.queues.check_known(name)
        with pytest.raises(UnknownQueue, match=r"no queue 'maill' .* mean 'mail'") as told:
            await client.queues.check_known("maill")
        with SyncClient(database) as other, pytest.raises(UnknownQueue, match="'zzz' that anybody"):
            other.queues.check_known("zzz")
    assert told.value.near == ("mail",)


async def test_every_list_is_walked_in_pages(database: str) -> None:
    async with queues(database) as client:
        for number in range(5):
            await client.crons.add("w", "@daily", name=f"c{number}")
            error = json.dumps([{"kind": f"E{number}", "message": "m"}])
            failed = await insert_in(database, client, "discarded", queue="mail")
            await rows(
                database,
                "update baton.jobs set errors = %s::jsonb where id = %s returning id",
                error,
                failed.id,
            )
            flow = Workflow(f"w{number}").approval(f"ask{number}", "Go?")
            await client.insert_workflow(flow)
        await settled(database)
        async with process(database), process(database):
            walks: list[tuple[Callable[..., Awaitable[Any]], Callable[[Any], Any]]] = [
                (client.queues.list, lambda each: each.name),
                (client.processes, lambda each: each.lease),
                (client.crons.list, lambda each: each.name),
                (client.errors, lambda each: each.place),
                (client.approvals, lambda each: each.job_id),
            ]
            for look, place in walks:
                whole = [place(each) for each in await look()]
                assert len(whole) >= 3
                walked: list[Any] = []
                while page := await look(after=walked[-1] if walked else None, limit=2):
                    assert len(page) <= 2
                    walked += [place(each) for each in page]
                assert walked == whole
                with pytest.raises(InvalidFilter, match="limit must be a whole number above 0"):
                    await look(limit=0)
                with pytest.raises(InvalidSearch, match=r"no field zzz; there are \w+"):
                    await look(where="zzz:1")
        with pytest.raises(NotFound, match="there is no approval of job 99"):
            await client.approvals(after=99)
        with pytest.raises(InvalidFilter, match="after must be a place in the list"):
            await client.errors(after="x")


async def settled(database: str) -> None:
    while (await rows(database, SWEEP))[0] != (0,):
        pass


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ("", "one two dead"),
        ("state:alive", "one two"),
        ("state:lost", "dead"),
        ("node:o*,dead", "one dead"),
        ("-node:one state:alive", "two"),
        ("queue:mail", "one dead"),
        ("queue:n*", "two"),
        ("-queue:mail", "two"),
        ("executing:1..", "one"),
        ("since:1h", "one two"),
        ("until:1h", "dead"),
        ("EA", "dead"),
    ],
)
async def test_worker_processes_are_found(database: str, where: str, found: str) -> None:
    await rows(
        database,
        """
        with leased as (
          insert into baton.leases (node, queues, started_at, expires_at) values
            ('one', '{"mail": 3}', now(), now() + interval '1 hour'),
            ('two', '{"night": 1}', now(), now() + interval '1 hour'),
            ('dead', '{"mail": 1}', now() - interval '2 days', now() - interval '1 day')
          returning id, node
        )
        insert into baton.jobs (queue, worker, args, state, attempted_by)
        select 'mail', 'w', '{}', 'executing', leased.id from leased where leased.node = 'one'
        returning id
        """,
    )
    async with Client(database) as client:
        assert [each.node for each in await client.processes(where)] == found.split()


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ("", "clean mails report"),
        ("state:paused", "clean"),
        ("state:running", "mails report"),
        ("source:code", ""),
        ("source:database worker:shop.*", "clean mails"),
        ("queue:mail", "mails"),
        ("timezone:Europe/Berlin", "report"),
        ("args.kind:weekly", "report"),
        ("since:1h", "mails"),
        ("REP", "report"),
        ("name:clean,mails -name:m*", "clean"),
    ],
)
async def test_cron_entries_are_found(database: str, where: str, found: str) -> None:
    async with Client(database) as client:
        await client.crons.add("shop.clean", "@daily", name="clean", paused=True)
        await client.crons.add("shop.mail", "@daily", name="mails", queue="mail")
        await client.crons.add(
            "x", "@daily", name="report", timezone="Europe/Berlin", args={"kind": "weekly"}
        )
        await rows(
            database,
            "update baton.crons set last_tick_at = now() - "
            "case name when 'mails' then interval '1 minute' else interval '1 day' end returning 1",
        )
        assert [each.name for each in await client.crons.list(where)] == found.split()


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ("", "sign_off publish"),
        ("asks:sales", "sign_off"),
        ("-asks:sales", "publish"),
        ("step:pub*", "publish"),
        ("workflow:offer", "sign_off"),
        ("SEND", "sign_off"),
        ("book", "publish"),
        ("queue:approvals", ""),
        ("since:1h", "sign_off publish"),
        ("until:1h", ""),
    ],
)
async def test_approvals_are_found(database: str, where: str, found: str) -> None:
    async with Client(database) as client:
        first = Workflow("offer").approval("sign_off", "Send it?", asks="sales")
        await client.insert_workflow(first)
        await client.insert_workflow(Workflow("book").approval("publish", "Print it?"))
        await settled(database)
        assert [each.step_name for each in await client.approvals(where=where)] == found.split()
        [one] = await client.approvals(where=str(first.workflow_id)[:8])
        assert one.step_name == "sign_off"


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ("", "Timeout:3 ValueError:1"),
        ("queue:mail", "Timeout:2"),
        ("state:retryable", "Timeout:1"),
        ("kind:Value*", "ValueError:1"),
        ("-kind:Value*", "Timeout:3"),
        ("source", "ValueError:1"),
        ("jobs:2..", "Timeout:3"),
        ("-jobs:2..", "ValueError:1"),
        ("worker:w1 jobs:1", "Timeout:1"),
        ("args.to:42", "ValueError:1"),
        ("since:1h", "Timeout:3"),
        ("until:1h", "ValueError:1"),
    ],
)
async def test_errors_are_found_and_counted_by_group(database: str, where: str, found: str) -> None:
    await rows(
        database,
        """
        insert into baton.jobs
          (queue, worker, args, state, attempt, errors, attempted_at, discarded_at)
        select queue, worker, args::jsonb, state::baton.job_state, 1,
          jsonb_build_array(jsonb_build_object('kind', kind, 'message', message, 'at', 'never')),
          at, case when state = 'discarded' then at end
        from (values
          ('mail', 'w1', '{}', 'discarded', 'Timeout', 'took 12 s', now()),
          ('mail', 'w2', '{}', 'retryable', 'Timeout', 'took 9 s', now()),
          ('news', 'w2', '{}', 'discarded', 'Timeout', 'took 1 s', now()),
          ('news', 'w2', '{"to": 42}', 'discarded', 'ValueError', 'no source',
            now() - interval '1 day')
        ) as failed (queue, worker, args, state, kind, message, at)
        returning id
        """,
    )
    async with Client(database) as client:
        groups = await client.errors(where)
        assert [f"{each.kind}:{len(each.jobs)}" for each in groups] == found.split()
        [same] = await client.errors(f"fingerprint:{groups[0].fingerprint[:6]}* {where}")
        assert same == groups[0]
        assert await client.errors(f"-fingerprint:{groups[0].fingerprint} {where}") == groups[1:]


async def test_workflows_are_found_by_the_queues_of_their_steps(database: str) -> None:
    async with Client(database) as client:
        await client.insert_workflow(Workflow("post").add("a", job(queue="mail")))
        await client.insert_workflow(Workflow("both").add("a", job()).add("b", job(queue="mail")))
        await client.insert_workflow(Workflow("none").add("a", job()))
        found = {each.name for each in await client.list_workflows(where="queue:mail")}
        others = {each.name for each in await client.list_workflows(where="-queue:mail")}
    assert (found, others) == ({"post", "both"}, {"none"})
