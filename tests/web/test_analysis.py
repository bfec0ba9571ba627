"""What the page concludes from the steps of a workflow: values in, values out."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import uuid4

import pytest

from baton.failures import Failed, fingerprint, grouped
from baton.states import State
from baton.status import Node, WorkflowStatus
from baton.store.pages import Attempts, Norm, Try
from baton.trees import WorkflowTree
from baton.web import hide
from baton.web.analysis import critical_path, failures, segments
from baton.web.norms import Norms, Usual

T = datetime(2026, 11, 21, 12, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return T + timedelta(seconds=seconds)


def node(name: str, state: str = "completed", *deps: str, **facts: Any) -> Node:
    times = {key: at(facts.pop(key)) for key in ("started_at", "finished_at") if key in facts}
    values: dict[str, Any] = {
        "result": None, "error": None, "duration": None, "worker": "w", "queue": "q", "attempt": 1,
        "started_at": None, "finished_at": None, "inserted_at": T, "job_id": len(name) + 1,
        **times, **facts,
    }  # fmt: skip
    return Node(step_name=name, state=State(state), deps=deps, **values)


def tree(*nodes: Node) -> WorkflowTree:
    return WorkflowTree.of(
        WorkflowStatus(
            id=uuid4(), name=None, state="executing", inserted_at=T, finished_at=None,
            counts=Counter(), nodes=nodes,
        )
    )  # fmt: skip


def parts(*given: Any) -> list[tuple[str, float]]:
    return [(each.kind, each.seconds) for each in segments(*given)]


def test_a_step_waits_for_its_dependencies_then_in_the_queue_and_runs() -> None:
    parent = node("p", started_at=1, finished_at=10)
    step = node("s", "completed", "p", started_at=12, finished_at=20)
    assert parts(step, [parent], None, at(99)) == [("waiting", 10), ("queued", 2), ("running", 8)]


def test_a_step_that_nobody_performs_waits_outside_and_in_no_queue() -> None:
    parent = node("p", started_at=1, finished_at=10)
    asked = node("s", "suspended", "p", kind="approval", worker=None, parked_at=at(11))
    assert parts(asked, [parent], None, at(30)) == [("waiting", 11), ("parked", 19)]
    not_yet = node("s", "suspended", "p", kind="signal", worker=None)
    assert parts(not_yet, [node("p", "executing")], None, at(7)) == [("waiting", 7)]
    done = node("s", "completed", "p", kind="sleep", parked_at=at(10), finished_at=25)
    assert parts(done, [parent], None, at(99)) == [("waiting", 10), ("parked", 15)]


def test_what_goes_on_ends_now() -> None:
    parent = node("p", started_at=1, finished_at=10)
    assert parts(node("s", "suspended", "p"), [node("p", "executing")], None, at(7)) == [
        ("waiting", 7)
    ]
    assert parts(node("s", "available", "p"), [parent], None, at(15)) == [
        ("waiting", 10),
        ("queued", 5),
    ]
    running = node("s", "executing", "p", started_at=11)
    assert parts(running, [parent], None, at(15))[-1] == ("running", 4)


def test_a_job_that_is_due_later_waits_for_its_time() -> None:
    step = node("s", "scheduled")
    assert parts(step, [], Attempts(at(60)), at(5)) == [("waiting", 5)]
    assert parts(step, [], Attempts(at(60)), at(65)) == [("waiting", 60), ("queued", 5)]


def tried(due: float, begins: float, ends: float) -> Try:
    return Try(at(due), at(begins), at(ends))


def test_each_attempt_that_failed_is_followed_by_its_backoff() -> None:
    failed = Attempts(at(30), [tried(0, 1, 4), tried(10, 12, 14)])
    step = node("s", "completed", attempt=3, started_at=33, finished_at=40)
    assert parts(step, [], failed, at(99)) == [
        ("queued", 1),
        ("running", 3),
        ("backoff", 6),
        ("queued", 2),
        ("running", 2),
        ("backoff", 16),
        ("queued", 3),
        ("running", 7),
    ]


def test_attempts_that_are_not_told_apart_are_one() -> None:
    failed = Attempts(at(30), [tried(10, 12, 14)], partial=True)
    step = node("s", "executing", attempt=60, started_at=33)
    kinds = [kind for kind, _ in parts(step, [], failed, at(40))]
    assert kinds == ["waiting", "earlier", "running", "backoff", "queued", "running"]


def test_a_step_that_will_be_tried_again_is_in_backoff_and_then_queued() -> None:
    failed = Attempts(at(60), [tried(0, 3, 9)])
    step = node("s", "retryable", attempt=1, started_at=3)
    assert parts(step, [], failed, at(20)) == [("queued", 3), ("running", 6), ("backoff", 11)]
    due = node("s", "available", attempt=1, started_at=3)
    assert parts(due, [], failed, at(70))[-2:] == [("backoff", 51), ("queued", 10)]


def test_the_attempt_that_ended_a_step_for_good_is_told_once() -> None:
    failed = Attempts(at(10), [tried(0, 1, 4), tried(10, 12, 20)])
    bad = node("s", "discarded", attempt=2, started_at=12, finished_at=20.001)
    assert [kind for kind, _ in parts(bad, [], failed, at(99))] == [
        "queued", "running", "backoff", "queued", "running"
    ]  # fmt: skip
    given_up = node("s", "cancelled", attempt=2, started_at=12, finished_at=50)
    assert parts(given_up, [], failed, at(99))[-1] == ("backoff", 30)


def test_a_step_whose_dependencies_ran_again_waited_for_them() -> None:
    parent = node("p", started_at=40, finished_at=50)
    failed = Attempts(at(30), [tried(0, 11, 14)])
    step = node("s", "completed", "p", started_at=52, finished_at=60)
    assert parts(step, [parent], failed, at(99)) == [
        ("waiting", 11),
        ("running", 3),
        ("waiting", 36),
        ("queued", 2),
        ("running", 8),
    ]


def test_what_was_put_off_or_given_back_waits() -> None:
    snoozed = node("s", "scheduled", started_at=3)
    assert parts(snoozed, [], Attempts(at(60)), at(20)) == [("waiting", 20)]
    given_back = node("s", "available", started_at=3)
    assert parts(given_back, [], None, at(20)) == [("queued", 20)]


def test_times_that_contradict_each_other_make_no_bar_overlap() -> None:
    failed = Attempts(at(5), [tried(9, 8, 4), tried(0, 2, 30)])
    step = node("s", "completed", started_at=10, finished_at=40)
    found = segments(step, [], failed, at(99))
    assert all(one.ends <= other.begins for one, other in pairwise(found))


def test_a_step_that_never_ran_only_waited() -> None:
    bad = node("p", "discarded", started_at=1, finished_at=5)
    step = node("s", "cancelled", "p", finished_at=6)
    assert [kind for kind, _ in parts(step, [bad], None, at(50))] == ["waiting"]


def test_failures_are_told_from_what_they_cascaded_to() -> None:
    found = failures(
        tree(
            node("a", "discarded", started_at=1, finished_at=9),
            node("b", "discarded", started_at=1, finished_at=4),
            node("c", "cancelled", "a", finished_at=10),
            node("d", "cancelled", "c", finished_at=10),
            node("e", "cancelled", finished_at=2),
            node("f", "retryable", started_at=1),
            node("g", started_at=1, finished_at=2),
        )
    )
    assert [each.step_name for each in found.first] == ["e", "b", "a", "f"]
    assert [each.step_name for each in found.cascades] == ["c", "d"]


def test_the_critical_path_leads_through_what_ended_last() -> None:
    flow = tree(
        node("a", started_at=0, finished_at=2),
        node("short", "completed", "a", started_at=2, finished_at=3, job_id=11),
        node("long", "completed", "a", started_at=2, finished_at=9, job_id=12),
        node("end", "completed", "short", "long", started_at=9, finished_at=10, job_id=13),
    )
    assert [each.step_name for each in critical_path(flow, at(99))] == ["a", "long", "end"]
    assert critical_path(tree(node("a", "available")), at(1)) == []


def named(name: str, **facts: Any) -> Norm:
    return Norm(name, None, None, **{"runs": 20, "steps": 20, "p50": 1.0, "p95": 2.0, **facts})


def alike(worker: str, head: str, **facts: Any) -> Norm:
    return Norm(None, worker, head, **{"runs": 5, "steps": 40, "p50": 3.0, "p95": 4.0, **facts})


def compared(usual: Usual | None) -> tuple[str, str] | None:
    return None if usual is None else (usual.of, usual.verdict)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(1.0, "as usual"), (2.3, "as usual"), (2.5, "slower than 95 % of them")],
)
def test_a_step_is_slow_when_nearly_all_earlier_ones_were_faster(seconds: float, said: str) -> None:
    known = Norms([named("a")], [])
    assert compared(known.usual(node("a", duration=seconds))) == ("20 earlier runs", said)
    assert compared(known.usual(node("a", "available"))) == ("20 earlier runs", "")
    assert known.usual(node("other", duration=seconds)) is None
    assert Norms([named("a", runs=2, steps=2)], []).usual(node("a", duration=1)) is None
    assert known.usual(node("a", kind="signal", worker=None, duration=seconds)) is None


def test_a_step_of_a_fan_out_is_compared_with_those_like_it_in_earlier_runs() -> None:
    earlier = [alike("w", "fetch:"), alike("w", "page "), named("fetch:3", p50=9.0, p95=9.0)]
    known = Norms(earlier, [])
    told = "40 steps like fetch:* in 5 earlier runs"
    for name in ("fetch:17", "fetch:archive"):
        assert compared(known.usual(node(name, duration=3.5))) == (told, "as usual")
    slow = known.usual(node("fetch:17", duration=5))
    assert slow is not None
    assert slow.is_slow
    assert compared(known.usual(node("page 7", duration=5))) == (
        "40 steps like page * in 5 earlier runs",
        "slower than 95 % of them",
    )
    # the name itself tells more, another worker nothing
    assert compared(known.usual(node("fetch:3", duration=5))) == ("20 earlier runs", "as usual")
    assert known.usual(node("fetch:17", worker="other", duration=5)) is None
    assert known.usual(node("parse:17", duration=5)) is None


def test_without_earlier_runs_a_step_is_compared_with_the_others_like_it() -> None:
    nodes = [node(f"fetch:{n}", duration=1.0 + n / 10) for n in range(6)]
    nodes += [node("fetch:slow", duration=9.0), node("fetch:skipped", skipped=True, duration=0.0)]
    runs = node("fetch:runs", "executing", duration=30.0)
    known = Norms([], [*nodes, runs])
    slow, running, usual = [known.usual(each) for each in (nodes[6], runs, nodes[0])]
    assert compared(slow) == ("6 others like fetch:* in this run", "slower than 95 % of them")
    assert slow is not None
    assert (slow.p50, slow.p95) == (pytest.approx(1.25), pytest.approx(1.475))
    assert compared(running) == ("7 others like fetch:* in this run", "slower than 95 % of them")
    assert compared(usual) == ("6 others like fetch:* in this run", "as usual")
    few = nodes[:3]
    assert Norms([], few).usual(few[0]) is None


@pytest.mark.parametrize(
    ("message", "pattern"),
    [
        ("no order 17 for customer 42", "no order <n> for customer <n>"),
        ("key 'abc' is missing in \"x y\"", "key <text> is missing in <text>"),
        ("at 0x7f001234 of 6f1d2c3b-0000-4000-8000-00000000000a", "at <address> of <id>"),
        ("first\nsecond 2", "first"),
        ("\x1b[31mred 1.5:3", "\\x<n>b[<n>mred <n>"),
        ("", ""),
    ],
)
def test_what_differs_each_time_is_left_out(message: str, pattern: str) -> None:
    assert fingerprint(message) == pattern


def test_errors_that_are_alike_are_one_group() -> None:
    found = grouped(
        [
            Failed(number, state, "q", f"w{number % 2}", kind, f"{word} {number}", None)
            for number, (state, kind, word) in enumerate(
                [
                    ("discarded", "ValueError", "bad"),
                    ("retryable", "ValueError", "bad"),
                    ("discarded", "OSError", "bad"),
                    ("discarded", None, None),
                ]
            )
        ]
    )
    assert [(group.kind, len(group.jobs)) for group in found] == [
        ("ValueError", 2),
        ("OSError", 1),
        ("error", 1),
    ]
    assert found[0].workers == ["w0", "w1"]
    assert found[0].states == {"discarded": 1, "retryable": 1}


def test_a_secret_is_hidden_wherever_it_is() -> None:
    redact = hide("iban")
    given = {
        "Password": 1, "db_password": 2, "a": [{"token": 3, "tokens": 4}], "b": "password",
        "X-API-Key": 5, "accessToken": 6, "IBAN": 7, "key": 8, "max_tokens": 9, "secret": {"c": 10},
    }  # fmt: skip
    assert redact(given) == {
        "Password": "***", "db_password": "***", "a": [{"token": "***", "tokens": 4}],
        "b": "password", "X-API-Key": "***", "accessToken": "***", "IBAN": "***", "key": 8,
        "max_tokens": 9, "secret": "***",
    }  # fmt: skip
