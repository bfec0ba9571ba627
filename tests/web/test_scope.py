"""A user who sees only some queues sees nothing of the others, in no list, no count and no page."""

import html
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import httpx
import pytest

from baton import Client, Workflow
from baton.search.lists import LISTS
from baton.states import State
from baton.web.access import Action, Resource, User, only_queues
from tests.store.test_gates import sweep
from tests.support import ended, insert_in, job, process, rows, value
from tests.web.pages import SAME, page

pytestmark = pytest.mark.anyio

LISTED = ("jobs", "workflows", "approvals", "queues", "workers", "crons", "errors", "audit")
SEEN: Mapping[str, str] = {
    **only_queues("mail"),
    "workflows": "queue:mail",
    "workers": "queue:mail",
    "approvals": "workflow:none",
}


@asynccontextmanager
async def filled(database: str) -> AsyncIterator[dict[str, Any]]:
    """The same of everything in two queues; the ids of what is in each."""
    ids: dict[str, Any] = {}
    async with Client(database) as client:
        for name in ("mail", "payroll"):
            for _ in range(2):
                ids[f"job {name}"] = (await client.insert(job(f"{name}.work", queue=name))).id
            failed = await insert_in(database, client, "discarded", queue=name)
            await rows(
                database,
                "update baton.jobs set errors = %s::jsonb where id = %s returning id",
                f'[{{"kind": "Bad{name}", "message": "{name} is empty"}}]',
                failed.id,
            )
            ids[f"failed {name}"] = failed.id
            flow = Workflow(f"{name} run").add("a", job(queue=name))
            await client.insert_workflow(flow)
            ids[f"flow {name}"] = flow.workflow_id
            bad = Workflow(f"{name} broke").add("a", job(queue=name, schedule_in=9))
            await client.insert_workflow(bad)
            await rows(
                database,
                "update baton.workflows set state = 'failed', finished_at = now() where id = %s "
                "returning id",
                bad.workflow_id,
            )
            await client.crons.add(f"{name}.tidy", "@daily", name=f"{name} nightly", queue=name)
            await client.queues.limit(name, global_limit=5)
            await rows(
                database,
                "insert into baton.audit_log (actor, source, action, kind, subject, outcome) "
                "values ('eve', 'web', 'pause', 'queue', %s, 'done') returning id",
                name,
            )
            await rows(
                database,
                "insert into baton.leases (node, queues, expires_at) "
                "values (%s, jsonb_build_object(%s::text, 3), now() + interval '1 hour') "
                "returning id",
                f"{name} process",
                name,
            )
    yield ids


def scoped(database: str, scope: Any, **options: Any) -> Any:
    return page(database, authenticate=lambda _: User("bob"), scope=scope, **options)


def main(answer: httpx.Response) -> str:
    """What stands on a page; what somebody typed stands there too."""
    return re.sub(r'<input name="filter"[^>]*>', "", answer.text)


async def test_no_list_shows_or_counts_what_is_not_seen(database: str) -> None:
    async with filled(database), scoped(database, lambda _: SEEN) as client:
        for path in LISTED:
            for query in ("", "?filter=payroll", "?filter=-nothing"):
                answer = await client.get(f"{path}{query}")
                assert answer.status_code == 200, answer.text
                assert "payroll" not in main(answer).replace("filter=payroll", ""), path
            assert ("mail" in main(await client.get(path))) is (path != "approvals"), path
        overview = await client.get("")
        metrics = await client.get("metrics")
    assert set(LISTED) == set(LISTS)
    assert "payroll" not in overview.text + metrics.text
    assert 'queue="mail"' in metrics.text
    assert "mail broke" in overview.text
    counts = re.findall(r'filter=state:(\w+)">.*?<strong>([^<]*)</strong>', overview.text)
    # how many ended is known of all queues together alone
    assert dict(counts) == {"available": "3", "scheduled": "1", "executing": "0", "retryable": "0"}


