"""Baton: a job queue with DAG workflows that lives in PostgreSQL alone.

Define workers with `worker`, make jobs of them with ``.new()``, insert them one by one or as the
steps of a `Workflow`, and run ``baton worker`` processes that perform them.

A public name is imported from its module when it is first used: a program that defines workers
needs no driver, and ``baton --help`` nothing at all.
"""

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from baton.ambient import ambient as _ambient

if TYPE_CHECKING:
    from baton.approvals import Approval, Decision
    from baton.arguments import resource
    from baton.changes import JobChanges
    from baton.client import Client, SyncClient
    from baton.conditions import Condition
    from baton.crons import Cron
    from baton.definitions import JobOptions
    from baton.errors import BatonError
    from baton.events import Events, Resumed, StepUpdated, WorkflowFinished
    from baton.filters import JobFilter
    from baton.functions import (
        cancel_job,
        cancel_workflow,
        delete_job,
        insert,
        insert_all,
        insert_all_sync,
        insert_many,
        insert_many_sync,
        insert_sync,
        retry_job,
        retry_workflow,
        skip_step,
        update_job,
    )
    from baton.graphs.graph import WorkflowGraph
    from baton.jobs import Grafted, Job, NewJob, Results, Waited
    from baton.migration import Migration
    from baton.outcomes import Cancel, Discard, Error, Snooze, WaitForSignal
    from baton.query import Query
    from baton.registering import (
        before_insert,
        carry,
        condition,
        cron,
        lifespan,
        middleware,
        redact_errors,
        result_store,
        worker,
    )
    from baton.settings import Settings
    from baton.states import State
    from baton.status import Node, Progress, WorkflowStatus
    from baton.steering import RetriedStep, Retry
    from baton.telemetry import Telemetry
    from baton.trees import WorkflowTree
    from baton.unique import Unique
    from baton.web import web
    from baton.why import Fact, Reason, Why
    from baton.worker_class import Worker
    from baton.workers import Registry
    from baton.workflows import Graft, Workflow

    __version__: str

__all__ = [
    "Approval",
    "BatonError",
    "Cancel",
    "Client",
    "Condition",
    "Cron",
    "Decision",
    "Discard",
    "Error",
    "Events",
    "Fact",
    "Graft",
    "Grafted",
    "Job",
    "JobChanges",
    "JobFilter",
    "JobOptions",
    "Migration",
    "NewJob",
    "Node",
    "Progress",
    "Query",
    "Reason",
    "Registry",
    "Results",
    "Resumed",
    "RetriedStep",
    "Retry",
    "Settings",
    "Snooze",
    "State",
    "StepUpdated",
    "SyncClient",
    "Telemetry",
    "Unique",
    "WaitForSignal",
    "Waited",
    "Why",
    "Worker",
    "Workflow",
    "WorkflowFinished",
    "WorkflowGraph",
    "WorkflowStatus",
    "WorkflowTree",
    "before_insert",
    "cancel_job",
    "cancel_workflow",
    "carry",
    "condition",
    "cron",
    "delete_job",
    "insert",
    "insert_all",
    "insert_all_sync",
    "insert_many",
    "insert_many_sync",
    "insert_sync",
    "lifespan",
    "middleware",
    "redact_errors",
    "resource",
    "result_store",
    "retry_job",
    "retry_workflow",
    "skip_step",
    "update_job",
    "web",
    "worker",
]

_PLACES = {
    "baton.approvals": ("Approval", "Decision"),
    "baton.arguments": ("resource",),
    "baton.changes": ("JobChanges",),
    "baton.client": ("Client", "SyncClient"),
    "baton.conditions": ("Condition",),
    "baton.crons": ("Cron",),
    "baton.definitions": ("JobOptions",),
    "baton.errors": ("BatonError",),
    "baton.events": ("Events", "Resumed", "StepUpdated", "WorkflowFinished"),
    "baton.filters": ("JobFilter",),
    "baton.functions": (
        "cancel_job",
        "cancel_workflow",
        "delete_job",
        "insert",
        "insert_all",
        "insert_all_sync",
        "insert_many",
        "insert_many_sync",
        "insert_sync",
        "retry_job",
        "retry_workflow",
        "skip_step",
        "update_job",
    ),
    "baton.graphs.graph": ("WorkflowGraph",),
    "baton.jobs": ("Grafted", "Job", "NewJob", "Results", "Waited"),
    "baton.migration": ("Migration",),
    "baton.outcomes": ("Cancel", "Discard", "Error", "Snooze", "WaitForSignal"),
    "baton.query": ("Query",),
    "baton.registering": (
        "before_insert",
        "carry",
        "condition",
        "cron",
        "lifespan",
        "middleware",
        "redact_errors",
        "result_store",
        "worker",
    ),
    "baton.settings": ("Settings",),
    "baton.states": ("State",),
    "baton.status": ("Node", "Progress", "WorkflowStatus"),
    "baton.steering": ("RetriedStep", "Retry"),
    "baton.telemetry": ("Telemetry",),
    "baton.trees": ("WorkflowTree",),
    "baton.unique": ("Unique",),
    "baton.web": ("web",),
    "baton.why": ("Fact", "Reason", "Why"),
    "baton.worker_class": ("Worker",),
    "baton.workers": ("Registry",),
    "baton.workflows": ("Graft", "Workflow"),
}
_HOMES = {name: place for place, names in _PLACES.items() for name in names}


def _version() -> str:
    from importlib.metadata import version  # noqa: PLC0415

    return version("baton")


def _default_clients() -> tuple[Any, Any]:
    from baton.defaults import DefaultClient, DefaultSyncClient  # noqa: PLC0415

    return DefaultClient(), DefaultSyncClient()


_ambient.use_made(_default_clients)

if not TYPE_CHECKING:  # it would make every name one of the package's, also a misspelt one

    def __getattr__(name: str) -> Any:
        """Import what is asked for: a public name, or a module of the package."""
        if name == "__version__":
            found = _version()
        elif name in _HOMES:
            found = getattr(import_module(_HOMES[name]), name)
        elif not name.startswith("_") and find_spec(f"baton.{name}") is not None:
            return import_module(f"baton.{name}")
        else:
            raise AttributeError(f"module 'baton' has no attribute {name!r}")
        globals()[name] = found
        return found

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
