"""What a cycle costs by itself, over one connection and with no worker process: one JSON line.

    python -m benchmarks.cycle [--dsn DSN]

Each figure completes what it fetched in the next cycle until nothing is left: jobs with 1, 100 and
1,000 in a batch, then steps with 100 in a batch: diamonds of five, and fan-outs to 2,000 and 10,000
that join again. Variants of the SQL are compared by editing a file of sql/routines and running this
before and after.
"""

import argparse
import asyncio
import json
import time
from typing import Any

import psycopg

from baton import Client, NewJob, Workflow
from baton.outcomes import Ack
from baton.states import State
from baton.store.cycles import CycleConnection
from baton.store.leases import LeaseConnection
from baton.store.migrations import migrate
from benchmarks import machine
from benchmarks import server as servers
from benchmarks.adapters.baton import Baton

JOB = NewJob(worker="benchmark")


async def drain(cycles: CycleConnection, lease: int, batch: int) -> dict[str, float]:
    begun = time.perf_counter()
    count = rounds = 0
    acks: list[Ack] = []
    while True:
        fetched = (await cycles.cycle(lease, acks, {"default": batch})).jobs
        count += len(acks)
        rounds += 1
        if not fetched and not acks:
            break
        acks = [
            Ack(id=job.id, epoch=job.epoch, state=State.COMPLETED, step=job.step is not None)
            for job in fetched
        ]
    elapsed = time.perf_counter() - begun
    return {"per_s": round(count / elapsed), "cycle_ms": round(elapsed / rounds * 1000, 2)}


def diamond() -> Workflow:
    flow = Workflow("diamond").add("a", JOB)
    for name in "bcd":
        flow.add(name, JOB, deps=["a"])
    return flow.add("e", JOB, deps=["b", "c", "d"])


def fan(width: int) -> Workflow:
    flow = Workflow("fan").add("root", JOB)
    leaves = [f"leaf{index}" for index in range(width)]
    for leaf in leaves:
        flow.add(leaf, JOB, deps=["root"])
    return flow.add("join", JOB, deps=leaves)


async def measure(dsn: str, connection: psycopg.Connection[Any]) -> dict[str, Any]:
    figures: dict[str, Any] = {"benchmark": "cycle"}
    leases = LeaseConnection(dsn, "baton", ttl=3_600, timeout=30)
    cycles = CycleConnection(dsn, "baton", timeout=30)
    await cycles.connect()
    lease = leases.acquire("benchmark", {})
    async with Client(dsn) as client:
        for batch, jobs in ((1, 1_000), (100, 20_000), (1_000, 20_000)):
            servers.empty(connection, Baton.tables)
            await client.insert_all([JOB] * jobs)
            figures[f"jobs_batch_{batch}"] = await drain(cycles, lease, batch)
        servers.empty(connection, Baton.tables)
        for _ in range(1_000):
            await client.insert_workflow(diamond())
        figures["diamonds_1000"] = await drain(cycles, lease, 100)
        for width in (2_000, 10_000):
            servers.empty(connection, Baton.tables)
            await client.insert_workflow(fan(width))
            figures[f"fan_{width}"] = await drain(cycles, lease, 100)
    leases.release(lease)
    leases.close()
    await cycles.close()
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--dsn", help="a server on this machine; by default an embedded one")
    with servers.server(parser.parse_args().dsn) as server:
        dsn = server.database("cycle")
        migrate(dsn)
        with psycopg.connect(dsn, autocommit=True) as connection:
            print(json.dumps({**asyncio.run(measure(dsn, connection)), **machine.facts()}))


if __name__ == "__main__":
    main()
