"""The cycle of a worker process: one round trip that acknowledges, releases and fetches."""

import math
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import cached_property, lru_cache, partial
from typing import Any, NamedTuple

from anyio import CancelScope
from psycopg import AsyncConnection
from psycopg.errors import Diagnostic

from baton import documents
from baton.errors import DatabaseUnavailable, UnreadableDocument, UnreadableJob
from baton.jobs import Job, Step
from baton.llm.tally import Tally
from baton.outcomes import Ack
from baton.states import State
from baton.store import door, literals
from baton.store.claims import Claim
from baton.store.rows import document, documents_by_key, failures, held, moment, texts
from baton.store.steps import to_step
from baton.store.translation import tells_unconfirmed

MAX_RESULT_BYTES = 4_194_304
FETCHED = 15  # columns of what was claimed


class Range(NamedTuple):
    """Where a fetch looks: a queue, from a place in its order to the end of a priority.

    Attributes:
        time: seconds since 1970.
        top: the last priority.
    """

    queue: str
    priority: int = 0
    time: float = -math.inf
    id: int = 0
    top: int = 9


class Cycle:
    """What one cycle brought.

    Attributes:
        accepted: ids of the acknowledged jobs that were still this process's; the rest was stale.
        held: ids of those that somebody else has locked and that were not to be waited for.
        queues: how many jobs of each queue were claimed.
        retry_in: seconds after which a rate limit lets more start; ``None`` when none holds up.
        notices: what became of steps and workflows beyond the acknowledged attempts, as events.
        unconfirmed: whether what was accepted is on the disk of the primary alone. A cycle commits
            within its statement, so the time limit of that ends the wait for a synchronous standby
            too, and PostgreSQL goes on then.
    """

    unconfirmed = False

    def __init__(self, row: Sequence[Any], done: Iterable[int], claim: Callable[[], Claim]) -> None:
        refused, accepted, held, *columns, attempted_at, steps, results, retry_in, notices = row
        self.accepted = frozenset({*done}.difference(refused or ()).union(accepted or ()))
        self.held: frozenset[int] = frozenset(held or ())
        self.queues = Counter[str](columns[2])
        self.retry_in: float | None = retry_in
        self.notices: list[Mapping[str, Any]] = [document(notice) for notice in notices or ()]
        self._read = partial(_claimed, columns, attempted_at, steps, results, claim)

    @cached_property
    def _claims(self) -> "tuple[list[Job], list[tuple[Job, UnreadableJob]]]":
        return self._read()

    @property
    def jobs(self) -> Sequence[Job]:
        """What was claimed, in the order in which it is to run; read when it is first asked for."""
        return self._claims[0]

    @property
    def unreadable(self) -> Sequence[tuple[Job, UnreadableJob]]:
        """What was claimed and can't be read, without what it holds; and why."""
        return self._claims[1]


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
        self._unconfirmed = False

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
        self._conn.add_notice_handler(self._hear)

    def _hear(self, notice: Diagnostic) -> None:
        self._unconfirmed = self._unconfirmed or tells_unconfirmed(notice)

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

    async def cycle(
        self,
        lease: int,
        acks: Sequence[Ack],
        capacities: Mapping[str, int],
        *,
        spares: Mapping[str, int] | None = None,
        ranges: Sequence[Range] | None = None,
        used: Sequence[Tally] = (),
    ) -> Cycle:
        """Acknowledge what ended and fetch what is free to run.

        Args:
            lease: the lease under which jobs were and are claimed.
            acks: what ended.
            capacities: how many jobs to fetch, by queue.
            spares: how many more of these queues to claim ahead of free slots.
            ranges: where to look; everywhere when it is ``None``.
            used: what attempts used of language models so far; written with the acks.

        Raises:
            DatabaseError: of the acks, all or none were taken; jobs may have been claimed.
        """
        if ranges is None:
            ranges = [Range(queue) for queue in capacities]
        spares = spares or {}
        asked = tuple((queue, free, spares.get(queue, 0)) for queue, free in capacities.items())
        wanted = {"lease": lease, "announce": self._announce, **_wanted(asked, tuple(ranges))}
        if not acks and not used:
            return await self._fetch(lease, wanted)
        plain: list[Ack] = []
        others: list[Ack] = []
        for ack in acks:
            (plain if ack.plain else others).append(ack)
        done = sorted((ack.id, ack.epoch) for ack in plain)
        steps_done = [ack for ack in plain if ack.step]
        params = {
            **wanted,
            "done_ids": literals.numbers(job_id for job_id, _ in done),
            "done_epochs": literals.numbers(epoch for _, epoch in done),
            "step_ids": literals.numbers(ack.id for ack in steps_done),
            "step_results": literals.optional_texts(ack.result for ack in steps_done),
            "ack_ids": literals.numbers(ack.id for ack in others),
            "ack_epochs": literals.numbers(ack.epoch for ack in others),
            "ack_states": literals.optional_texts(ack.state.value for ack in others),
            "ack_delays": literals.numbers(ack.delay for ack in others),
            "ack_refunds": literals.booleans(ack.refund for ack in others),
            "ack_errors": literals.optional_texts(ack.error for ack in others),
            "ack_results": literals.optional_texts(ack.result for ack in others),
            "ack_steps": literals.booleans(ack.step for ack in others),
            "ack_waits": literals.booleans(ack.waits for ack in others),
            "ack_notes": literals.optional_texts(ack.note for ack in others),
            "releases": [ack.release for ack in others if ack.release is not None],
            "usage": _rows(used),
        }
        self._unconfirmed = False
        [row] = await door.run(self._open(), self._schema, "cycle", params, binary=True)
        cycle = Cycle(row, (job_id for job_id, _ in done), self._claim(lease))
        cycle.unconfirmed = self._unconfirmed
        return cycle

    async def _fetch(self, lease: int, wanted: Mapping[str, Any]) -> Cycle:
        [row] = await door.run(self._open(), self._schema, "jobs_fetch", wanted, binary=True)
        return Cycle((None, None, None, *row[:FETCHED], None), (), self._claim(lease))

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


