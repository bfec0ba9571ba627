"""Workers: what can be one, what their jobs are made of, and who finds them."""

import sys
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from baton import Job, NewJob, Registry, Worker
from baton.errors import (
    ConfigurationError,
    DuplicateWorker,
    InvalidArguments,
    InvalidJob,
    InvalidWorker,
    UnknownWorker,
)
from baton.loading import load_registry


class Order(BaseModel):
    number: int
    day: date


def make(function: Callable[..., Any], **options: Any) -> Any:
    return Registry().worker(name="w", **options)(function)


def test_a_job_has_the_workers_name_arguments_and_defaults() -> None:
    def send(job: Job, to: str, copies: int = 1) -> None: ...

    job = make(send, queue="mail", max_attempts=3).new("me", copies=2)
    assert job == NewJob(worker="w", args={"to": "me", "copies": 2}, queue="mail", max_attempts=3)


def test_defaults_of_parameters_are_not_stored() -> None:
    def send(job: Job, copies: int = 1) -> None: ...

    assert make(send).new().args == {}


def test_a_worker_is_named_after_its_module_and_function() -> None:
    registry = Registry()

    @registry.worker()
    def send(job: Job) -> None:
        """Say something."""

    assert send.name == f"{__name__}.{send.__wrapped__.__qualname__}"
    assert send.__doc__ == "Say something."
    assert registry.names() == [send.name]


def test_options_of_one_job_override_the_workers() -> None:
    def send(job: Job) -> None: ...

    mail = make(send, queue="mail", priority=5)
    urgent = mail.with_options(priority=0, tags=[" A ", "a"], schedule_in=timedelta(minutes=1))
    assert urgent.new() == NewJob(
        worker="w", queue="mail", priority=0, tags=("a",), schedule_in=60.0
    )
    assert mail.new().priority == 5


def test_values_are_converted_to_json_and_back() -> None:
    def bill(job: Job, order: Order, when: datetime, days: set[int]) -> None: ...

    worker = make(bill)
    order = Order(number=7, day=date(2026, 11, 21))
    when = datetime(2026, 1, 2, tzinfo=UTC)
    job = worker.new(order=order, when=when, days={3})
    assert job.args == {
        "order": {"number": 7, "day": "2026-11-21"},
        "when": "2026-01-02T00:00:00Z",
        "days": [3],
    }


def test_further_arguments_are_taken_when_the_worker_takes_any() -> None:
    def log(job: Job, **facts: Any) -> None: ...

    assert make(log).new(a=1, b=[None]).args == {"a": 1, "b": [None]}
    with pytest.raises(InvalidArguments, match="c: "):
        make(log).new(c=object())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, "missing a required argument: 'order'"),
        ({"order": 1, "other": 2}, "unexpected keyword argument 'other'"),
        ({"order": 1}, "order: Input should be a valid dictionary or instance of Order"),
        ({"order": {"number": "x", "day": "2026-11-21"}}, "order.number: Input should be"),
    ],
)
def test_arguments_that_do_not_fit_are_refused_with_their_names(
    arguments: dict[str, Any], words: str
) -> None:
    def bill(job: Job, order: Order) -> None: ...

    with pytest.raises(InvalidArguments, match=words):
        make(bill).new(**arguments)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"priority": 10}, "priority must be from 0 to 9, not 10"),
        ({"priority": True}, "priority"),
        ({"max_attempts": 0}, "max_attempts must be from 1"),
        ({"queue": " "}, "the queue must not be blank"),
        ({"queue": "é" * 251}, "is longer than 500 bytes"),
        ({"queue": "a\x00"}, "NUL"),
        ({"tags": [""]}, "a tag must not be blank"),
        ({"tags": "vip"}, "tags must be a list of texts, not 'vip'"),
        ({"meta": {"workflow_id": 1}}, "meta must not set workflow_id"),
        ({"scheduled_at": datetime(2026, 1, 1)}, "time zone"),  # noqa: DTZ001
        ({"schedule_in": -1}, "schedule_in: a delay must be from 0"),
        ({"schedule_in": float("nan")}, "schedule_in"),
        ({"schedule_in": "soon"}, "schedule_in"),
    ],
)
def test_options_out_of_range_are_refused(options: dict[str, Any], words: str) -> None:
    def send(job: Job) -> None: ...

    with pytest.raises(InvalidJob, match=words):
        make(send).with_options(**options).new()


