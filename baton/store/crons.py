"""Cron entries in the database: how they are kept, looked at, and made into jobs exactly once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from anyio import CancelScope

from baton import crontab, documents
from baton.crons import Cron, NewCron
from baton.errors import InvalidCron
from baton.jobs import Job, NewJob
from baton.search import CronSearch
from baton.store import door, matching
from baton.store import jobs as job_store
from baton.store.asking import Statement
from baton.store.pools import Database
from baton.store.rows import Row, document


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a scheduler looks at.

    Attributes:
        now: the time by the database's clock.
        oldest: since when the oldest of the living worker processes has been there.
        crons: the entries that this process may fire.
    """

    now: datetime
    oldest: datetime | None
    crons: Sequence[Cron]


@dataclass(frozen=True, slots=True, kw_only=True)
class Firing:
    """An entry that is to be moved on.

    Attributes:
        cron: the entry, as it was read.
        tick: the newest of the ticks that are dealt with.
        jobs: what to insert for them; empty when all of them are skipped.
    """

    cron: Cron
    tick: datetime
    jobs: Sequence[NewJob]


async def register(
    database: Database, entries: Sequence[NewCron], *, now: datetime | None = None
) -> None:
    """Bring the entries of a program's code up to date.

    Raises:
        DatabaseError: the database refused or is away.
    """
    rows = [
        (
            entry.name,
            entry.expression,
            entry.timezone,
            entry.worker,
            documents.encode(dict(entry.args)),
            documents.encode(dict(entry.options)),
            entry.catch_up,
        )
        for entry in entries
    ]
    names = ("names", "expressions", "timezones", "workers", "args", "options", "catch_ups")
    params = dict(zip(names, door.columns(rows, len(names)), strict=True))
    await database.run("crons_register", {**params, "now": now})


async def read(database: Database, known: Sequence[str], *, now: datetime | None = None) -> Reading:
    """Return what a scheduler looks at.

    Args:
        database: where.
        known: the entries that the program's code registers.
        now: instead of the database's clock.
    """
    found = await database.run("crons_read", {"known": list(known), "now": now})
    at, oldest = found[0][:2]
    crons = [to_cron((at, *row[2:]), overdue=True) for row in found if row[2] is not None]
    return Reading(now=at, oldest=oldest, crons=crons)


async def fire(
    database: Database, firings: Sequence[Firing], *, limit: int
) -> dict[str, list[Job]]:
    """Move entries on and insert their jobs, in one transaction.

    Returns:
        The jobs by name of the entry, for the entries that this call has moved. The others were
        moved or changed by somebody else since they were read, or are locked.

    Raises:
        InvalidJob: a job can't be stored; nothing is changed.
        DatabaseError: the database refused or is away; nothing is changed.
    """
    params = {
        "names": [firing.cron.name for firing in firings],
        "expressions": [firing.cron.expression for firing in firings],
        "timezones": [firing.cron.timezone for firing in firings],
        "seens": [firing.cron.last_tick_at for firing in firings],
        "ticks": [firing.tick for firing in firings],
    }
    schema = database.schema
    # shielded as a whole: a cancellation must not meet psycopg in the middle of a rollback
    with CancelScope(shield=True):
        async with database.connection() as conn, conn.transaction():
            claimed = {row[0] for row in await door.run(conn, schema, "crons_claim", params)}
            owners = [
                (firing.cron.name, job)
                for firing in firings
                if firing.cron.name in claimed
                for job in firing.jobs
            ]
            inserted = []
            if owners:
                jobs = [job for _, job in owners]
                inserted = await job_store.insert(conn, schema, jobs, limit=limit)
    made: dict[str, list[Job]] = {name: [] for name in claimed}
    for (name, _), job in zip(owners, inserted, strict=True):
        made[name].append(job)
    return made


def listed(search: CronSearch, *, after: str | None = None, limit: int | None = None) -> Statement:
    """Return what asks for the entries that fit, by name, behind one of them."""
    fits = matching.crons(search.conditions)
    params = {"name": None, "after": after, "limit": limit, **fits.params}
    return Statement("cron_list", params, fits.sql)


def one(name: str) -> Statement:
    """Return what asks for the entry of a name."""
    return Statement("cron_list", {"name": name, "after": None, "limit": None})


def addition(entry: NewCron, *, paused: bool) -> dict[str, Any]:
    """Return the parameters of ``cron_add``."""
    return {
        "name": entry.name,
        "expression": entry.expression,
        "timezone": entry.timezone,
        "worker": entry.worker,
        "args": documents.encode(dict(entry.args)),
        "options": documents.encode(dict(entry.options)),
        "catch_up": entry.catch_up,
        "paused": paused,
    }


def change(
    name: str,
    *,
    expression: str | None,
    timezone: str | None,
    args: Mapping[str, Any] | None,
    options: Mapping[str, Any],
    cleared: Sequence[str],
    catch_up: int | None,
) -> dict[str, Any]:
    """Return the parameters of ``cron_edit``; what is ``None`` stays as it is."""
    return {
        "name": name,
        "expression": expression,
        "timezone": timezone,
        "args": None if args is None else documents.encode(dict(args)),
        "options": documents.encode(dict(options)),
        "cleared": list(cleared),
        "catch_up": catch_up,
    }


def to_cron(row: Row, *, overdue: bool = False) -> Cron:
    """Return the entry of a row of ``cron_list.sql``, with its next tick.

    Args:
        row: the row.
        overdue: whether one that has passed and was not dealt with counts as the next one.
    """
    (
        now,
        name,
        source,
        expression,
        timezone,
        worker,
        args,
        options,
        catch_up,
        paused_at,
        paused_by,
        last_tick_at,
        inserted_at,
        updated_at,
    ) = row
    next_tick_at, problem = None, None
    since = last_tick_at or inserted_at
    try:
        next_tick_at = crontab.next_tick(
            expression, timezone, since if overdue else max(since, now)
        )
    except InvalidCron as error:
        problem = str(error)
    return Cron(
        name=name,
        source=source,
        expression=expression,
        timezone=timezone,
        worker=worker,
        args=document(args),
        options=document(options),
        catch_up=catch_up,
        paused_at=paused_at,
        paused_by=paused_by,
        last_tick_at=last_tick_at,
        inserted_at=inserted_at,
        updated_at=updated_at,
        next_tick_at=next_tick_at,
        problem=problem,
    )
