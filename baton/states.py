"""The states of a job."""

from enum import StrEnum


class State(StrEnum):
    """The states of a job, Oban's eight."""

    AVAILABLE = "available"
    SCHEDULED = "scheduled"
    SUSPENDED = "suspended"
    EXECUTING = "executing"
    RETRYABLE = "retryable"
    COMPLETED = "completed"
    DISCARDED = "discarded"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Whether a job in this state is over."""
        return self in {State.COMPLETED, State.DISCARDED, State.CANCELLED}
