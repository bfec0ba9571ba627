"""What is done to many jobs at once: counted, confirmed, shown as it goes, written down."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import anyio

from baton.cli.acting import acting
from baton.cli.job_ids import Outcome, named, to_each
from baton.cli.output import Form, confirm, emit
from baton.cli.progress import progress
from baton.client import Client
from baton.filters import Criteria, JobFilter
from baton.settings import Settings
from baton.workers import Registry


@dataclass(frozen=True, slots=True, kw_only=True)
class Many:
    """What is done to jobs.

    Attributes:
        action: what clients call it: ``cancel``, ``retry``, ``delete`` or ``edit``.
        verb: what people call it.
        participle: that of the verb.
        which: the criteria.
        text: them as one filter.
        details: what else the audit log has.
        one: does it to the job with an id; ``dry``, it only raises what it would.
        several: does it to those that fit, and returns to how many.
    """

    action: str
    verb: str
    participle: str
    which: JobFilter
    text: str
    details: Mapping[str, Any] = field(default_factory=dict)
    one: Callable[[Client, int, bool], Awaitable[None]]
    several: Callable[[Client, bool, Any], Awaitable[int]]

    @property
    def criteria(self) -> Criteria:
        """The criteria, checked."""
        return Criteria.of(self.which)


def many(
    settings: Settings,
    deed: Many,
    *,
    dry_run: bool,
    yes: bool,
    output: Form,
    registry: Registry | None = None,
) -> None:
    """Do something to jobs; those of a filter are counted first, and asked for.

    Raises:
        ConfigurationError: there is nobody to ask.
        typer.Exit: it is not meant, or could not be done to jobs whose ids were given.
    """

    async def run(among: Sequence[int] | None) -> Outcome:
        what = f"counting jobs to {deed.verb}" if dry_run else f"{deed.participle} jobs"
        with progress(what) as tell:
            async with Client(settings=settings, registry=registry) as client:
                chosen: Any = {**deed.which, "progress": tell}
                if among is not None:
                    chosen["among"] = among
                return await _performed(client, deed, chosen, dry_run)

    asks = not dry_run and not yes and not deed.criteria.is_list
    outcome = anyio.run(run, _agreed(settings, deed) if asks else None)
    if output.is_data:
        facts = {"action": deed.action, "jobs": outcome.done, "dry_run": dry_run}
        emit(output, facts | outcome.as_json())
    else:
        verb = f"would {deed.verb}" if dry_run else deed.participle
        print(f"{verb} {counted(outcome.done)}")
    outcome.end()


async def _performed(client: Client, deed: Many, chosen: Any, dry: bool) -> Outcome:
    async def do() -> Outcome:
        if ids := named(deed.criteria):
            return await to_each(ids, lambda job_id: deed.one(client, job_id, dry))
        return Outcome(await deed.several(client, dry, chosen), {})

    if dry:
        return await do()
    kind, subject = meant(deed.criteria, deed.text)
    async with acting(client, deed.action, kind, subject, **deed.details) as record:
        outcome = await do()
        record.message = outcome.told(f"{deed.participle} {counted(outcome.done)}")
        return outcome


def _agreed(settings: Settings, deed: Many) -> list[int]:
    """Count the jobs that fit, and ask; return which they are, for those alone are agreed to."""

    async def find() -> list[int]:
        with progress(f"counting jobs to {deed.verb}") as tell:
            async with Client(settings=settings) as client:
                return await client.find_jobs(to=deed.action, progress=tell, **deed.which)

    found = anyio.run(find)
    count = counted(len(found))
    confirm(f"{deed.verb} {count}?", otherwise=f"this would {deed.verb} {count}")
    return found


def meant(criteria: Criteria, text: str) -> tuple[str, str]:
    """Return the kind and the subject of what is done: one job by its id, or those of a filter."""
    if criteria.is_list and len(criteria.ids or ()) == 1:
        return "job", str((criteria.ids or ())[0])
    return "jobs", text


def counted(count: int) -> str:
    """Say how many jobs."""
    return f"{count:,} job{'' if count == 1 else 's'}"
