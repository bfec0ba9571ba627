"""Filters are read word by word, and what can't be read is pointed at."""

from datetime import UTC, datetime

import pytest

from baton.errors import InvalidSearch
from baton.filters import Criteria
from baton.search import JobSearch, WorkflowSearch, quoted
from baton.search.conditions import Condition
from baton.search.values import Ago, Between, Ids, Named, Scalar, Text
from baton.states import State


def conditions(text: str) -> tuple[Condition, ...]:
    return JobSearch.parse(text).conditions


def test_an_empty_filter_fits_everything() -> None:
    for text in ("", "  \n "):
        assert JobSearch.parse(text).is_empty
        assert WorkflowSearch.parse(text).is_empty


def test_the_example_of_the_guide_is_read() -> None:
    search = JobSearch.parse("state:retryable queue:mail worker:Send* args.user_id:42 since:1h")
    assert search.states == (State.RETRYABLE,)
    assert search.conditions == (
        Condition("queue", (Text("mail"),)),
        Condition("worker", (Text("Send*", is_pattern=True),)),
        Condition("args", (Scalar(Text("42"), "42"),), path=("user_id",)),
        Condition("since", (Ago(3_600.0),)),
    )


def test_several_values_are_alternatives_and_a_minus_negates() -> None:
    assert conditions("queue:a,b") == (Condition("queue", (Text("a"), Text("b"))),)
    for text in ("-queue:a,b", "!queue:a,b"):
        assert conditions(text) == (Condition("queue", (Text("a"), Text("b")), negated=True),)
    assert conditions("-mail") == (Condition("word", (Text("mail"),), negated=True),)


def test_quotes_make_a_value_literal() -> None:
    assert conditions(r'queue:"my * \"queue\"",b') == (
        Condition("queue", (Text('my * "queue"'), Text("b"))),
    )
    assert conditions('"a:b c"') == (Condition("word", (Text("a:b c"),)),)
    assert conditions('args.zip:"01067"') == (
        Condition("args", (Scalar(Text("01067")),), path=("zip",)),
    )
    assert conditions('args.n:"42"') == (Condition("args", (Scalar(Text("42")),), path=("n",)),)


@pytest.mark.parametrize(
    "value", ["mail", "", "a b", 'say "no"', "a,b", "*", "-x", "!x", "back\\slash", "ü", "0..3"]
)
def test_what_was_quoted_is_read_as_it_was(value: str) -> None:
    assert conditions(f"queue:{quoted(value)}") == (Condition("queue", (Text(value),)),)
    assert quoted("shop.send_mail-2") == "shop.send_mail-2"


@pytest.mark.parametrize(
    ("text", "states"),
    [
        ("state:available,scheduled", {State.AVAILABLE, State.SCHEDULED}),
        ("state:Retryable", {State.RETRYABLE}),
        ("-state:completed", set(State) - {State.COMPLETED}),
        ("state:available,retryable -state:retryable", {State.AVAILABLE}),
        ("state:available state:retryable", set()),
    ],
)
def test_all_that_is_said_of_states_comes_to_one_set(text: str, states: set[State]) -> None:
    search = JobSearch.parse(text)
    assert set(search.states or ()) == states
    assert not search.is_empty


def test_numbers_are_ids_and_several_are_alternatives() -> None:
    assert JobSearch.parse("7 5 7").ids == (5, 7)
    assert JobSearch.parse("id:5,7 5").ids == (5,)
    assert JobSearch.parse("id:5 id:7").ids == ()
    search = JobSearch.parse("-7 -id:8")
    assert search.ids is None
    assert [each.values for each in search.conditions] == [(7,), (8,)]
    assert conditions('"7"') == (Condition("word", (Text("7"),)),)
    assert JobSearch.parse("9" * 5_000).ids == (2**63 - 1,)


@pytest.mark.parametrize(
    ("text", "between"),
    [
        ("3", Between(3, 3)),
        ("0..3", Between(0, 3)),
        ("..3", Between(None, 3)),
        ("3..", Between(3, None)),
    ],
)
def test_numbers_may_be_ranges(text: str, between: Between) -> None:
    assert conditions(f"priority:{text}") == (Condition("priority", (between,)),)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("90s", Ago(90.0)),
        ("1.5h", Ago(5_400.0)),
        ("2w", Ago(1_209_600.0)),
        ("2026-11-20T08:30+00:00", datetime(2026, 11, 20, 8, 30, tzinfo=UTC)),
        ("2026-11-20", datetime(2026, 11, 20).astimezone()),
    ],
)
def test_times_are_durations_or_iso(text: str, moment: object) -> None:
    assert conditions(f"until:{text}") == (Condition("until", (moment,)),)


