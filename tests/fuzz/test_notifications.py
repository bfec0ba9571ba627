"""Strangers notify on our channels: processes and subscribers pass over what they don't know."""

from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from baton import Job, Registry, Workflow
from baton.events import WorkflowFinished
from tests.fuzz.cases import cases
from tests.fuzz.test_inputs import CHANGES, EVENT, spoken
from tests.fuzz.values import anything, texts
from tests.services.test_node import running
from tests.support import connection, job

pytestmark = pytest.mark.anyio

FLOW = "00000000-0000-4000-8000-00000000000a"
CHANNELS = ("baton.jobs", "baton.control", "workflow:all", f"workflow:{FLOW}")
PLAIN = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40)
WORDS = (
    "due",
    "queues",
    "crons",
    "cancel",
    "sweep",
    "callbacks",
    "cancel 1",
    "cancel x y",
    "due x",
)
PAYLOADS = st.one_of(
    PLAIN,
    st.sampled_from(WORDS),
    texts.filter(lambda text: "\0" not in text and text.isprintable() and len(text) < 5_000),
    anything.map(spoken),
    CHANGES.map(lambda changes: spoken([{**EVENT, "workflow_id": FLOW, **changes}])),
    CHANGES.map(lambda changes: spoken([{**EVENT, "workflow_id": FLOW, **changes}] * 3)),
)


@pytest.mark.timeout(3_600)  # each case starts a process
@cases(6, dear=10, shrink=False)
@given(said=st.lists(st.tuples(st.sampled_from(CHANNELS), PAYLOADS), max_size=60))
async def test_strangers_who_notify_break_nothing(
    database: str, said: list[tuple[str, str]]
) -> None:
    registry = Registry()

    @registry.worker(name="ok")
    async def ok(_job: Job) -> None: ...

    flow = Workflow("real").add("real", job("ok"))
    ends: list[Any] = []
    with capture_logs() as logs:
        async with running(database, registry) as (_, client), connection(database) as stranger:
            subscribed = anyio.Event()

            async def subscribe() -> None:
                events = client.events.subscribe_all(seed=True)
                subscribed.set()
                async for event in events:
                    if isinstance(event, WorkflowFinished) and event.workflow_label == "real":
                        ends.append(event)
                        break
                await events.aclose()

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(subscribe)
                await subscribed.wait()
                with anyio.fail_after(200):
                    while "workflow:all" not in client.events.channels:
                        await anyio.lowlevel.checkpoint()
                for channel, payload in said:
                    try:
                        text = payload.encode().decode()
                    except UnicodeEncodeError:
                        continue
                    if len(text.encode()) < 8_000 and "\0" not in text:
                        await stranger.execute("select pg_notify(%s, %s)", (channel, text))
                await client.insert_workflow(flow)
            assert len(ends) == 1
    assert not [
        each
        for each in logs
        if each["log_level"] in {"warning", "error"} or each["event"].endswith(".lost")
    ]
