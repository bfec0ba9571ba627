"""Workers that child processes import."""

import os
import signal
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import baton
from baton import Graft, Job, Registry, resource
from baton.llm import Usage, llm_worker

registry = Registry()


@registry.lifespan
@asynccontextmanager
async def lifespan() -> AsyncIterator[dict[str, Any]]:
    yield {"opened_in": os.getpid()}


@registry.worker(executor="process")
def pid(_job: Job, opened_in: int = resource("opened_in")) -> dict[str, int]:
    return {"pid": os.getpid(), "opened_in": opened_in}


@registry.condition()
def is_wanted(job: Job) -> bool:
    return bool(job.context["wanted"])


@registry.worker(executor="process")
async def pid_of_coroutine(_job: Job) -> int:
    return os.getpid()


@registry.worker(executor="process", backoff=lambda _job, _error: 0)
def stores_and_dies(job: Job) -> None:
    job.store_result_sync("stored")
    os._exit(7)


@registry.worker(executor="process", max_attempts=1)
def exits(_job: Job) -> None:
    os._exit(7)


@registry.worker(executor="process", max_attempts=1)
def is_killed(_job: Job) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@registry.worker(executor="process")
def waits_for(_job: Job, path: str, go: str) -> None:
    """Say where it runs, and end when a file is there; subprocesses end of the signal."""
    Path(path).write_text(str(os.getpid()))
    while not Path(go).exists():
        time.sleep(0.01)
    with subprocess.Popen(["sleep", "60"]) as other:
        other.terminate()


@registry.worker(executor="process", max_attempts=1, timeout=1)
def never_returns(_job: Job) -> None:
    while True:
        time.sleep(60)


@registry.worker(executor="process", max_attempts=1, backoff=lambda _job, _error: 5)
def raises(_job: Job) -> None:
    class Unpicklable(Exception):
        def __init__(self) -> None:
            super().__init__("of this child only")
            self.function = lambda: None

    raise Unpicklable


@registry.worker()
async def child_of_child(_job: Job) -> None: ...


@registry.worker(executor="process")
def inserts(_job: Job) -> None:
    baton.insert_sync(child_of_child.new())


@registry.worker(executor="process")
def leaves_its_pid(_job: Job, path: str) -> None:
    with open(f"{path}.part", "w") as file:  # noqa: PTH123
        file.write(str(os.getpid()))
    os.rename(f"{path}.part", path)  # noqa: PTH104
    while True:
        time.sleep(60)


@registry.worker()
def says(_job: Job, word: str) -> str:
    return word


@registry.worker()
def joins(job: Job) -> dict[str, Any]:
    return job.grafted("split")


@registry.worker(executor="process")
def splits(job: Job) -> Graft:
    job.graft_sync(Graft().add("early", says.new(word="early")))
    return Graft().fan_out("part", [says.new(word=str(number)) for number in range(2)])


@llm_worker(registry=registry, executor="process", max_attempts=2, backoff=lambda _job, _error: 0)
def uses_a_model(job: Job) -> None:
    job.record_usage(Usage(model="priced-in-the-child", input_tokens=1_000_000))
    if job.attempt == 1:
        raise ValueError("paid for in vain")


@llm_worker(registry=registry, executor="process")
def uses_a_model_for_ever(job: Job) -> None:
    for _ in range(2):
        job.record_usage(Usage(model="priced-in-the-child", input_tokens=1_000_000))
    while True:
        time.sleep(60)


@llm_worker(registry=registry, executor="process", max_cost="0.10")
def thinks_in_child(_job: Job) -> None: ...
