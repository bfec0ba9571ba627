"""What machines ask of the page: probes, and metrics."""

import sys

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

import baton
from baton import Client
from tests.support import connection, job, value
from tests.web.pages import SAME, page

pytestmark = pytest.mark.anyio

USERS = {"ada": "secret"}
STRANGER = {"host": "10.0.0.7:4000"}


async def test_probes_are_answered_without_a_password_and_under_any_name(database: str) -> None:
    for options in ({}, {"users": USERS}, {"authenticate": lambda _: None}):
        async with page(database, **options) as client:
            for probe in ("healthz", "readyz"):
                answer = await client.get(probe, headers=STRANGER)
                assert (answer.status_code, answer.json()) == (200, {"ok": True}), options
            for other in ("", "metrics", "healthz/x", "jobs/healthz"):
                assert (await client.get(other, headers=STRANGER)).status_code in {400, 401}
            assert (await client.post("healthz", headers={**STRANGER, **SAME})).status_code >= 400


async def test_probes_are_found_where_the_page_is_mounted(database: str) -> None:
    async with page(database, root="/baton", users=USERS) as client:
        assert (await client.get("healthz")).status_code == 200
        assert (await client.get("jobs")).status_code == 401
    mounted = baton.web(database, users=USERS)
    host = Starlette(routes=[Mount("/steer", mounted)])
    async with (
        mounted,
        httpx.AsyncClient(
            transport=httpx.ASGITransport(host), base_url="http://elsewhere"
        ) as client,
    ):
        assert (await client.get("/steer/readyz")).json() == {"ok": True}
        assert (await client.get("/steer/jobs")).status_code == 401


async def test_a_page_whose_database_is_away_is_not_ready_and_tells_strangers_no_more(
    database: str, empty_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("baton.web.probes.FRESH", 0.0)
    name = await value(database, "select current_database()")
    async with page(database) as client, connection(empty_database) as server:
        assert (await client.get("readyz")).status_code == 200
        await server.execute(f'alter database "{name}" allow_connections false'.encode())
        try:
            await server.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", [name]
            )
            answer = await client.get("readyz")
            assert answer.status_code == 503
            assert answer.json() == {"ok": False, "reason": "the database does not answer"}
            assert (await client.get("healthz")).status_code == 200
            assert "baton_database_up 0.0" in (await client.get("metrics")).text
        finally:
            await server.execute(f'alter database "{name}" allow_connections true'.encode())
        assert (await client.get("readyz")).status_code == 200
    async with page(empty_database) as client:
        reason = (await client.get("readyz")).json()["reason"]
        assert reason == "the schema of the database is not this Baton's"


async def test_metrics_tell_how_the_queues_stand_to_those_who_may_look(database: str) -> None:
    async with Client(database) as client:
        await client.insert_all([job(queue="mail"), job(queue="mail", schedule_in=60)])
        await client.queues.pause("mail")
    async with page(database, tokens={"prometheus": "t"}) as browser:
        assert (await browser.get("metrics")).status_code == 401
        answer = await browser.get("metrics", headers={"authorization": "Bearer t"})
    assert answer.headers["content-type"].startswith("text/plain")
    for line in (
        "baton_database_up 1.0",
        'baton_queue_jobs{queue="mail",state="available"} 1.0',
        'baton_queue_jobs{queue="mail",state="scheduled"} 1.0',
        'baton_queue_paused{queue="mail"} 1.0',
    ):
        assert line in answer.text
    refuses = {"authorize": lambda _user, _action, resource: resource.id != "metrics"}
    async with page(database, **refuses) as browser:
        assert (await browser.get("metrics")).status_code == 403


async def test_without_the_extra_metrics_say_what_to_install(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "baton.metrics", raising=False)
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    async with page(database) as client:
        answer = await client.get("metrics")
    assert answer.status_code == 501
    assert "pip install 'baton[metrics]'" in answer.text
