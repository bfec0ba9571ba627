"""Cancellations of a task: which are Baton's, and an end to those that code of a job made."""

import asyncio

from anyio import current_effective_deadline


def ends() -> bool:
    """Whether what runs here was cancelled by Baton: its process ends, or its job was stopped."""
    return current_effective_deadline() == float("-inf")


def forget_cancellation() -> None:
    """Undo ``asyncio.current_task().cancel()`` by user code: the task outlives the job."""
    current = asyncio.current_task()
    while current is not None and current.cancelling():
        current.uncancel()