@lru_cache(maxsize=16)  # an idle process asks for the same again and again
def _wanted(asked: Sequence[tuple[str, int, int]], ranges: Sequence[Range]) -> Mapping[str, str]:
    """Return what to fetch as parameters: queues with their free slots and spares, and where."""
    queues, capacities, spares = zip(*asked, strict=True) if asked else ((),) * 3
    parts, priorities, times, ids, tops = zip(*ranges, strict=True) if ranges else ((),) * 5
    return {
        "queues": literals.optional_texts(queues),
        "capacities": literals.numbers(capacities),
        "spares": literals.numbers(spares),
        "range_queues": literals.optional_texts(parts),
        "range_priorities": literals.numbers(priorities),
        "range_times": literals.numbers(times),
        "range_ids": literals.numbers(ids),
        "range_tops": literals.numbers(tops),
    }


def _claimed(
    columns: Sequence[Sequence[Any]],
    attempted_at: float,
    steps: str | None,
    results: str | None,
    claim: Callable[[], Claim],
) -> tuple[list[Job], list[tuple[Job, UnreadableJob]]]:
    if not columns[0]:
        return [], []
    placed = documents_by_key(steps)
    returned = documents_by_key(results)
    started = moment(attempted_at)
    time = lru_cache(maxsize=2)(moment)  # most of a batch were inserted together

    def read(row: Sequence[Any], step: Step | None, args: Any, extras: Mapping[str, Any]) -> Job:
        job_id, epoch, queue, worker, _, priority, attempt, max_attempts, inserted, due, _ = row
        return Job(
            id=job_id,
            state=State.EXECUTING,
            queue=queue,
            worker=worker,
            args=args,
            priority=priority,
            attempt=attempt,
            max_attempts=max_attempts,
            epoch=epoch,
            inserted_at=time(inserted),
            scheduled_at=time(due),
            attempted_at=started,
            step=step,
            claim=claim(),
            **extras,
        )

    jobs: list[Job] = []
    unreadable: list[tuple[Job, UnreadableJob]] = []
    for row in zip(*columns, strict=True):
        try:
            step = to_step(placed.get(str(row[0])), returned) if placed else None
            jobs.append(read(row, step, held(row[4], "args"), _extras(row[-1])))
        except Exception as error:  # a person may have edited the row, or one beside it
            what = "" if isinstance(error, UnreadableDocument) else f"{type(error).__qualname__}: "
            why = UnreadableJob(row[0], f"{what}{error}"[:500])
            unreadable.append((read(row, None, {}, _extras(None)), why))
    return jobs, unreadable


def _rows(used: Sequence[Tally]) -> str | None:
    return documents.encode([row for tally in used for row in tally.rows()]) if used else None


def _extras(text: str | None) -> dict[str, Any]:
    if text is None:
        return {"meta": {}, "tags": (), "errors": []}
    if text.startswith("{"):
        return {"meta": held(text, "meta"), "tags": (), "errors": []}
    meta, tags, errors, timeout, deadline, weight = document(text)
    return {
        "meta": held(meta, "meta"),
        "tags": texts(tags),
        "errors": failures(errors),
        "timeout": timeout,
        "deadline": None if deadline is None else moment(deadline),
        "weight": weight,
    }
