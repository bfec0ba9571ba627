"""Secrets in arguments are not said again: by errors, and by jobs that are printed."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from typing_extensions import TypedDict

from baton import Job, Registry
from baton.errors import InvalidArguments
from baton.jobs import NewJob
from baton.states import State

SECRET = "geheim-7"
registry = Registry()


class Account(TypedDict):
    name: str
    api_key: int


@registry.worker()
def login(job: Job, user: int, password: int = 0, account: Account | None = None) -> None:
    assert job.id


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"user": 1, "password": SECRET}, "password: Input should be a valid integer"),
        ({"user": 1, "account": {"name": "ann", "api_key": SECRET}}, "account.api_key"),
        ({"user": 1, "account": {"name": 7, "api_key": 7}}, "account.name: Input"),
        ({"user": {"token": SECRET}}, "user: Input should be a valid integer"),
        ({"user": SECRET.encode(), "password": 1}, "user"),
    ],
)
def test_what_does_not_fit_is_said_without_secrets(arguments: dict[str, object], said: str) -> None:
    with pytest.raises(InvalidArguments) as caught:
        login.new(**arguments)
    assert said in str(caught.value)
    assert (SECRET in str(caught.value)) == (arguments["user"] == SECRET.encode())
    assert ("***" in str(caught.value)) == (SECRET in str(arguments) and said != "user")


def test_a_job_is_printed_without_secrets() -> None:
    args = {"user": 1, "password": SECRET, "deep": [{"dbPassword": SECRET}]}
    new = NewJob(worker="w", args=args, meta={"token": SECRET})
    now = datetime.now(UTC)
    job = Job(
        id=1,
        state=State.AVAILABLE,
        queue="q",
        worker="w",
        args=args,
        meta=new.meta,
        tags=(),
        priority=0,
        attempt=0,
        max_attempts=1,
        errors=[],
        epoch=0,
        inserted_at=now,
        scheduled_at=now,
    )
    for printed in (repr(new), repr(job), f"{new}", str(job), repr(replace(job, id=2))):
        assert SECRET not in printed
        assert "'user': 1" in printed
        assert printed.count("***") == 3
