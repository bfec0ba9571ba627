"""Rules of the pruner: how they are written, and what is refused in which words."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from baton.errors import ConfigurationError
from baton.pruning import FINAL, PruneRule
from baton.settings import load
from baton.states import State

WEEK = 7 * 86_400.0


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_nothing_is_pruned_unless_it_is_asked_for() -> None:
    assert load().prune == ()
    assert load().prune_limit == 10_000
    assert load(prune="").prune == ()


@pytest.mark.parametrize(
    ("given", "rules"),
    [
        ("completed=7d", [PruneRule(states=(State.COMPLETED,), older_than=WEEK)]),
        (
            " completed = 7d , discarded=4w, ",
            [
                PruneRule(states=(State.COMPLETED,), older_than=WEEK),
                PruneRule(states=(State.DISCARDED,), older_than=4 * WEEK),
            ],
        ),
        ("all=90", [PruneRule(states=FINAL, older_than=90)]),
        ('[{"older_than": "12h"}]', [PruneRule(older_than=12 * 3_600)]),
        ('{"keep": 5, "queue": "mail"}', [PruneRule(keep=5, queue="mail")]),
        ([{"states": "completed", "keep": 0}], [PruneRule(states=(State.COMPLETED,), keep=0)]),
        ([{"worker": "audit", "keep": "all"}], [PruneRule(worker="audit")]),
        (
            [{"states": ["cancelled", "discarded", "cancelled"], "older_than": "1.5m", "keep": 9}],
            [PruneRule(states=(State.CANCELLED, State.DISCARDED), older_than=90, keep=9)],
        ),
        ([{"older_than": timedelta(days=7)}], [PruneRule(older_than=WEEK)]),
        ([PruneRule(keep=1)], [PruneRule(keep=1)]),
        ([], []),
        ("[]", []),
    ],
)
def test_rules_are_given_in_many_ways(given: Any, rules: list[PruneRule]) -> None:
    assert load(prune=given).prune == tuple(rules)


def test_rules_are_tables_in_the_file_and_a_text_in_the_environment(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "baton.toml").write_text(
        'prune_limit = 50\n[[prune]]\nqueue = "mail"\nkeep = 10\n[[prune]]\nolder_than = "7d"\n'
    )
    assert load().prune == (PruneRule(queue="mail", keep=10), PruneRule(older_than=WEEK))
    assert load().prune_limit == 50
    monkeypatch.setenv("BATON_PRUNE", '[{"states": ["completed"], "older_than": "7d"}]')
    assert load().prune == (PruneRule(states=(State.COMPLETED,), older_than=WEEK),)
    monkeypatch.setenv("BATON_PRUNE", "discarded=1w")
    assert load().prune == (PruneRule(states=(State.DISCARDED,), older_than=WEEK),)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("executing=7d", "only finished jobs are pruned: completed, discarded, cancelled, not"),
        ("complete=7d", "'complete'"),
        ("completed", "'completed' is not a state and an age, like completed=7d"),
        ("completed=", "older_than is like 90, 15m, 12h, 7d or 4w, not ''"),
        ("completed=0", "more than 0"),
        ("completed=-1d", "older_than is like"),
        ("completed=1y", "not '1y'"),
        ("completed=99999999w", "at most 100 years"),
        ("[", "the rules are not JSON"),
        ("[" * 100_000, "the rules are"),
        (5, "not 5"),
        ([5], "a rule is a table of states, queue, worker, older_than, keep, not 5"),
        ([{}], "a rule needs older_than"),
        ([{"states": []}], "needs older_than"),
        ([{"states": [], "keep": 1}], "states are a list of completed, discarded, cancelled"),
        ([{"states": ["available"], "keep": 1}], "'available'"),
        ([{"states": [["completed"]], "keep": 1}], "['completed']"),
        ([{"states": 7, "keep": 1}], "not 7"),
        ([{"state": "completed", "keep": 1}], "a rule has no state; it has states"),
        ([{"older_than": 0}], "more than 0"),
        ([{"older_than": float("nan")}], "more than 0"),
        ([{"older_than": float("inf")}], "at most 100 years"),
        ([{"older_than": True}], "not True"),
        ([{"older_than": []}], "not []"),
        ([{"keep": -1}], "0 or more"),
        ([{"keep": True}], "not True"),
        ([{"keep": 1.5}], "not 1.5"),
        ([{"keep": "some"}], "'some'"),
        ([{"keep": ["all"]}], "['all']"),
        ([{"keep": "all", "older_than": 5}], "no meaning"),
        ([{"keep": 1, "queue": " "}], "queue must not be blank"),
        ([{"keep": 1, "worker": 5}], "worker must be a text, not 5"),
        ([{"keep": 1, "worker": "a\0"}], "NUL"),
    ],
)
def test_a_bad_rule_is_named_in_one_sentence(given: Any, words: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(prune=given)
    sentence = str(caught.value)
    assert sentence.startswith("prune: ")
    assert words in sentence
    assert "\n" not in sentence


@pytest.mark.parametrize("given", [0, -1, 1_000_001, "many"])
def test_a_bad_limit_is_named(given: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"^prune_limit: "):
        load(prune_limit=given)


@pytest.mark.parametrize("given", [0, 257, "two"])
def test_there_are_from_1_to_256_processes(given: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"^processes: "):
        load(processes=given)
    assert load(processes=256).processes == 256


@pytest.mark.parametrize(
    ("given", "age"),
    [
        (False, None),
        ("false", None),
        ("off", None),
        (True, 0.0),
        (" True ", 0.0),
        ("30d", 30 * 86_400.0),
        (90, 90.0),
        (timedelta(hours=1), 3_600.0),
    ],
)
def test_workflows_are_kept_or_pruned_at_once_or_from_an_age(given: Any, age: float | None) -> None:
    assert load(prune_workflows=given).prune_workflows == age


def test_workflows_and_logs_are_kept_unless_it_is_said_otherwise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert (load().prune_workflows, load().debug_log_max_age) == (None, None)
    monkeypatch.setenv("BATON_PRUNE_WORKFLOWS", "true")
    monkeypatch.setenv("BATON_DEBUG_LOG_MAX_AGE", "1d")
    assert (load().prune_workflows, load().debug_log_max_age) == (0.0, 86_400.0)


@pytest.mark.parametrize(
    ("setting", "given", "said"),
    [
        ("prune_workflows", "soon", "the age of workflows is like 90, 15m, 12h, 7d or 4w"),
        ("prune_workflows", 0, "the age of workflows is more than 0"),
        ("debug_log_max_age", -1, "the age of logs is more than 0"),
        ("debug_log_max_age", True, "the age of logs is like 90"),
    ],
)
def test_ages_that_are_none_are_refused(setting: str, given: Any, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        load(**{setting: given})