async def test_a_filter_can_not_lead_out(database: str) -> None:
    async with filled(database) as ids, scoped(database, lambda _: SEEN) as client:
        for path, query in [
            ("jobs", f"{ids['job payroll']}"),
            ("jobs", f"{ids['job payroll']} {ids['job mail']}"),
            ("jobs", "queue:payroll,mail"),
            ("errors", "queue:payroll,mail kind:*"),
            ("queues", "queue:*"),
            ("workflows", f"id:{ids['flow payroll']}"),
            ("audit", "subject:payroll,mail"),
            ("crons", "payroll"),
        ]:
            answer = await client.get(path, params={"filter": query})
            assert answer.status_code == 200
            found = html.unescape(re.sub(r"filter=[^\"]*", "", main(answer)))
            assert "payroll" not in found, query


async def test_a_list_that_the_scope_does_not_name_is_refused(database: str) -> None:
    async with filled(database), scoped(database, lambda _: only_queues("mail")) as client:
        statuses = {path: (await client.get(path)).status_code for path in LISTED}
        navigation = re.findall(r"<nav.*?</nav>", (await client.get("")).text, re.DOTALL)[0]
        live = (await client.get("live/workers")).status_code
    hidden = {"workflows", "approvals", "workers"}
    assert {path for path, status in statuses.items() if status == 403} == hidden
    assert {path for path, status in statuses.items() if status == 200} == set(LISTED) - hidden
    assert not any(f'href="/{path}"' in navigation for path in hidden)
    assert live == 403


async def test_what_is_not_seen_can_neither_be_opened_nor_changed(database: str) -> None:
    before = "select count(*) from baton.audit_log"
    async with filled(database) as ids, scoped(database, lambda _: SEEN) as client:
        other, flow = ids["job payroll"], ids["flow payroll"]
        deeds = await value(database, before)
        for path in (
            f"jobs/{other}",
            f"live/jobs/{other}",
            f"workflows/{flow}",
            f"workflows/{str(flow)[:8]}",
            f"workflows/{flow}/retry",
        ):
            answer = await client.get(path)
            if not path.startswith("live"):
                assert answer.status_code == 404, path
            assert "payroll" not in answer.text
        for path, data in [
            (f"jobs/{other}/cancel", {}),
            (f"jobs/{other}/delete", {}),
            (f"jobs/{ids['failed payroll']}/retry", {}),
            (f"workflows/{flow}/cancel", {}),
            (f"workflows/{flow}/skip", {"step": "a"}),
            ("queues/pause", {"name": "payroll"}),
            ("queues/pause", {"name": "payroll", "new": "1"}),
            ("queues/scale", {"name": "payroll", "slots": "3"}),
            ("crons/run", {"name": "payroll nightly"}),
            ("crons/pause", {"name": "payroll nightly"}),
        ]:
            assert (await client.post(path, data=data, headers=SAME)).status_code == 404, path
        assert await value(database, before) == deeds
        for path in (f"jobs/{ids['job mail']}", f"workflows/{str(ids['flow mail'])[:8]}"):
            assert (await client.get(path)).status_code in {200, 303}
        for path, data in [
            (f"jobs/{ids['job mail']}/cancel", {}),
            ("queues/pause", {"name": "mail"}),
            ("crons/pause", {"name": "mail nightly"}),
        ]:
            assert (await client.post(path, data=data, headers=SAME)).status_code == 303, path


async def test_bulk_actions_stay_within_what_is_seen(database: str) -> None:
    async with filled(database) as ids, scoped(database, lambda _: SEEN) as client:
        preview = (await client.get("bulk/cancel?filter=state:available")).text
        assert "<strong>3</strong> jobs" in preview
        fields = dict(re.findall(r'name="(\w+)" value="([^"]*)"', preview))
        answer = await client.post("bulk/cancel", data=fields, headers=SAME)
        assert answer.status_code == 303
        found = await rows(
            database,
            "select queue, count(*) from baton.jobs where state = 'cancelled' group by queue",
        )
        assert found == [("mail", 3)]
        flows = (await client.get("bulk/workflows/cancel?filter=run")).text
        assert str(ids["flow payroll"]) not in flows
        data = {"name": "run", "among": str(ids["flow payroll"])}
        answer = await client.post("bulk/workflows/cancel", data=data, headers=SAME)
        state = "select state::text from baton.workflows where id = %s"
        assert await value(database, state, UUID(str(ids["flow payroll"]))) == "executing"


