"""Looks for what is wrong with a database, and with the worker processes that it knows.

A check is a function of a `Patient` that yields findings; most of them run one statement,
``sql/queries/doctor_*.sql``. A new one is written beside its like and added to `CHECKS`. Nothing is
changed, and but for a notification nothing is left behind.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

from baton.checkup import Checkup, Finding, Severity, Skipped
from baton.errors import ConfigurationError
from baton.store.doctor import jobs, schema, server, tables
from baton.store.doctor.patient import Patient, Target, patient

__all__ = ["CHECKS", "Target", "examine"]

Check = Callable[[Patient], Iterator[Finding]]

CHECKS: Mapping[str, Check] = {
    "schema": schema.version,
    "indexes": schema.indexes,
    "notifications": server.notifications,
    "clock": server.clock,
    "settings": server.settings,
    "connections": server.connections,
    "transactions": server.transactions,
    "vacuum": tables.vacuum,
    "bloat": tables.bloat,
    "queues": jobs.queues,
    "leases": jobs.leases,
    "releases": jobs.releases,
    "crons": jobs.crons,
    "workers": jobs.workers,
}
_ORDER = list(Severity)


def examine(
    target: Target,
    *,
    only: Collection[str] | None = None,
    progress: Callable[[float, int], None] = lambda _part, _found: None,
) -> Checkup:
    """Run the checks, or those of these names; the others need a schema that is this Baton's.

    Raises:
        ConfigurationError: there is no check of such a name.
        DatabaseError: the database refused or is away.
    """
    chosen = _chosen(only)
    findings: list[Finding] = []
    skipped: list[Skipped] = []
    with patient(target) as examined:
        if not schema.is_usable(examined):
            # the others would only stumble over what is not there
            skipped = [_without_schema(name, examined) for name in chosen if name != "schema"]
            chosen = ["schema"]
        elif target.workers is None and "workers" in chosen:
            skipped = [_without_app(examined)]
            chosen = [name for name in chosen if name != "workers"]
        for number, name in enumerate(chosen, 1):
            findings += CHECKS[name](examined)
            progress(number / len(chosen), len(findings))
    findings.sort(key=lambda each: _ORDER.index(each.severity))
    return Checkup(chosen, findings, skipped)


def _without_schema(name: str, patient: Patient) -> Skipped:
    reason = "it needs a schema that is this Baton's"
    return Skipped(check=name, reason=reason, command=patient.baton("migrate"))


def _without_app(patient: Patient) -> Skipped:
    return Skipped(
        check="workers",
        reason="which workers the program registers is not known without --app",
        command=patient.baton("doctor --app MODULE"),
    )


def _chosen(only: Collection[str] | None) -> Sequence[str]:
    if unknown := sorted(set(only or ()) - CHECKS.keys()):
        raise ConfigurationError(
            f"there is no check {', '.join(unknown)}; there are {', '.join(CHECKS)}"
        )
    return [name for name in CHECKS if not only or name in only]
