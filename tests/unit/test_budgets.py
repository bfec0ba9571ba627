"""Budgets as values: what can be one, and what a job says that it costs at most."""

from decimal import Decimal
from typing import Any

import pytest

from baton import Job, NewJob, Registry, Workflow
from baton.errors import InvalidBudget, InvalidFlow
from baton.llm import Budget, LLMWorker, at_most
from baton.llm.budgets import Most, dollars


def job(**options: Any) -> NewJob:
    return NewJob(worker="tests.llm", **options)


def most(cents: int | None = None, tokens: int | None = None) -> Most:
    return Most(cost=None if cents is None else Decimal(cents) / 100, tokens=tokens)


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({}, "a budget limits cost, tokens or both"),
        ({"cost": 0.5}, "cost must be a Decimal, a text or a whole number, not 0.5"),
        ({"cost": "five"}, "cost must be an amount of US dollars, not 'five'"),
        ({"cost": "NaN"}, "cost must be from 0 to"),
        ({"cost": "-1"}, "cost must be from 0 to"),
        ({"cost": "1e-30"}, "cost has at most 18 digits behind the point"),
        ({"tokens": 1.5}, "tokens must be a whole number from 0 on, not 1.5"),
        ({"tokens": -1}, "tokens must be a whole number from 0 on, not -1"),
        ({"cost": 1, "on_exceeded": "stop"}, "on_exceeded must be hold or cancel, not 'stop'"),
    ],
)
def test_what_can_not_be_a_budget_is_refused_with_a_reason(
    limits: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidBudget, match=message):
        Budget(**limits)


def test_the_portable_form_of_a_workflow_has_its_budget() -> None:
    registry = Registry()

    @registry.worker(name="w")
    async def w(_job: Job) -> None: ...

    made = Workflow("brief", budget=Budget("0.10", 5, "cancel")).add("a", w.new())
    again = Workflow.from_json(made.to_json(), registry=registry)
    assert again.budget == made.budget
    wrong = {"steps": [{"name": "a", "worker": "w"}], "budget": {"cost": "much"}}
    with pytest.raises(InvalidFlow, match="budget: cost must be an amount"):
        Workflow.from_json(wrong, registry=registry)


def test_a_job_may_say_what_it_costs_at_most() -> None:
    limit = most(5, 100)
    assert limit.over(at_most(job(), cost="0.10").meta) == most(10, 100)
    assert limit.over(at_most(job(), tokens=7).meta) == most(5, 7)
    assert limit.over(job(meta={"mine": 1}).meta) is limit
    with pytest.raises(InvalidBudget, match="llm_max_cost must be an amount of US dollars"):
        limit.over({"llm_max_cost": "much"})
    with pytest.raises(InvalidBudget, match="max_tokens must be a whole number"):
        at_most(job(), tokens=-1)


def test_a_class_inherits_what_its_attempts_cost_at_most() -> None:
    registry = Registry()
    with registry.collecting():

        class Think(LLMWorker, max_cost="0.05", max_tokens=100):
            async def perform(self, job: Job) -> None: ...

        class ThinkHard(Think, max_cost="0.50"):
            pass

        class Free(LLMWorker):
            async def perform(self, job: Job) -> None: ...

    assert [each.resolved()[0].spends for each in (Think, ThinkHard, Free)] == [
        most(5, 100),
        most(50, 100),
        Most(),
    ]


@pytest.mark.parametrize(
    ("amount", "told"),
    [("0", "$0.00"), ("5", "$5.00"), ("1200.5", "$1,200.50"), ("0.000180", "$0.00018")],
)
def test_amounts_are_shown_with_two_digits_or_all_that_they_have(amount: str, told: str) -> None:
    assert dollars(Decimal(amount)) == told
