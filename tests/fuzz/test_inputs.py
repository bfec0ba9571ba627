"""Whatever comes in is taken or refused with an error of ours, before it does any harm."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baton import Job, Registry, SyncClient, Workflow, crontab, documents, pruning
from baton.errors import BatonError, ConfigurationError, InvalidCron, InvalidJob
from baton.events import Buffer, Heard, Snapshot, read
from baton.jobs import NewJob
from baton.settings import Settings, load
from baton.store import dsns
from baton.testing import databases
from tests.fuzz.cases import cases
from tests.fuzz.values import anything, mappings, texts

registry = Registry()


@registry.worker(name="send")
def send(job: Job, to: str, copies: int = 1) -> None: ...


@registry.worker(name="audit")
def audit(job: Job, **facts: Any) -> None: ...


def spoken(value: Any) -> str:
    try:
        return json.dumps(value, default=str)
    except (TypeError, ValueError, RecursionError):
        return "[]"


@cases(100)
@given(value=anything)
def test_json_that_is_written_is_what_postgresql_and_python_read(value: Any) -> None:
    try:
        text = documents.encode(value)
    except ValueError:
        return
        return
    assert "\x00" not in text
    assert documents.from_json(text) == json.loads(text)


OPTIONS = {
    "worker": anything,
    "queue": anything,
    "args": mappings | anything,
    "meta": mappings | anything,
    "tags": st.lists(anything, max_size=3) | anything,
    "priority": anything,
    "max_attempts": anything,
    "schedule_in": anything,
    "scheduled_at": anything,
    "timeout": anything,
    "deadline": anything,
    "weight": anything,
}


@pytest.fixture(scope="module")
def client(server_dsn: str, migrated_template: str) -> Iterator[SyncClient]:
    with databases.database(server_dsn, template=migrated_template) as dsn, SyncClient(dsn) as made:
        yield made


@cases(60, dear=2)
@given(options=st.fixed_dictionaries({}, optional=OPTIONS))
def test_a_job_is_inserted_or_refused(client: SyncClient, options: dict[str, Any]) -> None:
    try:
        inserted = client.insert(NewJob(**{"worker": "audit", **options}))
    except InvalidJob:
        return
    assert inserted.id > 0


@cases(60)
@given(args=mappings, name=st.sampled_from(["send", "audit"]))
def test_arguments_fit_or_are_refused(args: dict[str, Any], name: str) -> None:
    try:
        registry.find(name).new(**args)
    except (InvalidJob, TypeError):
        return


LINES = st.one_of(
    texts,
    st.lists(
        st.sampled_from(
            [*("*", "0", "60", "*/0", "*/5", "1-", "5-1", "L", "LW", "1#6", "jan", "mon", "?", ",")]
        )
        | texts,
        min_size=4,
        max_size=7,
    ).map(" ".join),
    st.sampled_from(["@daily", "@REBOOT", "@", "@x", "0 0 30 2 *", "* * * * * *", "0 0 L * *"]),
)


@cases(100)
@given(
    line=LINES | anything,
    zone=st.just("UTC") | texts | anything,
    now=st.datetimes(timezones=st.just(UTC)),
)
def test_a_cron_line_ticks_or_is_refused(line: Any, zone: Any, now: datetime) -> None:
    try:
        times = crontab.parse(line, zone)
    except InvalidCron:
        return
        return
    if not times.is_reboot:
        tick = times.next(now)
        assert tick is None or tick > now


@cases(100)
@given(given_rules=anything)
def test_rules_of_pruning_are_read_or_refused(given_rules: Any) -> None:
    for read_one in (pruning.read_rules, pruning.read_age, pruning.read_retention):
        try:
            read_one(given_rules)
        except (ValueError, ConfigurationError):
            return


ADDRESSES = st.one_of(
    texts,
    st.lists(
        st.sampled_from(
            [
                *(
                    "postgresql://",
                    "host=",
                    "password=",
                    "@",
                    ":",
                    "/",
                    "?",
                    "%",
                    "%zz",
                    "[",
                    ",",
                    "'",
                )
            ]
        )
        | texts,
        max_size=7,
    ).map("".join),
)


@cases(100)
@given(dsn=ADDRESSES)
def test_an_address_is_read_or_refused(dsn: str) -> None:
    for name in ("", "baton"):
        try:
            dsns.conninfo(dsn, application_name=name or "x")
        except ConfigurationError:
            return


NAMES = sorted({"schema", *Settings.model_fields} - {"db_schema"})


@cases(60)
@given(settings=st.dictionaries(st.sampled_from(NAMES), texts | anything, max_size=3))
def test_settings_of_a_program_are_read_or_refused(settings: dict[str, Any]) -> None:
    try:
        load(**settings)
    except ConfigurationError:
        return


@cases(60)
@given(
    settings=st.dictionaries(st.sampled_from(NAMES), texts.filter(lambda text: "\0" not in text))
)
def test_settings_of_the_environment_are_read_or_refused(settings: dict[str, str]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in settings.items():
            try:
                patch.setenv(f"BATON_{name.upper()}", value)
            except UnicodeEncodeError:
                continue
        try:
            load()
        except ConfigurationError:
            return


TOML = st.one_of(
    texts,
    st.tuples(
        st.sampled_from([*NAMES, "[tool.baton]", "unknown"]),
        st.sampled_from(
            [*('"x"', "1", "-1", "nan", "[]", "{}", "{ default = 1 }", "1979-05-27", "true", "'")]
        )
        | texts,
    ).map(" = ".join),
    st.binary(max_size=30),
)


@cases(60)
@given(lines=st.lists(TOML, max_size=3), name=st.sampled_from(["baton.toml", "pyproject.toml"]))
def test_settings_of_a_file_are_read_or_refused(
    tmp_path: Any, lines: list[str | bytes], name: str
) -> None:
    parts = [each if isinstance(each, bytes) else each.encode("utf-8", "replace") for each in lines]
    (tmp_path / name).write_bytes(b"\n".join(parts))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        try:
            load()
        except ConfigurationError:
            return
        finally:
            (tmp_path / name).unlink()


STEP_KEYS = (
    *(
        "name",
        "worker",
        "args",
        "deps",
        "options",
        "wait_for",
        "sleep",
        "workflow",
        "run_on",
        "when",
    ),
    *("timeout", "ignore_cancelled", "queue", "priority", "meta", "$param", "type", "default"),
)
STEPS = st.dictionaries(
    st.sampled_from(STEP_KEYS),
    st.one_of(
        st.sampled_from(["send", "audit", "a", "b", ["a"], ["b"], {"$param": "x"}, "${x}", "$x"]),
        anything,
    ),
    max_size=6,
)
FLOWS = st.fixed_dictionaries(
    {},
    optional={
        "name": anything,
        "unique": anything,
        "parameters": st.dictionaries(texts, STEPS | anything, max_size=3) | anything,
        "context": mappings | anything,
        "on_finished": STEPS | anything,
        "steps": st.lists(STEPS, max_size=4) | anything,
        "deadline": anything,
        "tags": anything,
        "priority": anything,
        "debug": anything,
        "output": anything,
    },
)


@cases(100)
@given(flow=FLOWS | anything, args=mappings | st.none())
def test_a_workflow_of_data_is_made_or_refused(flow: Any, args: Any) -> None:
    try:
        made = Workflow.from_json(flow, args, registry=registry)
        made.validate()
    except BatonError:
        return


@cases(100)
@given(source=texts | st.binary() | anything.map(spoken))
def test_a_workflow_of_a_file_is_made_or_refused(source: str | bytes) -> None:
    try:
        Workflow.from_json(source, registry=registry)
    except BatonError:
        return


EVENT_KEYS = (
    *("event", "schema", "transaction", "workflow_id", "workflow_label", "step_name", "state"),
    *("skipped", "job_id", "epoch", "worker", "attempt", "has_result", "error", "timestamp"),
    *("outcome", "failed_steps", "failed", "duration"),
)
EVENT = {
    "event": "workflow_step_updated",
    "schema": "baton",
    "transaction": 5,
    "workflow_id": "00000000-0000-4000-8000-000000000000",
    "workflow_label": None,
    "step_name": "a",
    "state": "completed",
    "skipped": False,
    "job_id": 1,
    "epoch": 1,
    "worker": "w",
    "attempt": 1,
    "has_result": False,
    "error": None,
    "timestamp": "2026-01-01T00:00:00+00:00",
    "outcome": "completed",
    "failed_steps": [],
    "failed": 0,
    "duration": 1.5,
}
CHANGES = st.dictionaries(st.sampled_from(EVENT_KEYS), anything, max_size=3)


@cases(150)
@given(
    payloads=st.lists(
        texts
        | anything.map(spoken)
        | CHANGES.map(lambda changes: spoken([{**EVENT, **changes}]))
        | CHANGES.map(lambda changes: spoken([{**EVENT, "event": "workflow_finished", **changes}])),
        max_size=5,
    )
)
def test_whatever_strangers_say_subscribers_hear_events_or_nothing(payloads: list[str]) -> None:
    heard, buffer = Heard(), Buffer(2)
    snapshot = Snapshot(10, frozenset({5}))
    for payload in payloads:
        for event in read(payload, "baton"):
            snapshot.has(event)
            if heard.is_news(event):
                buffer.add(event)
            assert event.payload is not None
    buffer.forget(snapshot)
    heard.ended()
    while buffer.take() is not None:
        pass
