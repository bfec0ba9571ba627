"""What is known of a run when it is over: from the database, the journals and the server's log.

The checkers are functions of this value, so that a test can hand them one that breaks a rule.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import psycopg
from psycopg.rows import namedtuple_row

FINAL = frozenset({"completed", "discarded", "cancelled"})
CRASHES = frozenset({"immediate", "promote", "disk_full"})  # faults that take the server down


@dataclass(frozen=True)
class Job:
    id: int
    state: str = "completed"
    queue: str = "default"
    worker: str = "chaos.work"
    attempt: int = 1
    max_attempts: int = 4
    epoch: int = 1
    token: str | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)
    errors: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True)
class Move:
    """A committed change of a job's state or epoch.

    Attributes:
        was: the state before; ``None``: it was inserted.
        became: the state after; ``None``: it was deleted.
        at: seconds since 1970, within its transaction.
    """

    job: int
    was: str | None
    became: str | None
    at: float
    was_epoch: int | None = None
    epoch: int | None = None
    lease: int | None = None
    attempt: int = 0
    queue: str = "default"

    @property
    def claims(self) -> bool:
        return self.became == "executing"

    @property
    def ends(self) -> bool:
        return self.became in FINAL and self.was not in FINAL


@dataclass(frozen=True)
class Record:
    """What an attempt wrote down: its start, its end, or that it is about to complete its job."""

    kind: str
    job: int
    epoch: int
    attempt: int
    at: float
    lease: int = 0
    pid: int = 0
    outcome: str | None = None
    error: str | None = None


@dataclass(frozen=True)
class Step:
    job: int
    workflow: str
    name: str
    outcome: str | None = "completed"
    kind: str = "job"
    run_on: str = "completed"
    ignore_cancelled: bool = False
    ignore_discarded: bool = False
    skipped: bool = False
    parked: bool = False
    subworkflow: str | None = None
    cause: str | None = None
    result: Any = None


@dataclass(frozen=True)
class Ending:
    """A committed change of a workflow's state."""

    workflow: str
    was: str | None
    became: str
    at: float


@dataclass(frozen=True)
class Flow:
    id: str
    state: str = "completed"
    reacts: bool = False


@dataclass(frozen=True)
class Insert:
    """What a program asked for, and whether it was answered."""

    acknowledged: bool
    tokens: Sequence[str] = ()
    ids: Sequence[int | None] = ()
    workflow: str | None = None
    steps: Sequence[str] = ()
    copied: bool = False


@dataclass(frozen=True)
class Steering:
    """Something that was done to a job or a workflow by hand; when it was asked for."""

    what: str
    job: int
    workflow: str
    at: float


@dataclass(frozen=True)
class Fault:
    kind: str
    begun: float
    ended: float
    target: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class History:
    jobs: Mapping[int, Job] = field(default_factory=dict)
    moves: Sequence[Move] = ()
    files: Sequence[Record] = ()
    records: Sequence[Record] = ()
    effects: Sequence[tuple[int, int]] = ()
    steps: Mapping[int, Step] = field(default_factory=dict)
    edges: Sequence[tuple[int, int]] = ()
    flows: Mapping[str, Flow] = field(default_factory=dict)
    endings: Sequence[Ending] = ()
    completions: Mapping[str, float] = field(default_factory=dict)
    inserts: Sequence[Insert] = ()
    steerings: Sequence[Steering] = ()
    faults: Sequence[Fault] = ()
    limits: Mapping[str, int] = field(default_factory=dict)
    partitioned: frozenset[str] = frozenset()
    crons: frozenset[str] = frozenset()
    ticking: tuple[float, float] | None = None
    rates: Mapping[str, tuple[int, float]] = field(default_factory=dict)
    left: Mapping[str, int] = field(default_factory=dict)
    log: str = ""
    unexpected: Sequence[str] = ()
    complaints: Sequence[str] = ()

    @cached_property
    def moves_of(self) -> Mapping[int, Sequence[Move]]:
        return _grouped(self.moves, lambda move: move.job)

    @cached_property
    def claims_under(self) -> Mapping[int | None, Sequence[tuple[Move, Sequence[Move]]]]:
        """The claims of each lease, with the two moves of their jobs that came next."""
        claims = (
            (move, moves[place + 1 : place + 3])
            for moves in self.moves_of.values()
            for place, move in enumerate(moves)
            if move.claims
        )
        return _grouped(claims, lambda claim: claim[0].lease)

    @cached_property
    def starts_of(self) -> Mapping[int, Sequence[Record]]:
        starts = (record for record in self.files if record.kind == "start")
        return _grouped(starts, lambda record: record.job)

    @cached_property
    def ends_of(self) -> Mapping[tuple[int, int], Sequence[Record]]:
        ends = (record for record in self.files if record.kind != "start")
        return _grouped(ends, lambda record: (record.job, record.epoch))

    @cached_property
    def claimed(self) -> frozenset[tuple[int, int | None]]:
        return frozenset((move.job, move.epoch) for move in self.moves if move.claims)

    def crashed(self, begin: float, end: float) -> bool:
        """Whether the server went down in this time: what did not wait for the disk is gone."""
        return any(
            fault.kind in CRASHES and fault.begun - 1 <= end and fault.ended >= begin
            for fault in self.faults
        )

    def crashes_in(self, begin: float, end: float) -> int:
        """How many times the server went down in this time, and took claims back."""
        return sum(
            fault.kind in CRASHES and fault.begun - 1 <= end and fault.ended + 2 >= begin
            for fault in self.faults
        )

    def steered(self, job: int, *whats: str) -> list[Steering]:
        """What was done to a job by hand, or to its workflow, by kind."""
        done = self._steerings_of.get(self.families.get(job, job), ())
        return [steering for steering in done if steering.what in whats]

    @cached_property
    def _steerings_of(self) -> Mapping[int | frozenset[str], Sequence[Steering]]:
        """By the workflows that are steered together, or the job that is no step.

        A steering names a job and a workflow, whichever of them it is for.
        """
        together = {flow: family for family in self.families.values() for flow in family}
        found: dict[int | frozenset[str], list[Steering]] = defaultdict(list)
        for steering in self.steerings:
            ours: set[int | frozenset[str]] = {self.families.get(steering.job, steering.job)}
            if steering.workflow in together:
                ours.add(together[steering.workflow])
            for each in ours:
                found[each].append(steering)
        return found

    @cached_property
    def families(self) -> Mapping[int, frozenset[str]]:
        """For each step the workflows that are steered together: its own, and those around it."""
        inner = {s.subworkflow: s.workflow for s in self.steps.values() if s.subworkflow}
        members: dict[str, set[str]] = defaultdict(set)
        for flow in {s.workflow for s in self.steps.values()}:
            top = flow
            while top in inner:
                top = inner[top]
            members[top].add(flow)
        sets = {flow: frozenset(group) for group in members.values() for flow in group}
        return {job: sets[step.workflow] for job, step in self.steps.items()}


