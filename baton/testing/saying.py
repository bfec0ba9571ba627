"""Signals in a test that has no database."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from pydantic_core import from_json

from baton import documents
from baton.approvals import ANSWERS, Answer, Decision
from baton.errors import AlreadyAnswered, AnswersApproval, InvalidSignal, NotFound
from baton.jobs import Waited


class Signals:
    """What was said to the workflows that are being performed.

    Args:
        general: what is said to every workflow, by name of the signal.
        answers: what becomes of approvals in every workflow, by name of the step.

    Raises:
        InvalidSignal: a payload is not JSON.
    """

    def __init__(self, general: Mapping[str, Any], answers: Mapping[str, bool]) -> None:
        self._general = {name: _stored(payload) for name, payload in general.items()}
        for step, approved in answers.items():
            self._general[ANSWERS + step] = decision(approved=approved, by="test")
        self._said: dict[UUID, dict[str, Any]] = {}

    @contextmanager
    def of(self, workflow_id: UUID) -> Iterator[None]:
        """Let things be said to a workflow inside the block."""
        self._said[workflow_id] = {}
        try:
            yield
        finally:
            del self._said[workflow_id]

    def say(self, workflow_id: UUID | str, name: str, payload: Any) -> bool:
        """Say something; return whether it had not been said before.

        Raises:
            NotFound: the workflow is not being performed.
            InvalidSignal: the payload is not JSON.
        """
        if name.startswith(ANSWERS):
            raise AnswersApproval(name)
        return self._say(workflow_id, name, _stored(payload))

    def answer(self, workflow_id: UUID | str, step: str, answer: Answer) -> Decision:
        """Answer an approval that is not asked yet.

        Raises:
            NotFound: the workflow is not being performed.
            AlreadyAnswered: it was answered before.
        """
        said = decision(approved=answer.approved, by=answer.by, comment=answer.comment)
        if not self._say(workflow_id, ANSWERS + step, said):
            raise AlreadyAnswered(step, approved=answer.approved, by=None, at=None)
        return Decision(**{**said, "at": datetime.fromisoformat(said["at"])})

    def _say(self, workflow_id: UUID | str, name: str, payload: Any) -> bool:
        said = next(
            (said for flow, said in self._said.items() if str(flow) == str(workflow_id).lower()),
            None,
        )
        if said is None:
            raise NotFound("workflow that is being performed:", workflow_id)
        if name in said or name in self._general:
            return False
        said[name] = payload
        return True

    def heard(self, workflow_id: UUID, name: str | None, *, limited: bool) -> Waited | None:
        """Return what a wait for a signal comes to; ``None`` when it goes on for ever."""
        said = {**self._general, **self._said[workflow_id]}
        if name in said:
            return Waited(name, arrived=True, payload=said[name])
        return Waited(name) if limited else None


def decision(*, approved: bool, by: str | None, comment: str | None = None) -> dict[str, Any]:
    """Return an answer as a step stores it."""
    at = datetime.now(UTC).isoformat()
    return {"approved": approved, "by": by, "comment": comment, "at": at}


def _stored(payload: Any) -> Any:
    try:
        return from_json(documents.encode(payload, default=documents.dump_model))
    except ValueError as error:
        raise InvalidSignal(f"what comes with the signal can't be stored: {error}") from None
