"""What errors say is changed before anybody else hears it."""

import re
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from structlog.testing import capture_logs

from baton import Cancel, Discard, Error, Job, Telemetry, Workflow, redact_errors
from baton.errors import InvalidHook
from baton.llm import Debug
from baton.outcomes import Ack
from baton.states import State
from baton.workers import Registry
from tests.services.test_callbacks import none_left
from tests.services.test_executor import error_of, make_job, run_all
from tests.services.test_node import all_final, finished, running, until
from tests.support import rows

pytestmark = pytest.mark.anyio

SECRET = "sk-12345"


def discreet(_job: Job, text: str) -> str:
    return re.sub(r"sk-\w+", "***", text)


@pytest.fixture
def told() -> Iterator[list[Any]]:
    heard: list[Any] = []
    Telemetry.attach("redacting", "baton.job.exception", lambda *event: heard.append(event[2]))
    yield heard
    Telemetry.detach("redacting")


async def ended(worker: Any, *, redact: Any = discreet, **facts: Any) -> Ack:
    registry = Registry()
    registry.redact_errors(redact)
    registry.worker(name="w")(worker)
    [ack] = await run_all(registry, [make_job(**facts)], slots=1)
    assert ack is not None
    return ack


async def raises(_job: Job) -> None:
    raise ValueError(f"refused {SECRET}")


def returns_error(_job: Job) -> Error:
    return Error(f"refused {SECRET}")


def discards(_job: Job) -> Discard:
    return Discard(f"refused {SECRET}")


def discards_exception(_job: Job) -> Discard:
    return Discard(ValueError(f"refused {SECRET}"))


def cancels(_job: Job) -> Cancel:
    return Cancel(f"refused {SECRET}")


@pytest.mark.parametrize(
    ("worker", "state", "kind"),
    [
        (raises, State.RETRYABLE, "ValueError"),
        (returns_error, State.RETRYABLE, "error"),
        (discards, State.DISCARDED, "discard"),
        (discards_exception, State.DISCARDED, "ValueError"),
        (cancels, State.CANCELLED, "cancel"),
    ],
)
async def test_no_text_of_an_error_is_stored_logged_or_told_as_it_was(
    worker: Any, state: State, kind: str, told: list[Any]
) -> None:
    with capture_logs() as logs:
        ack = await ended(worker)
    assert ack.state is state
    assert (error_of(ack)["kind"], error_of(ack)["message"]) == (kind, "refused ***")
    assert ("traceback" in error_of(ack)) == (worker in {raises, discards_exception})
    for heard in (ack.error, logs, told):
        assert SECRET not in repr(heard)
    assert all(each["error"] is None for each in told)


async def test_an_error_that_holds_no_secret_stays_as_it_is(told: list[Any]) -> None:
    async def breaks(_job: Job) -> None:
        raise LookupError("no such row")

    ack = await ended(breaks)
    assert error_of(ack)["message"] == "no such row"
    assert isinstance(told[0]["error"], LookupError)


def exits(_job: Job, _text: str) -> str:
    raise SystemExit(3)


@pytest.mark.parametrize(
    ("redact", "why"), [(exits, "raised SystemExit"), (lambda *_: None, "returned no text")]
)
async def test_where_it_fails_nothing_is_kept_and_the_process_goes_on(
    redact: Any, why: str
) -> None:
    ack = await ended(raises, redact=redact)
    assert ack.state is State.RETRYABLE
    assert why in error_of(ack)["message"]
    assert SECRET not in str(ack.error)


async def test_the_job_is_known_to_it() -> None:
    ack = await ended(raises, redact=lambda job, _text: f"of {job.queue}")
    assert error_of(ack)["message"] == "of default"


async def _coroutine(_job: Job, text: str) -> str:
    return text


@pytest.mark.parametrize("bad", [None, "text", _coroutine])
def test_what_can_not_change_a_text_is_refused(bad: Any) -> None:
    with pytest.raises(InvalidHook, match="redact_errors takes a plain function of job and text"):
        Registry().redact_errors(bad)


def test_the_default_registry_has_it_too() -> None:
    registry = Registry()
    with registry.collecting():
        assert redact_errors(discreet) is discreet
    assert registry.error_redactor is discreet


class Refusal(Exception):
    """What a provider's package raises: it says the same in several places."""

    status_code = 401
    body = {"error": {"message": f"incorrect key {SECRET}", "tags": [SECRET], "code": 7}}  # noqa: RUF012


async def test_what_a_backoff_raises_is_logged_without_it() -> None:
    def backoff(_job: Job, error: BaseException) -> float:
        raise LookupError(f"no delay for {error}")

    registry = Registry()
    registry.redact_errors(discreet)
    registry.worker(name="w", backoff=backoff)(raises)
    with capture_logs() as logs:
        await run_all(registry, [make_job()], slots=1)
    [said] = [each for each in logs if each["event"] == "backoff.failed"]
    assert said["error"] == "no delay for refused ***"
    assert SECRET not in repr(logs)


async def test_what_a_callback_raises_is_logged_without_it(database: str) -> None:
    def hear(_reason: str, _job: Job) -> None:
        raise LookupError(f"refused {SECRET}")

    registry = Registry()
    registry.redact_errors(discreet)
    first = registry.worker(name="first")(cancels)

    @registry.worker(name="second", on_dep_cancelled=hear)
    async def second(_job: Job) -> None: ...

    flow = Workflow("w").add("a", first.new()).add("b", second.new(), deps=["a"])
    with capture_logs() as logs:
        async with running(database, registry) as (_, client):
            await client.insert_workflow(flow)
            await until(finished(database))
            await until(none_left(database))
    [said] = [each for each in logs if each["event"] == "callback.failed"]
    assert (said["kind"], said["error"]) == ("LookupError", "refused ***")
    assert "LookupError: refused ***" in said["traceback"]
    assert SECRET not in repr(logs)


async def test_what_a_call_of_a_model_raises_is_captured_without_it(database: str) -> None:
    def refuses() -> None:
        raise Refusal(f"refused {SECRET}")

    async def breaks() -> AsyncIterator[str]:
        yield "so far"
        raise Refusal(f"refused {SECRET}")

    registry = Registry()
    registry.redact_errors(discreet)

    @registry.worker(name="w", max_attempts=1)
    async def ask(job: Job, stream: bool) -> None:
        if stream:
            async for _ in Debug.call_llm(job, breaks):
                pass
        Debug.call_llm(job, refuses)

    captured = "select kind, content from baton.workflow_debug_logs order by id"
    async with running(database, registry, llm_debug=True) as (_, client):
        await client.insert_all([ask.new(stream=False), ask.new(stream=True)])
        await until(all_final(database))
    found = await rows(database, captured)
    told = [content for kind, content in found if kind == "error"]
    told += [content["error"] for _, content in found if "error" in content]
    assert told == 2 * [
        {
            "kind": "Refusal",
            "message": "refused ***",
            "status": 401,
            "body": {"error": {"message": "incorrect key ***", "tags": ["***"], "code": 7}},
        }
    ]
    assert SECRET not in repr(found)