def _grouped(items: Iterable[Any], key: Any) -> dict[Any, list[Any]]:
    groups: dict[Any, list[Any]] = defaultdict(list)
    for item in items:
        groups[key(item)].append(item)
    return groups


def load(dsn: str, lines: Sequence[Mapping[str, Any]], **facts: Any) -> History:
    """Read the history of a run that is over.

    Args:
        dsn: of its database.
        lines: of all its journals.
        facts: what neither of them knows.
    """
    with psycopg.connect(dsn, row_factory=namedtuple_row) as conn:

        def rows(query: str) -> list[Any]:
            return conn.execute(query.encode()).fetchall()

        return History(
            jobs={row.id: Job(**row._asdict()) for row in rows(_JOBS)},
            moves=[Move(**row._asdict()) for row in rows(_MOVES)],
            records=[Record(**row._asdict()) for row in rows("select * from chaos.records")],
            effects=[(row.job, row.epoch) for row in rows("select * from chaos.effects")],
            steps={row.job: Step(**row._asdict()) for row in rows(_STEPS)},
            edges=[
                tuple(row) for row in rows("select parent_id, child_id from baton.workflow_edges")
            ],
            flows={row.id: Flow(**row._asdict()) for row in rows(_FLOWS)},
            endings=[Ending(**row._asdict()) for row in rows(_ENDINGS)],
            completions={row.id: row.at for row in rows(_COMPLETIONS)},
            files=list(_files(lines)),
            inserts=list(_inserts(lines)),
            steerings=[
                Steering(line["what"], line["job"], line["workflow"], line["begun"])
                for line in lines
                if line["kind"] == "steering"
            ],
            **facts,
        )


def _files(lines: Sequence[Mapping[str, Any]]) -> Iterator[Record]:
    for line in lines:
        if line["kind"] in {"start", "end", "completing", "effect"}:
            names = ("kind", "job", "epoch", "attempt", "at", "lease", "pid", "outcome", "error")
            yield Record(**{name: line.get(name) for name in names})


def _inserts(lines: Sequence[Mapping[str, Any]]) -> Iterator[Insert]:
    for line in lines:
        if line["kind"] in {"insert", "copy", "workflow"}:
            yield Insert(
                line["answer"] == "acknowledged",
                tokens=line.get("tokens", ()),
                ids=line.get("ids", ()),
                workflow=line.get("workflow"),
                steps=line.get("steps", ()),
                copied=line["kind"] == "copy",
            )


def dumped(history: History) -> str:
    """The faults of a run as JSON, for who looks at it later."""
    return json.dumps([vars(fault) for fault in history.faults])


_JOBS = """
  select id, state::text, queue, worker, attempt, max_attempts, epoch, args ->> 'token' as token,
    meta, errors
  from baton.jobs
"""
_MOVES = """
  select job, was, became, at, was_epoch, epoch, lease, coalesce(attempt, 0) as attempt, queue
  from chaos.moves order by id
"""
_STEPS = """
  select job_id as job, workflow_id::text as workflow, step_name as name, outcome::text, kind,
    run_on, ignore_cancelled, ignore_discarded, skipped, parked_at is not null as parked,
    subworkflow_id::text as subworkflow, cause, result
  from baton.workflow_steps
"""
_FLOWS = "select id::text, state::text, on_finished is not null as reacts from baton.workflows"
_ENDINGS = "select workflow::text, was, became, at from chaos.endings order by id"
_COMPLETIONS = """
  select workflow_id::text as id, extract(epoch from inserted_at)::double precision as at
  from baton.workflow_completions
"""
