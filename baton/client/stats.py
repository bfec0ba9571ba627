"""The part of a client that adds up what language models were used for: ``client.stats``."""

from datetime import datetime
from uuid import UUID

from baton.filters import check_limit
from baton.llm.figures import (
    DayFigures,
    Figures,
    ModelFigures,
    StepFigures,
    WorkerFigures,
    WorkflowFigures,
    check_period,
    check_timezone,
)
from baton.store import llm as store
from baton.store.asking import answer, answer_sync
from baton.store.llm import Period
from baton.store.pools import Database, SyncDatabase


class LLMStats:
    """Adds up what language models were used for; each answer is one statement.

    Times are those at which the first call of an attempt was recorded: ``since`` and later, and
    before ``until``; without them all times are meant. Every method raises `InvalidFilter` for
    something that can't be asked, and `DatabaseError` when the database refuses or is away.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def workflow_totals(self, workflow_id: UUID | str) -> Figures:
        """Return what a workflow used, its sub-workflows included.

        Args:
            workflow_id: the id, or the beginning of one, of at least four characters.

        Raises:
            NotFound: there is none of that id, or there are several that begin so.
        """
        return await answer(self._database, store.workflow_totals(workflow_id))

    async def steps_for_workflow(self, workflow_id: UUID | str) -> list[StepFigures]:
        """Return what each step of a workflow used, in the order in which they were inserted.

        Steps without any recorded attempt are left out.

        Raises:
            NotFound: as `workflow_totals` does.
        """
        return await answer(self._database, store.steps(workflow_id))

    async def cost_by_model(
        self, since: datetime | None = None, until: datetime | None = None
    ) -> list[ModelFigures]:
        """Return what each model was used for, the dearest first."""
        return await answer(self._database, store.models(_period(since, until)))

    async def cost_by_workflow(
        self, since: datetime | None = None, until: datetime | None = None, *, limit: int = 50
    ) -> list[WorkflowFigures]:
        """Return what the dearest workflows used; each sub-workflow counts by itself."""
        asking = store.workflows(_period(since, until), check_limit(limit))
        return await answer(self._database, asking)

    async def cost_by_worker(
        self, since: datetime | None = None, until: datetime | None = None
    ) -> list[WorkerFigures]:
        """Return what each worker used, the dearest first."""
        return await answer(self._database, store.workers(_period(since, until)))

    async def cost_by_day(
        self,
        since: datetime | None = None,
        until: datetime | None = None,
        *,
        timezone: str = "UTC",
    ) -> list[DayFigures]:
        """Return what was used on each day, the oldest first; days without a call are left out.

        Args:
            since, until: when.
            timezone: the IANA name of the zone whose days are meant.
        """
        asking = store.days(_period(since, until), check_timezone(timezone))
        return await answer(self._database, asking)


class SyncLLMStats:
    """Does what `LLMStats` does, for programs without an event loop."""

    def __init__(self, database: SyncDatabase) -> None:
        self._database = database

    def workflow_totals(self, workflow_id: UUID | str) -> Figures:
        """Do what `LLMStats.workflow_totals` does."""
        return answer_sync(self._database, store.workflow_totals(workflow_id))

    def steps_for_workflow(self, workflow_id: UUID | str) -> list[StepFigures]:
        """Do what `LLMStats.steps_for_workflow` does."""
        return answer_sync(self._database, store.steps(workflow_id))

    def cost_by_model(
        self, since: datetime | None = None, until: datetime | None = None
    ) -> list[ModelFigures]:
        """Do what `LLMStats.cost_by_model` does."""
        return answer_sync(self._database, store.models(_period(since, until)))

    def cost_by_workflow(
        self, since: datetime | None = None, until: datetime | None = None, *, limit: int = 50
    ) -> list[WorkflowFigures]:
        """Do what `LLMStats.cost_by_workflow` does."""
        asking = store.workflows(_period(since, until), check_limit(limit))
        return answer_sync(self._database, asking)

    def cost_by_worker(
        self, since: datetime | None = None, until: datetime | None = None
    ) -> list[WorkerFigures]:
        """Do what `LLMStats.cost_by_worker` does."""
        return answer_sync(self._database, store.workers(_period(since, until)))

    def cost_by_day(
        self,
        since: datetime | None = None,
        until: datetime | None = None,
        *,
        timezone: str = "UTC",
    ) -> list[DayFigures]:
        """Do what `LLMStats.cost_by_day` does."""
        asking = store.days(_period(since, until), check_timezone(timezone))
        return answer_sync(self._database, asking)


def _period(since: datetime | None, until: datetime | None) -> Period:
    check_period(since, until)
    return since, until
