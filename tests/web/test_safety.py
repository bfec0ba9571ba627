"""Nobody does more on the page than they may, and nothing on it is more than text."""

import re
from typing import Any
from uuid import uuid4

import anyio
import pytest
from starlette.requests import HTTPConnection
from starlette.responses import RedirectResponse
from starlette.routing import Route

import baton
from baton import Client, Workflow
from baton.errors import ConfigurationError
from baton.web.access import Action, Resource, User
from tests.support import job, rows, value
from tests.web.pages import SAME, page

pytestmark = pytest.mark.anyio

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>{{7*7}}\u202e"


def posts(dsn: str) -> list[str]:
    app = baton.web(dsn).application
    routes = [route for route in app.routes if isinstance(route, Route)]
    return [route.path for route in routes if route.methods and "POST" in route.methods]


def address(path: str) -> str:
    return path.lstrip("/").replace("{id}", str(uuid4()) if "workflows" in path else "1")


async def test_a_read_only_user_is_refused_by_every_route_that_changes_something(
    database: str,
) -> None:
    paths = posts(database)
    assert len(paths) >= 20
    options: dict[str, Any] = {"users": {"ada": "secret"}, "viewers": ["ada"]}
    async with page(database, **options) as client:
        for path in paths:
            answer = await client.post(
                address(path), auth=("ada", "secret"), headers=SAME, data={"name": "a"}
            )
            assert answer.status_code == 403, path
            assert "ada may not" in answer.text
    async with page(database, read_only=True) as client:
        for path in paths:
            answer = await client.post(address(path), headers=SAME, data={"name": "a"})
            assert answer.status_code == 403, path
    assert await value(database, "select count(*) from baton.audit_log") == 0


async def test_every_route_answers_to_no_other_method(database: str) -> None:
    async with page(database) as client:
        for path in posts(database):
            for method in ("PUT", "DELETE", "PATCH"):
                answer = await client.request(method, address(path), headers=SAME)
                assert answer.status_code in {404, 405}


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site", "origin": "http://localhost"},
        {"sec-fetch-site": "none"},
        {"origin": "http://evil.example"},
        {"origin": "http://localhost.evil.example"},
        {"origin": "http://localhost:81"},
        {"origin": "null"},
        {"origin": "http://["},
        {"referer": "http://localhost/"},
    ],
)
async def test_a_change_without_proof_of_its_origin_is_refused(
    database: str, headers: dict[str, str]
) -> None:
    async with page(database) as client:
        answer = await client.post(
            "queues/pause", data={"name": "mail", "new": "1"}, headers=headers
        )
    assert answer.status_code == 403
    assert await value(database, "select count(*) from baton.queues") == 0


OTHERS = [("192.0.2.7", 4079), ("2001:db8::1", 4079), ("::ffff:192.0.2.7", 4079), ("client", 1)]


@pytest.mark.parametrize("peer", OTHERS, ids=[host for host, _ in OTHERS])
async def test_another_machine_is_refused_whatever_host_and_origin_it_writes(
    database: str, peer: tuple[str, int]
) -> None:
    faked = {"host": "localhost", "origin": "http://localhost"}
    for options in ({}, {"allowed_hosts": ["*"]}):
        async with page(database, peer=peer, **options) as client:
            seen = await client.get("jobs", headers=faked)
            changed = await client.post(
                "queues/pause", data={"name": "mail", "new": "1"}, headers=faked
            )
            assert (await client.get("healthz")).status_code == 200
        assert (seen.status_code, changed.status_code) == (403, 403)
        assert "insecure=True" in seen.text
    assert await value(database, "select count(*) from baton.queues") == 0


@pytest.mark.parametrize("peer", [None, ("::1", 1), ("127.8.8.8", 1), ("::ffff:127.0.0.1", 1)])
async def test_this_machine_is_answered_also_by_a_unix_socket(database: str, peer: Any) -> None:
    async with page(database, peer=peer) as client:
        assert (await client.get("queues")).status_code == 200