async def test_a_step_does_not_tell_of_a_workflow_that_is_not_seen(database: str) -> None:
    inner = Workflow("inner mail").add("deep", job(queue="mail"))
    outer = Workflow("outer payroll").add("salary", job(queue="payroll"))
    outer.add("below", inner, deps=["salary"]).add("letter", job(queue="mail"), deps=["salary"])
    jobs_alone = {"jobs": "queue:mail"}
    async with Client(database) as client:
        letter = [each for each in await client.insert_workflow(outer) if each.queue == "mail"][-1]
    for scope, is_shown in (({"workflows": "name:inner*", **jobs_alone}, False), (None, True)):
        async with scoped(database, lambda _, scope=scope: scope) as client:
            step = (await client.get(f"jobs/{letter.id}")).text
            inside = (await client.get(f"workflows/{inner.workflow_id}")).text
        assert "inner mail" in inside
        assert ("← outer payroll" in inside) is is_shown
        assert ("Runs after" in step) is is_shown


async def failed_inside(database: str, *, last: bool = True) -> tuple[Workflow, Workflow]:
    """A workflow that failed because its sub-workflow did, with a step after that or without."""
    inner = Workflow("inner part").add("deep", job())
    outer = Workflow("outer payroll").add("below", inner)
    if last:
        outer.add("salary", job(), deps=["below"])
    async with Client(database) as client, process(database) as worker:
        await client.insert_workflow(outer)
        await sweep(database)
        [deep] = await worker.fetch()
        await worker.acknowledge(ended(deep, State.DISCARDED, error='{"message": "no"}'))
        await sweep(database)
    found = "select distinct state::text from baton.workflows where id = any (%s)"
    assert await rows(database, found, [inner.workflow_id, outer.workflow_id]) == [("failed",)]
    return inner, outer


async def stands(database: str) -> Any:
    """How all workflows and steps stand."""
    steps = "select id, state::text, attempt, errors from baton.jobs order by id"
    flows = "select id, state::text, finished_at from baton.workflows order by id"
    return await rows(database, steps), await rows(database, flows)


def promised(preview: httpx.Response) -> dict[str, str]:
    return dict(re.findall(r'name="(\w+)" value="([^"]*)"', preview.text))


INNER_ALONE = {"workflows": "name:inner*"}


@pytest.mark.parametrize("scope", [INNER_ALONE, None], ids=["unseen", "refused"])
@pytest.mark.parametrize("last", [True, False])
async def test_a_retry_of_a_part_does_not_reach_the_workflow_around_it(
    database: str, scope: Any, last: bool
) -> None:
    inner, outer = await failed_inside(database, last=last)
    around = Resource("workflow", str(outer.workflow_id))

    def authorize(_user: User, action: Action, resource: Resource) -> bool:
        return scope is not None or (action, resource) != (Action.RETRY, around)

    root = f"workflows/{inner.workflow_id}/retry"
    async with scoped(database, lambda _: None) as client:
        fields = promised(await client.get(root))
    before = await stands(database)
    async with scoped(database, lambda _: scope, authorize=authorize) as client:
        for query in ("", "?step=deep", "?all=1"):
            preview = await client.get(f"{root}{query}")
            assert preview.status_code == 403
            said = re.sub(r"step=deep", "", preview.text)
            for told in ("outer", "payroll", "salary", str(outer.workflow_id)[:18]):
                assert told not in said
        for data in (fields, {**fields, "step": "deep"}, {**fields, "all": "1"}):
            answer = await client.post(root, data=data, headers=SAME)
            assert answer.status_code == 403
            assert "this is a part of another workflow" in answer.text
            for told in ("outer", "payroll", "salary", str(outer.workflow_id)[:18]):
                assert told not in answer.text
    assert await stands(database) == before
    assert fields["expect"]


