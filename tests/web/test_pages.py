"""What the pages show, and that forms do what they say."""

import re
from typing import Any
from uuid import uuid4

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

import baton
from baton import Client, Registry, Workflow
from baton.states import State
from tests.services.test_node import finished, running, until
from tests.support import connection, ended, insert_in, job, process, rows, value
from tests.web.pages import SAME, page

pytestmark = pytest.mark.anyio


def diamond(name: str | None = "brief") -> Workflow:
    return (
        Workflow(name=name)
        .add("fetch", job())
        .add("left", job(), deps=["fetch"])
        .add("right", job(), deps=["fetch"])
        .add("join", job(), deps=["left", "right"])
    )


async def failed_diamond(database: str) -> tuple[Workflow, dict[str, int]]:
    """A diamond whose left side was discarded, and whose join was therefore cancelled."""
    flow = diamond()
    async with Client(database) as client, process(database) as worker:
        jobs = {each.step_name or "": each.id for each in await client.insert_workflow(flow)}
        [fetch] = await worker.fetch()
        sides = {each.step_name: each for each in await worker.complete(fetch, capacity=2)}
        error = '{"kind": "ValueError", "message": "no such source 17"}'
        await worker.acknowledge(ended(sides["left"], State.DISCARDED, error=error))
        await worker.complete(sides["right"])
        await until(finished(database))
    return flow, jobs


def ids(text: str) -> list[int]:
    return [int(each) for each in re.findall(r'data-key="job-(\d+)"', text)]


async def test_the_page_of_a_workflow_tells_why_and_what_failed_first(database: str) -> None:
    flow, jobs = await failed_diamond(database)
    async with page(database) as client:
        shown = (await client.get(f"workflows/{flow.workflow_id}")).text
        listed = (await client.get("workflows")).text
        overview = (await client.get("")).text
    assert "workflow brief failed" in shown
    first, _, cascades = shown.partition("cancelled because of that")
    assert f'data-key="failure-{jobs["left"]}"' in first
    assert f'data-key="cascade-{jobs["join"]}"' in cascades
    assert "no such source 17" in shown
    for name in ("fetch", "left", "right", "join"):
        assert re.search(rf'aria-label="{name}: [a-z]+', shown), name
    assert "Critical path" in shown
    assert "4 of 4 steps done" in listed
    assert "no such source &lt;n&gt;" in overview


async def test_each_state_is_told_by_shape_icon_and_word(database: str) -> None:
    flow, jobs = await failed_diamond(database)
    async with page(database) as client:
        shown = (await client.get(f"workflows/{flow.workflow_id}")).text
    pattern = r'<a class="node s-(\w+)[^"]*".*?<path class="shape" d="([^"]+)"'
    nodes = dict(re.findall(pattern, shown, re.DOTALL))
    assert set(nodes) == {"completed", "discarded", "cancelled"}
    assert len(set(nodes.values())) == 3
    for word, icon in (("completed", "✓"), ("discarded", "✗"), ("cancelled", "⊘")):
        assert f"{icon}</text>" in shown
        assert f": {word}" in shown
    assert jobs


async def test_a_step_shows_its_arguments_result_and_errors_by_attempt(database: str) -> None:
    flow = Workflow(name="one").add("only", job(args={"topic": "tea"}, max_attempts=3))
    async with Client(database) as client, process(database) as worker:
        [step] = await client.insert_workflow(flow)
        for number in (1, 2):
            [claimed] = await worker.fetch()
            error = f'{{"kind": "OSError", "message": "attempt failed {number}"}}'
            await worker.acknowledge(ended(claimed, State.RETRYABLE, delay=60.0, error=error))
            await client.retry_job(step.id)
        [claimed] = await worker.fetch()
        await worker.acknowledge(ended(claimed, State.COMPLETED, result='{"cups": 3}'))
        await rows(
            database,
            "insert into baton.workflow_step_stats"
            " (job_id, epoch, lease, attempt, queue, worker, model, input_tokens, cost) "
            "values (%s, 3, 1, 3, 'q', 'w', 'a-model', 1200, 0.0125) returning 1",
            step.id,
        )
    async with page(database) as client:
        shown = (await client.get(f"jobs/{step.id}")).text
        timeline = (await client.get(f"workflows/{flow.workflow_id}")).text
    for text in ("topic", "tea", "cups", "attempt failed 1", "attempt failed 2", "Step only"):
        assert text in shown
    for text in ("a-model", "1,200", "$0.0125"):
        assert text in shown
    assert shown.index("attempt failed 2") < shown.index("attempt failed 1")
    assert timeline.count('<rect class="t-running"') == 3
    assert timeline.count('<rect class="t-backoff"') == 2
    assert "ran " in shown


