"""Asks the budgets before an attempt of a worker that calls language models starts.

One attempt of a process asks at a time: who changes a budget in a transaction that stays open is
waited for, and that must not take all connections of the process.
"""

from collections.abc import Awaitable, Callable
from random import uniform

import structlog
from anyio import Lock

from baton.errors import DatabaseError
from baton.jobs import Job
from baton.llm.budgets import Most
from baton.outcomes import GiveBack, Held, Outcome, Snooze
from baton.services.duty import Duty
from baton.services.transitions import tell_held
from baton.store.claims import Claim
from baton.store.pools import Database
from baton.telemetry import Telemetry

log = structlog.get_logger("baton.llm")

Admit = Callable[[Job, Most], Awaitable[Outcome | None]]
LONGEST_PAUSE = 4.0  # seconds until an attempt asks again that got no answer


class Admission:
    """Lets attempts start, or says what becomes of them instead.

    Args:
        database: where the budgets are.
        announce: whether to publish that a step waits.
    """

    def __init__(self, database: Database, *, announce: bool = True) -> None:
        self._database = database
        self._announce = announce
        self._turn = Lock()

    async def ask(self, job: Job, most: Most) -> Outcome | None:
        """Return ``None`` when an attempt may start, and else what it comes to.

        What it uses at most is reserved, for as long as it runs.

        Args:
            job: as it was claimed.
            most: what its worker says that an attempt uses at most.

        Raises:
            InvalidBudget: what the meta of the job says of that can't be read.
        """
        if not isinstance(job.claim, Claim):
            return None
        most = most.over(job.meta)
        params = {
            **job.claim.fence(job),
            "workflow_id": job.workflow_id,
            "queue": job.queue,
            "cost": most.cost,
            "tokens": most.tokens,
            "announce": self._announce,
        }
        try:
            async with self._turn:
                [answer] = await self._database.run("attempt_admit", params)
        except DatabaseError as error:
            # what the database came to before it fell silent stands: this is refused then
            log.warning("budget.unknown", reason=str(error))
            return Snooze(uniform(LONGEST_PAUSE / 4, LONGEST_PAUSE))  # noqa: S311
        verdict, budget, reason, resumes_at = answer
        match verdict:
            case "admitted":
                return None
            case "lost":
                return GiveBack()
        facts = {"budget": budget, "reason": reason, "resumes_at": resumes_at}
        Telemetry.execute(f"baton.llm.{verdict}", {}, {"job": job, **facts})
        if verdict == "held":
            tell_held(job, reason)
        return Held(verdict, reason)


def releaser(database: Database, *, interval: float) -> Duty:
    """Return the duty that lets held jobs run once others that ran have left room.

    Args:
        database: where.
        interval: seconds between two runs when nobody calls.
    """

    async def release() -> None:
        [(released,)] = await database.run("budgets_release")
        if released:
            log.info("llm.released", jobs=released)

    return Duty("budgets", interval=interval, perform=release)
