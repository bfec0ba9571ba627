"""Whether everything that waits is going to be done."""

import shlex
from collections.abc import Iterator

from baton.checkup import Finding
from baton.queues import QueueStatus
from baton.search import quoted
from baton.store.crons import to_cron
from baton.store.doctor.patient import Finder, Patient
from baton.store.queues import to_status
from baton.wording import duration

SLOTS = 10
_QUEUES = Finder("queues")
_LEASES = Finder("leases")
_RELEASES = Finder("releases")
_CRONS = Finder("crons")
_WORKERS = Finder("workers")


def queues(patient: Patient) -> Iterator[Finding]:
    """Find queues with jobs that nobody is going to start."""
    for queue in map(to_status, patient.run("queue_list", after=None, limit=None, most=None)):
        waiting = sum(queue.counts.get(each, 0) for each in ("available", "scheduled", "retryable"))
        if waiting:
            yield from _about(patient, queue, waiting)


def _about(patient: Patient, queue: QueueStatus, waiting: int) -> Iterator[Finding]:
    name, jobs = shlex.quote(queue.name), _jobs(waiting)
    facts = {"queue": queue.name, "jobs": waiting}
    if queue.is_paused:
        by = f" by {queue.paused_by}" if queue.paused_by else ""
        yield _QUEUES.warning(
            f"queue {queue.name} is paused{by} since {queue.paused_at:%Y-%m-%d %H:%M:%S %Z}, with "
            f"{jobs} waiting",
            patient.baton(f"queue resume {name}"),
            **facts,
        )
    elif queue.scaled_to == 0:
        yield _QUEUES.warning(
            f"queue {queue.name} is stopped, with {jobs} waiting",
            patient.baton(f"queue start {name}"),
            **facts,
        )
    elif not queue.processes:
        sentence = f"no living worker process serves queue {queue.name}, with {jobs} waiting"
        command = patient.baton(f"worker --queues {shlex.quote(f'{queue.name}={SLOTS}')}")
        if queue.counts.get("available"):
            yield _QUEUES.error(sentence, command, **facts)
        else:
            yield _QUEUES.warning(f"{sentence} for their time", command, **facts)


def leases(patient: Patient) -> Iterator[Finding]:
    """Find jobs that execute for processes which are gone."""
    silence = patient.target.limits.silence
    for node, lease, jobs, first, seconds, alive in patient.run("doctor_leases", seconds=silence):
        ago = "" if seconds is None else f" for {duration(seconds)}"
        sentence = (
            f"process {node} (lease {lease or 'none'}) has not been heard of{ago}, and "
            f"still holds {_jobs(jobs)}"
        )
        facts = {"lease": lease, "jobs": jobs}
        if alive:
            yield _LEASES.error(
                f"{sentence}: the processes that live don't give them to others; another one does "
                f"(job {first} is the first)",
                patient.baton("worker"),
                **facts,
            )
        else:
            yield _LEASES.error(
                f"{sentence}: no process lives that could give them to others",
                patient.baton("worker"),
                **facts,
            )


def releases(patient: Patient) -> Iterator[Finding]:
    """Find ended steps whose dependents nobody has looked at."""
    silence = patient.target.limits.silence
    [(batches, seconds, alive)] = patient.run("doctor_releases", seconds=silence)
    if batches:
        who = "the processes that live don't" if alive else "no process lives that could"
        yield _RELEASES.error(
            f"dependents of ended steps have waited for {duration(seconds)}: {who} release them",
            patient.baton("worker"),
            batches=batches,
            seconds=seconds,
        )


def crons(patient: Patient) -> Iterator[Finding]:
    """Find cron entries that can't be understood, and so never tick."""
    for entry in map(to_cron, patient.run("cron_list", name=None, after=None, limit=None)):
        if entry.problem is None:
            continue
        name = shlex.quote(entry.name)
        in_code = entry.source == "code"
        yield _CRONS.error(
            f"cron entry {entry.name} never ticks: {entry.problem}",
            patient.baton(f"cron remove {name}")
            if in_code
            else patient.baton(f"cron edit {name} --expression EXPRESSION"),
            name=entry.name,
            expression=entry.expression,
        )


def workers(patient: Patient) -> Iterator[Finding]:
    """Find workers that jobs and cron entries name and that the program does not register."""
    known = patient.target.workers
    if known is None:
        return
    for worker, jobs, entries in patient.run("doctor_workers"):
        if worker in known:
            continue
        named = [f"{_jobs(jobs)} waiting"] if jobs else []
        named += [f"cron entry {', '.join(entries)}"] if entries else []
        yield _WORKERS.error(
            f"the program registers no worker {worker}, which is named by {' and '.join(named)}",
            patient.baton(f"job cancel {shlex.quote(f'worker:{quoted(worker)}')}")
            if jobs
            else patient.baton(f"cron remove {shlex.quote(entries[0])}"),
            worker=worker,
            jobs=jobs,
            crons=list(entries),
        )


def _jobs(count: int) -> str:
    return f"{count:,} job{'' if count == 1 else 's'}"
