"""What people are asked by steps that wait for a yes or a no: the values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict

ANSWERS = "approval:"  # begins the names of the signals that answers are; nothing else sends those


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A yes or a no that somebody gives.

    Attributes:
        approved: whether it is a yes.
        by: who says it.
        comment: what else they say.
    """

    approved: bool
    by: str
    comment: str | None = None


class Decision(BaseModel):
    """A yes or a no: the result of an approval, for ``job.result("sign_off", as_=Decision)``.

    Attributes:
        approved: whether it was a yes.
        by: who said it; ``None`` where nobody had to, because silence counts as a yes.
        comment: what else they said.
        at: when.
    """

    model_config = ConfigDict(frozen=True)

    approved: bool
    by: str | None = None
    comment: str | None = None
    at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """Something that people are asked.

    Attributes:
        workflow_id: the workflow of the step that asks.
        workflow_name: what people call it.
        step_name: the step.
        job_id: its job.
        question: what is asked.
        asks: who is to answer, where that was said; nobody is kept from it.
        shown: what it is about: what steps before it returned, by their names.
        since: when it began to wait; ``None`` when the steps before it are not done.
        until: how long it waits; ``None`` without limit.
        on_timeout, on_rejected: what becomes of the step.
        state: of the step.
        decision: the answer, once there is one.
    """

    workflow_id: UUID
    workflow_name: str | None
    step_name: str
    job_id: int
    question: str
    asks: str | None = None
    shown: Mapping[str, Any] = field(default_factory=dict)
    since: datetime | None = None
    until: datetime | None = None
    on_timeout: str = "discarded"
    on_rejected: str = "cancelled"
    state: str = "suspended"
    decision: Decision | None = None
