"""Cron entries as programs see and change them."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Unpack

from baton import crons
from baton.client.checks import checked
from baton.crons import OPTIONS, Cron, CronOptions, NewCron
from baton.crontab import CatchUp
from baton.errors import DuplicateCron, InvalidCron, NotFound
from baton.filters import check_limit, search_of
from baton.jobs import Job, NewJob
from baton.search import CronSearch
from baton.store import crons as store
from baton.store import jobs as job_store
from baton.store.asking import Statement
from baton.store.door import Row
from baton.store.pools import Database, SyncDatabase
from baton.workers import Registry, WorkerName, current_registry, resolve


class Crons:
    """The cron entries; ``client.crons``.

    Entries that code registers can be paused, resumed and run. Their rows can be removed once no
    program registers them; a process that does adds its entries again when it starts.
    """

    def __init__(self, database: Database, registry: Registry | None, *, limit: int) -> None:
        self._database = database
        self._registry = registry
        self._limit = limit

    async def add(
        self,
        worker: WorkerName,
        expression: str,
        *,
        name: str | None = None,
        timezone: str = "UTC",
        catch_up: CatchUp = "none",
        args: Mapping[str, Any] | None = None,
        paused: bool = False,
        **options: Unpack[CronOptions],
    ) -> Cron:
        """Add an entry, which every worker process fires.

        Args:
            worker: a worker, or the name of one; arguments are checked if this program knows it.
            expression: when, in cron syntax; `baton.crontab.parse` says which.
            name: identifies the entry; by default the worker's name.
            timezone: the IANA name of the zone in which the expression is read.
            catch_up: how many ticks to make up for that no process was there for: ``none``,
                ``latest``, or a number, of which the newest are meant.
            args: the arguments of the jobs.
            paused: whether to insert nothing until it is resumed.
            options: options of the jobs. What is not given is the worker's own where the process
                that fires knows the worker, and the general default elsewhere.

        Raises:
            InvalidCron: something of it can't be.
            DuplicateCron: there is an entry of that name.
            DatabaseError: the database refused or is away.
        """
        entry = _entry(
            self._known(),
            worker,
            expression,
            name=name,
            timezone=timezone,
            catch_up=catch_up,
            args=args,
            options=options,
        )
        params = store.addition(entry, paused=paused)
        return _added(await self._database.run("cron_add", params), entry)

    async def edit(
        self,
        name: str,
        *,
        expression: str | None = None,
        timezone: str | None = None,
        catch_up: CatchUp | None = None,
        args: Mapping[str, Any] | None = None,
        **options: Unpack[CronOptions],
    ) -> Cron:
        """Change what is given of an entry; what is not given stays.

        An option that is ``None`` is taken away. When the expression or the time zone changes, the
        entry begins anew: ticks that the new times would have had before are not made up for.

        Raises:
            InvalidCron: something of it can't be, or code registers the entry.
            NotFound: there is none of that name.
            DatabaseError: the database refused or is away.
        """
        params = _change(
            self._known(), await self.get(name), expression, timezone, catch_up, args, options
        )
        return _one(name, await self._database.run("cron_edit", params))

    async def remove(self, name: str) -> None:
        """Remove an entry; jobs that it has inserted stay.

        Raises:
            NotFound: there is none of that name.
        """
        if not await self._database.run("cron_remove", {"name": name}):
            raise NotFound("cron entry", name)

    async def pause(self, name: str, *, by: str | None = None) -> Cron:
        """Insert nothing for an entry until it is resumed; also when processes start anew.

        Args:
            name: which one.
            by: who pauses it, for others to see.

        Raises:
            NotFound: there is none of that name.
        """
        return _one(name, await self._database.run("cron_pause", {"name": name, "by": by}))

    async def resume(self, name: str) -> Cron:
        """Go on with a paused entry; the ticks of the pause are skipped.

        Raises:
            NotFound: there is none of that name.
        """
        return _one(name, await self._database.run("cron_resume", {"name": name}))

    async def run_now(self, name: str) -> Job:
        """Insert a job of an entry at once, paused or not; its ticks are as they would have been.

        Raises:
            InvalidJob: no job can be made of the entry.
            NotFound: there is none of that name.
        """
        found = await self._database.run(*store.one(name))
        job = _job(self._known(), name, found)
        async with self._database.connection() as conn:
            [inserted] = await job_store.insert(
                conn, self._database.schema, [job], limit=self._limit
            )
        return inserted

    async def get(self, name: str) -> Cron:
        """Return an entry, with its last and its next tick.

        Raises:
            NotFound: there is none of that name.
        """
        return _one(name, await self._database.run(*store.one(name)))

    async def list(
        self,
        where: str | CronSearch = "",
        *,
        after: str | None = None,
        limit: int | None = None,
    ) -> list[Cron]:
        """Return the entries that fit by name, with their last and their next ticks.

        Args:
            where: a filter, such as ``state:paused worker:reports.*``.
            after: the name of the last one of the page before.
            limit: how many at most; all of them by default.

        Raises:
            InvalidFilter: the filter or the limit can't be used.
        """
        return [store.to_cron(r) for r in await self._database.run(*_listed(where, after, limit))]

    def _known(self) -> Registry:
        return self._registry or current_registry()


class SyncCrons:
    """Does what `Crons` does, for programs without an event loop."""

    def __init__(self, database: SyncDatabase, registry: Registry | None, *, limit: int) -> None:
        self._database = database
        self._registry = registry
        self._limit = limit

    def add(
        self,
        worker: WorkerName,
        expression: str,
        *,
        name: str | None = None,
        timezone: str = "UTC",
        catch_up: CatchUp = "none",
        args: Mapping[str, Any] | None = None,
        paused: bool = False,
        **options: Unpack[CronOptions],
    ) -> Cron:
        """Do what `Crons.add` does."""
        entry = _entry(
            self._known(),
            worker,
            expression,
            name=name,
            timezone=timezone,
            catch_up=catch_up,
            args=args,
            options=options,
        )
        params = store.addition(entry, paused=paused)
        return _added(self._database.run("cron_add", params), entry)

    def edit(
        self,
        name: str,
        *,
        expression: str | None = None,
        timezone: str | None = None,
        catch_up: CatchUp | None = None,
        args: Mapping[str, Any] | None = None,
        **options: Unpack[CronOptions],
    ) -> Cron:
        """Do what `Crons.edit` does."""
        params = _change(
            self._known(), self.get(name), expression, timezone, catch_up, args, options
        )
        return _one(name, self._database.run("cron_edit", params))

    def remove(self, name: str) -> None:
        """Do what `Crons.remove` does."""
        if not self._database.run("cron_remove", {"name": name}):
            raise NotFound("cron entry", name)

    def pause(self, name: str, *, by: str | None = None) -> Cron:
        """Do what `Crons.pause` does."""
        return _one(name, self._database.run("cron_pause", {"name": name, "by": by}))

    def resume(self, name: str) -> Cron:
        """Do what `Crons.resume` does."""
        return _one(name, self._database.run("cron_resume", {"name": name}))

    def run_now(self, name: str) -> Job:
        """Do what `Crons.run_now` does."""
        job = _job(self._known(), name, self._database.run(*store.one(name)))
        with self._database.connection() as conn:
            [inserted] = job_store.insert_sync(
                conn, self._database.schema, [job], limit=self._limit
            )
        return inserted

    def get(self, name: str) -> Cron:
        """Do what `Crons.get` does."""
        return _one(name, self._database.run(*store.one(name)))

    def list(
        self,
        where: str | CronSearch = "",
        *,
        after: str | None = None,
        limit: int | None = None,
    ) -> list[Cron]:
        """Do what `Crons.list` does."""
        return [store.to_cron(r) for r in self._database.run(*_listed(where, after, limit))]

    def _known(self) -> Registry:
        return self._registry or current_registry()


def _listed(where: str | CronSearch, after: str | None, limit: int | None) -> Statement:
    search = search_of(CronSearch, where)
    return store.listed(search, after=after, limit=None if limit is None else check_limit(limit))


def _entry(registry: Registry, worker: WorkerName, expression: str, **given: Any) -> NewCron:
    if isinstance(worker, str) and registry.known(worker) is None:
        return crons.entry(worker, expression, **given)
    definition, chosen = resolve(worker, registry)
    given["options"] = {**chosen, **given["options"]}
    return crons.entry_of(definition, expression, **given)


def _change(
    registry: Registry,
    before: Cron,
    expression: str | None,
    timezone: str | None,
    catch_up: CatchUp | None,
    args: Mapping[str, Any] | None,
    options: CronOptions,
) -> dict[str, Any]:
    if before.source == "code":
        raise InvalidCron(
            f"cron entry {before.name!r} stands in the code of a program; change it there, "
            f"or pause it"
        )
    chosen = crons.checked_options(options)
    cleared = [option for option in OPTIONS if option in options and option not in chosen]
    kept = {option: value for option, value in before.options.items() if option not in cleared}
    given: dict[str, Any] = {
        "name": before.name,
        "timezone": before.timezone if timezone is None else timezone,
        "catch_up": before.catch_up if catch_up is None else catch_up,
        "args": before.args if args is None else args,
        "options": {**kept, **chosen},
    }
    wanted = before.expression if expression is None else expression
    after = _entry(registry, before.worker, wanted, **given)
    return store.change(
        before.name,
        expression=None if expression is None else after.expression,
        timezone=timezone,
        args=None if args is None else after.args,
        options=chosen,
        cleared=cleared,
        catch_up=None if catch_up is None else after.catch_up,
    )


def _added(rows: list[Row], entry: NewCron) -> Cron:
    if not rows:
        raise DuplicateCron(entry.name)
    return store.to_cron(rows[0])


def _one(name: str, rows: list[Row]) -> Cron:
    if not rows:
        raise NotFound("cron entry", name)
    return store.to_cron(rows[0])


def _job(registry: Registry, name: str, rows: list[Row]) -> NewJob:
    cron = _one(name, rows)
    now: datetime = rows[0][0]
    job = crons.job_of(cron, registry.known(cron.worker), now.astimezone(UTC))
    return checked(registry, [job])[0]
