"""What is said of a job that a budget keeps from starting."""

import shlex
from collections.abc import Iterator

from baton.llm.budgets import dollars
from baton.why import words
from baton.why.answers import Fact, Reason, Verdict
from baton.why.facts import HoldFacts, JobFacts


def held(job: JobFacts, hold: HoldFacts) -> Verdict:
    """Say which budget it is, how it stands, when the job runs again, and what raises it."""
    whose = (
        f"workflow {words.line(hold.workflow) or str(hold.workflow_id)[:8]}"
        if hold.queue is None
        else f"queue {words.line(hold.queue)}"
    )
    today = "" if hold.queue is None else " today"
    parts = [*_standing(hold, today)]
    if own := " and ".join(_own(hold)):
        parts.append(f"it may use {own}")
    told = f"is held by the budget of {whose}: {', '.join(parts)}; {_again(job, hold)}"
    values = {
        "workflow_id": hold.workflow_id,
        "queue": hold.queue,
        "max_cost": _plain(hold.max_cost),
        "max_tokens": hold.max_tokens,
        "spent_cost": _plain(hold.spent_cost),
        "spent_tokens": hold.spent_tokens,
        "reserved_cost": _plain(hold.reserved_cost),
        "reserved_tokens": hold.reserved_tokens,
    }
    fact = Fact("budget", f"budget of {whose}: {', '.join(parts)}", values)
    return Verdict(Reason.BUDGET, told, [fact])


def command(hold: HoldFacts) -> str:
    """Return the command that raises a budget, but for the new limits."""
    whose = (
        f"--workflow {str(hold.workflow_id)[:8]}"
        if hold.queue is None
        else f"--queue {shlex.quote(hold.queue)}"
    )
    limits = [
        option
        for option, limit in (
            ("--cost AMOUNT", hold.max_cost),
            ("--tokens NUMBER", hold.max_tokens),
        )
        if limit is not None
    ]
    return " ".join(["baton llm budget set", whose, *limits])


def _standing(hold: HoldFacts, today: str) -> Iterator[str]:
    if hold.max_cost is not None:
        yield f"{dollars(hold.spent_cost)} of {dollars(hold.max_cost)} spent{today}"
        if hold.crowded and hold.reserved_cost:
            yield f"{dollars(hold.reserved_cost)} reserved by what runs"
    if hold.max_tokens is not None:
        yield f"{hold.spent_tokens:,} of {words.number(hold.max_tokens, 'token')} used{today}"
        if hold.crowded and hold.reserved_tokens:
            yield f"{words.number(hold.reserved_tokens, 'token')} reserved by what runs"


def _own(hold: HoldFacts) -> Iterator[str]:
    if hold.max_cost is not None and hold.cost:
        yield dollars(hold.cost)
    if hold.max_tokens is not None and hold.tokens:
        yield words.number(hold.tokens, "token")


def _again(job: JobFacts, hold: HoldFacts) -> str:
    raised = f"once the budget is raised: {command(hold)}"
    if hold.crowded:
        return f"it runs when enough of that is left over, or {raised}"
    if hold.queue is not None and job.scheduled_at is not None:
        return f"it runs again at {words.moment(job.scheduled_at, job.now)}, or {raised}"
    return f"it runs {raised}"


def _plain(amount: object) -> str | None:
    return None if amount is None else f"{amount:f}"
