"""What language models were used for, with the default client."""

from datetime import datetime
from typing import cast
from uuid import UUID

from baton.ambient import ambient
from baton.client import Client
from baton.client.stats import LLMStats
from baton.llm.figures import (
    DayFigures,
    Figures,
    ModelFigures,
    StepFigures,
    WorkerFigures,
    WorkflowFigures,
)


class Stats:
    """Asks the default client what language models were used for; ``Client.stats`` says more."""

    @staticmethod
    async def workflow_totals(workflow_id: UUID | str) -> Figures:
        """Return what a workflow used, its sub-workflows included."""
        return await (await _stats()).workflow_totals(workflow_id)

    @staticmethod
    async def steps_for_workflow(workflow_id: UUID | str) -> list[StepFigures]:
        """Return what each step of a workflow used."""
        return await (await _stats()).steps_for_workflow(workflow_id)

    @staticmethod
    async def cost_by_model(
        since: datetime | None = None, until: datetime | None = None
    ) -> list[ModelFigures]:
        """Return what each model was used for, the dearest first."""
        return await (await _stats()).cost_by_model(since, until)

    @staticmethod
    async def cost_by_workflow(
        since: datetime | None = None, until: datetime | None = None, *, limit: int = 50
    ) -> list[WorkflowFigures]:
        """Return what the dearest workflows used."""
        return await (await _stats()).cost_by_workflow(since, until, limit=limit)

    @staticmethod
    async def cost_by_worker(
        since: datetime | None = None, until: datetime | None = None
    ) -> list[WorkerFigures]:
        """Return what each worker used, the dearest first."""
        return await (await _stats()).cost_by_worker(since, until)

    @staticmethod
    async def cost_by_day(
        since: datetime | None = None, until: datetime | None = None, *, timezone: str = "UTC"
    ) -> list[DayFigures]:
        """Return what was used on each day, the oldest first."""
        return await (await _stats()).cost_by_day(since, until, timezone=timezone)


async def _stats() -> LLMStats:
    return cast(Client, await ambient.client.looking()).stats
