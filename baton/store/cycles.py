"""The cycle of a worker process: one round trip that acknowledges, releases and fetches."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from uuid import UUID

from anyio import CancelScope
from psycopg import AsyncConnection

from baton.errors import DatabaseUnavailable
from baton.jobs import Job, Step, Waited
from baton.outcomes import Ack
from baton.states import State
from baton.store import door
from baton.store.claims import Claim
from baton.store.rows import document, texts

MAX_RESULT_BYTES = 4_194_304


@dataclass(frozen=True, slots=True)
class Cycle:
    """What one cycle brought.

    Attributes:
        accepted: ids of the acknowledged jobs that were still this process's; the rest was stale.
        held: ids of those that somebody else has locked and that were not to be waited for.
        jobs: what was claimed, in the order in which it is to run.
        retry_in: seconds after which a rate limit lets more start; ``None`` when none holds up.
        notices: what became of steps and workflows beyond the acknowledged attempts, as events.
    """

    accepted: frozenset[int] = frozenset()
    held: frozenset[int] = frozenset()
    jobs: Sequence[Job] = field(default_factory=list)
    retry_in: float | None = None
    notices: Sequence[Mapping[str, Any]] = ()


class CycleConnection:
    """The connection on which a process cycles.

    Args:
        dsn: where.
        schema: the schema.
        timeout: seconds that a cycle may take.
        max_result_bytes: the largest result of a step.
        announce: whether to publish what becomes of steps.
        pooled: whether a pooler in transaction mode stands between.
    """

    def __init__(
        self,
        dsn: str,
        schema: str,
        *,
        timeout: float,
        max_result_bytes: int = MAX_RESULT_BYTES,
        announce: bool = True,
        pooled: bool = False,
    ) -> None:
        self._announce = announce
        self._max_result_bytes = max_result_bytes
        self._dsn = dsn
        self._schema = schema
        self._timeout = timeout
        self._pooled = pooled
        self._conn: AsyncConnection[door.Row] | None = None

    async def connect(self) -> None:
        """Open the connection, closing the one before.

        Raises:
            DatabaseUnavailable: there is no server, or it refuses.
        """
        await self.close()
        self._conn = await door.connect(
            self._dsn,
            self._schema,
            timeout=self._timeout,
            name="baton worker",
            pooled=self._pooled,
        )

    async def leads_to_pooler(self) -> bool:
        """Whether a pooler stands between, in whichever mode."""
        conn = self._open()
        [(pid,)] = await door.run(conn, self._schema, "session_pid")
        return bool(pid != conn.info.backend_pid)

    async def close(self) -> None:
        """Close the connection, if it is open."""
        conn, self._conn = self._conn, None
        if conn is not None:
            with CancelScope(shield=True):
                await conn.close()

    async def cycle(self, lease: int, acks: Sequence[Ack], capacities: Mapping[str, int]) -> Cycle:
        """Acknowledge what ended and fetch what is free to run.

        Args:
            lease: the lease under which jobs were and are claimed.
            acks: what ended.
            capacities: how many jobs to fetch, by queue.

        Raises:
            DatabaseError: of the acks, all or none were taken; jobs may have been claimed.
        """
        params = {
            "lease": lease,
            "ack_ids": [ack.id for ack in acks],
            "ack_epochs": [ack.epoch for ack in acks],
            "ack_states": [ack.state.value for ack in acks],
            "ack_delays": [ack.delay for ack in acks],
            "ack_refunds": [ack.refund for ack in acks],
            "ack_errors": [ack.error for ack in acks],
            "ack_results": [ack.result for ack in acks],
            "ack_steps": [ack.step for ack in acks],
            "ack_waits": [ack.waits for ack in acks],
            "ack_notes": [ack.note for ack in acks],
            "releases": [ack.release for ack in acks if ack.release is not None],
            "queues": list(capacities.keys()),
            "capacities": list(capacities.values()),
            "announce": self._announce,
        }
        [row] = await door.run(self._open(), self._schema, "cycle", params)
        accepted, held, *columns, steps, results, retry_in, notices = row
        return Cycle(
            accepted=frozenset(accepted or ()),
            held=frozenset(held or ()),
            jobs=_claimed(columns, steps, results, self._claim(lease)),
            retry_in=retry_in,
            notices=[document(notice) for notice in notices or ()],
        )

    def _claim(self, lease: int) -> Callable[[], Claim]:
        return partial(Claim, schema=self._schema, lease=lease, limit=self._max_result_bytes)

    async def return_lost(self, lease: int, known: Collection[int]) -> list[int]:
        """Give back what was claimed for the lease and is not among ``known``; return the ids."""
        params = {"lease": lease, "known": list(known)}
        [(ids, _)] = await door.run(self._open(), self._schema, "job_return_lost", params)
        return ids or []

    def _open(self) -> AsyncConnection[door.Row]:
        if self._conn is None:
            raise DatabaseUnavailable("not connected")
        return self._conn


def _claimed(
    columns: Sequence[Sequence[Any]],
    steps: str | None,
    results: str | None,
    claim: Callable[[], Claim],
) -> list[Job]:
    if not columns[0]:
        return []
    placed = document(steps) or {}
    returned = document(results) or {}
    return [
        Job(
            id=job_id,
            state=State.EXECUTING,
            queue=queue,
            worker=worker,
            args=document(args),
            meta=document(meta),
            tags=texts(document(tags)),
            priority=priority,
            attempt=attempt,
            max_attempts=max_attempts,
            errors=document(errors),
            epoch=epoch,
            inserted_at=inserted_at,
            scheduled_at=scheduled_at,
            attempted_at=attempted_at,
            timeout=timeout,
            deadline=deadline,
            weight=weight,
            step=_step(placed.get(str(job_id)), returned),
            claim=claim(),
        )
        for (
            job_id,
            epoch,
            queue,
            worker,
            args,
            meta,
            tags,
            priority,
            attempt,
            max_attempts,
            errors,
            inserted_at,
            scheduled_at,
            attempted_at,
            timeout,
            deadline,
            weight,
        ) in zip(*columns, strict=True)
    ]


def _step(place: Mapping[str, Any] | None, returned: Mapping[str, Any]) -> Step | None:
    if place is None:
        return None
    grafted = sorted(place["grafted"])  # by id
    names = [*place["deps"], *place["inherited"], *(name for _, name, _ in grafted)]
    return Step(
        workflow_id=UUID(place["workflow_id"]),
        workflow_label=place["workflow_label"],
        name=place["step_name"],
        deps=tuple(dict.fromkeys(names)),
        results=dict(returned[str(parent)] for parent in place["parents"]),
        stored=place["stored"],
        gate=place["gate"],
        cause=place["cause"],
        condition=place["condition"],
        context=place["context"] or {},
        grafts=_grafts(grafted),
        waited=_waited(place["waited"]),
    )


def _grafts(grafted: Sequence[Sequence[Any]]) -> dict[str, list[str]]:
    """Group the names of grafted steps by that of the step that added them."""
    found: dict[str, list[str]] = {}
    for _, name, grafter in grafted:
        if grafter is not None:  # not added from outside
            found.setdefault(grafter, []).append(name)
    return found


def _waited(outcome: Mapping[str, Any] | None) -> Waited | None:
    if outcome is None:
        return None
    return Waited(outcome["signal"], arrived=outcome["arrived"], payload=outcome["payload"])
