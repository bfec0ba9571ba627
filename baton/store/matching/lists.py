"""What filters of queues, worker processes, cron entries, approvals and errors are in SQL."""

from collections.abc import Iterable, Mapping, Sequence

from baton.search.conditions import Condition
from baton.search.values import Named, Text
from baton.store.matching import pieces
from baton.store.matching.jobs import steps_of
from baton.store.matching.pieces import Matching, Writer


def queues(conditions: Iterable[Condition]) -> Matching:
    """Return the conditions on queues, in the statement ``queue_list``."""
    return Matching(_QUEUES).add(*conditions)


def processes(conditions: Iterable[Condition]) -> Matching:
    """Return the conditions on worker processes, in the statement ``process_list``."""
    return Matching(_PROCESSES).add(*conditions)


def crons(conditions: Iterable[Condition]) -> Matching:
    """Return the conditions on cron entries, in the statement ``cron_list``."""
    return Matching(_CRONS).add(*conditions)


def approvals(conditions: Iterable[Condition]) -> Matching:
    """Return the conditions on questions, in the statement ``approvals_open``."""
    return Matching(_APPROVALS).add(*conditions)


def errors(conditions: Iterable[Condition]) -> Matching:
    """Return the conditions on jobs that failed, in a statement that calls their table ``job``."""
    return Matching(_ERRORS).add(*conditions)


def _served(matching: Matching, condition: Condition) -> str:
    texts: Sequence[Text] = condition.values
    which = pieces.equal(matching, texts, "served.name")
    return f"exists (select from jsonb_object_keys(process.queues) as served (name) where {which})"


def _workflow_of(matching: Matching, condition: Condition) -> str:
    return pieces.named(matching, condition.values, "step.workflow_id", "workflow.name")


def _question(matching: Matching, condition: Condition) -> str:
    named: Sequence[Named] = condition.values
    subjects = ("job.args ->> 'question'", "step.step_name", "workflow.name")
    found = [pieces.inside(matching, [each.name for each in named], *subjects)]
    if ids := [each.ids for each in named if each.ids is not None]:
        found.append(pieces.between_ids(matching, ids, "step.workflow_id"))
    return pieces.any_of(found)


_QUEUES: Mapping[str, Writer] = {
    "queue": pieces.text("queue.name"),
    "word": pieces.contained("queue.name"),
    "state": pieces.cases(
        {
            "running": "not queue.pausing and not queue.stopped and queue.processes > 0",
            "paused": "queue.pausing",
            "stopped": "queue.stopped",
            "unserved": "queue.processes = 0",
        }
    ),
    **{
        name: pieces.number(f"queue.{name}")
        for name in ("available", "scheduled", "retryable", "executing", "processes", "slots")
    },
}
_PROCESSES: Mapping[str, Writer] = {
    "node": pieces.text("process.node"),
    "word": pieces.contained("process.node"),
    "queue": _served,
    "state": pieces.cases({"alive": "process.alive", "lost": "not process.alive"}),
    "executing": pieces.number("process.executing"),
    "since": pieces.time("process.started_at"),
    "until": pieces.time("process.started_at"),
}
_CRONS: Mapping[str, Writer] = {
    "name": pieces.text("cron.name"),
    "word": pieces.contained("cron.name", "cron.worker"),
    "state": pieces.cases(
        {"running": "cron.paused_at is null", "paused": "cron.paused_at is not null"}
    ),
    "source": pieces.cases({each: f"cron.source = '{each}'" for each in ("code", "database")}),
    "queue": pieces.text("cron.options ->> 'queue'"),
    "worker": pieces.text("cron.worker"),
    "timezone": pieces.text("cron.timezone"),
    "since": pieces.time("cron.last_tick_at"),
    "until": pieces.time("cron.last_tick_at"),
    "args": pieces.document("cron.args"),
}
_APPROVALS: Mapping[str, Writer] = {
    "workflow": _workflow_of,
    "step": pieces.text("step.step_name"),
    "asks": pieces.text("job.args ->> 'asks'"),
    "queue": pieces.text("job.queue"),
    "word": _question,
    "since": pieces.time("wait.inserted_at"),
    "until": pieces.time("wait.inserted_at"),
}
# when it failed; what somebody wrote into the error itself may be no time
_FAILED_AT = "coalesce(job.discarded_at, job.attempted_at)"
_ERRORS: Mapping[str, Writer] = {
    "state": pieces.cases(
        {each: f"job.state = '{each}'" for each in ("discarded", "retryable", "scheduled")}
    ),
    "kind": pieces.text("job.errors -> -1 ->> 'kind'"),
    "word": pieces.contained("job.errors -> -1 ->> 'kind'", "job.errors -> -1 ->> 'message'"),
    "queue": pieces.text("job.queue"),
    "worker": pieces.text("job.worker"),
    "tag": pieces.tags("job.tags"),
    "workflow": steps_of,
    "step": pieces.text("job.meta ->> 'workflow_name'"),
    "since": pieces.time(_FAILED_AT),
    "until": pieces.time(_FAILED_AT),
    "args": pieces.document("job.args"),
    "meta": pieces.document("job.meta"),
}