async def test_a_step_whose_job_was_deleted_is_still_shown(database: str) -> None:
    flow, jobs = await failed_diamond(database)
    async with Client(database) as client:
        await client.delete_job(jobs["left"])
    async with page(database) as client:
        answer = await client.get(f"jobs/{jobs['left']}")
        assert (await client.get("jobs/999999")).status_code == 404
        assert (await client.get("jobs/nonsense")).status_code == 404
        for number in ("9" * 19, "9" * 20, "0" * 5_000, "9" * 5_000):
            assert (await client.get(f"jobs/{number}")).status_code == 404
            assert (await client.get(f"jobs?before={number}")).status_code == 400
        assert (await client.get("workflows/0000")).status_code == 404
    assert answer.status_code == 200
    assert "Its job was deleted" in answer.text
    assert flow.name == "brief"


async def test_jobs_are_filtered_and_paged(database: str) -> None:
    async with Client(database) as client:
        await client.insert_many(job(queue="mail" if n % 2 else "default") for n in range(130))
    async with page(database) as client:
        first = (await client.get("jobs", params={"filter": "queue:mail"})).text
        [address] = re.findall(r'rel="next" href="([^"]+)"', first)
        second = (await client.get(address.replace("&amp;", "&"))).text
        wrong = await client.get("jobs", params={"filter": "quue:mail"})
    assert len(ids(first)) == 50
    assert len(ids(second)) == 15
    assert ids(first)[-1] > ids(second)[0]
    assert wrong.status_code == 400
    assert "did you mean queue" in wrong.text
    assert "quue:mail\n^^^^^^^^^</pre>" in wrong.text
    assert 'name="filter" value="quue:mail"' in wrong.text


async def test_the_page_of_a_step_tells_what_was_done_to_it_by_way_of_its_workflow(
    database: str,
) -> None:
    flow = Workflow().add("a", job()).add("b", job())
    async with Client(database) as client:
        first, second = await client.insert_workflow(flow)
    async with page(database) as web:
        path = f"workflows/{flow.workflow_id}/skip"
        fields = {"step": "a", "reason": "seen by hand"}
        assert (await web.post(path, data=fields, headers=SAME)).status_code == 303
        told, other = [(await web.get(f"jobs/{each.id}")).text for each in (first, second)]
    assert "step a counts as completed" in told
    assert "step a counts as completed" not in other


async def test_workflows_are_filtered_and_paged(database: str) -> None:
    async with Client(database) as client:
        await client.insert_workflows(
            [Workflow(name=f"flow {n % 2}").add("a", job()) for n in range(120)]
        )
    async with page(database) as client:
        first = (await client.get("workflows", params={"filter": 'name:"flow 1"'})).text
        [address] = re.findall(r'rel="next" href="([^"]+)"', first)
        second = (await client.get(address.replace("&amp;", "&"))).text
        assert (await client.get("workflows?before=nonsense")).status_code == 400
        assert (await client.get("jobs?before=nonsense")).status_code == 400
    assert first.count('data-key="flow-') == 50
    assert second.count('data-key="flow-') == 10


async def test_live_states_are_counted_and_history_is_estimated(database: str) -> None:
    async with Client(database) as client:
        await client.insert_many(job() for _ in range(30))
        for state in ("completed", "completed", "discarded", "retryable"):
            await insert_in(database, client, state)
    async with page(database) as client:
        small = (await client.get("")).text
        await rows(
            database,
            "insert into baton.jobs (worker, state, completed_at) "
            "select 'w', 'completed', now() from generate_series(1, 25000) returning 1",
        )
        async with connection(database) as conn:
            await conn.execute("analyze baton.jobs")
        large = (await client.get("")).text
    counts = dict(re.findall(r"</span> (\w+)</span> <strong>((?:<abbr.*?abbr>)?[\d,]+)<", small))
    assert (counts["available"], counts["completed"]) == ("30", "2")
    assert "~" not in "".join(counts.values())
    counts = dict(re.findall(r"</span> (\w+)</span> <strong>((?:<abbr.*?abbr>)?[\d,]+)<", large))
    assert (counts["available"], counts["retryable"]) == ("30", "1")
    assert ">~</abbr>2" in counts["completed"]