def no_parameters() -> None: ...


def not_the_job(text: str) -> None: ...


def keyword_job(*, job: Job) -> None: ...


def variable(job: Job, *texts: str) -> None: ...


def positional(job: Job, text: str, /) -> None: ...


def generator(job: Job) -> Any:
    yield


async def async_generator(job: Job) -> Any:
    yield


@pytest.mark.parametrize(
    "function",
    [
        no_parameters,
        not_the_job,
        keyword_job,
        variable,
        positional,
        generator,
        async_generator,
        Order,
        None,
    ],
    ids=lambda function: getattr(function, "__name__", repr(function)),
)
def test_what_cannot_be_a_worker_is_refused_where_it_is_defined(function: Any) -> None:
    with pytest.raises(InvalidWorker):
        make(function)


@pytest.mark.parametrize("options", [{"priority": 12}, {"que": "mail"}, {"queue": ""}])
def test_wrong_defaults_are_refused_where_the_worker_is_defined(options: dict[str, Any]) -> None:
    def send(job: Job) -> None: ...

    with pytest.raises(InvalidWorker, match="w: "):
        make(send, **options)


def test_an_annotation_that_pydantic_cannot_use_is_named() -> None:
    class Opaque: ...

    def send(job: Job, thing: Opaque) -> None: ...

    with pytest.raises(InvalidWorker, match="an annotation of w can't be used"):
        make(send).new(thing=Opaque())


def test_two_workers_cannot_have_one_name_but_code_may_be_imported_twice() -> None:
    registry = Registry()

    def one(job: Job) -> None: ...

    def other(job: Job) -> None: ...

    registry.worker(name="w")(one)
    registry.worker(name="w")(one)
    with pytest.raises(DuplicateWorker, match="'w'"):
        registry.worker(name="w")(other)


def test_an_unknown_worker_is_told_with_those_that_are_known() -> None:
    with pytest.raises(UnknownWorker, match="no worker named 'x'; this process knows none"):
        Registry().find("x")


def test_classes_are_workers_with_their_options_and_those_of_their_parents() -> None:
    with Registry().collecting() as registry:

        class Mail(Worker, queue="mail", max_attempts=2, abstract=True):
            def perform(self, job: Job, /, *args: Any, **kwargs: Any) -> Any: ...

        class Send(Mail, name="send", priority=1):
            async def perform(self, job: Job, to: str) -> str:  # type: ignore[override]
                return to

        class Nothing(Worker): ...

    assert registry.names() == ["send"]
    assert Send.new(to="me") == NewJob(
        worker="send", args={"to": "me"}, queue="mail", max_attempts=2, priority=1
    )
    assert Send.with_options(queue="fast").new(to="me").queue == "fast"
    assert registry.find("send").is_async
    with pytest.raises(InvalidArguments):
        Send.new()
    with pytest.raises(InvalidWorker, match="defines no perform"):
        Nothing.new()


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory to import from, forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "modules", {**sys.modules})
    return tmp_path


def test_an_app_is_imported_from_the_working_directory(modules: Path) -> None:
    (modules / "own.py").write_text(
        "from baton import Job, Registry\n"
        "registry = Registry()\n"
        "@registry.worker(name='mine')\n"
        "def mine(job: Job): ...\n"
    )
    assert load_registry("own:registry").names() == ["mine"]


@pytest.mark.parametrize(
    ("app", "text", "words"),
    [
        (None, "", "nothing to run"),
        ("gone", "", "there is no module 'gone'"),
        ("app.sub", "", "importing app.sub failed|there is no module 'app.sub'"),
        ("app:missing", "", "has no attribute 'missing'"),
        ("app", "import not_installed", "importing app failed: No module named 'not_installed'"),
        ("app", "1 / 0", "importing app failed: ZeroDivisionError"),
        ("app", "raise SystemExit(3)", "importing app failed: SystemExit"),
        ("app:empty", "from baton import Registry\nempty = Registry()", "defines no workers"),
    ],
)
def test_an_app_that_cannot_be_used_is_told(
    modules: Path, app: str | None, text: str, words: str
) -> None:
    (modules / "app.py").write_text(text)
    with pytest.raises(ConfigurationError, match=words):
        load_registry(app)
