"""What is done to many workflows at once: counted, confirmed, shown as it goes, written down."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import anyio

from baton.cli.acting import acting
from baton.cli.output import Form, confirm, emit
from baton.cli.progress import progress
from baton.client import Client
from baton.search import WorkflowSearch
from baton.settings import Settings
from baton.steering import Steered


@dataclass(frozen=True, slots=True)
class Many:
    """What is done to many workflows, in words and for the audit log."""

    verb: str
    participle: str
    where: str
    details: Mapping[str, Any] = field(default_factory=dict)


def many(
    settings: Settings,
    deed: Many,
    act: Callable[[Client, bool, dict[str, Any]], Awaitable[Steered]],
    dry_run: bool,
    yes: bool,
    output: Form,
) -> None:
    """Do something to many workflows: count them, ask, and show how far it is."""
    verb, participle = deed.verb, deed.participle

    async def perform(dry: bool, among: Sequence[UUID] | None = None) -> Steered:
        with progress(f"counting workflows to {verb}" if dry else f"{participle} steps") as tell:
            async with Client(settings=settings) as client:
                options = {"progress": tell, "among": among}
                if dry:
                    return await act(client, dry, options)
                # so that a filter that can't be read is no deed
                subject = WorkflowSearch.parse(deed.where).text
                async with acting(client, verb, "workflows", subject, **deed.details) as record:
                    done = await act(client, dry, options)
                    record.message = told(done)
                    return done

    def told(done: Steered) -> str:
        return f"{participle} {of_workflows(done.steps, done.workflows)}"

    among = None
    if not dry_run and not yes:
        planned = anyio.run(perform, True)
        count = _workflows(planned.workflows)
        confirm(f"{verb} {count}?", otherwise=f"this would {verb} {count}")
        among = planned.found  # those alone were agreed to
    done = anyio.run(perform, dry_run, among)
    if output.is_data:
        facts = {"workflows": done.workflows, "steps": done.steps}
        emit(output, {"action": verb, **facts, "dry_run": dry_run})
    elif dry_run:
        print(f"would {verb} {_workflows(done.workflows)}")
    else:
        print(told(done))


def of_workflows(steps: int, workflows: int) -> str:
    """Say how many steps of how many workflows."""
    return f"{counted(steps)} of {_workflows(workflows)}"


def _workflows(count: int) -> str:
    return f"{count:,} workflow{'' if count == 1 else 's'}"


def counted(count: int) -> str:
    """Say how many steps."""
    return f"{count:,} step{'' if count == 1 else 's'}"
