"""How far a retry may reach: one of a part runs the step again that it is, and what follows."""

from uuid import UUID

from baton.errors import BatonError
from baton.steering import Retry
from baton.web import seen
from baton.web.access import Action, Resource, User
from baton.web.desk import Desk


class OutOfReach(BatonError):
    """What somebody may retry takes steps along of what they may not."""

    def __init__(self, user: User) -> None:
        super().__init__(
            f"this is a part of another workflow, which would go on, and {user.name} may not retry "
            "that one"
        )


async def closed(desk: Desk, user: User, workflow: UUID) -> frozenset[UUID]:
    """Return which of those that a workflow is a part of somebody may not see or not retry."""
    scope, found = desk.access.seen(user), set()
    for [around] in await desk.database.run("workflows_around", {"id": workflow}):
        allowed = desk.access.may(user, Action.RETRY, Resource("workflow", str(around)))
        if not allowed or not await seen.is_seen(desk, scope, "workflow", str(around)):
            found.add(around)
    return frozenset(found)


def check(user: User, retry: Retry, closed: frozenset[UUID]) -> None:
    """Check that a retry reaches into none of them.

    Raises:
        OutOfReach: it does.
    """
    for steps in (retry.steps, retry.removed, retry.gone):
        if any(step.workflow_id in closed for step in steps):
            raise OutOfReach(user)