async def test_the_charts_have_a_table_beside_them(database: str) -> None:
    async with Client(database) as client, process(database) as worker:
        await client.insert_many(job() for _ in range(7))
        await worker.run_all()
    async with page(database) as client:
        shown = (await client.get("")).text
    assert "7 jobs completed and 0 were discarded in 30 minutes" in shown
    assert shown.count('<th scope="row">20') >= 30


async def test_this_run_is_compared_with_earlier_ones(database: str) -> None:
    async with Client(database) as client, process(database) as worker:
        for _ in range(4):
            flow = diamond()
            await client.insert_workflow(flow)
            await worker.run_all()
        await rows(
            database,
            "update baton.workflow_steps as step set finished_at = job.attempted_at "
            "+ case when step.workflow_id = %s and step.step_name = 'left' "
            "then interval '1 hour' else interval '1 s' end "
            "from baton.jobs as job where job.id = step.job_id returning 1",
            flow.workflow_id,
        )
    async with page(database) as client:
        shown = (await client.get(f"workflows/{flow.workflow_id}")).text
    assert shown.count("slower than 95 % of them") == 1
    assert shown.count("as usual") >= 1
    assert shown.count("3 earlier runs") == 4


async def test_steps_of_a_fan_out_are_compared_by_their_worker_whatever_they_are_called(
    database: str,
) -> None:
    async with Client(database) as client, process(database) as worker:
        for run in range(3):
            flow = Workflow("spread")
            for number in range(4):
                flow.add(f"fetch:{run * 4 + number}", job(worker="shop.fetch"))
            await client.insert_workflow(flow)
            await worker.run_all()
        async with page(database) as browser:
            first = await client.list_workflows(limit=1, where="name:spread")
            shown = (await browser.get(f"workflows/{first[0].id}")).text
            oldest = (await client.list_workflows(where="name:spread"))[-1]
            alone = (await browser.get(f"workflows/{oldest.id}")).text
            step = (await client.get_workflow_jobs(flow.workflow_id))[0]
            page_of_step = (await browser.get(f"jobs/{step.id}")).text
    assert shown.count("8 steps like fetch:* in 2 earlier runs") == 4
    assert alone.count("3 others like fetch:* in this run") == 4
    assert "8 steps like fetch:* in 2 earlier runs" in page_of_step


async def test_a_workflow_shows_what_was_said_and_done_to_it_and_where_it_belongs(
    database: str,
) -> None:
    inner = Workflow("inner").add("deep", job())
    flow = (
        Workflow("outer", tags=["north"], context={"customer": 17, "token": "t-99"})
        .add("ask", job())
        .wait_for("answer", deps=["ask"])
        .add("below", inner, deps=["answer"])
    )
    root = f"workflows/{flow.workflow_id}"
    async with Client(database) as client, page(database) as browser:
        await client.insert_workflow(flow)
        said = {"signal": "answer", "payload": '{"cups": 3, "password": "sesame"}'}
        assert (await browser.post(f"{root}/signal", data=said, headers=SAME)).status_code == 303
        shown = (await browser.get(root)).text
        inside = (await browser.get(f"workflows/{inner.workflow_id}")).text
    about = shown.partition("Signals that came")[2]
    assert "<strong>answer</strong> from anonymous" in about
    assert "cups" in about
    assert "anonymous: signal, signal answer was sent" in about
    assert "customer" in about
    assert "north" in about
    assert "sesame" not in shown
    assert "t-99" not in shown
    assert (
        f'href="/workflows/{flow.workflow_id}">← outer</a>, of which this is step below' in inside
    )