def test_tags_are_lower_case_as_jobs_have_them() -> None:
    assert conditions('tag:VIP," Gold "') == (Condition("tag", (Text("vip"), Text("gold"))),)


def test_a_workflow_is_named_by_its_name_or_by_the_beginning_of_its_id() -> None:
    ids = Ids("0f6c" + "0" * 28, "0f6c" + "f" * 28)
    named = Named(Text("0f6c"), ids)
    assert conditions("workflow:0f6c") == (Condition("workflow", (named,)),)
    assert WorkflowSearch.parse("0f6c").conditions == (Condition("word", (named,)),)
    assert WorkflowSearch.parse("id:0F6C").conditions == (Condition("id", (ids,)),)
    assert WorkflowSearch.parse('"0f6c"').conditions[0].values == (Named(Text("0f6c"), None),)
    assert WorkflowSearch.parse("parent:none").conditions == (Condition("top", ()),)
    whole = "0f6c0000-0000-4000-8000-000000000000"
    assert WorkflowSearch.parse(f"id:{whole}").conditions[0].values[0].is_whole


@pytest.mark.parametrize(
    ("text", "word", "reason"),
    [
        ("a quue:mail b", "quue:mail", "there is no field quue; did you mean queue?"),
        ("zzz:1", "zzz:1", "there is no field zzz; there are id, state, queue"),
        ("x state:done", "state:done", "done is no state; there are available, scheduled"),
        ("queue:", "queue:", "a value is missing"),
        ("queue:a,", "queue:a,", "a value is missing"),
        ("queue:a, b", "queue:a,", "a value is missing"),
        ("- x", "-", "a value is missing"),
        ('queue:"a', 'queue:"a', "its quotes are not closed"),
        ('queue:"a"b', 'queue:"a"b', "a blank or a comma must follow the quotes"),
        ('queue:a"b"', 'queue:a"', "a blank or a comma must follow the quotes"),
        ("priority:high", "priority:high", "high is no number and no range like 0..3"),
        ("priority:..", "priority:..", ".. is no number and no range"),
        ("id:x", "id:x", "x is no number"),
        ("id:²", "id:²", "² is no number"),
        ("since:soon", "since:soon", "soon is no time; it looks like 30m"),
        ("since:999999d", "since:999999d", "longer ago than 100 years"),
        ("since:1h,2h", "since:1h,2h", "since takes one time"),
        ("-since:1h", "-since:1h", "and no minus before it"),
        ("args:42", "args:42", "say which of them, like args.user_id:42"),
        ("args.a..b:42", "args.a..b:42", "say which of them"),
        ("queue.x:42", "queue.x:42", "queue has no parts"),
        ("queue:\0", "queue:", "NUL"),
        (f"args.{'a.' * 30}b:1", f"args.{'a.' * 30}b:1", "more than 20 levels deep"),
        ("mail " * 101, "mail", "it is word 101, and 100 are enough"),
    ],
)
def test_what_is_wrong_is_pointed_at(text: str, word: str, reason: str) -> None:
    with pytest.raises(InvalidSearch) as caught:
        JobSearch.parse(text)
    error = caught.value
    assert error.text[error.start : error.end].rstrip("\0") == word
    assert reason in str(error)
    line, marks = error.pointed().splitlines()
    assert len(line) == len(text)
    assert marks.index("^") == error.start


def test_a_filter_of_workflows_knows_its_own_fields() -> None:
    with pytest.raises(InvalidSearch, match="there is no field asks; there are id, state, name"):
        WorkflowSearch.parse("asks:ada")
    with pytest.raises(InvalidSearch, match="there are executing, completed, failed"):
        WorkflowSearch.parse("state:retryable")
    with pytest.raises(InvalidSearch, match="give 4 characters or more"):
        WorkflowSearch.parse("id:0f6")


def test_criteria_and_a_filter_narrow_each_other() -> None:
    criteria = Criteria.of({"where": "state:available,retryable 5 6", "state": "retryable"})
    assert criteria.states == (State.RETRYABLE,)
    assert criteria.ids == (5, 6)
    assert criteria.is_list
    assert Criteria.of({"where": "5 queue:mail", "ids": [5, 6]}).ids == (5,)
    assert not Criteria.of({"where": "5 queue:mail"}).is_list
    narrowed = JobSearch.parse("state:available").narrowed(states=[State.RETRYABLE], queue="mail")
    assert narrowed.states == ()
    assert narrowed.conditions == (Condition("queue", (Text("mail"),)),)


@pytest.mark.parametrize("where", ["", "  "])
def test_an_empty_filter_is_no_criterion(where: str) -> None:
    with pytest.raises(Exception, match="the filter is empty, and would fit every job"):
        Criteria.of({"where": where, "queue": "mail"})
