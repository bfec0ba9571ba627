"""The judgement of why something waits: every case, from values alone."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from baton import Progress, Reason, Why
from baton.why import (
    Bunch,
    Held,
    JobFacts,
    QueueFacts,
    WorkflowFacts,
    explain_job,
    explain_workflow,
    words,
)
from baton.why.facts import (
    Dependency,
    HoldFacts,
    PausedNode,
    ProcessFacts,
    StepFacts,
    WaitFacts,
)

NOW = datetime(2026, 11, 21, 8, 30, tzinfo=UTC)
FLOW = UUID(int=7)
ONE = Decimal(1)
QUEUE = QueueFacts(name="mail", processes=2, slots=20, free=20, ahead=0)


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def in_(seconds: float) -> datetime:
    return ago(-seconds)


def job(state: str | None, **facts: Any) -> JobFacts:
    tried: dict[str, Any] = {"attempt": 0, "max_attempts": 20, "scheduled_at": ago(60)}
    return JobFacts(id=42, now=NOW, state=state, queue="mail", **(tried | facts))


def step(state: str | None, wait: WaitFacts | None = None, **facts: Any) -> JobFacts:
    return job(state, step=StepFacts(workflow_id=FLOW, name="send", **facts), wait=wait)


def parked(signal: str | None, until: datetime | None = None, **facts: Any) -> JobFacts:
    wait = WaitFacts(
        signal=signal, since=ago(60), until=until, **({"on_timeout": "discarded"} | facts)
    )
    kind = "sleep" if signal is None else "signal"
    return step("suspended", wait, kind=kind, parked_at=ago(60))


def held(state: str, **facts: Any) -> JobFacts:
    hold: dict[str, Any] = {
        "workflow_id": FLOW,
        "workflow": "brief",
        "queue": None,
        "max_cost": Decimal("0.1"),
        "max_tokens": None,
        "spent_cost": Decimal("0.12"),
        "spent_tokens": 30,
        "reserved_cost": Decimal(0),
        "reserved_tokens": 0,
        "cost": Decimal(0),
        "tokens": 0,
        "crowded": False,
    }
    stands = {"parked_at": ago(60)} if state == "suspended" else {}
    due = in_(7200) if state == "scheduled" else ago(60)
    return replace(step(state, **stands), hold=HoldFacts(**(hold | facts)), scheduled_at=due)


def gated(*dependencies: Dependency, count: int | None = None, **facts: Any) -> JobFacts:
    total = len(dependencies) if count is None else count
    return step("suspended", unmet=dependencies, unmet_count=total, **facts)


def dependency(name: str, state: str, **facts: Any) -> Dependency:
    return Dependency(name=name, job_id=1, state=state, **facts)


def executing(alive: bool = True, **facts: Any) -> JobFacts:
    process = ProcessFacts(node="host:1", alive=alive, renewed_at=ago(30))
    return job("executing", attempt=2, attempted_at=ago(300), process=process, **facts)


CASES: list[tuple[JobFacts, QueueFacts | None, Reason, str]] = [
    (job(None), None, Reason.DELETED, "has no job any more: it was deleted, and nothing runs it"),
    (
        job("completed", ended_at=ago(7200)),
        None,
        Reason.COMPLETED,
        "completed at 2026-11-21 06:30:00 UTC (2 h ago)",
    ),
    (
        job("completed", error="no", attempt=2),
        None,
        Reason.COMPLETED,
        "completed",
    ),
    (
        step("completed", cause="done by hand"),
        None,
        Reason.COMPLETED,
        "completed: done by hand",
    ),
    (
        job("discarded", ended_at=ago(1), attempt=3, max_attempts=3, error="no\nsuch  table"),
        None,
        Reason.DISCARDED,
        "was discarded at 2026-11-21 08:29:59 UTC (1.0 s ago) after attempt 3 of 3: no such table",
    ),
    (
        job("cancelled", ended_at=ago(300), error="the customer left"),
        None,
        Reason.CANCELLED,
        "was cancelled at 2026-11-21 08:25:00 UTC (5 min ago): the customer left",
    ),
    (job("cancelled"), None, Reason.CANCELLED, "was cancelled"),
    (
        held("suspended"),
        None,
        Reason.BUDGET,
        (
            "is held by the budget of workflow brief: $0.12 of $0.10 spent; it runs once the "
            "budget is raised: baton llm budget set --workflow 00000000 --cost AMOUNT"
        ),
    ),
    (
        held("scheduled", workflow_id=None, queue="l l m", max_cost=None, max_tokens=30, tokens=5),
        QUEUE,
        Reason.BUDGET,
        (
            "is held by the budget of queue l l m: 30 of 30 tokens used today, it may use 5 "
            "tokens; it runs again at 2026-11-21 10:30:00 UTC (in 2 h), or once the budget is "
            "raised: baton llm budget set --queue 'l l m' --tokens NUMBER"
        ),
    ),
    (
        held("suspended", workflow=None, crowded=True, max_tokens=50, reserved_tokens=1, cost=ONE),
        None,
        Reason.BUDGET,
        (
            "is held by the budget of workflow 00000000: $0.12 of $0.10 spent, 30 of 50 tokens "
            "used, 1 token reserved by what runs, it may use $1.00; it runs when enough of that is "
            "left over, or once the budget is raised: baton llm budget set --workflow 00000000 "
            "--cost AMOUNT --tokens NUMBER"
        ),
    ),
    (
        step("completed", skipped=True, cause="no dependency failed"),
        None,
        Reason.SKIPPED,
        "was skipped: no dependency failed",
    ),
    (
        executing(),
        None,
        Reason.EXECUTING,
        "has been executing since 2026-11-21 08:25:00 UTC (5 min) on host:1, attempt 2 of 20",
    ),
    (
        executing(alive=False),
        None,
        Reason.LOST,
        (
            "was executed by host:1, last heard of at 2026-11-21 08:29:30 UTC (30 s ago), which is "
            "dead: it is about to be given to another"
        ),
    ),
    (
        parked("approved"),
        None,
        Reason.SIGNAL,
        "waits for signal approved",
    ),
    (
        parked("approved", in_(600)),
        None,
        Reason.SIGNAL,
        "waits for signal approved until 2026-11-21 08:40:00 UTC (in 10 min), when it is discarded",
    ),
    (
        parked("approved", in_(600), on_timeout="completed"),
        None,
        Reason.SIGNAL,
        (
            "waits for signal approved until 2026-11-21 08:40:00 UTC (in 10 min), when it goes on "
            "without it"
        ),
    ),
    (
        parked("approval:ok", question="Go?", asks="sales"),
        None,
        Reason.APPROVAL,
        'waits for the approval of sales: "Go?"',
    ),
    (
        parked("approval:ok", in_(600), question="Go?"),
        None,
        Reason.APPROVAL,
        (
            'waits for the approval: "Go?" until 2026-11-21 08:40:00 UTC (in 10 min), when it is '
            "discarded"
        ),
    ),
    (
        parked("approval:ok", question="Go?", sent_at=ago(1)),
        None,
        Reason.MOMENT,
        "asked for approval, was answered, and is about to go on",
    ),
    (
        parked("approval:ok", ago(1), question="Go?"),
        None,
        Reason.MOMENT,
        "asked for approval, which nobody gave in time, and is about to go on",
    ),
    (
        parked("approved", in_(600), on_timeout="resume"),
        None,
        Reason.SIGNAL,
        "waits for signal approved until 2026-11-21 08:40:00 UTC (in 10 min), when it runs on",
    ),
    (
        parked("approved", sent_at=ago(1)),
        None,
        Reason.MOMENT,
        "waited for signal approved, which came, and is about to go on",
    ),
    (
        parked("approved", ago(1)),
        None,
        Reason.MOMENT,
        "waited for signal approved, which did not come in time, and is about to go on",
    ),
    (
        parked(None, in_(86_400 * 3)),
        None,
        Reason.SLEEP,
        "sleeps until 2026-11-24 08:30:00 UTC (in 3 d)",
    ),
    (parked(None, ago(1)), None, Reason.MOMENT, "has slept long enough and is about to go on"),
    (
        step("suspended", kind="signal", parked_at=ago(60)),
        None,
        Reason.MOMENT,
        "has waited long enough and is about to go on",
    ),
    (
        step("suspended", kind="workflow", parked_at=ago(60), subworkflow_id=FLOW),
        None,
        Reason.SUBWORKFLOW,
        "waits for the workflow that it is",
    ),
    (gated(dependency("a", "executing")), None, Reason.DEPENDENCY, "waits for a (executing)"),
    (
        gated(dependency("a", "executing"), dependency("b", "waiting")),
        None,
        Reason.DEPENDENCY,
        "waits for a (executing) and b (waiting)",
    ),
    (
        gated(*(dependency(name, "retryable") for name in "abcde"), count=10_000),
        None,
        Reason.DEPENDENCY,
        "waits for a (retryable), b (retryable), c (retryable) and 9,997 more",
    ),
    (
        gated(dependency("a", "executing"), run_on="failed"),
        None,
        Reason.DEPENDENCY,
        "waits for a (executing) to end",
    ),
    (
        gated(dependency("a", "cancelled", poisons=True), dependency("b", "executing")),
        None,
        Reason.HOPELESS,
        "can never run and is about to be cancelled: dependency a was cancelled",
    ),
    (
        job("suspended"),
        None,
        Reason.SUSPENDED,
        "is suspended though it is no step of a workflow; retry it to have it run",
    ),
    (
        step("suspended"),
        None,
        Reason.MOMENT,
        "waits for nothing any more and is about to start",
    ),
    (
        job("scheduled", scheduled_at=in_(600)),
        QUEUE,
        Reason.SCHEDULED,
        "is scheduled for 2026-11-21 08:40:00 UTC (in 10 min)",
    ),
    (job("scheduled"), QUEUE, Reason.MOMENT, "is due and about to start"),
    (
        job("retryable", scheduled_at=in_(30), attempt=1, error="no"),
        QUEUE,
        Reason.RETRY,
        "runs again at 2026-11-21 08:30:30 UTC (in 30 s), after attempt 1 of 20 failed: no",
    ),
    (
        job("retryable", attempt=1),
        QUEUE,
        Reason.MOMENT,
        "runs again any moment, after attempt 1 of 20 failed",
    ),
    (
        job("retryable", attempt=1),
        replace(QUEUE, processes=0, slots=0, free=0),
        Reason.UNSERVED,
        "waits because no live worker process serves queue mail",
    ),
    (
        job("available", deadline=ago(60)),
        QUEUE,
        Reason.DEADLINE,
        "is past its deadline of 2026-11-21 08:29:00 UTC and is cancelled instead of started",
    ),
    (job("available"), None, Reason.MOMENT, "is due and about to start"),
    (
        job("available"),
        replace(QUEUE, paused_at=ago(300), paused_by="ada"),
        Reason.PAUSED,
        "waits because queue mail is paused by ada since 2026-11-21 08:25:00 UTC (5 min)",
    ),
    (
        job("available"),
        replace(QUEUE, paused_at=ago(300)),
        Reason.PAUSED,
        "waits because queue mail is paused since 2026-11-21 08:25:00 UTC (5 min)",
    ),
    (
        job("available"),
        replace(QUEUE, slots=0, free=0, paused_nodes=[PausedNode(node="night", at=ago(60))]),
        Reason.PAUSED,
        (
            "waits because queue mail is paused in every process that serves it, night, since "
            "2026-11-21 08:29:00 UTC (60 s)"
        ),
    ),
    (
        job("available"),
        replace(QUEUE, stopped=True, processes=0),
        Reason.STOPPED,
        "waits because queue mail is stopped",
    ),
    (
        job("available"),
        replace(QUEUE, global_limit=9, running_count=9, running=[1, 2, 3, 4, 5], full=True),
        Reason.GLOBAL_LIMIT,
        "waits because queue mail executes 9 jobs at once at most: jobs 1, 2, 3 and 6 more execute",
    ),
    (
        job("available"),
        replace(QUEUE, global_limit=1, running_count=1, running=[7], full=True, partition="acme"),
        Reason.GLOBAL_LIMIT,
        "waits because queue mail executes 1 job at once at most in partition acme: job 7 executes",
    ),
    (
        job("available"),
        replace(QUEUE, rate_limit=100, rate_period=60.0, room_in=12.4),
        Reason.RATE_LIMIT,
        "waits because queue mail starts 100 within 60 s at most: there is room in 12 s",
    ),
    (
        job("available"),
        replace(QUEUE, free=0, ahead=1),
        Reason.BUSY,
        "waits because all 20 slots of queue mail are busy and 1 job is in front of it",
    ),
    (
        job("available"),
        replace(QUEUE, slots=1, free=0),
        Reason.BUSY,
        "waits because the only slot of queue mail is busy",
    ),
    (
        job("available"),
        replace(QUEUE, ahead=12),
        Reason.TURN,
        "waits for its turn in queue mail: 12 jobs are in front of it",
    ),
    (
        job("available"),
        replace(QUEUE, ahead=1_001),
        Reason.TURN,
        "waits for its turn in queue mail: more than 1,000 jobs are in front of it",
    ),
    (job("available"), QUEUE, Reason.TURN, "is the next that queue mail starts"),
]


@pytest.mark.parametrize(
    ("facts", "queue", "reason", "told"), CASES, ids=[case[3][:60] for case in CASES]
)
def test_each_case_has_its_words(
    facts: JobFacts, queue: QueueFacts | None, reason: Reason, told: str
) -> None:
    why = explain_job(facts, queue)
    assert (why.reason, why.told) == (reason, told)
    assert why.sentence == f"{'step send' if facts.step else 'job 42'} {told}"
    as_json = json.loads(json.dumps(why.as_json()))
    assert as_json["sentence"] == why.sentence
    assert as_json["reason"] == reason
    assert len(as_json["evidence"]) == len(why.evidence)


def test_every_reason_is_met() -> None:
    assert {case[2] for case in CASES} | {Reason.FAILED} == set(Reason)


# What somebody said or a machine is in comes before what will pass by itself.
def test_the_more_stubborn_hindrance_is_told_first() -> None:
    all_of_them = replace(
        QUEUE,
        ahead=5,
        free=0,
        room_in=5.0,
        rate_limit=1,
        rate_period=1.0,
        full=True,
        global_limit=1,
        processes=0,
        stopped=True,
        paused_at=NOW,
    )
    told = []
    for cleared in (
        {},
        {"paused_at": None},
        {"stopped": False},
        {"processes": 1},
        {"full": False},
        {"room_in": None},
        {"free": 1},
    ):
        all_of_them = replace(all_of_them, **cleared)
        told.append(explain_job(job("available"), all_of_them).reason)
    assert told == [
        Reason.PAUSED,
        Reason.STOPPED,
        Reason.UNSERVED,
        Reason.GLOBAL_LIMIT,
        Reason.RATE_LIMIT,
        Reason.BUSY,
        Reason.TURN,
    ]


def test_what_will_hold_it_later_is_evidence() -> None:
    queue = replace(QUEUE, paused_at=NOW, paused_by="ada")
    facts = job("retryable", scheduled_at=in_(60), attempt=1, error="no", deadline=in_(120))
    kinds = [fact.kind for fact in explain_job(facts, queue).evidence]
    assert kinds == ["due", "error", "attempt", "queue", "deadline"]
    conditional = gated(dependency("a", "available"), condition="is_large")
    assert [fact.kind for fact in explain_job(conditional).evidence] == ["dependency", "condition"]


def test_an_end_leads_to_what_it_came_from() -> None:
    root = explain_job(replace(job("discarded", error="no"), id=1))
    cancelled = step("cancelled", cause="dependency a was discarded")
    why = explain_job(cancelled, because=root)
    assert why.sentence == ("step send was cancelled because of job 1: job 1 was discarded: no")
    assert why.root is root
    assert why.as_json()["because"]["subject"] == "job 1"


def held(reason: Reason, count: int, *names: str) -> Held:
    bunch = Bunch(steps=count, names=names, job_id=1)
    return Held(bunch, Why(subject=f"step {names[0]}", reason=reason, told=reason.value))


def flow(state: str = "executing", **facts: Any) -> WorkflowFacts:
    return WorkflowFacts(id=FLOW, name="brief", now=NOW, state=state, inserted_at=ago(60), **facts)


def test_a_workflow_is_held_up_most_by_what_nothing_will_move() -> None:
    bunches = [
        held(Reason.EXECUTING, 100, "a", "b", "c", "d"),
        held(Reason.TURN, 5_000, "e", "f", "g", "h"),
        held(Reason.RETRY, 3, "i", "j", "k"),
        held(Reason.SIGNAL, 1, "l"),
        held(Reason.PAUSED, 2, "m", "n"),
    ]
    told = []
    while bunches:
        why = explain_workflow(flow(), Progress(total=6_000, completed=894), bunches)
        told.append(why.told)
        bunches.remove(next(each for each in bunches if each.why is why.because))
    done = "is executing, 894 of 6,000 steps done, and "
    assert told == [
        f"{done}is held up by 2 steps (m and n)",
        f"{done}is held up by one step",
        f"{done}is held up by 3 steps (i, j and k)",
        f"{done}is held up by 5,000 steps (e, f, g and 4,997 more)",
        f"{done}waits for 100 steps (a, b, c and 97 more)",
    ]


def test_steps_that_are_alike_are_one_fact_each() -> None:
    bunches = [held(Reason.TURN, 5, "a", "b", "c", "d"), held(Reason.PAUSED, 1, "e")]
    facts = flow(deadline=in_(60), looked_at=6)
    why = explain_workflow(facts, Progress(total=10, completed=4), bunches)
    assert [fact.kind for fact in why.evidence] == [
        "progress",
        "deadline",
        "steps",
        "steps",
        "looked_at",
    ]
    assert why.evidence[3].text == "5 steps (a, b, c and 2 more): step a turn"


def test_a_workflow_that_failed_names_the_first_failure() -> None:
    failure = explain_job(replace(job("discarded", error="no"), id=1))
    progress = Progress(total=5, completed=1, discarded=1, cancelled=3)
    why = explain_workflow(flow("failed", finished_at=ago(60)), progress, failure=failure)
    assert why.reason is Reason.FAILED
    assert why.sentence == (
        "workflow brief failed at 2026-11-21 08:29:00 UTC (60 s ago), 1 step discarded and 3 steps "
        "cancelled, the first of them: job 1 was discarded: no"
    )
    bare = explain_workflow(flow("failed"), Progress())
    assert bare.sentence == "workflow brief failed"


def test_a_workflow_that_completed_has_nothing_to_explain() -> None:
    progress = Progress(total=5, completed=3, skipped=2)
    why = explain_workflow(flow("completed"), progress)
    assert why.sentence == "workflow brief completed, 2 steps skipped"
    assert why.because is None


def test_a_workflow_between_two_moments_is_about_to_go_on() -> None:
    nameless = replace(flow(), name=None)
    why = explain_workflow(nameless, Progress(total=2, completed=2))
    assert why.subject == f"workflow {FLOW}"
    assert why.told == "is executing, 2 of 2 steps done, and is about to be finished"
    why = explain_workflow(flow(), Progress(total=2, discarded=1))
    assert why.told == "is executing, 1 of 2 steps done (1 step discarded), and is about to go on"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (-1, "0.0 s"),
        (0.25, "0.2 s"),
        (2, "2 s"),
        (119, "119 s"),
        (120, "2 min"),
        (7_200, "2 h"),
        (172_800, "2 d"),
    ],
)
def test_a_span_is_said_in_the_largest_unit_of_which_there_are_two(
    seconds: float, said: str
) -> None:
    assert words.span(seconds) == said


def test_a_text_is_one_line_and_cut_where_it_is_long() -> None:
    assert words.line("a\n\tb") == "a b"
    assert words.line(None) == ""
    assert len(words.line("x" * 1_000)) == words.LONGEST