async def test_a_workflow_that_is_held_up_leads_to_what_holds_it_up(database: str) -> None:
    flow = Workflow("stuck").add("first", job(queue="my gpu")).add("z", job(), deps=["first"])
    async with Client(database) as client, page(database) as browser:
        [first, _] = await client.insert_workflow(flow)
        await client.queues.pause("my gpu", by="ada")
        shown = (await browser.get(f"workflows/{flow.workflow_id}")).text
        [there] = re.findall(r'href="(/queues[^"]+)" data-key="goto-queue"', shown)
        queues = (await browser.get(there)).text
        assert "<p>None." in (await browser.get("")).text
    assert "queue my gpu is paused by ada" in shown
    assert f'<a href="/jobs/{first.id}" data-key="goto-step">step first</a>' in shown
    assert "Resume queue my gpu" in queues


async def test_the_overview_leads_to_the_workflows_in_trouble(database: str) -> None:
    ended_flow, _ = await failed_diamond(database)
    going = Workflow("going").add("a", job()).add("b", job(queue="nobody serves it"))
    async with Client(database) as client, process(database) as worker, page(database) as browser:
        await client.insert_workflows([going, diamond("healthy")])
        [claimed] = await worker.fetch()
        error = '{"kind": "ValueError", "message": "bad"}'
        await worker.acknowledge(ended(claimed, State.DISCARDED, error=error))
        shown = (await browser.get("")).text
    found = re.findall(r'data-key="trouble-([^"]+)"', shown)
    assert found == [str(going.workflow_id), str(ended_flow.workflow_id)]


async def test_a_retry_shows_what_it_does_and_does_just_that(database: str) -> None:
    flow, jobs = await failed_diamond(database)
    root = f"workflows/{flow.workflow_id}"
    async with page(database) as client:
        preview = (await client.get(f"{root}/retry")).text
        assert "2 steps will run again" in preview
        [expect] = re.findall(r'name="expect" value="(\w+)"', preview)
        # somebody is faster, and something else would run again
        async with Client(database) as other:
            await other.skip_step(flow.workflow_id, "left")
        late = await client.post(f"{root}/retry", data={"expect": expect}, headers=SAME)
        assert late.status_code == 409
        answer = await client.get(f"{root}/retry?step=left&step=right")
        [expect] = re.findall(r'name="expect" value="(\w+)"', answer.text)
        assert answer.text.count('name="step"') == 2
        done = await client.post(
            f"{root}/retry", data={"expect": expect, "step": ["left", "right"]}, headers=SAME
        )
        assert done.status_code == 303
        shown = (await client.get(done.headers["location"])).text
        again = await client.post(
            f"{root}/retry", data={"expect": expect, "step": ["left", "right"]}, headers=SAME
        )
        assert again.status_code == 409
    assert "3 steps run again" in shown
    deeds = await rows(database, "select action, outcome, details from baton.audit_log order by id")
    assert deeds == [
        ("retry", "failed", {}),
        ("retry", "done", {"step": ["left", "right"]}),
        ("retry", "failed", {"step": ["left", "right"]}),
    ]
    assert jobs


async def test_cancel_skip_and_signal_act_on_a_workflow(database: str) -> None:
    flow = Workflow(name="waits").add("ask", job()).wait_for("approval", deps=["ask"])
    async with Client(database) as client:
        await client.insert_workflow(flow)
    root = f"workflows/{flow.workflow_id}"
    async with page(database) as client:
        for path, data, said in [
            ("skip", {"step": "ask", "result": '{"a": 1}'}, "step ask counts as completed"),
            ("signal", {"signal": "approval", "payload": "true"}, "signal approval was sent"),
            ("signal", {"signal": "approval"}, "had been sent before"),
            ("cancel", {"reason": "enough"}, "cancelled 1 step"),
        ]:
            answer = await client.post(f"{root}/{path}", data=data, headers=SAME)
            assert answer.status_code == 303, answer.text
            assert said in (await client.get(answer.headers["location"])).text
        for path, data in [
            ("skip", {}),
            ("skip", {"step": "nobody"}),
            ("skip", {"step": "ask", "result": "{"}),
            ("signal", {"signal": ""}),
        ]:
            answer = await client.post(f"{root}/{path}", data=data, headers=SAME)
            assert answer.status_code in {400, 404, 409}, path
    assert await value(database, "select payload from baton.workflow_signals") is True


