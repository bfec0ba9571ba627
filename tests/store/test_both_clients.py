"""Both clients have the same operations, with the same arguments, and do the same."""

import inspect
from collections.abc import Mapping
from typing import Any

import pytest

from baton import Client, Job, Registry, SyncClient, Workflow
from baton.errors import NotFound
from tests.support import job, process, value

PARTS = ("audit", "crons", "debug", "queues", "stats", "templates")
# what only one of them can have
ALONE = {
    "events": "subscriptions live in an event loop",
    "looking": "how Query finds the default client",
    "close_nowait": "for the end of an event loop",
    "store_usage": "child processes, which have no event loop, tell what they used",
}


def offered(thing: object) -> Mapping[str, Any]:
    return {
        name: getattr(thing, name)
        for name in dir(thing)
        if not name.startswith("_") and name not in ALONE
    }


def arguments(method: Any) -> list[tuple[str, Any, Any]]:
    return [
        (each.name, each.kind, each.default)
        for each in inspect.signature(method).parameters.values()
    ]


def test_both_have_the_same_parts_and_operations() -> None:
    one, other = (
        offered(Client("postgresql://nowhere")),
        offered(SyncClient("postgresql://nowhere")),
    )
    assert one.keys() == other.keys()
    for part in PARTS:
        assert offered(one[part]).keys() == offered(other[part]).keys() != set(), part


def test_what_they_have_in_common_takes_the_same_arguments() -> None:
    one, other = Client("postgresql://nowhere"), SyncClient("postgresql://nowhere")
    pairs = [(one, other), *((getattr(one, part), getattr(other, part)) for part in PARTS)]
    compared = 0
    for part, twin in pairs:
        for name, method in offered(part).items():
            if inspect.ismethod(method):
                assert arguments(method) == arguments(getattr(twin, name)), name
                compared += 1
    assert compared > 50


def test_a_deed_is_written_down_without_an_event_loop(database: str) -> None:
    words = {"actor": "ada@box", "source": "billing", "action": "cancel", "kind": "job"}
    with SyncClient(database) as client:
        with client.audit.recorded(**words, subject="17", details={"why": "late"}) as record:
            assert client.audit.list()[0].outcome is None
            record.message = "cancelled job 17"
        with pytest.raises(NotFound):
            with client.audit.recorded(**words, subject="18"):
                client.get_job(18)
        failed, done = client.audit.list("actor:ada*")
        assert client.audit.list("action:pause") == []
    assert (done.outcome, done.message, done.details) == (
        "done",
        "cancelled job 17",
        {"why": "late"},
    )
    assert (failed.outcome, failed.message) == ("failed", "there is no job 18")


def test_templates_are_stored_and_used_without_an_event_loop(database: str) -> None:
    registry = Registry()

    @registry.worker()
    async def greet(_job: Job, who: str) -> None: ...

    with SyncClient(database, registry=registry) as client:
        flow = Workflow("greeting").add("greet", greet.new(who="ann"))
        assert client.templates.put("greeting", flow) == 1
        made = client.templates.workflow("greeting")
        assert [each.name for each in client.templates.list()] == ["greeting"]
        assert [each.args for each in client.insert_workflow(made)] == [{"who": "ann"}]
        with pytest.raises(NotFound):
            client.templates.get("greeting", 2)
    assert value_of(made) == ("greeting", 1)


def value_of(made: Workflow) -> tuple[str, int]:
    assert made.template is not None
    return made.template.name, made.template.version


@pytest.mark.anyio
async def test_jobs_are_read_without_an_event_loop(database: str) -> None:
    with SyncClient(database) as client:
        first = client.insert(job(queue="mail"))
        second = client.insert(job())
        assert client.get_job(first.id) == first
        assert client.list_jobs() == [second, first]
        assert client.list_jobs(where="queue:mail") == client.list_jobs(queue="mail") == [first]
        assert client.list_jobs(before=first.id) == []
        with pytest.raises(NotFound):
            client.get_job(4711)
        flow = Workflow("w").add("a", job())
        client.insert_workflow(flow)
        async with process(database) as worker:
            await worker.fetch(5)
            assert list(client.running_steps(flow.workflow_id)) == ["a"]
    assert await value(database, "select count(*) from baton.jobs") == 3