async def test_another_machine_is_answered_where_it_says_who_it_is_or_that_is_not_wanted(
    database: str,
) -> None:
    async with page(database, peer=OTHERS[0], users={"ada": "secret"}) as client:
        assert (await client.get("queues")).status_code == 401
        assert (await client.get("queues", auth=("ada", "secret"))).status_code == 200
    async with page(database, peer=OTHERS[0], insecure=True) as client:
        answer = await client.get("queues", headers={"host": "baton.example.com"})
    assert answer.status_code == 200


@pytest.mark.parametrize(
    "headers",
    [SAME, {"origin": "http://localhost"}, {"origin": "https://localhost"}],
)
async def test_a_change_from_the_page_itself_is_made_and_written_down(
    database: str, headers: dict[str, str]
) -> None:
    async with page(database, users={"ada": "secret"}) as client:
        answer = await client.post(
            "queues/pause",
            data={"name": "mail", "new": "1"},
            headers=headers,
            auth=("ada", "secret"),
        )
    assert answer.status_code == 303
    assert await rows(database, "select name, paused_by from baton.queues") == [("mail", "ada")]
    [deed] = await rows(
        database,
        "select actor, source, action, kind, subject, outcome, finished_at is not null "
        "from baton.audit_log",
    )
    assert deed == ("ada", "web", "pause", "queue", "mail", "done", True)


async def test_each_gets_the_buttons_that_they_may_press_and_no_trace_of_others(
    database: str,
) -> None:
    def authorize(user: User, action: Action, resource: Resource) -> bool:
        return action is not Action.PAUSE or user.name == "ada" or resource.id == "mail"

    async with Client(database) as client:
        await client.insert_all([job(queue="mail"), job(queue="payroll")])
    options: dict[str, Any] = {"users": {"ada": "a", "bob": "b", "eve": "e"}, "viewers": ["eve"]}
    async with page(database, authorize=authorize, **options) as client:
        shown = {
            name: (await client.get("queues", auth=(name, name[0]))).text
            for name in ("ada", "bob", "eve")
        }
    pauses = {name: set(re.findall(r"Pause queue (\w+)", text)) for name, text in shown.items()}
    assert pauses == {"ada": {"mail", "payroll"}, "bob": {"mail"}, "eve": set()}
    assert {name: "Scale queue" in text for name, text in shown.items()} == {
        "ada": True,
        "bob": True,
        "eve": False,
    }
    for text in shown.values():
        assert "<!--" not in text


async def test_what_failed_is_written_down_too(database: str) -> None:
    async with page(database) as client:
        answer = await client.post("crons/run", data={"name": "nightly"}, headers=SAME)
    assert answer.status_code == 404
    [deed] = await rows(database, "select outcome, message from baton.audit_log")
    assert deed == ("failed", "there is no cron entry nightly")


async def test_users_and_programs_prove_who_they_are(database: str) -> None:
    options: dict[str, Any] = {
        "users": {"ada": "secret", "bob": "wörd:s"},
        "tokens": {"robot": "t0ken"},
    }
    async with page(database, **options) as client:
        for auth in [None, ("ada", "wrong"), ("bob", "secret"), ("", "secret"), ("ada", "")]:
            answer = await client.get("queues", auth=auth)
            assert answer.status_code == 401
            assert answer.headers["www-authenticate"].startswith("Basic ")
            assert "content-security-policy" in answer.headers
        for given in ["Bearer wrong", "Basic !!!", "Basic", "Digest x", "Bearer "]:
            answer = await client.get("queues", headers={"authorization": given})
            assert answer.status_code == 401
        assert (await client.get("queues", auth=("bob", "wörd:s"))).status_code == 200
        answer = await client.get("queues", headers={"authorization": "bearer t0ken"})
        assert "robot" in answer.text


