"""Asks for work while the run lasts, over a link that may break, and notes each answer.

An insert that was answered is *acknowledged*. One whose answer did not come is *unsure*: it may
have happened or not, but nothing in between.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from random import Random
from typing import Any
from uuid import UUID

from baton import Client, Graft, NewJob
from baton.errors import BatonError, DatabaseError
from tests.chaos.generator import Generator
from tests.chaos.journal import Journal

MOST_WAITING = 2_500  # jobs, or the machine is too slow for the rate


class Feeder:
    """Inserts, and steers what it has inserted.

    Args:
        client: over which it asks.
        journal: where it notes what it asked for.
        generator: of what it inserts.
        rate: jobs and steps a second.
        backlog: tells how many jobs have not ended.
    """

    def __init__(
        self,
        client: Client,
        journal: Journal,
        generator: Generator,
        *,
        rate: float,
        backlog: Callable[[], Awaitable[int]],
    ) -> None:
        self._client = client
        self._journal = journal
        self._generator = generator
        self._random = Random(generator.random.getrandbits(64))
        self._rate = rate
        self._backlog = backlog
        self._flows: list[tuple[UUID, str]] = []
        self._jobs: list[int] = []
        self.asked = 0

    async def set_limits(self) -> None:
        """Say what holds for the limited queues; the checkers know the same numbers."""
        queues = self._client.queues
        await queues.limit("narrow", global_limit=LIMITS["narrow"])
        await queues.limit("rated", rate_limit=RATE[0], rate_period=RATE[1])
        await queues.limit("tenants", partition_by="meta.tenant", global_limit=LIMITS["tenants"])

    async def feed(self, until: float) -> None:
        """Ask until a time, in seconds since 1970."""
        begun = time.time()
        while (now := time.time()) < until:
            ahead = self.asked / self._rate - (now - begun)
            if ahead > 0:
                await asyncio.sleep(min(ahead, until - now))
                continue
            if await self._backlog() > MOST_WAITING:
                begun += 0.5  # what could not be asked for in time is not made up for
                await asyncio.sleep(0.5)
                continue
            await self._ask()

    async def _ask(self) -> None:
        # all is drawn before anything is asked, so that an answer changes nothing of what follows
        match self._random.choices(
            (
                "jobs",
                "copied",
                "workflow",
                "cancel_job",
                "cancel_flow",
                "retry_job",
                "retry_flow",
                "skip",
                "signal",
                "graft",
            ),
            (40, 3, 30, 5, 3, 4, 2, 2, 8, 3),
        )[0]:
            case "jobs":
                await self._insert_jobs(self._generator.jobs())
            case "copied":
                jobs = [self._generator.plain() for _ in range(20)]
                await self._insert_copied(jobs)
            case "workflow":
                await self._insert_workflow()
            case steering:
                await self._steer(steering, self._random.random())

    async def _insert_jobs(self, jobs: list[NewJob]) -> None:
        self.asked += len(jobs)
        tokens = [job.meta["token"] for job in jobs]
        try:
            inserted = await self._client.insert_all(jobs)
        except DatabaseError as error:
            # one of the others may have met a job like it, and then is not there in any case
            sure = [job.meta["token"] for job in jobs if job.unique is None]
            self._journal.write("insert", tokens=sure, answer="unsure", error=str(error))
        else:
            new = {job.meta.get("token"): job.id for job in inserted if not job.conflict}
            ids = [new.get(token) for token in tokens]
            self._jobs += [each for each in ids if each is not None]
            self._journal.write("insert", tokens=tokens, ids=ids, answer="acknowledged")

    async def _insert_copied(self, jobs: list[NewJob]) -> None:
        self.asked += len(jobs)
        tokens = [job.meta["token"] for job in jobs]
        try:
            await self._client.insert_many(jobs)
        except DatabaseError as error:
            self._journal.write("copy", tokens=tokens, answer="unsure", error=str(error))
        else:
            self._journal.write("copy", tokens=tokens, answer="acknowledged")

    async def _insert_workflow(self) -> None:
        flow = self._generator.workflow()
        facts: dict[str, Any] = {"workflow": str(flow.workflow_id), "steps": flow.step_names()}
        self.asked += len(facts["steps"])
        try:
            jobs = await self._client.insert_workflow(flow)
        except DatabaseError as error:
            self._journal.write("workflow", **facts, answer="unsure", error=str(error))
        else:
            ids = [job.id for job in jobs]
            self._flows.append((flow.workflow_id, (flow.name or "").split()[0]))
            self._jobs += ids
            self._journal.write("workflow", **facts, ids=ids, answer="acknowledged")

    async def _steer(self, what: str, place: float) -> None:
        if not self._flows or not self._jobs:
            return
        # mostly what is new, since the rest has ended
        recent_jobs, recent = self._jobs[-400:], self._flows[-30:]
        job = recent_jobs[int(place * len(recent_jobs))]
        flow, shape = recent[int(place * len(recent))]
        begun = time.time()
        answer = "acknowledged"
        # before it is asked: what it does is in the database before its answer is here
        self._journal.write("steering", what=what, job=job, workflow=str(flow), begun=begun)
        try:
            await self._ask_for(what, job, flow, shape)
        except DatabaseError:
            answer = "unsure"
        except BatonError as error:
            answer = type(error).__name__  # it has ended meanwhile, for example
        self._journal.write("steered", what=what, answer=answer, begun=begun)

    async def _ask_for(self, what: str, job: int, flow: UUID, shape: str) -> None:
        client = self._client
        match what:
            case "cancel_job":
                await client.cancel_job(job, "chaos")
            case "cancel_flow":
                await client.cancel_workflow(flow, "chaos")
            case "retry_job":
                await client.retry_job(job)
            case "retry_flow":
                await client.retry_workflow(flow)
            case "skip":
                await client.skip_step(flow, SKIPPED.get(shape, "sum"), reason="chaos")
            case "graft":
                name = f"from outside {self._generator.token()}"
                await client.graft(flow, Graft().add(name, self._generator.plain()))
            case "signal":
                for waiting, kind in self._flows[-30:]:
                    if kind == "signals":
                        await client.signal_workflow(waiting, "answer", {"by": "chaos"})
                        await client.signal_workflow(waiting, "go on", {"by": "chaos"})


LIMITS = {"narrow": 3, "tenants": 1}
RATE = (8, 2.0)  # weight within seconds
SKIPPED = {
    "diamond": "side 0",
    "layers": "node 1.0",
    "fan_out": "split",
    "chain": "link 1",
    "nested": "inside",
    "signals": "answer",
}
