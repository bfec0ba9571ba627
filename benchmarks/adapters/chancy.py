"""Chancy: the executor for coroutines, eager polling, updates sent every 50 ms instead of 1 s."""

import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from typing import Any

import uvloop
from chancy import Chancy, Queue, Worker, job
from chancy.plugins.workflow import Workflow, WorkflowPlugin

from benchmarks.adapters.protocol import Peer, main
from benchmarks.board import Place

BATCH = 1_000  # jobs
CONCURRENCY = 500
SENDING = 0.05  # seconds between two updates

place: Place


@job(queue="default")
async def nothing() -> None:
    place.nothing()


@job(queue="default")
async def mark(*, number: int) -> None:
    place.mark(number)


@job(queue="default")
async def stamp(*, number: int, sent: float) -> None:
    place.stamp(number, sent)


class ChancyPeer(Peer):
    package = "chancy"
    tables = ("chancy_jobs", "chancy_workflows", "chancy_workflow_steps")
    unfinished = """
      select exists (
        select from chancy_jobs where state in ('pending', 'running', 'retrying')
      ) or exists (select from chancy_workflows where state in ('pending', 'running'))
    """
    history = """
      insert into chancy_jobs (id, queue, func, state, attempts, started_at, completed_at)
      select gen_random_uuid(), 'default', '__main__.nothing', 'succeeded', 1, now(), now()
      from generate_series(1, %(jobs)s::bigint)
    """
    also = ("many queues",)

    async def open(self, stack: AsyncExitStack) -> None:
        self._chancy = await stack.enter_async_context(
            Chancy(self.dsn, max_connection_pool_size=20)
        )

    async def prepare(self) -> None:
        async with Chancy(self.dsn) as chancy:
            await chancy.migrate()

    async def bulk(self, jobs: int) -> None:
        async for _ in self._chancy.push_many([nothing.job] * jobs, batch_size=BATCH):
            pass

    async def marks(self, jobs: int) -> None:
        many = [mark.job.with_kwargs(number=number) for number in range(jobs)]
        async for _ in self._chancy.push_many(many, batch_size=BATCH):
            pass

    def one(self) -> Awaitable[Any]:
        return self._chancy.push(nothing)

    def stamp(self, number: int, sent: float) -> Awaitable[Any]:
        return self._chancy.push(stamp.job.with_kwargs(number=number, sent=sent))

    async def diamonds(self, count: int) -> None:
        for _ in range(count):
            flow = Workflow("diamond").add("a", nothing)
            for name in "bcd":
                flow.add(name, nothing, ["a"])
            await WorkflowPlugin.push(self._chancy, flow.add("e", nothing, ["b", "c", "d"]))

    async def fan(self, width: int) -> None:
        flow = Workflow("fan").add("root", nothing)
        leaves = [f"leaf{number}" for number in range(width)]
        for leaf in leaves:
            flow.add(leaf, nothing, ["root"])
        await WorkflowPlugin.push(self._chancy, flow.add("join", nothing, leaves))

    async def chain(self, steps: int) -> None:
        flow = Workflow("chain").add("0", mark.job.with_kwargs(number=0))
        for number in range(1, steps):
            flow.add(str(number), mark.job.with_kwargs(number=number), [str(number - 1)])
        await WorkflowPlugin.push(self._chancy, flow)

    def work(self, mine: Callable[[], Place], queues: Sequence[str]) -> None:
        global place  # noqa: PLW0603
        place = mine()
        place.wait()
        uvloop.run(self._work(queues))

    async def _work(self, queues: Sequence[str]) -> None:
        log = logging.getLogger("chancy")
        log.setLevel(logging.WARNING)  # it says a line of each job
        plugins = [WorkflowPlugin(polling_interval=1)]
        async with Chancy(self.dsn, plugins=plugins, log=log) as chancy:
            for queue in queues:
                settings = Queue(
                    queue,
                    concurrency=CONCURRENCY,
                    executor=Chancy.Executor.Async,
                    polling_interval=1,
                    eager_polling=True,
                )
                await chancy.declare(settings, upsert=True)
            worker = Worker(chancy)
            worker.send_outgoing_interval = SENDING
            async with worker:
                await worker.wait_for_shutdown()


if __name__ == "__main__":
    main(ChancyPeer)
