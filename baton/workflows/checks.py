"""What is said of steps, checked: each refusal is an `InvalidWorkflow` that names the step."""

from datetime import timedelta

from baton.documents import NAME_BYTES, check_text
from baton.errors import InvalidWorkflow
from baton.jobs import seconds
from baton.workflows.steps import ALL


def check_name(name: str) -> None:
    if checked("the name of a step", name, most=NAME_BYTES).endswith(ALL):
        raise InvalidWorkflow(
            f"the name of a step must not end in {ALL!r}, as {name!r} does: that stands for all "
            f"steps of a fan-out"
        )


def checked(what: str, text: str, *, most: int | None = None) -> str:
    try:
        return check_text(text, what, most=most)
    except ValueError as error:
        raise InvalidWorkflow(str(error)) from None


def in_seconds(name: str, delay: float | timedelta) -> float:
    try:
        return seconds(delay)
    except (TypeError, ValueError) as error:
        raise InvalidWorkflow(f"step {name!r}: {error}") from None
