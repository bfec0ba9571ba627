"""Lists on the page: filters, pages, and queues that nobody knows."""

import html
import re

import pytest

from baton import Client, Workflow
from tests.store.test_gates import SWEEP
from tests.support import insert_in, job, rows, value
from tests.web.pages import SAME, page

pytestmark = pytest.mark.anyio

PATHS = ("workflows", "approvals", "jobs", "queues", "workers", "crons", "errors", "audit")


@pytest.mark.parametrize("path", PATHS)
async def test_every_list_has_a_filter_that_says_what_is_wrong_with_it(
    database: str, path: str
) -> None:
    async with page(database) as client:
        shown = (await client.get(f"{path}?filter=some -thing")).text
        assert 'name="filter" value="some -thing"' in shown
        wrong = await client.get(f"{path}?filter=some zzz:1")
    assert wrong.status_code == 400
    assert "there is no field zzz" in wrong.text
    assert f'action="/{path}"' in wrong.text
    assert 'class="caret"' in wrong.text


async def test_long_lists_are_walked_in_pages(database: str) -> None:
    async with Client(database) as client:
        await client.insert_many(job(queue=f"q{n:03}") for n in range(60))
        for number in range(52):
            await client.crons.add("w", "@daily", name=f"c{number:03}")
        await rows(
            database,
            "insert into baton.leases (node, queues, expires_at) "
            "select 'n' || n, '{}', now() + interval '1 hour' from generate_series(1, 55) as n "
            "returning id",
        )
        await rows(
            database,
            "insert into baton.jobs (queue, worker, args, state, errors) "
            "select 'mail', 'w', '{}', 'discarded', "
            "jsonb_build_array(jsonb_build_object('kind', 'E' || n, 'message', 'm')) "
            "from generate_series(1, 53) as n returning id",
        )
        flow = Workflow("w")
        for number in range(51):
            flow.approval(f"ask{number}", "Go?")
        await client.insert_workflow(flow)
        while (await rows(database, SWEEP))[0] != (0,):
            pass
    async with page(database) as browser:
        for path, query, item, total in [
            ("queues", "queue:q*", r'<th scope="row"><a href="[^"]+">(q\d+)<', 60),
            ("crons", "worker:w", r'<th scope="row">(c\d+)<', 52),
            ("workers", "node:n*", r'<th scope="row">(n\d+)<', 55),
            ("errors", "queue:mail", r"<strong>(E\d+)</strong>", 53),
            ("approvals", "step:ask*", r"<td>(ask\d+)</td>", 51),
        ]:
            first = (await browser.get(f"{path}?filter={query}")).text
            [address] = re.findall(r'rel="next" href="([^"]+)"', first)
            second = (await browser.get(html.unescape(address))).text
            found = [re.findall(item, each) for each in (first, second)]
            assert [len(each) for each in found] == [50, total - 50], path
            assert len({*found[0], *found[1]}) == total
            assert 'rel="next"' not in second


async def test_a_wrong_place_in_a_list_is_refused(database: str) -> None:
    async with page(database) as client:
        for address, status in [
            ("workers?after=x", 400),
            ("errors?after=x", 400),
            ("approvals?after=99", 404),
            ("approvals?after=-1", 400),
            ("audit?before=x", 400),
        ]:
            assert (await client.get(address)).status_code == status, address


async def test_a_queue_that_nobody_knows_is_not_steered_by_mistake(database: str) -> None:
    async with Client(database) as client:
        await client.insert(job(queue="night"))
    async with page(database) as browser:
        assert 'name="new"' in (await browser.get("queues")).text
        for path, data in [("pause", {}), ("resume", {}), ("scale", {"slots": "3"})]:
            answer = await browser.post(
                f"queues/{path}", data={"name": "nigth", **data}, headers=SAME
            )
            assert answer.status_code == 404
            assert "did you mean &#39;night&#39;?" in answer.text
        assert await value(database, "select count(*) from baton.queues") == 0
        assert await value(database, "select count(*) from baton.audit_log") == 0
        for data in ({"name": "night"}, {"name": "nigth", "new": "1"}):
            answer = await browser.post("queues/pause", data=data, headers=SAME)
            assert answer.status_code == 303
    assert await value(database, "select count(*) from baton.queues") == 2


async def test_where_more_jobs_wait_than_are_counted_that_is_said(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("baton.web.lists.COUNTED", 3)
    async with Client(database) as client:
        await client.insert_all([job(queue="mail") for _ in range(5)])
    async with page(database) as browser:
        listed = (await browser.get("queues")).text
        overview = (await browser.get("")).text
    assert '<td class="n">3+</td>' in listed
    assert "<strong>3+</strong>" in overview


async def test_an_error_leads_to_its_group(database: str) -> None:
    async with Client(database) as client:
        failed = await insert_in(database, client, "discarded", queue="mail")
        await rows(
            database,
            "update baton.jobs set errors = %s::jsonb where id = %s returning id",
            '[{"kind": "Timeout", "message": "took 3 s"}]',
            failed.id,
        )
        [group] = await client.errors()
    async with page(database) as browser:
        address = f"errors?filter=fingerprint:{group.fingerprint}"
        assert address in (await browser.get("errors")).text
        assert "Timeout" in (await browser.get(address)).text
        assert "No error" in (await browser.get("errors?filter=fingerprint:0")).text
