"""What filters of jobs, of workflows and of the audit log are in their statements."""

from collections.abc import Iterable, Mapping, Sequence

from baton.search.conditions import Condition
from baton.search.values import Named
from baton.states import State
from baton.store.matching import pieces
from baton.store.matching.pieces import Matching, Writer


def jobs(conditions: Iterable[Condition], states: Sequence[State] | None = None) -> Matching:
    """Return the conditions on jobs, in a statement that calls their table ``job``."""
    matching = Matching(_JOBS)
    if states is not None:
        matching.keep(in_states(states))
    return matching.add(*conditions)


def workflows(conditions: Iterable[Condition]) -> Matching:
    """Return the conditions on workflows, in a statement that calls their table ``workflow``."""
    return Matching(_WORKFLOWS).add(*conditions)


def deeds(conditions: Iterable[Condition]) -> Matching:
    """Return the conditions on what people did, in a statement that calls its table ``log``."""
    return Matching(_DEEDS).add(*conditions)


def in_states(states: Sequence[State]) -> str:
    """Write that a job is in one of these states.

    Available ones are in one of two partial indexes, whose conditions the planner must recognize.
    """
    others = ", ".join(f"'{state.value}'" for state in states if state is not State.AVAILABLE)
    found = [f"job.state in ({others})"] if others else []
    if State.AVAILABLE in states:
        found += [
            f"(job.state = 'available' and job.partition_key is {null})"
            for null in ("null", "not null")
        ]
    return f"({pieces.any_of(found)})" if found else "false"


def steps_of(matching: Matching, condition: Condition) -> str:
    """Look for steps of workflows, by the id or by the name of these."""
    named: Sequence[Named] = condition.values
    whole = [each.ids for each in named if each.ids is not None and each.ids.is_whole]
    other = [each for each in named if each.ids is None or not each.ids.is_whole]
    found = []
    if whole:
        found.append(pieces.between_ids(matching, whole, "step.workflow_id"))
    if other:
        which = pieces.named(matching, other, "flow.id", "flow.name")
        found.append(
            f"step.workflow_id in (select flow.id from baton.workflows as flow where {which})"
        )
    steps = "select step.job_id from baton.workflow_steps as step"
    return f"job.id in ({steps} where {pieces.any_of(found)})"


def _ids(matching: Matching, condition: Condition) -> str:
    return f"job.id = any ({matching.put(list(condition.values), 'bigint[]')})"


def _workflow_word(matching: Matching, condition: Condition) -> str:
    named: Sequence[Named] = condition.values
    found = [pieces.inside(matching, [each.name for each in named], "workflow.name")]
    if ids := [each.ids for each in named if each.ids is not None]:
        found.append(pieces.between_ids(matching, ids, "workflow.id"))
    return pieces.any_of(found)


def _workflow_ids(matching: Matching, condition: Condition) -> str:
    return pieces.between_ids(matching, condition.values, "workflow.id")


def _workflow_states(_: Matching, condition: Condition) -> str:
    # literally, for the partial indexes; they were checked against the few that there are
    return f"workflow.state in ({', '.join(repr(str(each)) for each in condition.values)})"


def _workflow_queues(matching: Matching, condition: Condition) -> str:
    which = pieces.equal(matching, condition.values, "member.queue")
    return (
        "exists (select from baton.workflow_steps as step "
        "join baton.jobs as member on member.id = step.job_id "
        f"where step.workflow_id = workflow.id and ({which}))"
    )


def _parents(matching: Matching, condition: Condition) -> str:
    which = pieces.between_ids(matching, condition.values, "holder.workflow_id")
    return (
        "workflow.parent_job_id in (select holder.job_id from baton.workflow_steps as holder "
        f"where holder.subworkflow_id is not null and ({which}))"
    )


def _top(_: Matching, __: Condition) -> str:
    return "workflow.parent_job_id is null"


_LAST_ERROR = "concat_ws(' ', job.errors -> -1 ->> 'kind', job.errors -> -1 ->> 'message')"

_JOBS: Mapping[str, Writer] = {
    "id": _ids,
    "queue": pieces.text("job.queue"),
    "worker": pieces.text("job.worker"),
    "word": pieces.contained("job.worker"),
    "tag": pieces.tags("job.tags"),
    "priority": pieces.number("job.priority"),
    "attempt": pieces.number("job.attempt"),
    "workflow": steps_of,
    "step": pieces.text("job.meta ->> 'workflow_name'"),
    "error": pieces.contained(_LAST_ERROR),
    "since": pieces.time("job.inserted_at"),
    "until": pieces.time("job.inserted_at"),
    "args": pieces.document("job.args"),
    "meta": pieces.document("job.meta"),
}
_WORKFLOWS: Mapping[str, Writer] = {
    "id": _workflow_ids,
    "state": _workflow_states,
    "name": pieces.text("workflow.name"),
    "queue": _workflow_queues,
    "tag": pieces.tags("workflow.tags"),
    "template": pieces.text("workflow.template"),
    "parent": _parents,
    "top": _top,
    "word": _workflow_word,
    "since": pieces.time("workflow.inserted_at"),
    "until": pieces.time("workflow.inserted_at"),
    "context": pieces.document("workflow.context"),
    "meta": pieces.document("workflow.meta"),
}
_DEEDS: Mapping[str, Writer] = {
    "actor": pieces.text("log.actor"),
    "source": pieces.text("log.source"),
    "action": pieces.text("log.action"),
    "kind": pieces.text("log.kind"),
    "subject": pieces.text("log.subject"),
    "outcome": pieces.text("log.outcome"),
    "word": pieces.contained("log.actor", "log.subject", "log.message"),
    "since": pieces.time("log.inserted_at"),
    "until": pieces.time("log.inserted_at"),
}