@pytest.mark.parametrize("payload", ["[" * 100_000, "{", "9" * 5_000], ids=["deep", "open", "long"])
async def test_a_payload_that_can_not_be_read_is_refused(database: str, payload: str) -> None:
    flow = Workflow("waits").wait_for("approval")
    async with Client(database) as client:
        await client.insert_workflow(flow)
    root = f"workflows/{flow.workflow_id}"
    async with page(database) as browser:
        for path, data in (
            ("signal", {"signal": "approval", "payload": payload}),
            ("skip", {"step": "approval", "result": payload}),
        ):
            answer = await browser.post(f"{root}/{path}", data=data, headers=SAME)
            assert (answer.status_code, "must be JSON" in answer.text) == (400, True)
    assert await value(database, "select count(*) from baton.workflow_signals") == 0


async def test_single_jobs_are_cancelled_retried_and_deleted(database: str) -> None:
    async with Client(database) as client:
        mine = await client.insert(job())
    async with page(database) as client:
        for action, status in [
            ("cancel", 303),
            ("cancel", 409),
            ("retry", 303),
            ("delete", 303),
            ("delete", 404),
        ]:
            answer = await client.post(f"jobs/{mine.id}/{action}", headers=SAME)
            assert answer.status_code == status, action


async def test_a_bulk_action_counts_first_and_leaves_later_jobs_alone(database: str) -> None:
    async with Client(database) as client:
        await client.insert_many(job(queue="mail") for _ in range(5))
        await client.insert(job(queue="other"))
        async with page(database) as browser:
            preview = (await browser.get("bulk/cancel?filter=queue:mail")).text
            assert "<strong>5</strong> jobs" in preview
            fields = dict(re.findall(r'name="(\w+)" value="([^"]*)"', preview))
            await client.insert(job(queue="mail"))
            answer = await browser.post("bulk/cancel", data=fields, headers=SAME)
            assert "cancelled 5 jobs" in (await browser.get(answer.headers["location"])).text
            for data in ({}, {"name": "queue:mail"}, {**fields, "name": "quue:mail"}):
                answer = await browser.post("bulk/delete", data=data, headers=SAME)
                assert answer.status_code in {400, 303}
            assert (await browser.get("bulk/cancel?filter=")).status_code == 400
            assert (await browser.get("bulk/praise?filter=a")).status_code == 404
    left = await rows(
        database, "select state::text, count(*) from baton.jobs group by 1 order by 1"
    )
    assert left == [("available", 2), ("cancelled", 5)]


async def test_workflows_that_fit_are_cancelled_and_retried_as_they_were_shown(
    database: str,
) -> None:
    def brief(name: str = "brief") -> Workflow:
        return Workflow(name=name).add("a", job(queue="nobody serves it"))

    async def have_failed() -> bool:
        sql = "select count(*) from baton.workflows where state = 'failed'"
        return bool(await value(database, sql) == 3)

    async with running(database, Registry()) as (_, client), page(database) as browser:
        await client.insert_workflows([brief() for _ in range(3)])
        await client.insert_workflow(brief("other"))
        listed = (await browser.get("workflows?filter=name:brief")).text
        [address] = re.findall(r'href="(/bulk/workflows/cancel[^"]+)"', listed)
        preview = (await browser.get(address)).text
        assert "<strong>3</strong> workflows" in preview
        fields = dict(re.findall(r'name="(\w+)" value="([^"]*)"', preview))
        late = brief()
        await client.insert_workflow(late)
        ended_now = fields["among"].split()[0]
        await client.cancel_workflow(ended_now)
        answer = await browser.post("bulk/workflows/cancel", data=fields, headers=SAME)
        assert answer.headers["location"].startswith("/workflows?filter=name%3Abrief&done=")
        shown = (await browser.get(answer.headers["location"])).text
        assert "cancelled 2 steps of 2 workflows" in shown
        assert (await client.get_workflow(late.workflow_id)).state == "executing"
        await until(have_failed)
        preview = (await browser.get("bulk/workflows/retry?filter=name:brief")).text
        assert "<strong>3</strong> workflows" in preview
        fields = dict(re.findall(r'name="(\w+)" value="([^"]*)"', preview))
        answer = await browser.post("bulk/workflows/retry", data=fields, headers=SAME)
        assert "retried 3 steps of 3 work" in (await browser.get(answer.headers["location"])).text
    deeds = await rows(
        database, "select action, kind, subject, outcome from baton.audit_log order by id"
    )
    assert deeds == [
        ("cancel", "workflows", "name:brief", "done"),
        ("retry", "workflows", "name:brief", "done"),
    ]


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"name": "name:brief"},
        {"name": "name:brief", "among": "not-an-id"},
        {"name": "name:brief", "among": " ".join([str(uuid4())] * 501)},
        {"name": "nam:brief", "among": str(uuid4())},
        {"among": str(uuid4())},
    ],
)
async def test_a_bulk_action_without_what_was_shown_does_nothing(
    database: str, fields: dict[str, str]
) -> None:
    async with Client(database) as client, page(database) as browser:
        await client.insert_workflow(Workflow(name="brief").add("a", job()))
        for action in ("cancel", "retry"):
            path = f"bulk/workflows/{action}"
            assert (await browser.post(path, data=fields, headers=SAME)).status_code == 400
        for path in ("cancel?filter=", "cancel?filter=+", "retry?filter=nam:brief"):
            assert (await browser.get(f"bulk/workflows/{path}")).status_code == 400
        assert (await browser.get("bulk/workflows/delete?filter=brief")).status_code == 404
    assert await value(database, "select state::text from baton.workflows") == "executing"


