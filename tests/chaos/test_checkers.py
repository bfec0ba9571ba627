"""A checker that can't fail proves nothing: each is handed a history that breaks its sentence."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.chaos.checkers import CHECKERS, violations
from tests.chaos.history import (
    Ending,
    Fault,
    Flow,
    History,
    Insert,
    Job,
    Move,
    Record,
    Steering,
    Step,
)

CHILD = Job(3, token="1/child/1")
HOLDER = "5f3d"


def inserted(job: int, at: float, state: str = "available", **facts: Any) -> Move:
    return Move(job, None, state, at, epoch=0, **facts)


def claimed(job: int, at: float, epoch: int = 1, *, was: str = "available", **facts: Any) -> Move:
    facts = {"attempt": epoch, "lease": 7, **facts}
    return Move(job, was, "executing", at, was_epoch=epoch - 1, epoch=epoch, **facts)


def ended(job: int, at: float, epoch: int = 1, state: str = "completed", **facts: Any) -> Move:
    facts = {"attempt": epoch, "lease": 7, **facts}
    return Move(job, "executing", state, at, was_epoch=epoch, epoch=epoch, **facts)


def life(job: int, at: float, **facts: Any) -> list[Move]:
    return [inserted(job, at, **facts), claimed(job, at + 1, **facts), ended(job, at + 3, **facts)]


def attempt(job: int, at: float, epoch: int = 1, outcome: str = "ok") -> list[Record]:
    return [
        Record("start", job, epoch, epoch, at + 1.1, lease=7, pid=100),
        Record("end", job, epoch, epoch, at + 2.9, lease=7, pid=100, outcome=outcome),
    ]


# job 1 completes itself in a transaction of its own that inserts job 3; job 2 depends on it
GOOD = History(
    jobs={1: Job(1, token="a"), 2: Job(2, token="b"), 3: CHILD},
    moves=[
        inserted(1, 10),
        inserted(2, 10, "suspended"),
        claimed(1, 11),
        inserted(3, 12.5),
        ended(1, 13),
        Move(2, "suspended", "available", 13.5, was_epoch=0, epoch=0),
        claimed(2, 14),
        ended(2, 16),
        claimed(3, 14),
        ended(3, 16),
    ],
    files=[
        *attempt(1, 10),
        Record("completing", 1, 1, 1, 12.4, lease=7, pid=100),
        Record("effect", 1, 1, 1, 12.6, lease=7, pid=100),
        *attempt(2, 13),
        *attempt(3, 13),
    ],
    records=attempt(1, 10),
    effects=[(1, 1)],
    steps={
        1: Step(1, HOLDER, "first", result={"epoch": 1}),
        2: Step(2, HOLDER, "second", result={"epoch": 1}),
    },
    edges=[(1, 2)],
    flows={HOLDER: Flow(HOLDER)},
    endings=[Ending(HOLDER, None, "executing", 10), Ending(HOLDER, "executing", "completed", 17)],
    completions={HOLDER: 17.0},
    inserts=[
        Insert(True, tokens=["a"], ids=[1], workflow=HOLDER, steps=["first", "second"]),
        Insert(False, tokens=["never"]),
    ],
    limits={"narrow": 1, "tenants": 1},
    partitioned=frozenset({"tenants"}),
    rates={"rated": (2, 10.0)},
    left={"leases": 0},
    log="LOG:  database system is ready to accept connections",
)


def found(name: str, history: History) -> Sequence[str]:
    return violations(history)[name]


def changed(moves: Sequence[Move], old: Move, *new: Move) -> list[Move]:
    place = list(moves).index(old)
    return [*moves[:place], *new, *moves[place + 1 :]]


def row(history: History, job: int, **facts: Any) -> Mapping[int, Job]:
    return {**history.jobs, job: replace(history.jobs[job], **facts)}


def test_a_history_in_which_all_is_well_has_no_violation() -> None:
    assert {name: lines for name, lines in violations(GOOD).items() if lines} == {}


def test_every_checker_is_tested_here() -> None:
    assert {name for name, _ in BROKEN} == set(CHECKERS)


def lifted(*extra: Move, **facts: Any) -> History:
    """The good history with moves of further jobs."""
    jobs = {move.job: Job(move.job, queue=move.queue) for move in extra if move.job > 3}
    for job, moves in _by_job(extra).items():
        last = moves[-1]
        jobs[job] = replace(jobs[job], state=last.became or "completed", epoch=last.epoch or 0)
    files = [record for job in jobs for record in attempt(job, 20)]
    more = {key: value for key, value in facts.items() if key not in {"jobs", "files"}}
    return replace(
        GOOD,
        jobs={**GOOD.jobs, **jobs, **facts.get("jobs", {})},
        moves=[*GOOD.moves, *extra],
        files=[*GOOD.files, *facts.get("files", files)],
        **more,
    )


def _by_job(moves: Sequence[Move]) -> Mapping[int, list[Move]]:
    jobs: dict[int, list[Move]] = {}
    for move in moves:
        jobs.setdefault(move.job, []).append(move)
    return jobs


FIRST_END = ended(1, 13)
SECOND_CLAIM = claimed(2, 14)


def ticking(begin: float, end: float, *, kind: str | None = None) -> History:
    """A run of 100 seconds that ticked every other second, except from begin to end."""
    ticks = [float(at) for at in range(1, 100, 2) if not begin <= at < end]
    jobs = {
        n: Job(
            n, meta={"cron_name": "tick", "cron_tick": datetime.fromtimestamp(at, UTC).isoformat()}
        )
        for n, at in enumerate(ticks, start=100)
    }
    return replace(
        GOOD,
        jobs={**GOOD.jobs, **jobs},
        crons=frozenset({"tick"}),
        ticking=(0.0, 100.0),
        faults=[Fault(kind, begin, begin + 5)] if kind is not None else [],
    )


def told_to_end(*, code: int | None = 0, seconds: float = 1.0) -> Fault:
    facts = {"pid": 100, "worker": 1, "seconds": seconds, "code": code}
    return Fault("sigterm", 15, 15 + seconds, facts=facts)


# its process gave it back, and somebody else had it then
GIVEN_BACK = lifted(
    inserted(4, 14),
    claimed(4, 14.5),
    ended(4, 15.5, state="available", attempt=0),
    replace(claimed(4, 18, 2), attempt=1, lease=8),
    ended(4, 19, 2, attempt=1, lease=8),
    files=[*attempt(4, 13.5), *attempt(4, 17, 2)],
)
# nobody gave it back, and it was found later
RESCUED = lifted(
    inserted(4, 14),
    claimed(4, 14.5),
    ended(4, 19, state="available"),
    claimed(4, 20, 2, lease=8),
    ended(4, 21, 2, lease=8),
    jobs={
        4: Job(4, attempt=2, epoch=2, errors=[{"kind": "rescued", "attempt": 1}]),
    },
    files=[*attempt(4, 13.5), *attempt(4, 18.5, 2)],
)

BROKEN: list[tuple[str, History]] = [
    (
        "acknowledged_inserts_are_there",
        replace(GOOD, inserts=[*GOOD.inserts, Insert(True, tokens=["c"], ids=[9])]),
    ),
    ("everything_ended", replace(GOOD, jobs=row(GOOD, 2, state="executing"))),
    (
        "acknowledged_inserts_are_there",
        replace(GOOD, inserts=[Insert(True, workflow=HOLDER, steps=["first", "third"])]),
    ),
    (
        "acknowledged_inserts_are_there",
        replace(GOOD, inserts=[Insert(True, tokens=["copied"], copied=True)]),
    ),
    (
        "acknowledged_inserts_are_there",
        replace(GOOD, jobs={**GOOD.jobs, 9: Job(9, token="a")}),
    ),
    (
        "unsure_inserts_are_whole_or_nothing",
        replace(GOOD, inserts=[Insert(False, tokens=["a", "lost"])]),
    ),
    (
        "unsure_inserts_are_whole_or_nothing",
        replace(GOOD, inserts=[Insert(False, workflow=HOLDER, steps=["first", "third"])]),
    ),
    ("one_finish_a_claim", replace(GOOD, moves=[*GOOD.moves, ended(2, 18)])),
    ("one_finish_a_claim", replace(GOOD, jobs=row(GOOD, 1, epoch=2))),
    (
        "one_finish_a_claim",
        replace(GOOD, moves=changed(GOOD.moves, FIRST_END, replace(FIRST_END, epoch=2))),
    ),
    (
        "final_rows_never_change",
        replace(GOOD, moves=[*GOOD.moves, claimed(1, 20, 2, was="completed")]),
    ),
    # a zombie's acknowledgement, taken for that of the claim that runs
    (
        "accepted_finishes_were_performed",
        lifted(
            inserted(4, 20),
            claimed(4, 21),
            ended(4, 22, state="available"),
            claimed(4, 23, 2),
            ended(4, 24, 2),
            files=[
                Record("start", 4, 1, 1, 21.1),
                Record("start", 4, 2, 2, 23.1),
                Record("end", 4, 1, 1, 23.9, outcome="ok"),
                Record("end", 4, 2, 2, 29.0, outcome="ok"),
            ],
        ),
    ),
    (
        "accepted_finishes_were_performed",
        lifted(*life(4, 20), files=attempt(4, 20, outcome="raised")),
    ),
    (
        "no_start_behind_a_closed_gate",
        replace(GOOD, moves=changed(GOOD.moves, SECOND_CLAIM, replace(SECOND_CLAIM, at=12.9))),
    ),
    (
        "no_start_behind_a_closed_gate",
        replace(
            GOOD,
            moves=changed(GOOD.moves, FIRST_END, replace(FIRST_END, became="discarded")),
            jobs=row(GOOD, 1, state="discarded"),
        ),
    ),
    (
        "cancelled_by_a_cascade_never_started",
        replace(
            GOOD,
            steps={**GOOD.steps, 2: Step(2, HOLDER, "second", "cancelled", cause=None)},
        ),
    ),
    (
        "cancelled_by_a_cascade_never_started",
        replace(
            GOOD,
            moves=changed(GOOD.moves, ended(2, 16), ended(2, 16, state="cancelled")),
            steps={
                **GOOD.steps,
                2: Step(2, HOLDER, "second", "cancelled", cause="dependency first was cancelled"),
            },
        ),
    ),
    (
        "cancelled_by_a_cascade_never_started",
        replace(
            GOOD,
            moves=changed(
                GOOD.moves,
                ended(2, 16),
                ended(2, 16, state="suspended", attempt=0),
                Move(2, "suspended", "cancelled", 17, was_epoch=1, epoch=1),
            ),
            steps={
                **GOOD.steps,
                2: Step(2, HOLDER, "second", "cancelled", cause="dependency first was cancelled"),
            },
        ),
    ),
    (
        "no_waiting_step_is_ready",
        replace(
            GOOD,
            jobs=row(GOOD, 2, state="suspended"),
            steps={**GOOD.steps, 2: Step(2, HOLDER, "second", None)},
        ),
    ),
    ("steps_and_jobs_agree", replace(GOOD, jobs=row(GOOD, 2, state="discarded"))),
    (
        "steps_and_jobs_agree",
        replace(GOOD, steps={**GOOD.steps, 2: Step(2, HOLDER, "second", result={"epoch": 0})}),
    ),
    (
        "completions_are_announced_once",
        replace(GOOD, endings=[*GOOD.endings, Ending(HOLDER, "completed", "completed", 18)]),
    ),
    ("completions_are_announced_once", replace(GOOD, completions={})),
    (
        "workflows_end_after_their_steps",
        replace(GOOD, endings=[GOOD.endings[0], replace(GOOD.endings[1], at=15.5)]),
    ),
    (
        "completions_are_announced_once",
        replace(GOOD, flows={HOLDER: Flow(HOLDER, reacts=True)}),
    ),
    ("completions_are_announced_once", replace(GOOD, flows={HOLDER: Flow(HOLDER, "failed")})),
    (
        "unique_keys_are_unique",
        lifted(
            *life(4, 20),
            *life(5, 21),
            jobs={4: Job(4, meta={"group": "g"}), 5: Job(5, meta={"group": "g"})},
        ),
    ),
    (
        "global_limits_hold",
        lifted(*life(4, 20, queue="narrow"), *life(5, 21, queue="narrow")),
    ),
    (
        "global_limits_hold",
        lifted(
            *life(4, 20, queue="tenants"),
            *life(5, 21, queue="tenants"),
            jobs={n: Job(n, queue="tenants", meta={"tenant": "t1"}) for n in (4, 5)},
        ),
    ),
    (
        "rate_limits_hold",
        lifted(*[move for n in (4, 5, 6) for move in life(n, 20 + n, queue="rated")]),
    ),
    (
        "cron_ticks_once",
        replace(
            GOOD,
            jobs={
                **GOOD.jobs,
                **{n: Job(n, meta={"cron_name": "tick", "cron_tick": "8:00"}) for n in (8, 9)},
            },
        ),
    ),
    ("crons_tick", ticking(0, 100)),
    ("crons_tick", ticking(0, 40)),
    ("crons_tick", ticking(0, 40, kind="immediate")),
    ("crons_tick", ticking(25, 100, kind="kill")),
    (
        "attempts_only_grow",
        lifted(
            inserted(4, 20),
            claimed(4, 21),
            ended(4, 22, state="retryable"),
            replace(claimed(4, 23, was="retryable"), was_epoch=1),
        ),
    ),
    (
        "attempts_only_grow",
        lifted(inserted(4, 20), replace(claimed(4, 21), attempt=2)),
    ),
    (
        "attempts_only_grow",
        lifted(inserted(4, 20), claimed(4, 21), ended(4, 22, state="retryable", attempt=0)),
    ),
    (
        "starts_have_growing_epochs",
        lifted(*life(4, 20), files=[Record("start", 4, 1, 1, 21.1), Record("start", 4, 1, 1, 29)]),
    ),
    (
        "executions_are_bounded",
        lifted(
            *life(4, 20),
            files=[Record("start", 4, epoch, epoch, 20.0 + epoch) for epoch in range(1, 6)],
        ),
    ),
    *[
        (
            "executions_are_bounded",
            lifted(
                *life(4, 20),
                files=[Record("start", 4, epoch, epoch, 20.0 + epoch) for epoch in range(1, 6)],
                faults=[
                    Fault(kind, 22, 23, facts={"pid": 5, "code": 0, "seconds": 1, "worker": 1})
                ],
            ),
        )
        for kind in ("freeze", "cut", "held", "kill", "sigterm")
    ],
    (
        "executions_are_bounded",
        lifted(
            *life(4, 20),
            jobs={4: Job(4, errors=[{"kind": "rescued", "attempt": 1}])},
            files=[Record("start", 4, epoch, epoch, 20.0 + epoch) for epoch in range(1, 7)],
        ),
    ),
    ("acknowledged_effects_are_there", replace(GOOD, effects=[])),
    (
        "acknowledged_effects_are_there",
        replace(GOOD, moves=changed(GOOD.moves, FIRST_END, replace(FIRST_END, became="retryable"))),
    ),
    (
        "acknowledged_effects_are_there",
        replace(GOOD, files=[*GOOD.files, Record("effect", 2, 1, 1, 15.0)]),
    ),
    ("sigterm_is_orderly", replace(GOOD, faults=[told_to_end(code=1)])),
    ("sigterm_is_orderly", replace(GOOD, faults=[told_to_end(code=None)])),
    ("sigterm_is_orderly", replace(GOOD, faults=[told_to_end(code=5)])),
    ("sigterm_is_orderly", replace(GOOD, faults=[told_to_end(seconds=8.0)])),
    ("sigterm_is_orderly", replace(RESCUED, faults=[told_to_end()])),
    ("effects_are_exactly_once", replace(GOOD, effects=[])),
    ("effects_are_exactly_once", replace(GOOD, effects=[(1, 1), (1, 1)])),
    ("effects_are_exactly_once", replace(GOOD, effects=[(1, 1), (2, 1)])),
    ("effects_are_exactly_once", replace(GOOD, jobs=row(GOOD, 3, token="other"))),
    ("effects_are_exactly_once", replace(GOOD, jobs=row(GOOD, 3, token="2/child/1"))),
    ("starts_were_claimed", replace(GOOD, files=[*GOOD.files, *attempt(2, 20, epoch=5)])),
    ("both_records_agree", replace(GOOD, records=attempt(9, 10))),
    ("nothing_is_left", replace(GOOD, left={"leases": 1})),
    ("the_log_is_clean", replace(GOOD, log="ERROR:  deadlock detected")),
    ("the_log_is_clean", replace(GOOD, log="PANIC:  could not write")),
    (
        "attempts_do_what_they_are_told",
        replace(GOOD, files=[Record("end", 1, 1, 1, 12.0, outcome="raised", error="NotAStep")]),
    ),
    ("processes_survive", replace(GOOD, unexpected=["worker 1 ended with 1"])),
    ("processes_survive", replace(GOOD, complaints=["a traceback"])),
]


@pytest.mark.parametrize(
    ("name", "history"), BROKEN, ids=[f"{n}-{place}" for place, (n, _) in enumerate(BROKEN)]
)
def test_a_broken_rule_is_found_by_its_checker(name: str, history: History) -> None:
    assert found(name, history)


FORGIVEN: list[tuple[str, History]] = [
    (
        "final_rows_never_change",
        replace(
            GOOD,
            moves=[*GOOD.moves, claimed(1, 20, 2, was="completed")],
            steerings=[Steering("retry_job", 1, "", 19)],
        ),
    ),
    (
        "starts_were_claimed",
        replace(
            GOOD,
            files=[*GOOD.files, *attempt(2, 20, epoch=5)],
            faults=[Fault("immediate", 21.5, 23)],
        ),
    ),
    (
        "no_start_behind_a_closed_gate",
        replace(
            GOOD,
            moves=changed(GOOD.moves, FIRST_END, replace(FIRST_END, became="discarded")),
            steps={**GOOD.steps, 2: Step(2, HOLDER, "second", ignore_discarded=True)},
        ),
    ),
    (
        "executions_are_bounded",
        lifted(
            *life(4, 20),
            files=[Record("start", 4, epoch, epoch, 20.0 + epoch) for epoch in range(1, 6)],
            faults=[Fault("immediate", 22, 23)],
        ),
    ),
    (
        "executions_are_bounded",
        lifted(
            *life(4, 20),
            jobs={4: Job(4, errors=[{"kind": "rescued", "attempt": 1}])},
            files=[Record("start", 4, epoch, epoch, 20.0 + epoch) for epoch in range(1, 6)],
        ),
    ),
    (
        "executions_are_bounded",
        replace(GIVEN_BACK, jobs=row(GIVEN_BACK, 4, max_attempts=1)),
    ),
    ("crons_tick", ticking(40, 65)),
    ("crons_tick", ticking(40, 75, kind="immediate")),
    ("sigterm_is_orderly", replace(GOOD, faults=[told_to_end()])),
    ("sigterm_is_orderly", replace(GIVEN_BACK, faults=[told_to_end(code=5)])),
    # of the same number, and gone long before
    ("sigterm_is_orderly", replace(RESCUED, faults=[replace(told_to_end(), begun=1, ended=2)])),
    # what the database did not answer in time counts as after a crash
    ("sigterm_is_orderly", replace(RESCUED, faults=[told_to_end(), Fault("immediate", 14, 16)])),
    (
        "sigterm_is_orderly",
        replace(RESCUED, faults=[told_to_end(), Fault("cut", 14, 16, facts={"worker": 1})]),
    ),
    ("the_log_is_clean", replace(GOOD, log="PANIC:  x", faults=[Fault("disk_full", 1, 2)])),
]


@pytest.mark.parametrize(("name", "history"), FORGIVEN, ids=[name for name, _ in FORGIVEN])
def test_what_a_fault_or_a_person_explains_is_no_violation(name: str, history: History) -> None:
    assert not found(name, history)


def test_a_steering_is_found_by_its_job_and_by_its_workflow() -> None:
    """It names one of each, which need not belong together."""
    steps = {n: Step(n, flow, f"s{n}") for n, flow in ((1, "a"), (2, "a"), (3, "b"))}
    history = History(steps=steps, steerings=[Steering("retry_job", 1, "b", 19)])
    asked = {job: len(history.steered(job, "retry_job")) for job in (1, 2, 3, 4)}
    assert asked == {1: 1, 2: 1, 3: 1, 4: 0}
    assert history.steered(1, "skip") == []
