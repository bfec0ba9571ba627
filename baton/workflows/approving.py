"""Steps that ask people, and the answers to them."""

from collections.abc import Collection, Iterable
from datetime import timedelta
from typing import Any, Self
from uuid import UUID

from baton.ambient import ambient
from baton.approvals import ANSWERS, Answer, Decision
from baton.errors import InvalidWorkflow
from baton.jobs import NewJob
from baton.workflows.checks import check_name, checked, in_seconds
from baton.workflows.steps import ENDS, OnTimeout, RunOn


class Approvals:
    """Adds steps that show people what will happen, and wait for a yes or a no."""

    def approval(
        self,
        name: str,
        question: str,
        *,
        deps: Iterable[str] = (),
        asks: str | None = None,
        shows: Iterable[str] | None = None,
        timeout: float | timedelta | None = None,
        on_timeout: OnTimeout = "discarded",
        on_rejected: OnTimeout = "cancelled",
        run_on: RunOn = "completed",
    ) -> Self:
        """Add a step that asks people a question; its result is a `Decision`.

        It is put to them by `Client.approvals`, ``baton workflow approvals`` and the live page, and
        answered there, once. No worker is kept busy meanwhile.

        Args:
            name: the step's name.
            question: what they are asked.
            deps: what must be done before it asks; an answer that comes sooner is kept.
            asks: who is to answer, for people to know; nobody is kept from it.
            shows: the ``deps`` whose results they are shown; by default all of them.
            timeout: how long it waits, in seconds or as a timedelta; ``None`` without limit.
            on_timeout: what becomes of the step when nobody answers in time; ``completed`` counts
                silence as a yes.
            on_rejected: what becomes of it after a no; with ``completed`` those that depend on it
                go on, and read the decision.
            run_on: as `add` has it.

        Raises:
            DuplicateStep, InvalidWorkflow: as `add` does; or the question is blank, or something
                is to be shown that it does not depend on.
        """
        check_name(name)
        if on_rejected not in ENDS:
            raise InvalidWorkflow(
                f"on_rejected of step {name!r} must be completed, discarded or cancelled, "
                f"not {on_rejected!r}"
            )
        asked: dict[str, Any] = {
            "question": checked(f"the question of step {name!r}", question),
            "on_rejected": on_rejected,
        }
        if asks is not None:
            asked["asks"] = checked(f"asks of step {name!r}", asks)
        deps = deps if isinstance(deps, str) else list(deps)
        if shows is not None:
            asked["shows"] = _shown(name, shows, deps)
        return self._put(
            name,
            deps,
            job=NewJob(worker="baton.approval", args=asked),
            kind="approval",
            signal=ANSWERS + name,
            wait_seconds=None if timeout is None else in_seconds(name, timeout),
            on_timeout=on_timeout,
            run_on=run_on,
        )

    def _put(self, name: str, deps: Iterable[str], **facts: Any) -> Self:
        raise NotImplementedError


class Answers:
    """Answers approvals with the default clients."""

    @staticmethod
    async def approve(
        workflow_id: UUID | str,
        step: str,
        *,
        by: str,
        comment: str | None = None,
        conn: Any = None,
    ) -> Decision:
        """Say yes to a step that asks; `Client.approve` says more."""
        decision: Decision = await ambient.client.answer_approval(
            workflow_id, step, Answer(approved=True, by=by, comment=comment), conn=conn
        )
        return decision

    @staticmethod
    async def reject(
        workflow_id: UUID | str,
        step: str,
        *,
        by: str,
        comment: str | None = None,
        conn: Any = None,
    ) -> Decision:
        """Say no to a step that asks; `Client.reject` says more."""
        decision: Decision = await ambient.client.answer_approval(
            workflow_id, step, Answer(approved=False, by=by, comment=comment), conn=conn
        )
        return decision

    @staticmethod
    def approve_sync(
        workflow_id: UUID | str,
        step: str,
        *,
        by: str,
        comment: str | None = None,
        conn: Any = None,
    ) -> Decision:
        """Do what `approve` does, without an event loop."""
        decision: Decision = ambient.sync_client.answer_approval(
            workflow_id, step, Answer(approved=True, by=by, comment=comment), conn=conn
        )
        return decision

    @staticmethod
    def reject_sync(
        workflow_id: UUID | str,
        step: str,
        *,
        by: str,
        comment: str | None = None,
        conn: Any = None,
    ) -> Decision:
        """Do what `reject` does, without an event loop."""
        decision: Decision = ambient.sync_client.answer_approval(
            workflow_id, step, Answer(approved=False, by=by, comment=comment), conn=conn
        )
        return decision


def _shown(name: str, shows: Iterable[str], deps: Collection[str]) -> list[str]:
    if isinstance(shows, str):
        raise InvalidWorkflow(f"shows of step {name!r} must be a list of names: [{shows!r}]")
    shown = list(dict.fromkeys(shows))
    for each in shown:
        if each not in deps:
            raise InvalidWorkflow(
                f"step {name!r} shows {each!r}, which is not one of the steps in its deps"
            )
    return shown
