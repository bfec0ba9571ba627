"""The answer to "why?": a sentence, and what it is based on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID


class Reason(StrEnum):
    """What an answer comes to, for programs."""

    COMPLETED = "completed"
    SKIPPED = "skipped"
    DISCARDED = "discarded"
    CANCELLED = "cancelled"
    FAILED = "failed"
    """A workflow has ended, and steps of it did not complete."""
    DELETED = "deleted"
    """Somebody deleted the job of an open step: nothing runs it."""
    SUSPENDED = "suspended"
    """Somebody suspended a job that is no step."""
    HOPELESS = "hopeless"
    """A dependency ended badly; the step is about to be cancelled."""
    DEPENDENCY = "dependency"
    SIGNAL = "signal"
    APPROVAL = "approval"
    """Somebody is to say yes or no."""
    SLEEP = "sleep"
    SUBWORKFLOW = "subworkflow"
    BUDGET = "budget"
    """It would go beyond what may be spent on language models."""
    SCHEDULED = "scheduled"
    RETRY = "retry"
    DEADLINE = "deadline"
    """The deadline has passed: it is cancelled instead of started."""
    PAUSED = "paused"
    STOPPED = "stopped"
    UNSERVED = "unserved"
    """No live process serves the queue."""
    GLOBAL_LIMIT = "global_limit"
    RATE_LIMIT = "rate_limit"
    BUSY = "busy"
    """All slots of the queue are busy."""
    TURN = "turn"
    """Others are in front, or it is next."""
    LOST = "lost"
    """The process that ran it is dead."""
    EXECUTING = "executing"
    MOMENT = "moment"
    """Nothing keeps it: it is about to go on."""


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that an answer is based on.

    Attributes:
        kind: what it is about: ``dependency``, ``queue``, ``limit``, ``error`` and so on.
        text: it in words.
        values: it as JSON values, or times and UUIDs.
    """

    kind: str
    text: str
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What it comes to, the words for it, and the facts that it is based on."""

    reason: Reason
    told: str
    facts: Sequence[Fact] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Why:
    """Why a job, a step or a workflow is as it is.

    Attributes:
        subject: what was asked about: ``job 42``, ``step fetch``, ``workflow brief``.
        reason: what it comes to, for programs.
        told: what is said of the subject, without what ``because`` adds.
        evidence: what that is based on.
        because: the same of what the subject waits for, or ended because of.
    """

    subject: str
    reason: Reason
    told: str
    evidence: Sequence[Fact] = ()
    because: "Why | None" = None

    @property
    def sentence(self) -> str:
        """One plain sentence."""
        said = f"{self.subject} {self.told}"
        return said if self.because is None else f"{said}: {self.because.sentence}"

    @property
    def root(self) -> "Why":
        """The last of the answers that are inside each other: where something can be done."""
        return self if self.because is None else self.because.root

    def as_json(self) -> dict[str, Any]:
        """Return all of it as JSON values; times in ISO 8601."""
        return {
            "subject": self.subject,
            "reason": self.reason.value,
            "sentence": self.sentence,
            "evidence": [
                {"kind": fact.kind, "text": fact.text, **_json(fact.values)}
                for fact in self.evidence
            ],
            "because": None if self.because is None else self.because.as_json(),
        }


def _json(value: Any) -> Any:
    match value:
        case datetime():
            return value.isoformat()
        case UUID():
            return str(value)
        case Mapping():
            return {key: _json(each) for key, each in value.items()}
        case list() | tuple():
            return [_json(each) for each in value]
        case _:
            return value
