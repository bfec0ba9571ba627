"""What a claimed step knows of its workflow, as sql/routines/describe_steps.sql tells it."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any
from uuid import UUID

from baton.jobs import Step, Waited

_uuid = lru_cache(maxsize=256)(UUID)  # the steps of a batch share their workflows


def to_step(place: Sequence[Any] | None, returned: Mapping[str, Any]) -> Step | None:
    """Return the step of a description; of a job that is no step there is none.

    Args:
        place: the description.
        returned: names and results of dependencies of whatever step, by id.
    """
    if place is None:
        return None
    workflow_id, label, name, deps, parents, odd = place
    results = dict(returned[str(parent)] for parent in parents)
    if not odd:
        return Step(
            workflow_id=_uuid(workflow_id),
            workflow_label=label,
            name=name,
            deps=tuple(deps),
            results=results,
        )
    grafted = sorted(odd["grafted"] or ())  # by id
    names = [*deps, *(odd["inherited"] or ()), *(each for _, each, _ in grafted)]
    return Step(
        workflow_id=_uuid(workflow_id),
        workflow_label=label,
        name=name,
        deps=tuple(dict.fromkeys(names)),
        results=results | dict(returned[str(parent)] for parent in odd["parents"] or ()),
        stored=odd["stored"],
        gate=odd["gate"] or "open",
        cause=odd["cause"],
        condition=odd["condition"],
        context=odd["context"] or {},
        grafts=_grafts(grafted),
        waited=_waited(odd["waited"]),
    )


def _grafts(grafted: Sequence[Sequence[Any]]) -> dict[str, list[str]]:
    """Group the names of grafted steps by that of the step that added them."""
    found: dict[str, list[str]] = {}
    for _, name, grafter in grafted:
        if grafter is not None:  # not added from outside
            found.setdefault(grafter, []).append(name)
    return found


def _waited(outcome: Mapping[str, Any] | None) -> Waited | None:
    if outcome is None:
        return None
    return Waited(outcome["signal"], arrived=outcome["arrived"], payload=outcome["payload"])