async def test_one_request_steers_a_bounded_number_of_workflows(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("baton.web.bulk.AT_ONCE", 2)
    path = 'bulk/workflows/cancel?filter=name:"my brief"'
    async with Client(database) as client, page(database) as browser:
        await client.insert_workflows([Workflow(name="my brief").add("a", job()) for _ in range(5)])
        preview = (await browser.get(path)).text
        assert "<strong>5</strong> workflows" in preview
        assert "baton workflow cancel &#39;name:&#34;my brief&#34;&#39;" in preview
        fields = dict(re.findall(r'name="(\w+)" value="([^"]*)"', preview))
        fields["name"] = 'name:"my brief"'
        answer = await browser.post("bulk/workflows/cancel", data=fields, headers=SAME)
        shown = (await browser.get(answer.headers["location"])).text
    assert "cancelled 2 steps of 2 workflows" in shown


async def test_queues_and_cron_entries_are_steered(database: str) -> None:
    async with Client(database) as client:
        await client.insert(job(queue="mail"))
        await client.crons.add("shop.nightly", "@daily", name="nightly")
    async with page(database) as client:
        for path, data, said in [
            ("queues/pause", {"name": "mail"}, "starts nothing any more"),
            ("queues/resume", {"name": "mail"}, "queue mail goes on"),
            ("queues/scale", {"name": "mail", "slots": "7"}, "runs 7 jobs"),
            ("crons/run", {"name": "nightly"}, "inserted job"),
            ("crons/pause", {"name": "nightly"}, "inserts nothing any more"),
            ("crons/resume", {"name": "nightly"}, "goes on"),
        ]:
            answer = await client.post(path, data=data, headers=SAME)
            assert answer.status_code == 303, answer.text
            assert said in (await client.get(answer.headers["location"])).text
        for slots in ("0", "-1", "many", "", "99999999999"):
            data = {"name": "mail", "slots": slots}
            assert (await client.post("queues/scale", data=data, headers=SAME)).status_code == 400
    assert await value(database, "select slots from baton.queues where name = 'mail'") == 7
    assert await value(database, "select count(*) from baton.jobs where worker like 'shop%%'") == 1


async def test_the_worker_processes_are_listed(database: str) -> None:
    async with process(database), page(database) as client:
        shown = (await client.get("workers")).text
    assert "tests" in shown
    assert "alive" in shown


async def test_the_record_of_deeds_is_paged_and_forgets_what_is_old(database: str) -> None:
    await rows(
        database,
        "insert into baton.audit_log (actor, source, action, kind, subject, inserted_at) "
        "select 'old', 'web', 'pause', 'queue', 'q', now() - interval '2 years' "
        "from generate_series(1, 3) returning 1",
    )
    async with page(database) as client:
        for number in range(55):
            await client.post("queues/pause", data={"name": f"q{number}", "new": "1"}, headers=SAME)
        first = (await client.get("audit")).text
        [address] = re.findall(r'rel="next" href="([^"]+)"', first)
        second = (await client.get(address)).text
    assert "old" not in re.findall(r'<th scope="row">(\w+)', first + second)
    assert (first.count(">pause<"), second.count(">pause<")) == (50, 5)


async def test_the_record_tells_what_was_done_in_the_shell(database: str) -> None:
    async with Client(database) as client:
        words: dict[str, str] = {"source": "cli", "action": "limit", "kind": "queue"}
        async with client.audit.recorded(actor="ada@box", subject="mail", **words) as record:
            record.message = "so <b>be</b> it"
    async with page(database) as shown:
        listed = (await shown.get("audit")).text
    assert "<td>cli</td><td>limit</td><td>queue mail</td>" in listed
    assert "done: so &lt;b&gt;be&lt;/b&gt; it" in listed


async def test_the_page_works_under_any_path(database: str) -> None:
    flow, _ = await failed_diamond(database)
    live = baton.web(database)
    host = Starlette(routes=[Mount("/tools/baton", live)])
    async with (
        live,
        httpx.AsyncClient(
            transport=httpx.ASGITransport(host), base_url="http://localhost"
        ) as client,
    ):
        seen: set[str] = set()
        wanted = ["/tools/baton/", f"/tools/baton/workflows/{flow.workflow_id}"]
        while wanted:
            address = wanted.pop()
            answer = await client.get(address)
            assert answer.status_code == 200, address
            seen.add(address)
            if "html" not in answer.headers["content-type"]:
                continue
            found = re.findall(r'(?:href|src|action|sse-connect)="([^"]+)"', answer.text)
            for each in found:
                plain = each.replace("&amp;", "&").split("#")[0]
                assert plain.startswith(("/tools/baton/", "?", "")), plain
                target = plain.split("?")[0]
                if target.startswith("/tools/baton/live/") or not target:
                    continue
                assert target.startswith("/tools/baton/"), (address, each)
                posts = any(
                    word in target
                    for word in (
                        "/cancel",
                        "/pause",
                        "/resume",
                        "/scale",
                        "/run",
                        "/skip",
                        "/signal",
                        "/delete",
                    )
                )
                if target not in seen and not posts and "retry" not in target:
                    seen.add(target)
                    wanted.append(target)
        answer = await client.post(
            "/tools/baton/queues/pause", data={"name": "mail", "new": "1"}, headers=SAME
        )
        assert answer.headers["location"].startswith("/tools/baton/queues?done=")
    assert len(seen) > 12


async def test_a_large_workflow_is_folded_around_its_trouble(database: str) -> None:
    flow = Workflow(name="large").add("first", job())
    for number in range(700):
        flow.add(f"fetch:{number}", job(), deps=["first"])
    flow.add("last", job(), deps=[f"fetch:{number}" for number in range(700)])
    async with Client(database) as client, process(database) as worker:
        await client.insert_workflow(flow)
        [first] = await worker.fetch()
        [bad, *_] = await worker.complete(first, capacity=3)
        error = '{"kind": "ValueError", "message": "bad"}'
        await worker.acknowledge(ended(bad, State.DISCARDED, error=error))
    async with page(database) as client:
        shown = (await client.get(f"workflows/{flow.workflow_id}")).text
        whole = (await client.get(f"workflows/{flow.workflow_id}?whole=1&steps=all")).text
    drawn = shown.count('class="node s-')
    assert 3 < drawn <= 300
    assert f'data-key="node-{bad.id}"' in shown
    assert "502 calm steps are not shown" in shown
    assert whole.count('class="node s-') == 702
    assert whole.count('data-key="step-') == 702


async def test_a_workflow_that_runs_shows_where(database: str) -> None:
    registry = Registry()

    @registry.worker()
    async def work(_job: baton.Job) -> dict[str, Any]:
        return {"done": True}

    flow = Workflow(name="real").add("a", work.new()).add("b", work.new(), deps=["a"])
    async with running(database, registry) as (_, client):
        await client.insert_workflow(flow)
        await until(finished(database))
        async with page(database) as browser:
            shown = (await browser.get(f"workflows/{flow.workflow_id}")).text
            workers = (await browser.get("workers")).text
    assert "workflow real completed" in shown
    assert "default=10" in workers
