"""What a worker process says of itself over HTTP."""

import http.client
import json
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import anyio
import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from baton import Client, Job, Registry, Telemetry, Workflow
from baton.addresses import Address
from baton.errors import CannotServe
from baton.metrics import HANDLER
from baton.node import Node
from baton.services.health import Health, HealthServer
from tests.services.test_node import running, settings_for, until
from tests.support import rows

pytestmark = pytest.mark.anyio


@contextmanager
def served(**changes: Any) -> Iterator[HealthServer]:
    ready = changes.pop("ready", lambda: Health(ok=True, facts={"lease": 7}))
    with HealthServer(Address("127.0.0.1", 0), ready=ready, **changes) as server:
        yield server


async def get(
    port: int, path: str, method: str = "GET", **headers: str
) -> tuple[int, str, http.client.HTTPMessage]:
    def ask() -> tuple[int, str, http.client.HTTPMessage]:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        try:
            connection.request(method, path, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.read().decode(), answer.headers
        finally:
            connection.close()

    return await anyio.to_thread.run_sync(ask)


@asynccontextmanager
async def observed(
    database: str, registry: Registry
) -> AsyncIterator[tuple[int, tuple[Node, Client]]]:
    """A started node and its client, and the port on which it answers."""
    with capture_logs() as logs:
        async with running(database, registry, http="127.0.0.1:0") as started:
            [address] = [each["address"] for each in logs if each["event"] == "http.started"]
            yield Address.read(address).port, started


async def test_a_process_lives_and_is_ready() -> None:
    with served() as server:
        status, body, headers = await get(server.port, "/healthz")
        assert (status, json.loads(body)) == (200, {"ok": True})
        assert headers["Content-Type"] == "application/json"
        status, body, _ = await get(server.port, "/readyz?verbose")
        assert (status, json.loads(body)) == (200, {"ok": True, "lease": 7})


async def test_one_that_is_not_ready_says_why() -> None:
    health = Health(ok=False, facts={"reason": "it is stopping"})
    with served(ready=lambda: health) as server:
        status, body, _ = await get(server.port, "/readyz")
        assert (status, json.loads(body)) == (503, {"ok": False, "reason": "it is stopping"})
        assert (await get(server.port, "/healthz"))[0] == 200


async def test_a_blocked_event_loop_is_no_life(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("baton.services.health.LATE", 0.0)
    answers = []
    with served() as server:

        def ask() -> None:
            connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
            for path in ("/healthz", "/readyz"):
                connection.request("GET", path)
                answer = connection.getresponse()
                answers.append((answer.status, json.loads(answer.read())["reason"]))
            connection.close()

        asking = threading.Thread(target=ask)
        asking.start()
        asking.join()  # in the event loop's thread: it is blocked
    assert [status for status, _ in answers] == [503, 503]
    assert "the event loop is blocked" in answers[0][1]


async def test_what_is_not_there_is_said_in_words() -> None:
    with served() as server:
        status, body, _ = await get(server.port, "/nothing")
        assert (status, body) == (404, "there are /healthz, /readyz and /metrics\n")
        status, body, _ = await get(server.port, "/metrics")
        assert status == 501
        assert "baton[metrics]" in body


async def test_only_reading_is_answered() -> None:
    with served() as server:
        assert (await get(server.port, "/healthz", "POST"))[0] == 501
        status, body, headers = await get(server.port, "/healthz", "HEAD")
        assert (status, body, headers["Content-Length"]) == (200, "", "13")


async def test_a_program_whose_answer_fails_is_answered_all_the_same() -> None:
    def broken() -> Health:
        raise LookupError("what is not told to strangers")

    with served(ready=broken) as server:
        status, body, _ = await get(server.port, "/readyz")
        assert (status, body) == (500, "LookupError\n")
        assert (await get(server.port, "/healthz"))[0] == 200


async def test_a_client_that_never_finishes_holds_up_nobody() -> None:
    with served() as server, socket.create_connection(("127.0.0.1", server.port)) as slow:
        slow.sendall(b"GET /healthz HT")
        assert (await get(server.port, "/healthz"))[0] == 200


async def test_an_address_that_is_taken_is_a_clear_error() -> None:
    with served() as server:
        address = Address("127.0.0.1", server.port)
        second = HealthServer(address, ready=lambda: Health(ok=True, facts={}))
        with pytest.raises(CannotServe, match=f"can't listen on 127.0.0.1:{server.port}"):
            second.__enter__()


async def test_a_node_does_not_start_where_its_address_is_taken(database: str) -> None:
    with served() as server:
        settings = settings_for(database, http=f"127.0.0.1:{server.port}")
        with pytest.raises(CannotServe):
            await Node(settings, Registry()).run()
    assert await rows(database, "select from baton.leases") == []


async def test_a_node_is_ready_while_it_works_and_not_while_it_stops(database: str) -> None:
    registry = Registry()
    go_on = anyio.Event()

    @registry.worker()
    async def patient(_job: Job) -> None:
        await go_on.wait()

    async with observed(database, registry) as (port, (node, client)):
        await client.insert(patient.new())

        async def runs() -> bool:
            return bool(node.health().facts["in_hand"])

        await until(runs)
        status, body, _ = await get(port, "/readyz")
        assert status == 200
        assert json.loads(body)["queues"] == ["default"]
        assert json.loads(body)["in_hand"] == 1
        node.stop()
        status, body, _ = await get(port, "/readyz")
        assert (status, json.loads(body)["reason"]) == (503, "it is stopping")
        go_on.set()
    with pytest.raises(ConnectionRefusedError):
        await get(port, "/healthz")


COUNTED = 'baton_job_duration_seconds_count{queue="default",state="%s",worker="%s"} %s.0'
METRICS = (
    COUNTED % ("completed", "works", 4),
    COUNTED % ("discarded", "fails", 1),
    'baton_job_queue_time_seconds_count{queue="default"} 5.0',
    'baton_jobs_running{queue="default"} 0.0',
    'baton_steps_total{state="completed"} 1.0',
    'baton_workflows_total{outcome="completed"} 1.0',
    'baton_queue_jobs{queue="nobody",state="scheduled"} 1.0',
    'baton_queue_processes{queue="default"} 1.0',
    'baton_queue_slots{queue="default"} 10.0',
    "baton_database_up 1.0",
    "baton_fetched_jobs_total 5.0",
)


async def test_a_node_shows_what_it_does_and_how_the_queues_stand(database: str) -> None:
    registry = Registry()

    @registry.worker(name="fails", max_attempts=1)
    async def fails(_job: Job) -> None:
        raise RuntimeError("no")

    @registry.worker(name="works")
    async def works(_job: Job) -> None: ...

    async with observed(database, registry) as (port, (_, client)):
        await client.insert_all([works.new() for _ in range(3)])
        await client.insert(fails.new())
        await client.insert(works.with_options(queue="nobody", schedule_in=3600).new())
        await client.insert_workflow(Workflow("flow").add("one", works.new()))

        async def told() -> bool:
            text = (await get(port, "/metrics"))[1]
            return set(METRICS) <= set(text.splitlines())

        await until(told)
        _, text, headers = await get(port, "/metrics")
        assert headers["Content-Type"].startswith("text/plain")
        _, text_open, headers = await get(port, "/metrics", Accept="application/openmetrics-text")
        assert headers["Content-Type"].startswith("application/openmetrics-text")
    for line in METRICS:
        assert line in text.splitlines(), line
    assert text_open.endswith("# EOF\n")
    assert HANDLER not in Telemetry.handlers()
    assert not [each for each in REGISTRY.collect() if each.name.startswith("baton_")]


@pytest.mark.parametrize(
    ("given", "host", "port"),
    [
        (":9000", "", 9000),
        ("127.0.0.1:9000", "127.0.0.1", 9000),
        ("[::1]:0", "::1", 0),
        ("localhost:65535", "localhost", 65_535),
    ],
)
def test_addresses_are_read(given: str, host: str, port: int) -> None:
    assert Address.read(given) == Address(host, port)
    assert Address.read(str(Address(host, port))) == Address(host, port)


@pytest.mark.parametrize(
    "given", ["", "9000", "a b:1", "::1:9000", "x:65536", "http://x:80", "x:-1"]
)
def test_what_is_no_address_is_refused(given: str) -> None:
    with pytest.raises(ValueError, match="is not an address to listen on"):
        Address.read(given)


def test_the_processes_under_one_parent_take_one_port_each() -> None:
    assert Address("", 9000).moved(2) == Address("", 9002)
    assert Address("", 0).moved(2) == Address("", 0)