@pytest.mark.parametrize(
    "options",
    [
        {"users": {"": "word"}},
        {"users": {"ada": ""}},
        {"users": {"a:b": "word"}},
        {"viewers": ["ada"]},
    ],
)
def test_credentials_that_can_not_work_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        baton.web("postgresql://localhost/none", **options)


@pytest.mark.parametrize("what", ["users", "tokens"])
def test_a_secret_that_stands_in_the_name_is_not_shown(what: str) -> None:
    given: Any = {what: {"ada:secret": "x"}}
    with pytest.raises(ConfigurationError, match="for 'ada'") as caught:
        baton.web("postgresql:///nowhere", **given)
    assert "secret" not in str(caught.value)


def test_the_settings_know_the_users_and_show_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BATON_WEB_USERS", "ada:secret, bob:more:secret")
    monkeypatch.setenv("BATON_WEB_VIEWERS", "bob")
    settings = baton.Settings()
    assert "secret" not in repr(settings)
    app = baton.web(settings=settings)
    assert app.asks_who


async def test_the_host_application_says_who_it_is_and_what_they_may(database: str) -> None:
    async def authenticate(connection: HTTPConnection) -> Any:
        await anyio.lowlevel.checkpoint()
        match connection.cookies.get("session"):
            case "ada":
                return User("ada@example.com")
            case "expired":
                return RedirectResponse("/login")
        return None

    def authorize(user: User, action: Action, resource: Resource) -> bool:
        return action is Action.LOOK or resource == Resource("queue", "mail")

    options = {"authenticate": authenticate, "authorize": authorize}
    async with page(database, **options) as client:
        assert (await client.get("queues")).status_code == 401
        client.cookies.set("session", "expired")
        assert (await client.get("queues")).headers["location"] == "/login"
        client.cookies.set("session", "ada")
        await client.post("queues/pause", data={"name": "mail", "new": "1"}, headers=SAME)
        answer = await client.post("queues/pause", data={"name": "other", "new": "1"}, headers=SAME)
        assert answer.status_code == 403
        assert (await client.post("bulk/delete", headers=SAME)).status_code == 403
        shown = (await client.get("queues")).text
    assert "ada@example.com" in shown
    assert (shown.count("Pause<"), shown.count("Resume<")) == (0, 1)
    assert await rows(database, "select name from baton.queues") == [("mail",)]


async def test_authorize_is_asked_for_the_whole_id_however_it_is_written(database: str) -> None:
    asked: list[Resource] = []

    def authorize(user: User, action: Action, resource: Resource) -> bool:
        asked.append(resource)
        return resource.kind == "page"

    flow = Workflow().add("only", job())
    async with Client(database) as client:
        await client.insert_workflow(flow)
    for_short = str(flow.workflow_id)[:8]
    async with page(database, authorize=authorize) as client:
        answer = await client.get(f"workflows/{for_short}")
        assert (answer.status_code, answer.headers["location"]) == (
            303,
            f"/workflows/{flow.workflow_id}",
        )
        for written in (
            str(flow.workflow_id),
            str(flow.workflow_id).upper(),
            str(flow.workflow_id).replace("-", ""),
        ):
            assert (await client.get(f"workflows/{written}")).status_code == 403
            assert asked[-1] == Resource("workflow", str(flow.workflow_id))
            answer = await client.post(f"workflows/{written}/cancel", headers=SAME)
            assert answer.status_code == 403
            assert asked[-1] == Resource("workflow", str(flow.workflow_id))
        assert (await client.post("jobs/007/cancel", headers=SAME)).status_code == 403
        assert asked[-1] == Resource("job", "7")
        assert (await client.get("live/workflows/" + str(flow.workflow_id))).status_code == 403