@pytest.mark.parametrize("scope", [{"workflows": "name:inner*,outer*"}, None])
async def test_who_may_retry_what_is_around_may_retry_a_part(database: str, scope: Any) -> None:
    inner, outer = await failed_inside(database)
    root = f"workflows/{inner.workflow_id}/retry"
    async with scoped(database, lambda _: scope) as client:
        preview = await client.get(root)
        answer = await client.post(root, data=promised(preview), headers=SAME)
    assert (preview.status_code, answer.status_code) == (200, 303)
    found = "select state::text from baton.workflows where id = %s"
    assert await value(database, found, outer.workflow_id) == "executing"


async def test_a_retry_of_many_leaves_parts_of_others_alone_and_says_so(database: str) -> None:
    inner, outer = await failed_inside(database)
    alone = Workflow("inner of none").add("a", job())
    async with Client(database) as client:
        await client.insert_workflow(alone)
        await client.cancel_workflow(alone.workflow_id)
    await sweep(database)
    state = "select state::text from baton.workflows where id = %s"
    assert await value(database, state, alone.workflow_id) == "failed"
    async with scoped(database, lambda _: INNER_ALONE) as client:
        fields = promised(await client.get("bulk/workflows/retry?filter=inner"))
        assert fields["among"].split() == [str(alone.workflow_id), str(inner.workflow_id)]
        before = await stands(database)
        answer = await client.post("bulk/workflows/retry", data=fields, headers=SAME)
        shown = (await client.get(answer.headers["location"])).text
    assert answer.status_code == 303
    assert "retried 1 step of 1 workflow; 1 part of others left alone" in shown
    assert "payroll" not in shown
    assert await value(database, state, alone.workflow_id) == "executing"
    for flow in (inner, outer):
        assert await value(database, state, flow.workflow_id) == "failed"
    assert (await stands(database))[0][:3] == before[0][:3]


async def test_who_has_no_scope_sees_everything_and_who_sees_nothing_nothing(database: str) -> None:
    async with filled(database):
        async with scoped(database, lambda _: None) as client:
            assert "payroll" in (await client.get("queues")).text
        async with scoped(database, lambda _: only_queues()) as client:
            assert {(await client.get(path)).status_code for path in LISTED} == {403}
            overview = await client.get("")
            assert (overview.status_code, "mail" in overview.text) == (200, False)
            assert (await client.get("metrics")).status_code == 404


async def test_authorize_still_says_what_may_be_done_to_what_is_seen(database: str) -> None:
    def authorize(_user: User, action: Action, resource: Resource) -> bool:
        return action is Action.LOOK or resource.kind != "queue"

    async with filled(database), scoped(database, lambda _: SEEN, authorize=authorize) as client:
        answer = await client.post("queues/pause", data={"name": "mail"}, headers=SAME)
        assert answer.status_code == 403


@pytest.mark.parametrize(
    ("scope", "told"),
    [
        ({"jbos": "queue:mail"}, "the scope of a user names jbos; there are jobs, workflows"),
        ({"jobs": "quue:mail"}, "the scope of a user, for jobs: the filter is wrong at"),
    ],
)
async def test_a_scope_that_can_not_be_understood_shows_nothing(
    database: str, scope: dict[str, str], told: str
) -> None:
    async with filled(database), scoped(database, lambda _: scope) as client:
        for path in ("", "jobs", "queues"):
            answer = await client.get(path)
            assert (answer.status_code, told in answer.text) == (500, True)
            assert "payroll" not in answer.text


def test_names_of_queues_are_taken_literally() -> None:
    assert only_queues("a b", "c*")["jobs"] == 'queue:"a b","c*"'