async def test_without_users_only_names_of_this_machine_are_answered(database: str) -> None:
    async with page(database) as client:
        for name in ("evil.example", "localhost.evil.example", "", "127.0.0.1.evil", "[::1"):
            answer = await client.get("queues", headers={"host": name})
            assert answer.status_code == 400, name
        for name in ("localhost", "localhost:8080", "127.0.0.1:1", "[::1]:8080", "LOCALHOST"):
            answer = await client.get("queues", headers={"host": name})
            assert answer.status_code == 200, name
    async with page(database, users={"ada": "secret"}) as client:
        answer = await client.get(
            "queues", headers={"host": "baton.example"}, auth=("ada", "secret")
        )
        assert answer.status_code == 200
    async with page(database, allowed_hosts=["baton.example"]) as client:
        assert (await client.get("queues")).status_code == 400
        answer = await client.get("queues", headers={"host": "baton.example:443"})
        assert answer.status_code == 200


async def test_every_answer_carries_the_policy_and_no_page_needs_more(database: str) -> None:
    async with Client(database) as client:
        await client.insert(job())
        await client.insert_workflow(flow := Workflow().add("a", job()).add("b", job(), deps=["a"]))
    paths = [
        "", "workflows", "jobs", "queues", "workers", "crons", "errors", "audit", "jobs/1",
        f"workflows/{flow.workflow_id}", "nowhere", "jobs/99", "static/page.js", "static/page.css",
    ]  # fmt: skip
    async with page(database) as client:
        for path in paths:
            answer = await client.get(path)
            policy = answer.headers["content-security-policy"]
            assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
            assert "unsafe" not in policy
            assert answer.headers["x-content-type-options"] == "nosniff"
            if "html" in answer.headers["content-type"]:
                assert not re.search(r"<style|\sstyle=|<script(?![^>]* src=)", answer.text), path
                assert not re.search(r"\son[a-z]+=|javascript:", answer.text), path
                assert not re.search(r"(?:src|href)=\"(?:https?:)?//", answer.text), path


async def test_hostile_arguments_names_and_errors_stay_text(database: str) -> None:
    flow = Workflow(name=HOSTILE).add(HOSTILE, job(HOSTILE, args={"a": HOSTILE}, queue="q"))
    async with Client(database) as client:
        [step] = await client.insert_workflow(flow)
        await client.queues.pause(HOSTILE, by=HOSTILE)
        await client.crons.add("shop.nightly", "@daily", name=HOSTILE, args={"a": HOSTILE})
        await client.insert(job(HOSTILE, queue=HOSTILE, tags=[HOSTILE], meta={"a": HOSTILE}))
    await rows(
        database,
        """
        update baton.jobs set state = 'retryable', attempt = 1,
          errors = jsonb_build_array(jsonb_build_object(
            'attempt', %s::text, 'kind', %s::text, 'message', %s::text, 'traceback', %s::text,
            'at', %s::text))
        returning id
        """,
        *[HOSTILE] * 5,
    )
    await rows(database, "update baton.workflow_steps set result = to_jsonb(%s::text) returning 1",
               HOSTILE)  # fmt: skip
    paths = [
        "", "workflows", "jobs", "queues", "crons", "errors", f"workflows/{flow.workflow_id}",
        f"jobs/{step.id}", f"jobs/{step.id + 1}", f"workflows/{flow.workflow_id}/retry?all=1",
    ]  # fmt: skip
    async with page(database) as client:
        for path in paths:
            answer = await client.get(path)
            assert answer.status_code == 200, path
            assert "<script>alert" not in answer.text
            assert "<img" not in answer.text
            assert "\u202e" not in answer.text.replace(f'value="{HOSTILE}"', "").replace(
                _escaped(HOSTILE), ""
            ), path
            assert "{{7*7}}" in answer.text or path in {"", "jobs"}, path
        answer = await client.get("jobs", params={"filter": HOSTILE})
        assert answer.status_code in {200, 400}
        assert "<script>alert" not in answer.text
        answer = await client.post(
            "queues/scale", data={"name": HOSTILE, "slots": HOSTILE}, headers=SAME
        )
        assert answer.status_code == 400
        assert "<script>alert" not in answer.text
        assert "<script>alert" not in (await client.get("audit")).text


def _escaped(text: str) -> str:
    for sign, word in (
        ("&", "&amp;"),
        ("<", "&lt;"),
        (">", "&gt;"),
        ('"', "&#34;"),
        ("'", "&#39;"),
    ):
        text = text.replace(sign, word)
    return text


async def test_what_is_to_be_kept_from_people_is(database: str) -> None:
    def redact(value: Any) -> Any:
        if isinstance(value, dict):
            return {k: "***" if k == "password" else redact(v) for k, v in value.items()}
        return value

    def broken(value: Any) -> Any:
        raise KeyError(value)

    async with Client(database) as client:
        await client.insert(job(args={"password": "hunter2", "user": 7}, meta={"password": "m2"}))
    async with page(database, redact=redact) as client:
        for path in ("jobs", "jobs/1"):
            shown = (await client.get(path)).text
            assert "hunter2" not in shown
            assert "***" in shown
        assert "m2" not in shown
    async with page(database, redact=broken) as client:
        shown = (await client.get("jobs/1")).text
    assert "hunter2" not in shown
    assert "could not be redacted" in shown


async def test_what_is_no_form_is_refused(database: str) -> None:
    async with page(database) as client:
        for headers, content in [
            ({"content-type": "application/json"}, b"{}"),
            ({"content-type": "text/plain"}, b"name=mail"),
            ({"content-type": "application/x-www-form-urlencoded"}, b"name=%ff"),
            ({"content-type": "application/x-www-form-urlencoded"}, b"a" * 1_100_000),
        ]:
            answer = await client.post("queues/pause", headers=SAME | headers, content=content)
            assert answer.status_code == 400
    assert await value(database, "select count(*) from baton.queues") == 0


async def test_a_statement_of_the_page_ends_in_time(database: str) -> None:
    app = baton.web(database, statement_timeout=3)
    async with app, app._desk.database.connection() as conn:
        limit = await (await conn.execute("show statement_timeout")).fetchone()
    assert limit == ("3s",)


async def test_a_failure_of_the_page_tells_nothing(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError("the secret of the database")

    app = baton.web(database)
    monkeypatch.setattr(app._desk.client.queues, "list", broken)
    async with page(database) as client:
        client._transport.app = app  # type: ignore[attr-defined]
        answer = await client.get("queues")
    await app.close()
    assert answer.status_code == 500
    assert "secret" not in answer.text


async def test_what_is_named_like_a_secret_is_not_shown_unless_that_is_meant(database: str) -> None:
    args = {"to": "ada", "smtp": {"Password": "hunter2"}}
    async with Client(database) as client:
        inserted = await client.insert(job(args=args, meta={"apiKey": "k-17"}))
    for options, is_shown in (({}, False), ({"redact": None}, True)):
        async with page(database, **options) as browser:
            for address in (f"jobs/{inserted.id}", "jobs"):
                text = (await browser.get(address)).text
                assert "ada" in text
                assert ("hunter2" in text) is is_shown
                assert "k-17" not in text or is_shown


async def test_a_captured_document_is_shown_whole_and_redacted_or_not_at_all(database: str) -> None:
    async with Client(database) as client:
        [step] = await client.insert_workflow(Workflow().add("ask", job()))
    log = "insert into baton.workflow_debug_logs (job_id, attempt, kind, content) values (%s, 1, "
    log += "%s, jsonb_build_object('apiKey', 'k-17', 'transcript', repeat('y', %s))) returning 1"
    await rows(database, log, step.id, "request", 30_000)
    await rows(database, log, step.id, "response", 300_000)
    async with page(database) as browser:
        shown = (await browser.get(f"jobs/{step.id}")).text
    assert "k-17" not in shown
    assert "***" in shown
    size = len('{"apiKey": "k-17", "transcript": ""}') + 300_000
    assert f"{size:,} characters are too many to be shown" in shown
